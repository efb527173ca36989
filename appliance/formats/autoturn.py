"""Owns control/autoturn: domains whose mail waits here until their host is there, and who may ask for it.

    ppp.test:192.0.2.9|192.0.2.9 198.51.100.0/24|joe@example.org

Mail goes to the next hop, which is written as in smtproutes, with `qmtp://` in front if it goes by QMTP. A
client with one of the addresses or, once it has logged in, one of the logins may have it sent.
"""

import ipaddress
from collections.abc import Iterable
from typing import NamedTuple

from appliance.formats.outcome import FormatError

QMTP = "qmtp://"
MAILBOX = "autoturn"
"""The name of the folder in which a domain's mail lies, beside a Maildir's of a mailbox."""

_MOST_DIGITS = 12

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Turn(NamedTuple):
    """A domain, in small letters, and its host."""

    domain: str
    next_hop: str
    clients: tuple[Network, ...] = ()
    logins: frozenset[str] = frozenset()

    def may(self, address: str, login: str = "") -> bool:
        """Whether a client may have the mail sent; an address that is none may not."""
        if login in self.logins:
            return True
        try:
            client = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(client in network for network in self.clients)

    def is_for(self, node: str) -> bool:
        """Whether ETRN with that word means it: by name or, behind an @, as one below (RFC 1985 5.3)."""
        below = node.removeprefix("@")
        return self.domain == below or (node != below and self.domain.endswith(f".{below}"))


class Hop(NamedTuple):
    """A next hop, taken apart."""

    host: str
    port: str | None
    by_qmtp: bool


def parse_turns(lines: Iterable[bytes]) -> tuple[Turn, ...]:
    """Read the lines that count; FormatError for one that is none."""
    return tuple(map(_parse, lines))


def _parse(line: bytes) -> Turn:
    try:
        domain, _, rest = line.decode("ascii").partition(":")
        next_hop, clients, logins = rest.split("|")
        if not domain.strip(".") or "/" in domain or not parse_hop(next_hop).host:
            raise ValueError
        networks = tuple(ipaddress.ip_network(client) for client in clients.split())
        return Turn(domain.lower(), next_hop, networks, frozenset(logins.lower().split()))
    except ValueError:
        shown = line.decode("ascii", "backslashreplace")
        raise FormatError(f"autoturn: {shown}: this is not domain:next hop|addresses|logins") from None


def format_turn(turn: Turn) -> str:
    """A line, without its newline."""
    clients, logins = " ".join(map(str, turn.clients)), " ".join(sorted(turn.logins))
    return f"{turn.domain}:{turn.next_hop}|{clients}|{logins}"


def parse_hop(text: str) -> Hop:
    """`[qmtp://]host[:port]`; an IPv6 address stands in brackets, which it loses."""
    rest = text.removeprefix(QMTP)
    name, colon, port = rest.rpartition(":")
    if not colon or rest.endswith("]"):
        name, port = rest, ""
    return Hop(name.strip("[]"), port or None, text != rest)


def parse_count(answer: bytes) -> int:
    """How many messages wait, as the daemon says it; FormatError."""
    digits = answer.removesuffix(b"\n")
    if not digits.isdigit() or len(digits) > _MOST_DIGITS:
        raise FormatError("autoturn's answer cannot be read")
    return int(digits)


def format_count(count: int) -> bytes:
    """The daemon's answer to a line that is a domain."""
    return b"%d\n" % count
