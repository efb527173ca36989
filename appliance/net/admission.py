"""Owns what the program tcpserver does with a connection, in a process of its own, until it is its program.

It finds out who is there, asks the rules, and says in the environment what it knows (tcp-environ(5)).
"""

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Mapping
from typing import NoReturn

from appliance.formats.cdb import Cdb
from appliance.formats.outcome import FormatError
from appliance.formats.tcprules import Rule, lookup
from appliance.net.arguments import Options
from appliance.net.ident import ask_ident
from appliance.net.names import name_of
from appliance.net.peer import Peer
from appliance.net.resolver import Resolver
from appliance.protocols.proxy import Endpoint
from appliance.system.errors import words_of

DENIED, DROPPED = 100, 111
"""The exit codes of a connection that the rules deny, and of one that something failed for."""

_ALLOW = Rule(True, {}, "")


class _Drop(Exception):
    """Why a connection is dropped."""


def admit(
    connection: socket.socket,
    options: Options,
    resolver: Resolver,
    command: list[str],
    environ: Mapping[str, str],
) -> NoReturn:
    """Become the program with the connection on 0 and 1, or end with the code of why not."""
    try:
        _become(connection, command, _environment(connection, options, resolver, environ))
    except _Drop as reason:
        if options.verbosity:
            say(f"warning: dropping connection, {reason}")
        os._exit(DROPPED)


def say(sentence: str) -> None:
    """Write a line of tcpserver's at once, not through a buffer that two processes would have."""
    with contextlib.suppress(OSError):
        os.write(2, os.fsencode(f"tcpserver: {sentence}\n"))


def _environment(
    connection: socket.socket, options: Options, resolver: Resolver, environ: Mapping[str, str]
) -> dict[str, str]:
    try:
        remote = Endpoint.of(connection.getpeername())
        if options.verbosity > 1:
            say(f"pid {os.getpid()} from {remote.address}")
        _prepare(connection, options)
        local = Endpoint.of(connection.getsockname())
    except OSError as error:
        raise _Drop(f"unable to prepare connection: {words_of(error)}") from error
    peer = asyncio.run(_find_out(local, remote, options, resolver))
    rule = _rule(peer, options)
    if options.verbosity > 1:
        say(f"{'ok' if rule.allow else 'deny'} {os.getpid()} {peer.ends()}")
    if not rule.allow:
        os._exit(DENIED)
    known = {name: value for name, value in {**environ, **peer.environment()}.items() if value is not None}
    return known | rule.environment


def _prepare(connection: socket.socket, options: Options) -> None:
    if not options.keeps_ip_options and connection.family == socket.AF_INET:
        connection.setsockopt(socket.IPPROTO_IP, socket.IP_OPTIONS, b"")  # no way back along a source route
    if not options.delays:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if options.banner:
        try:
            connection.sendall(os.fsencode(options.banner))
        except OSError as error:
            raise _Drop(f"unable to print banner: {words_of(error)}") from error


async def _find_out(local: Endpoint, remote: Endpoint, options: Options, resolver: Resolver) -> Peer:
    async def local_host() -> str | None:
        if options.local_name is not None:
            return options.local_name
        return await name_of(local.address, resolver, paranoid=False)

    async def remote_host() -> str | None:
        if not options.asks_host:
            return None
        return await name_of(remote.address, resolver, paranoid=options.paranoid)

    ident_s = options.ident_s if options.asks_ident else 0
    names = await asyncio.gather(local_host(), remote_host(), ask_ident(local, remote, ident_s))
    return Peer(local, remote, *names)


def _rule(peer: Peer, options: Options) -> Rule:
    if options.rules is None:
        return _ALLOW
    try:
        with open(options.rules, "rb") as stream:
            cdb = Cdb(stream.read())
        return lookup(cdb, peer.remote.address, peer.remote_host, peer.user) or _ALLOW
    except FileNotFoundError as error:
        if options.rules_may_be_missing:
            return _ALLOW
        reason = words_of(error)
    except OSError as error:
        reason = words_of(error)
    except FormatError:
        reason = "protocol error"
    raise _Drop(f"unable to read {options.rules}: {reason}")


def _become(connection: socket.socket, command: list[str], environ: dict[str, str]) -> NoReturn:
    descriptor = os.dup(connection.fileno())  # past 1, wherever the connection lies
    for target in (0, 1):
        os.dup2(descriptor, target)
    for number in (signal.SIGTERM, signal.SIGCHLD, signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execvpe(command[0], command, environ)
    except (OSError, ValueError) as error:  # ValueError: a program without a name
        reason = words_of(error) if isinstance(error, OSError) else "file does not exist"
        raise _Drop(f"unable to run {command[0]}: {reason}") from error
