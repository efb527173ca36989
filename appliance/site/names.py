"""Owns what a name, address, network, size, time or hash of config.yaml may look like.

Every function takes the text as it was written and gives its one form (names in small letters), or raises
ValueError with a sentence: what is wrong; what would be right. What has passed here needs no quoting in a
control file, a users/assign line, the name of a .qmail file or a folder.
"""

import datetime
import ipaddress
import re

from appliance.formats.outcome import FormatError
from appliance.formats.passwordhash import OURS, form_of
from appliance.system import crypt

_TEMPLATE = re.compile(r"\{\{|\{%|\{#|\}\}|%\}|#\}")
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
# A colon would end a field of users/assign, a slash would leave the mail folder.
_MAILBOX = re.compile(r"[a-z0-9_][a-z0-9._+=-]*")
# RFC 5321's atoms without braces, bar and backtick, which mean something to templates and shells.
_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_~-]+)*")
_FILE = re.compile(r"[a-z][a-z0-9_-]*(\.[a-z0-9_-]+)*")
_LABEL_TEXT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_SIZE = re.compile(r"([0-9]{1,15})([KMGkmg]?)")
_TIME = re.compile(r"([0-9]{1,12})([smhdw]?)")

QMTP = "qmtp://"
LONGEST_LOCAL, LONGEST_DOMAIN = 64, 253  # RFC 5321 4.5.3.1.1; RFC 1035 2.3.4 as text
_UNITS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_WIDEST_NETWORK = {4: 8, 6: 16}  # 10.0.0.0/8 is the widest net that somebody owns


def plain(text: str) -> str:
    """Text that may stand in any rendered file: one line, no control character, nothing of a template."""
    if any(ord(letter) < 32 or 127 <= ord(letter) < 160 for letter in text):
        kind = "a line break" if "\n" in text or "\r" in text else "a control character"
        raise ValueError(f"there is {kind} in {text!r}; take it out, a value is one line of plain text")
    found = _TEMPLATE.search(text)
    if found:
        raise ValueError(f"there is template text `{found[0]}` in `{text}`; write the value itself")
    if any(0xD800 <= ord(letter) < 0xE000 for letter in text):
        raise ValueError(f"{text!r} is no text; write letters")
    return text


def domain(text: str) -> str:
    """A domain name with a dot, in small letters."""
    name = host(text)
    if "." not in name:
        raise ValueError(f"`{text}` has no dot; write the full domain name, as in example.org")
    return name


def host(text: str) -> str:
    """A host name, with or without a dot, in small letters."""
    name = plain(text).lower()
    if not name.isascii():
        raise ValueError(f"`{text}` has letters outside of ASCII; {_in_ascii(name)}")
    if name.endswith("."):
        raise ValueError(f"`{text}` ends with a dot; leave the dot out")
    labels = name.split(".")
    if len(name) > LONGEST_DOMAIN or not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError(
            f"`{text}` is no domain name; write labels of letters, digits and inner hyphens, joined by dots"
        )
    if labels[-1].isdigit():
        raise ValueError(f"`{text}` is no domain name; write a name, not an IP address")
    return name


def _in_ascii(name: str) -> str:
    try:
        return f"write its ASCII form `{name.encode('idna').decode()}`"
    except UnicodeError:
        return "write its ASCII form, which begins with xn--"


def mailbox(text: str) -> str:
    """The name of a mailbox, the part before the @, in small letters."""
    name = plain(text).lower()
    if len(name) > LONGEST_LOCAL:
        raise ValueError(f"the name `{text}` is too long; a name has at most {LONGEST_LOCAL} letters")
    if not _MAILBOX.fullmatch(name) or ".." in name or name.endswith("."):
        raise ValueError(
            f"`{text}` is no name for a mailbox; write the part before the @: letters, digits and . _ + = -, "
            "with a letter, digit or _ first"
        )
    if is_default(name):
        raise ValueError(f"`{text}` is qmail's word for all other names; write another name")
    return name


def alias(text: str) -> str:
    """The name of an alias: as a mailbox's, but none that qmail would take for a catch-all."""
    name = text.lower()
    if name in ("*", "@") or is_default(name):
        raise ValueError(
            f"the alias `{text}` would be a catch-all and mailboxes would be shadowed by it; "
            "write `catch_all:` beside `aliases:`, which comes after every mailbox and alias"
        )
    return mailbox(text)


def is_default(name: str) -> bool:
    """Whether a .qmail file of that name would take what has no file of its own (dot-qmail(5))."""
    return name == "default" or name.endswith("-default")


def address(text: str) -> str:
    """A whole address local@domain; the domain in small letters."""
    local, at, where = plain(text).rpartition("@")
    if not at:
        raise ValueError(f"`{text}` is no address; write name@domain")
    if not _LOCAL.fullmatch(local) or len(local) > LONGEST_LOCAL:
        raise ValueError(f"`{local}` in `{text}` cannot stand before the @; write an address as name@domain")
    try:
        return f"{local}@{host(where)}"
    except ValueError as error:
        raise ValueError(f"bad address `{text}`: {error}") from None


def target(text: str) -> str:
    """Where an alias or a forward leads: a name of the same domain, or a whole address."""
    return address(text) if "@" in text else mailbox(text)


def sender_pattern(text: str) -> str:
    """An address that somebody may send by, `*@domain` for all of a domain, or `*` for all there are."""
    local, at, where = plain(text).rpartition("@")
    if text == "*":
        return text
    if "*" in local and local != "*":
        raise ValueError(f"`{text}` has a star within; write an address, `*@{where}` for a domain, or `*`")
    if at and local == "*":
        return f"*@{host(where)}"
    return address(text)


