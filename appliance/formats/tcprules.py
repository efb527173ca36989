"""Owns the rules of tcpserver: which clients may connect, with what in their environment (tcprules(1)).

    address:allow,NAME="value",NAME="value"     address:deny

An address is user@ip, user@=host, ip, =host, the beginning of an ip up to a dot, =.the end of a host name,
`=` (any known host) or empty; they are tried in this order and the first that is there decides. `1.2.3.4-7`
and `1.2.3-5.` are ranges. Where tcprules(1) finds a fault ours has IPv6 in brackets, `[2001:db8::1]` and
`[2001:db8::/32]`; networks are tried where the beginnings of an ip are, the longest first.

In the cdb an address is the key; `D\\0` denies, `+NAME=value\\0` sets. The key `/` lists the lengths
of the IPv6 networks, a byte each, the longest first.
"""

import ipaddress
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from appliance.formats.cdb import Cdb, make_cdb
from appliance.formats.outcome import FormatError

_LINE = re.compile(rb"((?:[^:\[]*\[[0-9A-Fa-f:./]*\])?[^:]*):(.*)", re.DOTALL)
_VARIABLE = re.compile(rb",([^=]*)=(.)(.*?)\2", re.DOTALL)
_LENGTHS = b"/"


class Rule(NamedTuple):
    """What to do with a connection; key is the address of the rule."""

    allow: bool
    environment: dict[str, str]
    key: str


def compile_rules(text: bytes) -> bytes:
    """Make the cdb of rules, byte for byte as tcprules does; FormatError names the faulty line."""
    pairs: list[tuple[bytes, bytes]] = []
    lengths: set[int] = set()
    for line in text.split(b"\n"):
        rule = line.rstrip(b" \t\n")
        found = None if rule.startswith(b"#") else _LINE.fullmatch(rule)
        if found is None:
            continue
        try:
            instructions = _compile_instructions(found[2])
            for key, length in _keys(found[1]):
                pairs.append((key, instructions))
                lengths.update([length] if length < 128 else [])
        except ValueError:
            raise FormatError(f"unable to parse this line: {_text(rule)}") from None
    if lengths:
        pairs.append((_LENGTHS, bytes(sorted(lengths, reverse=True))))
    return make_cdb(pairs)


def lookup(cdb: Cdb, ip: str, host: str | None = None, info: str | None = None) -> Rule | None:
    """Find the rule for a client, None if there is none (tcpserver allows); FormatError for a damaged cdb.

    host is the name that DNS gives, info what the ident server says; None if they are not known.
    """
    address = _plain(ip)
    for key in _candidates(cdb, address, host, info):
        record = cdb.get(_bytes(key))
        if record is not None:
            return _rule(key, record)
    return None


def asks_names(cdb: Cdb) -> tuple[bool, bool]:
    """Whether any rule is for a host by its name, and whether any is for a user; FormatError if damaged."""
    keys = [key.partition(b"@") for key, _ in cdb]
    by_host = any((rest if at else user).startswith(b"=") for user, at, rest in keys)
    return by_host, any(at for _, at, _ in keys)


def format_network(network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> str:
    """Write a network as the address of a rule: `192.0.2.`, `10.64-127.`, `[2001:db8::/32]`."""
    if isinstance(network, ipaddress.IPv6Network):
        return f"[{network.network_address if network.prefixlen == 128 else network}]"
    if not network.prefixlen:
        return "0-255."
    parts = str(network.network_address).split(".")
    whole, bits = divmod(network.prefixlen, 8)
    if not bits:
        return ".".join(parts[:whole]) + ("." if whole < 4 else "")
    first = int(parts[whole])
    parts[whole] = f"{first}-{first + (1 << 8 - bits) - 1}"
    return ".".join(parts[: whole + 1]) + ("." if whole < 3 else "")


def _compile_instructions(text: bytes) -> bytes:
    if text.startswith(b"deny"):
        compiled, position = b"D\0", 4
    elif text.startswith(b"allow"):
        compiled, position = b"", 5
    else:
        raise ValueError
    while position < len(text):
        found = _VARIABLE.match(text, position)
        if found is None:
            raise ValueError
        compiled += b"+" + found[1] + b"=" + found[3] + b"\0"
        position = found.end()
    return compiled


def _keys(address: bytes) -> Iterator[tuple[bytes, int]]:
    """Give the keys of an address, each with the length of its IPv6 network, 128 if it is none."""
    user, bracket, rest = address.rpartition(b"[")
    if bracket and rest.endswith(b"]") and (not user or user.endswith(b"@")):
        network = ipaddress.IPv6Network(_text(rest[:-1]))
        if network.prefixlen == 128:
            yield user + str(network.network_address).encode(), 128
            return
        if user:
            raise ValueError  # no look-up asks for a user of a network
        yield str(network).encode(), network.prefixlen
        return
    dash = address.find(b"-")
    if dash < 0 or b"=" in address or b"@" in address:
        yield address, 128
        return
    left = address.rfind(b".", 0, dash) + 1
    right = address.find(b".", dash)
    right = len(address) if right < 0 else right
    for number in range(_number(address[left:dash]), min(_number(address[dash + 1 : right]), 255) + 1):
        yield address[:left] + b"%d" % number + address[right:], 128


def _number(digits: bytes) -> int:
    if digits and not digits.isdigit():
        raise ValueError
    return int(digits[:20] or b"0")


def _candidates(cdb: Cdb, ip: str, host: str | None, info: str | None) -> Iterator[str]:
    if info is not None:
        yield f"{info}@{ip}"
        if host is not None:
            yield f"{info}@={host}"
    yield ip
    if host is not None:
        yield f"={host}"
    yield from _networks(cdb, ip) if ":" in ip else _beginnings(ip)
    if host is not None:
        yield from (f"={host[i:]}" for i, letter in enumerate(host) if letter == ".")
        yield "="
    yield ""


def _beginnings(ip: str) -> Iterable[str]:
    return (ip[: i + 1] for i in range(len(ip) - 1, -1, -1) if ip[i] == ".")


def _networks(cdb: Cdb, ip: str) -> Iterator[str]:
    for length in cdb.get(_LENGTHS) or b"":
        if length < 128:
            yield str(ipaddress.IPv6Network((ip, length), strict=False))


def _plain(ip: str) -> str:
    """Give an IPv6 address in its shortest form, one that stands for an IPv4 address as that."""
    if ":" not in ip:
        return ip
    try:
        address = ipaddress.IPv6Address(ip.partition("%")[0])
    except ValueError:
        raise FormatError(f"{ip} is no IP address") from None
    return str(address.ipv4_mapped or address)


def _rule(key: str, record: bytes) -> Rule:
    allow = True
    environment = {}
    for instruction in record.split(b"\0")[:-1]:
        name, equals, value = _text(instruction[1:]).partition("=")
        if instruction[:1] == b"D":
            allow = False
        elif instruction[:1] == b"+" and equals:
            environment[name] = value
    return Rule(allow, environment, key)


# The environment's own encoding: any bytes come back as they were.
def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
