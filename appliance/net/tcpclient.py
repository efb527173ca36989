"""Owns the program tcpclient (tcpclient(1)): connects, and becomes a program that has it on 6 and 7.

tcpclient [ -hHrRdDqQv ] [ -i localip ] [ -p localport ] [ -T timeoutconn ] [ -l localname ]
          [ -t timeoutinfo ] host port program [ arg ... ]

The environment is tcp-environ(5)'s. Nobody asks for RFC 1413's user names any more: -r, -R and -t are read,
and TCPREMOTEINFO is never there.
"""

import contextlib
import errno
import ipaddress
import os
import re
import signal
import socket
import sys
from collections.abc import Mapping
from getopt import GetoptError, getopt
from typing import NamedTuple, NoReturn

from appliance.net.arguments import complaint_of, port_of
from appliance.system.errors import words_of

USAGE = (
    "tcpclient: usage: tcpclient [ -hHrRdDqQv ] [ -i localip ] [ -p localport ] [ -T timeoutconn ]"
    " [ -l localname ] [ -t timeoutinfo ] host port program\n"
)
TIMEOUTS = (2.0, 58.0)
"""Seconds for each address in turn, then for each again that did not answer."""

_HERE = ("", "0")


class _Usage(Exception):
    """The arguments make no sense."""


class _Failed(Exception):
    """Why there is no connection or no program; qmail's words."""


class _Options(NamedTuple):
    verbosity: int = 1
    delays: bool = True
    asks_host: bool = True
    local_name: str | None = None
    local: tuple[str, int] = ("", 0)
    timeouts: tuple[float, float] = TIMEOUTS


def main(argv: list[str], environ: Mapping[str, str]) -> int:
    """Connect and become the program; 111 if that cannot be, 100: called wrongly."""
    try:
        options, words = _parse(argv)
    except (GetoptError, ValueError, _Usage) as error:
        if isinstance(error, GetoptError):
            sys.stderr.write(f"tcpclient: {complaint_of(error)}\n")
        sys.stderr.write(USAGE)
        return 100
    host, port, *command = words
    try:
        connection = _connected(options, "127.0.0.1" if host in _HERE else host, _port(port))
        environment = _environment(connection, options, environ)
        return _become(connection, command, environment)
    except _Failed as reason:
        if options.verbosity and str(reason):
            sys.stderr.write(f"tcpclient: {reason}\n")
        return 111


def _parse(argv: list[str]) -> tuple[_Options, list[str]]:
    letters, words = getopt(argv, "dDvqQhHrRi:p:t:T:l:")
    if len(words) < 3:
        raise _Usage
    options = _Options()
    for letter, value in letters:
        match letter[1]:
            case "v" | "q" | "Q":
                options = options._replace(verbosity={"v": 2, "q": 0, "Q": 1}[letter[1]])
            case "d" | "D":
                options = options._replace(delays=letter == "-d")
            case "h" | "H":
                options = options._replace(asks_host=letter == "-h")
            case "l":
                options = options._replace(local_name=value)
            case "i":
                options = options._replace(local=(str(ipaddress.ip_address(value)), options.local[1]))
            case "p":
                options = options._replace(local=(options.local[0], _number(value, 0) & 0xFFFF))
            case "T":
                first, _, second = value.partition("+")
                seconds = (_number(first, TIMEOUTS[0]), _number(second, TIMEOUTS[1]))
                options = options._replace(timeouts=(float(seconds[0]), float(seconds[1])))
    return options, words


def _number(text: str, default: float) -> int:
    found = re.match("[0-9]{1,9}", text)
    return int(found[0]) if found else int(default)


def _port(text: str) -> int:
    try:
        return port_of(text)
    except OSError:
        raise _Failed(f"fatal: unable to figure out port number for {text}") from None


def _connected(options: _Options, host: str, port: int) -> socket.socket:
    """A connection to the first of the host's addresses that takes one."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise _Failed(f"fatal: no IP address for {host}") from None
    addresses = [str(address[0]) for *_, address in found]
    first, second = options.timeouts
    turns = (first, second) if len(addresses) > 1 and second else (first + second,)
    for turn in turns:
        silent = []
        for address in addresses:
            try:
                return _connect(address, port, turn, options)
            except OSError as error:
                if turn is turns[-1] or error.errno != errno.ETIMEDOUT:
                    _warn(options, f"unable to connect to {address} port {port}: {words_of(error)}")
                else:
                    silent.append(address)
        addresses = silent
    raise _Failed("")


def _connect(address: str, port: int, seconds: float, options: _Options) -> socket.socket:
    connection = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    try:
        if any(options.local):
            _bind(connection, options.local)
        connection.settimeout(seconds or None)
        connection.connect((address, port))
        connection.settimeout(None)
        if not options.delays:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except TimeoutError as error:
        connection.close()
        raise OSError(errno.ETIMEDOUT, "timed out") from error
    except OSError:
        connection.close()
        raise
    return connection


def _bind(connection: socket.socket, local: tuple[str, int]) -> None:
    try:
        connection.bind(local)
    except OSError as error:
        raise _Failed(f"fatal: unable to bind socket: {words_of(error)}") from error


def _environment(connection: socket.socket, options: _Options, environ: Mapping[str, str]) -> dict[str, str]:
    local, remote = connection.getsockname()[:2], connection.getpeername()[:2]
    if options.verbosity > 1:
        _warn(options, f"connected to {remote[0]} port {remote[1]}")
    made = {
        "PROTO": "TCP",
        "TCPLOCALIP": local[0],
        "TCPLOCALPORT": str(local[1]),
        "TCPLOCALHOST": _name(local[0]) if options.local_name is None else options.local_name,
        "TCPREMOTEIP": remote[0],
        "TCPREMOTEPORT": str(remote[1]),
        "TCPREMOTEHOST": _name(remote[0]) if options.asks_host else None,
        "TCPREMOTEINFO": None,
    }
    merged = {**environ, **made}
    return {name: value for name, value in merged.items() if value is not None}


def _name(address: str) -> str | None:
    with contextlib.suppress(OSError):
        return socket.gethostbyaddr(address)[0]
    return None


def _become(connection: socket.socket, command: list[str], environ: dict[str, str]) -> NoReturn:
    descriptor = os.dup(connection.fileno()) if connection.fileno() in (6, 7) else connection.fileno()
    for target in (6, 7):
        os.dup2(descriptor, target)  # this closes what the caller had there
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        os.execvpe(command[0], command, environ)
    except OSError as error:
        raise _Failed(f"fatal: unable to run {command[0]}: {words_of(error)}") from error


def _warn(options: _Options, sentence: str) -> None:
    if options.verbosity:
        sys.stderr.write(f"tcpclient: {sentence}\n")
