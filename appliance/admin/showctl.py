"""Owns the program qmail-showctl (its manual page, section 8): every control file, explained."""

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from appliance.formats.control import parse_integer
from appliance.formats.outcome import Temporary
from appliance.system.control import Control
from appliance.system.place import Place
from appliance.system.privileges import IDENTITIES, NOFILES, QMAIL

_USERS = ("alias", "qmaild", "qmaill", "root", "qmailp", "qmailq", "qmailr", "qmails")
_DEFAULT = "(Default.) "
_RECIPIENTS = "SMTP clients may send messages to "


class Number(NamedTuple):
    """A file with a number: the default, and what stands before and behind it."""

    name: str
    default: int
    before: str
    behind: str = ""


class Text(NamedTuple):
    """A file with one line: the default, what stands before it, and whether control/me comes first."""

    name: str
    default: str
    before: str
    or_me: bool = True


class List(NamedTuple):
    """A file with many lines: what holds without it, and what stands before and behind each line."""

    name: str
    default: str
    before: str
    behind: str = ""


_MORE_WITH = List("morercpthosts", "No effect.", f"{_RECIPIENTS}recipients at ", ".")
_MORE_WITHOUT = List(
    "morercpthosts",
    "No rcpthosts; morercpthosts is irrelevant.",
    "No rcpthosts; doesn't matter that morercpthosts has ",
    ".",
)
_FIRST: tuple[Number | Text | List, ...] = (
    List("badmailfrom", "Any MAIL FROM is allowed.", "", " not accepted in MAIL FROM."),
    Text("bouncefrom", "MAILER-DAEMON", "Bounce user name is ", or_me=False),
    Text("bouncehost", "bouncehost", "Bounce host name is "),
    Number("concurrencylocal", 10, "Local concurrency is "),
    Number("concurrencyremote", 20, "Remote concurrency is "),
    Number("databytes", 0, "SMTP DATA limit is ", " bytes"),
    Text("defaultdomain", "defaultdomain", "Default domain name is "),
    Text("defaulthost", "defaulthost", "Default host name is "),
    Text("doublebouncehost", "doublebouncehost", "2B recipient host: "),
    Text("doublebounceto", "postmaster", "2B recipient user: ", or_me=False),
    Text("envnoathost", "envnoathost", "Presumed domain name is "),
    Text("helohost", "helohost", "SMTP client HELO host name is "),
    Text("idhost", "idhost", "Message-ID host name is "),
    Text("localiphost", "localiphost", "Local IP address becomes "),
    List("locals", "Messages for me are delivered locally.", "Messages for ", " are delivered locally."),
    Text("me", "undefined! Uh-oh", "My name is ", or_me=False),
    List(
        "percenthack", "The percent hack is not allowed.", "The percent hack is allowed for user%host@", "."
    ),
    Text("plusdomain", "plusdomain", "Plus domain name is "),
    List("qmqpservers", "No QMQP servers.", "QMQP server: ", "."),
    Number("queuelifetime", 604800, "Message lifetime in the queue is ", " seconds"),
    List("rcpthosts", f"{_RECIPIENTS}any recipient.", f"{_RECIPIENTS}recipients at ", "."),
)
_LAST: tuple[Number | Text | List, ...] = (
    Text("smtpgreeting", "smtpgreeting", "SMTP greeting: 220 "),
    List("smtproutes", "No artificial SMTP routes.", "SMTP route: "),
    Number("timeoutconnect", 60, "SMTP client connection timeout is ", " seconds"),
    Number("timeoutremote", 1200, "SMTP client data timeout is ", " seconds"),
    Number("timeoutsmtpd", 1200, "SMTP server data timeout is ", " seconds"),
    List("virtualdomains", "No virtual domains.", "Virtual domain: "),
)
_EXPLAINED = {entry.name for entry in (*_FIRST, *_LAST)} | {"morercpthosts", "morercpthosts.cdb"}


def main(argv: list[str], environ: Mapping[str, str]) -> int:
    """Explain every control file; 0, or 111 if the folder or a file of it cannot be read."""
    place = Place.from_environ(environ)
    try:
        for text in _all(place):
            sys.stdout.write(text)
    except OSError:
        sys.stdout.write("Oops! Unable to chdir to control.\n")
        return 111
    except Temporary as error:
        sys.stdout.write(f"Oops! {error.sentence}\n")
        return 111
    finally:
        sys.stdout.flush()
    return 0


def _all(place: Place) -> Iterator[str]:
    yield f"qmail home directory: {place.home}.\nuser-ext delimiter: -.\npaternalism (in decimal): 2.\n"
    yield "silent concurrency limit: 120.\nsubdirectory split: 23.\n"
    yield f"user ids: {', '.join(str(IDENTITIES[name].uid) for name in _USERS)}.\n"
    yield f"group ids: {NOFILES}, {QMAIL}.\n"
    names, control = os.listdir(place.control), Control(place.control)
    more = _MORE_WITHOUT if control.read("rcpthosts") is None else _MORE_WITH
    for entry in (*_FIRST, more):
        yield f"\n{entry.name}: {_explain(entry, control)}\n"
    yield f"\nmorercpthosts.cdb: {_judge(place.control)}\n"
    for entry in _LAST:
        yield f"\n{entry.name}: {_explain(entry, control)}\n"
    for name in names:  # in the folder's order, as qmail-showctl
        if name not in _EXPLAINED:
            yield f"\n{_safe(os.fsencode(name))}: I have no idea what this file does.\n"


def _explain(entry: Number | Text | List, control: Control) -> str:
    if isinstance(entry, Number):
        return _explain_number(entry, control.read(entry.name))
    if isinstance(entry, Text):
        line, me = control.line(entry.name), control.line("me")
        if line is not None:
            return f"{entry.before}{_safe(line)}."
        default = _safe(me) if entry.or_me and me is not None else entry.default
        return f"{_DEFAULT}{entry.before}{default}."
    lines = control.lines(entry.name)
    if lines is None:
        return _DEFAULT + entry.default
    return "".join(f"\n{entry.before}{_safe(line)}{entry.behind}" for line in lines)


def _explain_number(entry: Number, content: bytes | None) -> str:
    found = -1 if content is None else parse_integer(content, -1)
    default, number = ("", found) if found >= 0 else (_DEFAULT, entry.default)
    return f"{default}{entry.before}{number}{entry.behind}."


def _judge(folder: Path) -> str:
    source, made = folder / "morercpthosts", folder / "morercpthosts.cdb"
    if not source.exists():
        return (
            "Oops! morercpthosts.cdb exists but morercpthosts doesn't."
            if made.exists()
            else f"{_DEFAULT}No effect."
        )
    if not made.exists():
        return "Oops! morercpthosts exists but morercpthosts.cdb doesn't."
    if int(source.stat().st_mtime) > int(made.stat().st_mtime):
        return "Oops! morercpthosts.cdb is older than morercpthosts."
    return "Modified recently enough; hopefully up to date."


def _safe(text: bytes) -> str:
    return "".join(chr(byte) if 32 <= byte <= 126 else "?" for byte in text)
