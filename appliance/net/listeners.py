"""Owns the addresses a daemon listens on: `name:host:port[:tls]` read from its arguments, and bound."""

import contextlib
import ipaddress
import socket
from collections.abc import Iterable
from typing import NamedTuple

from appliance.formats.outcome import FormatError

_BACKLOG = 1024  # connections the kernel keeps while the workers are busy or at their limit


class Listener(NamedTuple):
    """Where to listen; the name picks the rules, `tls` that the connection begins with TLS."""

    name: str
    host: str
    port: int
    tls: bool


class BoundListener(NamedTuple):
    """A listener and its listening socket, which all workers share."""

    listener: Listener
    socket: socket.socket


def parse_listener(text: str) -> Listener:
    """Read `smtp:0.0.0.0:25`, `smtp:[::]:25` or `smtp:0:465:tls`; FormatError for anything else."""
    name, _, rest = text.partition(":")
    tls = rest.endswith(":tls")
    host, colon, port = rest.removesuffix(":tls").rpartition(":")
    host = "0.0.0.0" if host == "0" else host  # as tcpserver(1)
    wanted = f"the listener {text!r} is not name:address:port or name:address:port:tls"
    if not name or not colon or not port.isdecimal() or not port.isascii() or int(port) > 65535:
        raise FormatError(wanted)
    bracketed = host.startswith("[") and host.endswith("]")
    try:
        address = ipaddress.ip_address(host[1:-1] if bracketed else host)
    except ValueError:
        raise FormatError(wanted) from None
    if bracketed != (address.version == 6):
        raise FormatError(wanted)
    return Listener(name, str(address), int(port), tls)


def format_listener(listener: Listener) -> str:
    """Write a listener as parse_listener reads it."""
    host = f"[{listener.host}]" if ":" in listener.host else listener.host
    return f"{listener.name}:{host}:{listener.port}{':tls' if listener.tls else ''}"


def bind(listeners: Iterable[Listener]) -> list[BoundListener]:
    """Bind and listen, while still root; port 0 takes a free one. OSError if an address is taken."""
    return [_bind(listener) for listener in listeners]


def _bind(listener: Listener) -> BoundListener:
    family = socket.AF_INET6 if ":" in listener.host else socket.AF_INET
    with contextlib.ExitStack() as stack:
        bound = stack.enter_context(socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK))
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:  # so that 0.0.0.0 can be listened on beside [::]
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind((listener.host, listener.port))
        # Replies are written whole; the second of two must not wait for the peer's acknowledgement.
        bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        bound.listen(_BACKLOG)
        stack.pop_all()
    return BoundListener(listener._replace(port=bound.getsockname()[1]), bound)
