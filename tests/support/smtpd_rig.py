"""Owns smtpd, qmtpd or qmqpd as a process on loopback; queue, lspawn and authd behind it are of this one."""

import asyncio
import os
import re
import shutil
import smtplib
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from appliance.accounts import exchange
from appliance.formats import handin
from appliance.formats.envelope import Envelope
from appliance.formats.frame import FrameBuffer, format_frame
from appliance.formats.outcome import Report, Temporary, Verdict
from appliance.formats.tcprules import compile_rules
from appliance.system.place import Place
from tests.support.smtp_rig import Message, known_login, place_of
from tests.support.sources import CHECKOUT
from tests.support.waiting import wait_for

_PROGRAM = """\
import os, sys
from appliance import __main__
from appliance.net import proxied, tcpserver
tcpserver._GRACE = proxied.PROXY_SECONDS = 60.0
sys.exit(__main__.run(sys.argv[1:], os.environ))
"""


class _Station(asyncio.Protocol):
    """A connection of smtpd to us."""

    def __init__(self, connections: set[asyncio.WriteTransport]) -> None:
        self._connections = connections

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.WriteTransport = transport  # type: ignore[assignment]
        self._connections.add(self._transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self._transport)


class _Queue(_Station):
    """Takes what is handed in, as send does."""

    def __init__(
        self,
        connections: set[asyncio.WriteTransport],
        messages: list[Message],
        abandoned: list[Envelope],
    ) -> None:
        super().__init__(connections)
        self._messages = messages
        self._abandoned = abandoned
        self._buffer = FrameBuffer(handin.FRAME_LIMIT)
        self._begun: dict[int, tuple[Envelope, list[bytes]]] = {}

    def data_received(self, received: bytes) -> None:
        for kind, payload in self._buffer.receive(received):
            match handin.parse_request(kind, payload):
                case handin.Whole(number, envelope, body):
                    self._take(number, Message(envelope, body))
                case handin.Begin(number, envelope):
                    self._begun[number] = (envelope, [])
                case handin.Piece(number, chunk):
                    self._begun[number][1].append(chunk)
                case handin.End(number, behind):
                    envelope, pieces = self._begun.pop(number)
                    self._take(number, Message(behind or envelope, b"".join(pieces)))
                case handin.Abandon(number):
                    self._abandoned.append(self._begun.pop(number)[0])

    def _take(self, number: int, message: Message) -> None:
        self._messages.append(message)
        answer = Report(Verdict.DONE, b"%d" % len(self._messages))
        self._transport.write(handin.format_answer(number, answer))


class _Lspawn(_Station):
    """Knows every mailbox but those with `missing` in the local part."""

    def __init__(self, connections: set[asyncio.WriteTransport]) -> None:
        super().__init__(connections)
        self._buffer = FrameBuffer(10_000)

    def data_received(self, received: bytes) -> None:
        for _, payload in self._buffer.receive(received):
            letter = b"D" if b"missing" in payload.rpartition(b"@")[0] else b"K"
            self._transport.write(format_frame(b"A", payload[:4] + letter))


class _Authd(_Station):
    """Knows the passwords that tests.support.smtp_rig knows."""

    def __init__(self, connections: set[asyncio.WriteTransport]) -> None:
        super().__init__(connections)
        self._buffer = FrameBuffer(exchange.LIMIT)

    def data_received(self, received: bytes) -> None:
        for kind, payload in self._buffer.receive(received):
            question = exchange.parse_question(kind, payload)
            assert (b"smtp", b"127.0.0.1") == (question.scope, question.address)
            self._transport.write(exchange.format_answer(_account(question)))


def _account(question: exchange.Question) -> exchange.Account | Temporary | None:
    try:
        name = known_login(question.user, question.password)
    except Temporary as error:
        return error
    return None if name is None else exchange.Account(name, 1, 1, b"/home", b"Maildir")


@dataclass
class SmtpdRig:
    """The process and what it handed in."""

    place: Place
    process: "subprocess.Popen[bytes]"
    messages: list[Message]
    abandoned: list[Envelope]
    ports: list[int] = field(default_factory=list)

    @property
    def port(self) -> int:
        return self.ports[0]

    @property
    def log(self) -> str:
        return (self.place.home / "log").read_text()

    def session(self, name: str = "client.test") -> smtplib.SMTP:
        return smtplib.SMTP("127.0.0.1", self.port, name, 60)


@contextmanager
def smtpd(
    control: Mapping[str, str],
    *,
    rules: bytes = b":allow\n",
    listeners: tuple[str, ...] = ("smtp:127.0.0.1:0",),
    daemon: str = "smtpd",
    closed: int = 0,
) -> Iterator[SmtpdRig]:
    """Start smtpd, or another daemon; end it, and see that it ends. So many listeners will not answer.

    Sessions have a minute to end at TERM, and a proxy for its header: the test may be the one who is slow.
    """
    folder = Path(tempfile.mkdtemp(prefix="smtpd."))
    folder.chmod(0o755)  # smtpd reads it as qmaild if we are root
    place = place_of(folder, {"smtpdworkers": "1\n"} | dict(control))
    place.rules.mkdir()
    for listener in listeners:
        (place.rules / f"tcp.{listener.partition(':')[0]}.cdb").write_bytes(compile_rules(rules))
    messages: list[Message] = []
    abandoned: list[Envelope] = []
    with _stations(place, messages, abandoned), (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, daemon, *listeners],
            cwd=CHECKOUT,
            env={**os.environ, "TOASTER_HOME": str(folder)},
            stderr=log,
        )
        rig = SmtpdRig(place, process, messages, abandoned)
        try:
            rig.ports = wait_for(lambda: _ports(rig.log, len(listeners) - closed))
            yield rig
        finally:
            process.terminate()
            process.wait(90)
    shutil.rmtree(folder)


def _ports(log: str, count: int) -> list[int]:
    found = re.findall(r"listening on \S+?:(\d+)(?::tls)?$", log, re.MULTILINE)
    return [int(port) for port in found] if len(found) == count and "tcpserver: status: 0/" in log else []


@contextmanager
def _stations(place: Place, messages: list[Message], abandoned: list[Envelope]) -> Iterator[None]:
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()
    ready = threading.Event()
    connections: set[asyncio.WriteTransport] = set()

    async def listen() -> None:
        queue = await loop.create_unix_server(
            lambda: _Queue(connections, messages, abandoned), place.socket("queue")
        )
        lspawn = await loop.create_unix_server(lambda: _Lspawn(connections), place.socket("recipients"))
        authd = await loop.create_unix_server(lambda: _Authd(connections), place.socket("authd"))
        for name in ("queue", "recipients", "authd"):
            place.socket(name).chmod(0o666)
        ready.set()
        await stop.wait()
        for server in (queue, lspawn, authd):
            server.close()
        while connections:
            for transport in list(connections):
                transport.abort()
            await asyncio.sleep(0.005)

    def work() -> None:
        loop.run_until_complete(listen())
        loop.close()

    thread = threading.Thread(target=work)
    thread.start()
    assert ready.wait(60)
    try:
        yield
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
