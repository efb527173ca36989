"""Owns what smtpd's control files decide: who may send what to whom (qmail-smtpd(8), tcp-environ(5))."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

from appliance.formats.assign import lookup
from appliance.formats.autoturn import Turn, parse_turns
from appliance.formats.cdb import Cdb
from appliance.formats.literal import parse_literal
from appliance.formats.outcome import FormatError, Temporary
from appliance.formats.rewrite import Rewriter
from appliance.protocols.smtp_limits import Limits
from appliance.receive.mending import Mending
from appliance.receive.submission import NOTHING_SAID, Conditions
from appliance.system.cdb_file import CdbFile
from appliance.system.control import SENTENCE, Control
from appliance.system.place import Place

_DIGITS = re.compile(r"[0-9]{0,18}")


class Terms(NamedTuple):
    """What the policy means for one connection, by its environment."""

    relay_suffix: bytes | None
    """Appended to each recipient, which then is not asked for in rcpthosts; None: no RELAYCLIENT."""
    databytes: int
    """The longest text in bytes with LF line ends; 0 is no limit."""
    own: frozenset[str]
    """Addresses that are this host, if a literal has them."""


@dataclass(frozen=True)
class Policy:
    """One reading of the control files."""

    greeting: bytes
    databytes: int = 0
    timeout: float = 300.0
    """Seconds a peer may keep still. qmail's 1200 is no longer needed: RFC 5321 4.5.3.2 asks for 300."""
    session_seconds: float = 7200.0
    """The longest session: 50 MB at a modem's 7 kB/s."""
    limits: Limits = field(default_factory=Limits)
    refusal: bytes | None = None
    """Why no mail at all is taken: queue or mailboxes would be gone after a restart."""
    localiphost: bytes = b""
    rcpthosts: frozenset[bytes] | None = None
    morercpthosts: Cdb | None = None
    badmailfrom: frozenset[bytes] = frozenset()
    rewriter: Rewriter | None = None
    users: CdbFile | None = None
    """users/cdb, which anybody may read."""
    has_quotas: bool = False
    """Whether a mailbox may be full."""
    submission: Conditions = NOTHING_SAID
    mechanisms: bytes = b""
    """Words: what AUTH is offered by on submission, besides PLAIN and LOGIN."""
    mending: Mending = Mending()
    turns: tuple[Turn, ...] = ()
    """Domains whose mail waits for their host."""

    @classmethod
    def read(cls, place: Place, environ: Mapping[str, str] = MappingProxyType({})) -> "Policy":
        """Read control/ and run/refuse; Temporary if a file is unreadable or the host has no name."""
        control = Control(place.control)
        rcpthosts = control.lines("rcpthosts")
        me = control.line("me", b"") or b""
        return cls(
            greeting=control.or_me("smtpgreeting"),
            databytes=control.integer("databytes", cls.databytes),
            timeout=max(control.integer("timeoutsmtpd", int(cls.timeout)), 1),
            session_seconds=max(control.integer("sessionlimit", int(cls.session_seconds)), 1),
            limits=_read_limits(control),
            refusal=Control(place.run).line("refuse"),
            localiphost=control.line("localiphost", me) or b"",
            rcpthosts=None if rcpthosts is None else _lowered(rcpthosts),
            morercpthosts=_read_cdb(control),
            badmailfrom=_lowered(control.lines("badmailfrom") or ()),
            rewriter=control.rewriter(me),
            users=CdbFile(place.users / "cdb"),
            has_quotas=bool(control.lines("quotas")),
            submission=Conditions.read(control),
            mechanisms=control.table("saslmechanisms").get(b"smtp", b""),
            mending=Mending.read(place, environ),
            turns=_read_turns(control),
        )

    def terms(self, environment: Mapping[str, str]) -> Terms:
        """What a connection's environment (RELAYCLIENT, DATABYTES, TCPLOCALIP) makes of the policy."""
        relay = environment.get("RELAYCLIENT")
        databytes = environment.get("DATABYTES")
        return Terms(
            None if relay is None else relay.encode("utf-8", "surrogateescape"),
            self.databytes if databytes is None else _leading_number(databytes),
            frozenset(("0.0.0.0", "127.0.0.1", environment.get("TCPLOCALIP", "127.0.0.1"))),
        )

    def is_bad_sender(self, sender: bytes) -> bool:
        """Whether badmailfrom lists the sender or its @domain."""
        if not self.badmailfrom:
            return False
        sender = sender.lower()
        at = sender.rfind(b"@")
        return sender in self.badmailfrom or (at >= 0 and sender[at:] in self.badmailfrom)

    def may_receive(self, recipient: bytes) -> bool:
        """Whether rcpthosts or morercpthosts list the recipient's domain or a .suffix of it."""
        at = recipient.rfind(b"@")
        if self.rcpthosts is None or at < 0:
            return True  # an address without domain is one of ours (envnoathost)
        names = _names(recipient[at + 1 :].lower())
        more = self.morercpthosts
        return any(name in self.rcpthosts or (more and more.get(name) is not None) for name in names)

    def needs_asking(self, recipient: bytes) -> bool:
        """Whether only lspawn can tell if a mailbox is there and has room, as it must look into a home.

        Not for what is remote, which another host knows, nor for whom users/assign gives a mailbox by his
        whole name: without a .qmail his mail goes by the default delivery, so he always has one, but
        where there are quotas it may be full.
        """
        if self.rewriter is None:
            return True
        route = self.rewriter.rewrite(recipient)
        if route.channel == "remote":
            return False
        try:
            cdb = self.users.current() if self.users is not None else None
            found = lookup(cdb, route.address.rpartition(b"@")[0]) if cdb is not None else None
        except (OSError, FormatError):
            return True  # lspawn has the sentence for it
        return self.has_quotas or found is None or bool(found.dash or found.ext)

    def with_local_name(self, address: bytes, own: frozenset[str]) -> bytes:
        """user@[an address of this host] as user@localiphost."""
        local, at, domain = address.rpartition(b"@")
        return local + at + self.localiphost if at and parse_literal(domain) in own else address


def _lowered(lines: Iterable[bytes]) -> frozenset[bytes]:
    return frozenset(line.lower() for line in lines)


def _names(domain: bytes) -> Iterator[bytes]:
    """What may list a domain: itself, and each .suffix."""
    if domain:
        yield domain
    dot = domain.find(b".", 1)
    while dot > 0:
        yield domain[dot:]
        dot = domain.find(b".", dot + 1)


def _leading_number(text: str) -> int:
    found = _DIGITS.match(text)
    return int(found[0] or 0) if found else 0


def _read_turns(control: Control) -> tuple[Turn, ...]:
    try:
        return parse_turns(control.lines("autoturn") or ())
    except FormatError as error:
        raise Temporary(f"{SENTENCE} {error}") from error


def _read_limits(control: Control) -> Limits:
    recipients = control.integer("maxrecipients", Limits.recipients)
    return Limits(recipients=recipients, extras=bool(control.integer("smtpextras", 1)))


def _read_cdb(control: Control) -> Cdb | None:
    content = control.read("morercpthosts.cdb")
    try:
        return None if content is None else Cdb(content)
    except FormatError as error:
        raise Temporary(f"{SENTENCE} morercpthosts.cdb: {error}") from error
