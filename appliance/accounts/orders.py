"""Owns what root, or authd's own user, may order on its socket: to tell who is limited, and to lift that.

question  L                  who may not try passwords now?
          U  name            let that address or account try again
answer    L  until, name     one of them, seconds since 1970 and a blank in front      each a frame
          E                  that was all; to U with `1` if it was limited
"""

import socket
from pathlib import Path

from appliance.accounts.limits import Limited, Limits
from appliance.formats.frame import FrameBuffer, format_frame
from appliance.formats.outcome import FormatError, Temporary

WHO, LIFT, END = b"L", b"U", b"E"
ORDERS = (WHO, LIFT)

_LIMIT = 65536
_SECONDS = 10.0


def obey(limits: Limits, kind: bytes, payload: bytes) -> bytes:
    """The frames that answer an order."""
    if kind == LIFT:
        was_limited = limits.lift(payload.decode("utf-8", "surrogateescape"))
        return format_frame(END, b"1" if was_limited else b"")
    told = (
        b"%d " % found.until + found.name.encode("utf-8", "surrogateescape") for found in limits.limited()
    )
    return b"".join(format_frame(WHO, each) for each in told) + format_frame(END, b"")


def limited(path: Path) -> list[Limited]:
    """Who may not try passwords now, as authd at `path` knows; Temporary if it does not answer."""
    frames = _order(path, format_frame(WHO, b""))
    told = (payload.partition(b" ") for kind, payload in frames if kind == WHO)
    return [Limited(name.decode("utf-8", "surrogateescape"), float(until)) for until, _, name in told]


def lift(path: Path, name: str) -> bool:
    """Let an address or account try again; whether it was limited. Temporary as `limited`."""
    frames = _order(path, format_frame(LIFT, name.encode("utf-8", "surrogateescape")))
    return frames[-1][1] == b"1"


def _order(path: Path, order: bytes) -> list[tuple[bytes, bytes]]:
    buffer, frames = FrameBuffer(_LIMIT), list[tuple[bytes, bytes]]()
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(_SECONDS)
            connection.connect(str(path))
            connection.sendall(order)
            while received := connection.recv(_LIMIT):
                frames += buffer.receive(received)
                if frames and frames[-1][0] == END:
                    return frames
    except (OSError, FormatError) as error:
        raise Temporary(f"authd is not answering: {error} (#4.3.0)") from None
    raise Temporary("authd does not take orders from this user (#4.3.0)")
