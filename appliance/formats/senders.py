"""Owns control/senders: whose an address is when somebody who logged in sends by it.

    info@example.org:alice@example.org bob@example.org     the address, and the logins it belongs to
    alice-*@example.org:alice@example.org                  alice-anything
    *@example.org:carol@example.org                        all other addresses of the domain
    *:gateway@example.org                                  all other addresses

The line that says most of an address is the one that counts. All is in small letters.
"""

from collections.abc import Iterable, Iterator, Mapping

Senders = Mapping[bytes, frozenset[bytes]]
EVERYTHING = b"*"


def parse_senders(lines: Iterable[bytes]) -> Senders:
    """The logins by address or pattern; the last line of each counts."""
    cut = (line.lower().rpartition(b":") for line in lines)
    return {pattern.strip(): frozenset(logins.split()) for pattern, _, logins in cut}


def format_senders(senders: Senders) -> Iterator[bytes]:
    """The lines, without their ends."""
    for pattern, logins in senders.items():
        yield pattern + b":" + b" ".join(sorted(logins))


def owners(senders: Senders, address: bytes) -> frozenset[bytes]:
    """The logins that an address belongs to."""
    found = next((senders[key] for key in _keys(address.lower()) if key in senders), None)
    return found or frozenset()


def may_send_as(senders: Senders, login: bytes, address: bytes) -> bool:
    """Whether an address belongs to a login; his own always does."""
    return address.lower() == login.lower() or login.lower() in owners(senders, address)


def _keys(address: bytes) -> Iterator[bytes]:
    yield address
    local, at, domain = address.rpartition(b"@")
    while dash := local.rfind(b"-") + 1:
        yield local[:dash] + b"*" + at + domain
        local = local[: dash - 1]
    if at:
        yield EVERYTHING + at + domain
    yield EVERYTHING