def network(text: str) -> str:
    """An IP address or a network in CIDR form, as ipaddress writes it; 192.0.2.5 becomes 192.0.2.5/32."""
    try:
        return str(ipaddress.ip_network(plain(text)))
    except ValueError:
        pass
    try:
        wider = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError(
            f"`{text}` is no network; write it as 192.0.2.0/24, or one address as 192.0.2.7"
        ) from None
    alone = text.partition("/")[0]
    raise ValueError(
        f"`{text}` has bits beyond its prefix; write `{wider}` for the network or `{alone}` for the host"
    )


def client_network(text: str) -> str:
    """A network whose hosts may relay; a network that holds strangers is refused."""
    found = ipaddress.ip_network(network(text))
    widest = _WIDEST_NETWORK[found.version]
    if found.prefixlen < widest:
        raise ValueError(
            f"`{text}` would let strangers relay through this host; write the networks of your own clients, "
            f"none wider than /{widest}"
        )
    return str(found)


def next_hop(text: str) -> str:
    """A host name or IPv4 address, or [IPv6 address], with :port if it is not 25; as smtproutes has it."""
    wanted = f"`{text}` is no next hop; write a host name or an IP address, with :port if it is not 25"
    name, colon, port = plain(text).rpartition(":")
    if text.startswith("[") and text.endswith("]"):
        name, colon = text, ""
    elif not colon:
        name = text
    if colon and not (port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65536):
        raise ValueError(wanted)
    try:
        if name.startswith("[") and name.endswith("]"):
            return f"[{ipaddress.IPv6Address(name[1:-1])}]{colon}{port if colon else ''}"
        if re.fullmatch(r"[0-9.]+", name):
            return f"{ipaddress.IPv4Address(name)}{colon}{port if colon else ''}"
        return f"{host(name)}{colon}{port if colon else ''}"
    except ValueError:
        raise ValueError(wanted) from None


def route(text: str) -> str:
    """A next hop, with `qmtp://` in front if mail goes to it by QMTP; its port is 209 then."""
    by_qmtp = text.lower().startswith(QMTP)
    return QMTP + next_hop(text[len(QMTP) :]) if by_qmtp else next_hop(text)


def relay_host(text: str) -> str:
    """A host name or an IP address, an IPv6 one in brackets; its port is a key by itself."""
    if ":" in text and not text.endswith("]"):
        raise ValueError(f"`{text}` has a port; write it as `port:`, or an IPv6 address in brackets")
    return next_hop(text)


def login_user(text: str) -> str:
    """The name of our user at another host; a line of control/smarthosts is parted by bars."""
    if not plain(text) or text != text.strip() or "|" in text:
        raise ValueError(f"`{text}` cannot be a user; write one without bars and blanks around it")
    return text


def login_password(text: str) -> str:
    """Our password at another host; the text itself never stands in the sentence."""
    if not text or text != text.strip():
        raise ValueError("the password is empty or has blanks around it; write it as the other host has it")
    if any(ord(letter) < 32 or 0xD800 <= ord(letter) < 0xE000 for letter in text):
        raise ValueError("there is a control character in the password; a password is one line of text")
    return text


def password_hash(text: str) -> str:
    """A hash of a form known here; the text itself never stands in the sentence, it may be a password."""
    advice = "write the line that `toaster passwd` prints"
    try:
        form = form_of(text)
    except FormatError as error:
        raise ValueError(f"{error}; {advice}, `generate`, or a file's name as `password_file`") from None
    if form not in OURS and not crypt.is_known(text):
        raise ValueError(f"this system's crypt(3) does not know {form}; {advice}")
    return text


def label(text: str) -> str:
    """The name of an app password."""
    if not _LABEL_TEXT.fullmatch(text):
        raise ValueError(
            "this is no name for a password; write up to 40 letters, digits and . _ -, as in phone"
        )
    return text


def day(text: str) -> str:
    """A day as 2027-01-31."""
    try:
        return datetime.date.fromisoformat(text if _DAY.fullmatch(text) else "").isoformat()
    except ValueError:
        raise ValueError(f"`{text}` is no day; write one as 2027-01-31") from None


def word(text: str) -> str:
    """A word of a command."""
    if not plain(text):
        raise ValueError("an empty word stands here; write a path or an argument")
    if ";" in text:  # it would begin a comment in supervisord.conf
        raise ValueError(f"there is a semicolon in `{text}`; let a script of yours run the program with it")
    return text


def file_path(text: str) -> str:
    """The absolute path of a file."""
    if not plain(text).startswith("/"):
        raise ValueError(f"the path `{text}` is not absolute; write it from / on, as in /run/secrets/alice")
    return text


def control_name(text: str) -> str:
    """The name of a control file."""
    if not _FILE.fullmatch(plain(text)):
        raise ValueError(f"`{text}` is no name for a control file; write one as in qmail-control(5)")
    return text


def size(text: str) -> int:
    """Bytes of `50M`, `512K` or a plain number."""
    found = _SIZE.fullmatch(text)
    if not found:
        raise ValueError(f"`{text}` is no size; write bytes, or a number with K, M or G, as in 50M")
    return int(found[1]) * _UNITS[found[2].lower()]


def seconds(text: str) -> int:
    """Seconds of `7d`, `12h`, `90m` or a plain number."""
    found = _TIME.fullmatch(text)
    if not found:
        raise ValueError(f"`{text}` is no time; write seconds, or a number with s, m, h, d or w, as in 7d")
    return int(found[1]) * _SECONDS[found[2]]
