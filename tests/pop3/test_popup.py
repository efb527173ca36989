"""Owns the tests of popup's connection: in one loop, with a pop3d that answers from a script."""

import asyncio
import base64
import contextlib
import re
import socket
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from appliance.accounts.exchange import (
    BEGINNING,
    Beginning,
    Question,
    format_answer,
    format_salt,
    parse_beginning,
    parse_question,
)
from appliance.formats.frame import FrameBuffer
from appliance.formats.outcome import Temporary
from appliance.net.tcpserver import Connection, Listener
from appliance.net.tls import server_context
from appliance.pop3 import popup as popups
from appliance.pop3.handover import Credentials, parse_credentials
from appliance.pop3.popup import Popup
from appliance.protocols.sasl_server import Login
from appliance.system.place import Place
from tests.support import scram_client, smtp_rig
from tests.support.certificate import self_signed
from tests.support.clock import pass_time

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Stage:
    """A popup that waits for clients, and the pop3d behind it."""

    def __init__(self, folder: Path, context: ssl.SSLContext | None) -> None:
        self.place = Place.from_environ({"TOASTER_HOME": str(folder)})
        self.place.run.mkdir()
        self.mechanisms = b""
        self.greeting = b""
        self.questions: list[Question | Beginning] = []
        self.context = context
        self.popups: list[Popup] = []
        self.credentials: list[Credentials] = []
        self.said = b""

    async def connect(self, listener: str = "pop3") -> Streams:
        """A client who was greeted (unless it is to begin with TLS)."""
        client, server = socket.socketpair()
        for end in (client, server):
            end.setblocking(False)
        tls = listener == "pop3s"
        connection = Connection(1, Listener(listener, "127.0.0.1", 0, tls), {"TCPREMOTEIP": "192.0.2.1"})
        popup = Popup(connection, self.place, b"mail.test", self.context, self.mechanisms)
        self.popups.append(popup)
        accepting = asyncio.ensure_future(
            asyncio.get_running_loop().connect_accepted_socket(
                lambda: popup, server, ssl=self.context if tls else None
            )
        )
        streams = await asyncio.open_connection(
            sock=client, ssl=trusting() if tls else None, server_hostname="mail.test" if tls else None
        )
        with contextlib.suppress(OSError):
            connection.transport, _ = await accepting
        self.greeting = await streams[0].readline()
        assert self.mechanisms or self.greeting == b"+OK mail.test\r\n"
        return streams

    async def pop3d(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Greets whoever has the password `secret`, then repeats what it hears."""
        buffer = FrameBuffer(8192)
        head = await reader.readexactly(4)
        frames = buffer.receive(head + await reader.readexactly(int.from_bytes(head, "big")))
        self.credentials.append(parse_credentials(frames[0][1]))
        if self.credentials[-1].password == b"secret":
            writer.write(b"+OK \r\n")
            while heard := await reader.read(1000):
                writer.write(heard)
        else:
            writer.write(b"-ERR no\r\n")
        writer.close()

    async def authd(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Knows of everybody that his password is `secret`, but of `later` nothing."""
        for kind, payload in FrameBuffer(16384).receive(await reader.read(16384)):
            is_salt = kind == BEGINNING
            question = parse_beginning(payload) if is_salt else parse_question(kind, payload)
            self.questions.append(question)
            if question.user == b"later":
                writer.write(format_answer(Temporary("not now (#4.3.0)")))
            elif isinstance(question, Beginning):
                writer.write(format_salt(smtp_rig.SALT))
            else:
                writer.write(format_answer(await smtp_rig.check(Login(*question[:2], *question[4:]), b"")))
        writer.close()


def trusting() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    path = self_signed(tmp_path_factory.mktemp("tls") / "both.pem", "mail.test")
    return server_context(path, path)


def play(
    folder: Path, story: Callable[[Stage], Awaitable[Any]], context: ssl.SSLContext | None = None
) -> Any:
    async def tell() -> Any:
        stage = Stage(folder, context)
        server = await asyncio.start_unix_server(stage.pop3d, stage.place.socket("pop3d"))
        authd = await asyncio.start_unix_server(stage.authd, stage.place.socket("authd"))
        async with server, authd:
            result = await asyncio.wait_for(story(stage), 60)
            for popup in stage.popups:
                popup.abort()
            for _ in range(5):
                await asyncio.sleep(0.005)
        return result

    return asyncio.run(tell())


async def rest_of(streams: Streams) -> bytes:
    said = b""
    with contextlib.suppress(ConnectionResetError):
        said = await streams[0].read()
    streams[1].close()
    return said


async def ask(streams: Streams, line: bytes) -> bytes:
    streams[1].write(line + b"\r\n")
    return await streams[0].readline()


def test_user_and_password_go_to_pop3d_with_the_address(tmp_path: Path) -> None:
    async def story(stage: Stage) -> list[object]:
        streams = await stage.connect()
        said = [await ask(streams, line) for line in (b"USER alice", b"PASS secret", b"STAT")]
        streams[1].close()
        return [*said, stage.credentials]

    assert [
        b"+OK \r\n",
        b"+OK \r\n",
        b"STAT\r\n",
        [Credentials(b"alice", b"secret", b"192.0.2.1")],
    ] == play(tmp_path, story)


def test_one_wrong_password_ends_the_connection(tmp_path: Path) -> None:
    async def story(stage: Stage) -> bytes:
        streams = await stage.connect()
        streams[1].write(b"USER alice\r\nPASS wrong\r\nUSER alice\r\nPASS secret\r\n")
        return await rest_of(streams)

    assert b"+OK \r\n-ERR no\r\n" == play(tmp_path, story)


def test_all_said_at_once_and_then_no_more(tmp_path: Path) -> None:
    async def story(stage: Stage) -> bytes:
        streams = await stage.connect()
        streams[1].write(b"CAPA\r\nUSER alice\r\nPASS secret\r\nSTAT\r\nQUIT\r\n")
        streams[1].write_eof()
        return await rest_of(streams)

    assert play(tmp_path, story).endswith(b"\r\n.\r\n+OK \r\n+OK \r\nSTAT\r\nQUIT\r\n")


def test_one_who_says_no_more_before_he_logged_in_is_let_go(tmp_path: Path) -> None:
    async def story(stage: Stage) -> bytes:
        streams = await stage.connect()
        streams[1].write(b"NOOP\r\n")
        streams[1].write_eof()
        return await rest_of(streams)

    assert b"+OK \r\n" == play(tmp_path, story)


def scram(user: bytes, password: bytes, server: bytes) -> bytes:
    """The last message of SCRAM, in base64."""
    proof = scram_client.proof(password, server, scram_client.message(user, server))
    return base64.b64encode(scram_client.without_proof(server) + b",p=" + proof)


async def begin_scram(stage: Stage, user: bytes) -> tuple[Streams, bytes]:
    streams = await stage.connect()
    answer = await ask(streams, b"AUTH SCRAM-SHA-256 " + base64.b64encode(scram_client.first(user)))
    assert answer.startswith(b"+ "), answer
    return streams, base64.b64decode(answer[2:])


def test_by_scram_the_client_hears_of_authd_and_then_pop3d_is_asked_as_well(tmp_path: Path) -> None:
    async def story(stage: Stage) -> list[object]:
        stage.mechanisms = b"SCRAM-SHA-256"
        streams, server = await begin_scram(stage, b"alice")
        heard = await ask(streams, scram(b"alice", b"secret", server))
        signature = scram_client.signature(b"secret", server, scram_client.message(b"alice", server))
        asked = [*stage.questions]
        streams[1].write(b"\r\n")
        said = await rest_of(streams)
        address, message = b"192.0.2.1", scram_client.message(b"alice", server)
        proof = scram_client.proof(b"secret", server, message)
        return [
            heard == b"+ " + base64.b64encode(b"v=" + signature) + b"\r\n",
            asked
            == [
                Beginning(b"alice", b"pop3", address),
                Question(b"alice", proof, b"pop3", address, b"SCRAM-SHA-256", message),
            ],
            stage.credentials == [Credentials(b"alice", proof, address, b"SCRAM-SHA-256", message)],
            said,
        ]

    assert [True, True, True, b"-ERR no\r\n"] == play(tmp_path, story)  # this pop3d knows one password


@pytest.mark.parametrize("user", [b"alice", b"zed"])
def test_a_wrong_proof_ends_the_connection_as_a_wrong_password_does(tmp_path: Path, user: bytes) -> None:
    async def story(stage: Stage) -> tuple[bytes, list[Credentials]]:
        stage.mechanisms = b"SCRAM-SHA-256"
        streams, server = await begin_scram(stage, user)
        streams[1].write(scram(user, b"wrong", server) + b"\r\n\r\nSTAT\r\n")
        return await rest_of(streams), stage.credentials

    assert (b"-ERR [AUTH] authorization failed\r\n", []) == play(tmp_path, story)


def test_while_authd_cannot_tell_scram_is_put_off(tmp_path: Path) -> None:
    async def story(stage: Stage) -> bytes:
        stage.mechanisms = b"SCRAM-SHA-256"
        streams = await stage.connect()
        first = scram_client.first(b"later")
        streams[1].write(b"AUTH SCRAM-SHA-256 " + base64.b64encode(first) + b"\r\n")
        return await rest_of(streams)

    assert play(tmp_path, story).startswith(b"-ERR [SYS/TEMP] ")


def test_one_who_says_no_more_within_scram_is_let_go(tmp_path: Path) -> None:
    async def story(stage: Stage) -> bytes:
        stage.mechanisms = b"SCRAM-SHA-256"
        streams = await stage.connect()
        streams[1].write(b"AUTH SCRAM-SHA-256 " + base64.b64encode(scram_client.first(b"alice")) + b"\r\n")
        streams[1].write_eof()
        return await rest_of(streams)

    assert play(tmp_path, story).startswith(b"+ cj1")


def test_where_a_secret_is_stored_the_greeting_has_a_stamp_and_apop_goes_to_pop3d(tmp_path: Path) -> None:
    async def story(stage: Stage) -> list[object]:
        stage.mechanisms = b"SCRAM-SHA-256 CRAM-MD5 APOP"
        (await stage.connect())[1].close()
        before = stage.greeting
        streams = await stage.connect()
        stamp = stage.greeting.removeprefix(b"+OK ").removesuffix(b"\r\n")
        streams[1].write(b"APOP alice 0123\r\n")
        said = await rest_of(streams)
        expected = Credentials(b"alice", b"0123", b"192.0.2.1", b"APOP", stamp)
        is_stamp = re.fullmatch(rb"<[0-9a-f]{24}\.[0-9]+@mail\.test>", stamp)
        return [said, [expected] == stage.credentials, before != stage.greeting, bool(is_stamp)]

    assert [b"-ERR no\r\n", True, True, True] == play(tmp_path, story)


def test_quit_and_apop_and_too_long_a_line_end_the_connection(tmp_path: Path) -> None:
    async def story(stage: Stage) -> list[bytes]:
        said = []
        for line in (b"QUIT\r\n", b"APOP alice 0123\r\n", b"x" * 5000):
            streams = await stage.connect()
            streams[1].write(line)
            said.append(await rest_of(streams))
        return said

    assert [b"+OK \r\n", b"-ERR authorization failed\r\n", b"-ERR line too long\r\n"] == play(tmp_path, story)


def test_without_pop3d_the_client_is_put_off(tmp_path: Path) -> None:
    async def story(stage: Stage) -> bytes:
        stage.place.socket("pop3d").unlink()
        streams = await stage.connect()
        streams[1].write(b"USER alice\r\nPASS secret\r\n")
        return await rest_of(streams)

    assert b"+OK \r\n-ERR [SYS/TEMP] " in play(tmp_path, story)


def test_one_who_does_not_log_in_in_time_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(popups, "LOGIN_SECONDS", 0.1)

    async def story(stage: Stage) -> None:
        streams = await stage.connect()
        with contextlib.suppress(ConnectionError):
            while await ask(streams, b"NOOP"):
                await asyncio.sleep(0.01)
        streams[1].close()

    play(tmp_path, story)


def test_one_who_is_logged_in_has_more_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(popups, "LOGIN_SECONDS", 30)

    async def story(stage: Stage) -> bytes:
        streams = await stage.connect()
        for line in (b"USER alice", b"PASS secret"):
            await ask(streams, line)
        pass_time(31, monkeypatch)
        said = await ask(streams, b"NOOP")
        streams[1].close()
        return said

    assert b"NOOP\r\n" == play(tmp_path, story)


def test_stls_is_unknown_without_a_certificate(tmp_path: Path) -> None:
    async def story(stage: Stage) -> bytes:
        streams = await stage.connect()
        said = await ask(streams, b"STLS")
        streams[1].close()
        return said

    assert b"-ERR authorization first\r\n" == play(tmp_path, story)


def test_after_stls_all_is_under_tls_and_nothing_is_remembered(
    tmp_path: Path, context: ssl.SSLContext
) -> None:
    async def story(stage: Stage) -> list[bytes]:
        streams = await stage.connect()
        said = [await ask(streams, line) for line in (b"USER alice", b"STLS")]
        await streams[1].start_tls(trusting(), server_hostname="mail.test")
        for line in (b"PASS secret", b"STLS", b"USER alice", b"PASS secret", b"STAT"):
            said.append(await ask(streams, line))
        streams[1].close()
        return said

    assert [
        b"+OK \r\n",
        b"+OK \r\n",
        b"-ERR USER first\r\n",
        b"-ERR TLS is active already\r\n",
        b"+OK \r\n",
        b"+OK \r\n",
        b"STAT\r\n",
    ] == play(tmp_path, story, context)


@pytest.mark.parametrize("along", [b"USER mallory\r\n", b"\x16\x03\x01"])
def test_what_comes_along_with_stls_ends_the_connection(
    tmp_path: Path, context: ssl.SSLContext, along: bytes
) -> None:
    async def story(stage: Stage) -> bytes:
        streams = await stage.connect()
        streams[1].write(b"STLS\r\n" + along)
        return await rest_of(streams)

    assert b"-ERR no command may come along with STLS\r\n" == play(tmp_path, story, context)


def test_a_handshake_of_nonsense_ends_the_connection(tmp_path: Path, context: ssl.SSLContext) -> None:
    async def story(stage: Stage) -> bytes:
        streams = await stage.connect()
        await ask(streams, b"STLS")
        streams[1].write(b"USER mallory\r\nPASS secret\r\n" * 9)
        return await rest_of(streams)

    assert b"+OK" not in play(tmp_path, story, context)


def test_a_listener_that_begins_with_tls_offers_no_stls(tmp_path: Path, context: ssl.SSLContext) -> None:
    async def story(stage: Stage) -> bytes:
        streams = await stage.connect("pop3s")
        streams[1].write(b"CAPA\r\nUSER alice\r\nPASS secret\r\n")
        capabilities = await streams[0].readuntil(b"\r\n.\r\n")
        assert await streams[0].readexactly(12) == b"+OK \r\n+OK \r\n"
        streams[1].close()
        return capabilities

    assert b"STLS" not in play(tmp_path, story, context)


def test_term_ends_the_connection(tmp_path: Path) -> None:
    async def story(stage: Stage) -> bytes:
        streams = await stage.connect()
        on_stop = stage.popups[0]._connection.on_stop
        assert on_stop is not None
        on_stop()
        return await rest_of(streams)

    assert b"" == play(tmp_path, story)
