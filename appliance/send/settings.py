"""Owns what send reads from the control files, once at start and again at HUP."""

from dataclasses import dataclass

from appliance.formats.rewrite import Rewriter
from appliance.system.control import Control

WEEK_S = 604800


@dataclass(frozen=True)
class Settings:
    """qmail-send(8)'s control files; all but locals, virtualdomains and their like hold until a restart."""

    me: bytes
    concurrency: tuple[int, int]
    """Deliveries at once: concurrencylocal, concurrencyremote."""
    lifetime: int
    """queuelifetime: seconds after which a message is tried a last time."""
    bounce_from: bytes
    bounce_host: bytes
    double_bounce_to: bytes
    """The address double bounces go to: doublebounceto@doublebouncehost."""
    rewriter: Rewriter


def read_settings(control: Control) -> Settings:
    """Read the control files; Temporary if one cannot be read or control/me is missing."""
    to = control.line("doublebounceto", b"postmaster") or b"postmaster"
    return Settings(
        me=control.or_me("me"),
        concurrency=(control.integer("concurrencylocal", 10), control.integer("concurrencyremote", 20)),
        lifetime=control.integer("queuelifetime", WEEK_S),
        bounce_from=control.line("bouncefrom", b"MAILER-DAEMON") or b"MAILER-DAEMON",
        bounce_host=control.or_me("bouncehost"),
        double_bounce_to=to + b"@" + control.or_me("doublebouncehost"),
        rewriter=control.rewriter(),
    )
