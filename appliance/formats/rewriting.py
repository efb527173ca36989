"""Owns the rules by which mess822 rewrites the hosts of addresses (rewriting(5)).

    =old:new     the host old is new
    *old:new     a host that ends with old ends with new
    ?old:new     the same if no dot or bracket is before it
    -old:new     a host that ends with old is new

All rules are followed in their order, each once; hosts are compared without case.
"""

from collections.abc import Iterable
from typing import NamedTuple

from appliance.formats.mailboxes import Mailbox

_KINDS = frozenset((b"=", b"*", b"?", b"-"))
_NO_NAME = frozenset(b".[]")


class Rule(NamedTuple):
    """One instruction; `old` is in lower case."""

    kind: bytes
    old: bytes
    new: bytes

    def rewrite(self, host: bytes) -> bytes:
        """The host as this rule alone has it."""
        if not host.lower().endswith(self.old):
            return host
        before = host[: len(host) - len(self.old)]
        if (self.kind == b"=" and before) or (self.kind == b"?" and not _NO_NAME.isdisjoint(before)):
            return host
        return self.new if self.kind == b"-" else before + self.new


class Rewriting(NamedTuple):
    """The rules of a control file or of a user."""

    rules: tuple[Rule, ...]

    @classmethod
    def of(cls, lines: Iterable[bytes]) -> "Rewriting":
        """Read the lines that count; one that is no rule says nothing."""
        rules = []
        for line in lines:
            kind, (old, colon, new) = line[:1], line[1:].partition(b":")
            if kind in _KINDS and colon:
                rules.append(Rule(kind, old.lower(), new))
        return cls(tuple(rules))

    @classmethod
    def by_defaults(cls, host: bytes, domain: bytes, plus: bytes) -> "Rewriting":
        """What defaulthost, defaultdomain and plusdomain mean where there are no rules."""
        return cls.of((b"*.:", b"=:" + host, b"*+:." + plus, b"?:." + domain))

    def host(self, host: bytes) -> bytes:
        """A host as all rules have it."""
        for rule in self.rules:
            host = rule.rewrite(host)
        return host

    def address(self, address: bytes) -> bytes:
        """An address with its host rewritten, which is empty if it has none; of <> nothing is left."""
        if address in (b"", b"@"):
            return b""
        local, _, host = address.partition(b"@")
        return local + b"@" + self.host(host)

    def mailboxes(self, mailboxes: Iterable[Mailbox]) -> list[Mailbox]:
        """A list with all addresses rewritten."""
        return [
            mailbox if mailbox.address is None else mailbox._replace(address=self.address(mailbox.address))
            for mailbox in mailboxes
        ]
