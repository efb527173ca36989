"""Owns the program tcpserver (tcpserver(1)): accepts connections, and runs a program on each.

The daemons do without it (tcpserver.py); it is for what else is to listen, such as a qmail-popup by hand.
As in tcprules an address may be one of IPv6, and 0 is any address of IPv4.
"""

import contextlib
import os
import select
import signal
import socket
from collections.abc import Mapping
from typing import NoReturn

from appliance.formats.outcome import Temporary
from appliance.net.admission import admit, say
from appliance.net.arguments import USAGE, Options, parse_arguments, port_of
from appliance.net.resolver import resolver_of
from appliance.system.control import Control
from appliance.system.errors import words_of
from appliance.system.place import Place


class _Failed(Exception):
    """Why it cannot listen; qmail's words."""


def main(argv: list[str], environ: Mapping[str, str]) -> int:
    """tcpserver [opts] host port program: serve until TERM; 100: called wrongly, 111: it cannot listen."""
    try:
        options, (host, port, *command) = parse_arguments(argv, environ)
    except ValueError as error:
        for sentence in (*error.args, USAGE):
            say(sentence)
        return 100
    try:
        listening = _listen(options, host, port)
        _give_up_rights(options)
        server = _Server(options, listening, command, environ)
    except (_Failed, Temporary) as reason:
        if options.verbosity:
            say(f"fatal: {reason}")
        return 111
    if options.shows_port:
        os.write(1, b"%d\n" % listening.getsockname()[1])
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1):  # whoever waits for the end of our output shall not wait for ours
        os.dup2(nothing, descriptor)
    server.run()


def _listen(options: Options, host: str, port_text: str) -> socket.socket:
    try:
        port = port_of(port_text)
    except OSError:
        raise _Failed(f"unable to figure out port number for {port_text}") from None
    family, address = _address(host, port)
    listening = socket.socket(family)
    listening.setblocking(False)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    doing = "bind"
    try:
        listening.bind((address, port))
        doing = "listen"
        listening.listen(options.backlog)
    except OSError as error:
        raise _Failed(f"unable to {doing}: {words_of(error)}") from error
    return listening


def _address(host: str, port: int) -> tuple[socket.AddressFamily, str]:
    if host in ("", "0"):
        return socket.AF_INET, "0.0.0.0"
    try:
        family, *_, name = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError):
        raise _Failed(f"no IP address for {host}") from None
    return family, str(name[0])


def _give_up_rights(options: Options) -> None:
    doing = "gid"
    try:
        if options.gid:
            os.setgroups([options.gid])
            os.setgid(options.gid)
        doing = "uid"
        if options.uid:
            os.setuid(options.uid)
    except OSError as error:
        raise _Failed(f"unable to set {doing}: {words_of(error)}") from error


class _Server:
    """The process that accepts."""

    def __init__(
        self, options: Options, listening: socket.socket, command: list[str], environ: Mapping[str, str]
    ) -> None:
        self._options = options
        self._listening = listening
        self._command = command
        self._environ = environ
        self._resolver = resolver_of(Control(Place.from_environ(environ).control), environ)
        self._running = 0

    def run(self) -> NoReturn:
        """Accept until TERM; a signal wakes select by a byte, whenever it comes."""
        woken, waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
        self._tell_status()
        listening = self._listening.fileno()
        while True:
            is_full = self._running >= self._options.limit
            watched = [woken] if is_full else [woken, listening]
            ready, _, _ = select.select(watched, [], [])
            if woken in ready:
                with contextlib.suppress(BlockingIOError):
                    os.read(woken, 512)
                self._reap()
            if listening in ready:
                self._accept()

    def _reap(self) -> None:
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                if self._options.verbosity > 1:
                    say("end {} status {}".format(*ended))
                self._running -= 1
                self._tell_status()

    def _accept(self) -> None:
        try:
            connection, _ = self._listening.accept()
        except OSError:
            return  # the peer went away
        self._running += 1
        self._tell_status()
        with connection:
            try:
                child = os.fork()
            except OSError as error:
                if self._options.verbosity:
                    say(f"warning: dropping connection, unable to fork: {words_of(error)}")
                self._running -= 1
                self._tell_status()
                return
            if child == 0:
                signal.set_wakeup_fd(-1)
                connection.setblocking(True)
                admit(connection, self._options, self._resolver, self._command, self._environ)

    def _tell_status(self) -> None:
        if self._options.verbosity > 1:
            say(f"status: {self._running}/{self._options.limit}")
