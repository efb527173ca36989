"""Owns the health check: whether the listeners answer, and those who stand behind them."""

import os
import re
import smtplib
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from configparser import RawConfigParser
from pathlib import Path
from typing import NamedTuple

from appliance.admin import certificates, checkout
from appliance.formats.outcome import FormatError, Temporary
from appliance.net.listeners import Listener, parse_listener
from appliance.net.proxied import UNNAMED
from appliance.net.settings import Settings
from appliance.system.control import Control
from appliance.system.place import Place
from appliance.system.privileges import become

SECONDS = 5.0
_LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}


def listeners(configuration: Path) -> list[Listener]:
    """What the rendered supervisord.conf tells the daemons to listen on, as one reaches it from this host."""
    parser = RawConfigParser(strict=False, inline_comment_prefixes=(";",))
    parser.read(configuration)
    # authd listens on no port; its words are those of the program that it asks, whatever they look like.
    names = [name for name in parser.sections() if name != "program:authd"]
    words = (word for name in names for word in parser.get(name, "command", fallback="").split())
    return [found._replace(host=_LOOPBACK.get(found.host, found.host)) for found in _read(words)]


def _read(words: Iterator[str]) -> Iterator[Listener]:
    for word in words:
        if re.fullmatch(r"[a-z0-9]+:\S+:[0-9]+(:tls)?", word):
            yield parse_listener(word)


def smtp(session: smtplib.SMTP) -> None:
    """Ask whether mail to the postmaster is taken: through smtpd to lspawn and the mailbox's user."""
    session.ehlo()
    session.mail("")
    code, text = session.rcpt("postmaster")
    if code != 250:
        raise smtplib.SMTPResponseException(code, text)


def submission(session: smtplib.SMTP) -> None:
    """Ask whether users are offered TLS, without which nobody can log in."""
    session.ehlo()
    if not session.has_extn("starttls"):
        raise smtplib.SMTPNotSupportedError("no STARTTLS is offered")


def pop3(session: socket.socket) -> None:
    """Hear the POP3 greeting and take leave; ConnectionError with the reply that is not +OK."""
    with session.makefile("rwb") as lines:
        for said in (b"", b"QUIT\r\n"):
            lines.write(said)
            lines.flush()
            reply = lines.readline(1024)
            if not reply.startswith(b"+OK"):
                raise ConnectionError(reply.decode(errors="replace").strip() or "the connection ended")


def packages(session: socket.socket) -> None:
    """Say nothing, by QMTP or QMQP; ConnectionError if we are not let go in silence."""
    session.shutdown(socket.SHUT_WR)
    if session.recv(1):
        raise ConnectionError("it speaks without being asked")


def ofmip(session: socket.socket) -> None:
    """Be greeted or sent away in silence, as who may not relay; ConnectionError for anything else."""
    with session.makefile("rb") as lines:
        greeting = lines.readline(1024)
    if greeting and not greeting.startswith(b"220 "):
        raise ConnectionError(greeting.decode(errors="replace").strip())


class Asked(NamedTuple):
    """Who is asked, and by what name we greet."""

    listeners: list[Listener]
    me: str
    sockets: dict[str, Path]
    """Those on which a listener hands on what it got, by the daemon that answers."""
    doubts: list[str]
    """What is no fault yet, such as a certificate in its last days."""
    is_proxy: Callable[[str], bool]
    """Whether connections from an address begin with a PROXY header."""


def asked(place: Place) -> Asked:
    """As it is rendered; only root may read all of that. Temporary if a control file cannot be read."""
    me = (place.control / "me").read_text().strip()
    sockets = {"send": place.socket("queue"), "authd": place.socket("authd")}
    if Control(place.control).lines("autoturn"):
        sockets["autoturn"] = place.socket("autoturn")
    found = listeners(place.home / "supervisord.conf")
    return Asked(found, me, sockets, list(certificates.doubts(place)), Settings.read(place).is_proxy)


def faults(asked: Asked) -> Iterator[str]:
    """A sentence for each who does not answer as he should."""
    for name, path in asked.sockets.items():
        with socket.socket(socket.AF_UNIX) as connection:
            if code := connection.connect_ex(os.fspath(path)):
                yield f"{name} at {path}: {os.strerror(code)}"
    for listener in asked.listeners:
        try:
            _ask(listener, asked)
        except (OSError, smtplib.SMTPException) as error:
            yield f"{listener.name} at {listener.host} port {listener.port}: {error}"


_BY_SMTP = {"smtp": smtp, "submission": submission}
_OTHERS = {"pop3": pop3, "qmtp": packages, "qmqp": packages, "ofmip": ofmip}
"""A listener that begins with TLS is the twin of one that does not."""


def _ask(listener: Listener, asked: Asked) -> None:
    if listener.name in _BY_SMTP:
        with smtplib.SMTP(local_hostname=asked.me, timeout=SECONDS) as session:
            session.sock = _connect(listener, asked)
            code, text = session.getreply()
            if code != 220:
                raise smtplib.SMTPConnectError(code, text)
            _BY_SMTP[listener.name](session)
    elif listener.name in _OTHERS:
        with _connect(listener, asked) as connection:
            _OTHERS[listener.name](connection)


def _connect(listener: Listener, asked: Asked) -> socket.socket:
    connection = socket.create_connection((listener.host, listener.port), SECONDS)
    if asked.is_proxy(connection.getsockname()[0]):
        connection.sendall(UNNAMED)
    return connection


def main(argv: list[str], environ: Mapping[str, str]) -> int:
    """Exit code 0 if all is well, 1 with a line a fault otherwise; a warning leaves it as it is."""
    place = Place.from_environ(checkout.completed(environ))
    try:
        rendered = asked(place)
        become("qmaild")  # nothing here reads the network as root
        found = list(faults(rendered))
        for doubt in rendered.doubts:
            print(f"warning: {doubt}")
    except (OSError, FormatError, Temporary) as error:
        found = [f"nothing is rendered that could be asked: {error}"]
    for fault in found:
        print(fault, file=sys.stderr)
    return 1 if found else 0
