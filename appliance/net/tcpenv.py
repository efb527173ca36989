"""Owns the program tcp-env (tcp-env(1)): tells inetd's connection in the environment, as tcpserver does.

    tcp-env [ -rR ] [ -t timeout ] program [ arg ... ]      -R: do not ask the client's ident server

With PROTO=TCP in the environment somebody has done it, and nothing is asked. Standard error is the client's
connection under inetd: a failure is exit code 111 and no word.
"""

import asyncio
import os
import signal
import socket
from collections.abc import Mapping
from typing import NamedTuple

from appliance.formats.outcome import Verdict
from appliance.net.ident import ask_ident
from appliance.net.resolver import Resolver, resolver_of
from appliance.protocols.proxy import Endpoint
from appliance.system.control import Control
from appliance.system.place import Place

UNTOLD = "softdnserror"
"""The name of a host when the DNS could not tell whether it has one (tcp-environ(5))."""

_IDENT_S = 30
_DIGITS = 6  # of seconds: eleven days


class _Options(NamedTuple):
    asks_ident: bool
    seconds: int
    command: list[str]


def main(argv: list[str], environ: Mapping[str, str]) -> int:
    """Become the program; 111 if that cannot be, or if descriptor 0 is no TCP connection."""
    options = parse_options(argv)
    variables: dict[str, str | None] = dict(environ)
    try:
        if environ.get("PROTO") != "TCP":
            with socket.socket(fileno=os.dup(0)) as connection:
                ends = _ends(connection)
            resolver = resolver_of(Control(Place.from_environ(environ).control), environ)
            variables |= asyncio.run(look_up(*ends, resolver, options.seconds if options.asks_ident else 0))
        known = {name: value for name, value in variables.items() if value is not None}
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        os.execvpe(options.command[0], options.command, known)
    except (OSError, LookupError, ValueError):  # LookupError: no program; ValueError: one without a name
        return 111


def _ends(connection: socket.socket) -> tuple[Endpoint, Endpoint]:
    if connection.family not in (socket.AF_INET, socket.AF_INET6):
        raise OSError("not a connection of TCP")
    return Endpoint.of(connection.getsockname()), Endpoint.of(connection.getpeername())


def parse_options(argv: list[str]) -> _Options:
    """Read the arguments as tcp-env does: what it does not know it passes over."""
    asks, seconds, rest = True, _IDENT_S, list(argv)
    while rest and rest[0].startswith("-") and rest[0] != "-":
        letters = rest.pop(0)[1:]
        if letters == "-":
            break
        while letters:
            letter, letters = letters[0], letters[1:]
            if letter == "t":
                seconds = _number(letters or (rest.pop(0) if rest else str(seconds)))
                break
            asks = {"r": True, "R": False}.get(letter, asks)
    return _Options(asks, seconds, rest)


def _number(text: str) -> int:
    """The digits that a text begins with (scan_ulong)."""
    digits = text[: len(text) - len(text.lstrip("0123456789"))]
    return int(digits[:_DIGITS] or 0)


async def look_up(
    local: Endpoint, remote: Endpoint, resolver: Resolver, ident_s: float
) -> dict[str, str | None]:
    """tcp-environ(5)'s variables; None for one that is to be unset. `ident_s` is how long ident may take."""
    local_host, remote_host, remote_user = await asyncio.gather(
        _host(local.address, resolver), _host(remote.address, resolver), ask_ident(local, remote, ident_s)
    )
    return {
        "PROTO": "TCP",
        "TCPLOCALHOST": local_host,
        "TCPLOCALIP": local.address,
        "TCPLOCALPORT": str(local.port),
        "TCPREMOTEHOST": remote_host,
        "TCPREMOTEINFO": remote_user,
        "TCPREMOTEIP": remote.address,
        "TCPREMOTEPORT": str(remote.port),
    }


async def _host(address: str, resolver: Resolver) -> str | None:
    """The name that the DNS has for an address, whoever wrote it there: nobody has looked the other way."""
    answer = await resolver.ptr(address)
    if answer.verdict is Verdict.TRY_AGAIN:
        return UNTOLD
    return answer.records[0].lower() if answer.records else None
