"""Owns what send reads from the control files, once at start and again at HUP."""

from typing import NamedTuple

from appliance.formats.address import check_address
from appliance.formats.outcome import FormatError, Temporary
from appliance.formats.qsbmf import Bouncer
from appliance.formats.rewrite import Rewriter
from appliance.system.control import SENTENCE, Control

WEEK_S = 604800


class Settings(NamedTuple):
    """qmail-send(8)'s control files, and ours."""

    me: bytes
    concurrency: tuple[int, int]
    """Deliveries at once: concurrencylocal, concurrencyremote."""
    lifetime: int
    """queuelifetime: seconds after which a message is tried a last time."""
    bouncer: Bouncer
    """bouncefrom, bouncehost, and where double bounces go: doublebounceto@doublebouncehost."""
    reports: bool
    """bounceformat: whether bounces are delivery reports (RFC 3464) instead of QSBMF."""
    bounce_max_bytes: int
    """bouncemaxbytes: bytes above which a bounce holds only the header of the message; 0: never."""
    delay_notice: int
    """delaynotice: seconds after which the sender is told once that a message still waits; 0: never."""
    queue_extra: tuple[bytes, ...]
    """queueextra: the addresses that get a copy of every message (qmail's QUEUE_EXTRA)."""
    copy_recipients: frozenset[bytes]
    """The same as bounces name them."""
    rewriter: Rewriter


def read_settings(control: Control) -> Settings:
    """Read the control files; Temporary if one cannot be read or control/me is missing."""
    sender, to = control.line("bouncefrom"), control.line("doublebounceto")
    queue_extra, rewriter = _addresses(control, "queueextra"), control.rewriter()
    return Settings(
        me=control.or_me("me"),
        concurrency=(control.integer("concurrencylocal", 10), control.integer("concurrencyremote", 20)),
        lifetime=control.integer("queuelifetime", WEEK_S),
        bouncer=Bouncer(
            b"MAILER-DAEMON" if sender is None else sender,
            control.or_me("bouncehost"),
            (b"postmaster" if to is None else to) + b"@" + control.or_me("doublebouncehost"),
        ),
        reports=_reports(control),
        bounce_max_bytes=control.integer("bouncemaxbytes", 0),
        delay_notice=control.integer("delaynotice", 0),
        queue_extra=queue_extra,
        copy_recipients=frozenset(
            rewriter.without_prefix(rewriter.rewrite(name).address) for name in queue_extra
        ),
        rewriter=rewriter,
    )


def _reports(control: Control) -> bool:
    word = control.line("bounceformat", b"qsbmf") or b"qsbmf"
    if word not in (b"qsbmf", b"report"):
        raise Temporary(f"{SENTENCE} bounceformat: write qsbmf or report")
    return word == b"report"


def _addresses(control: Control, name: str) -> tuple[bytes, ...]:
    addresses = tuple(control.lines(name) or ())
    try:
        for address in addresses:
            check_address(address)
    except FormatError as error:
        raise Temporary(f"{SENTENCE} {name}: {error}") from error
    return addresses
