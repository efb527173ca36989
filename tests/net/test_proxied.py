"""Owns the tests of reading a PROXY header off a socket."""

import asyncio
import socket
import struct

import pytest

from appliance.formats.outcome import FormatError
from appliance.net import proxied
from appliance.net.loop import run
from appliance.protocols.proxy import SIGNATURE, Endpoint, ProxyHeader

LINE = b"PROXY TCP4 192.0.2.7 192.0.2.1 56324 25\r\n"
HEADER = ProxyHeader(len(LINE), Endpoint("192.0.2.7", 56324), Endpoint("192.0.2.1", 25))


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxied, "PROXY_SECONDS", 60.0)


async def read(*pieces: bytes, close: bool = False) -> tuple[ProxyHeader | None, bytes]:
    """The header of a connection that brings these pieces one by one, and what is left on the socket."""
    near, far = socket.socketpair()
    with near, far:
        near.setblocking(False)
        reading = asyncio.create_task(proxied.read_header(near))
        for piece in pieces:
            far.sendall(piece)
            await asyncio.sleep(0.001)
        if close:
            far.shutdown(socket.SHUT_WR)
        header = await reading
        try:
            return header, near.recv(100)
        except BlockingIOError:
            return header, b""


def test_not_a_byte_behind_the_header_is_taken() -> None:
    assert (HEADER, b"EHLO x\r\n") == run(read(LINE + b"EHLO x\r\n"))


def test_a_header_may_come_in_pieces() -> None:
    assert (HEADER, b"E") == run(read(LINE[:1], LINE[1:20], LINE[20:-1], LINE[-1:] + b"E"))


def test_a_header_may_come_byte_by_byte() -> None:
    assert (HEADER, b"") == run(read(*(LINE[at : at + 1] for at in range(len(LINE)))))


def test_who_goes_without_a_word_only_looked_whether_we_are_up() -> None:
    assert (None, b"") == run(read(close=True))


def test_who_goes_without_a_word_by_a_reset_only_looked_too() -> None:
    async def story() -> ProxyHeader | None:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            far = socket.create_connection(listening.getsockname())
            near, _ = listening.accept()
            with near:
                near.setblocking(False)
                far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                far.close()
                return await proxied.read_header(near)

    assert run(story()) is None


def test_a_header_that_announces_64_kb_is_refused_by_its_first_sixteen_bytes() -> None:
    with pytest.raises(FormatError, match="longer than"):
        run(read(SIGNATURE + b"\x21\x11\xff\xff"))


def test_anything_else_is_an_error() -> None:
    with pytest.raises(FormatError):
        run(read(b"EHLO x\r\n"))
    with pytest.raises(FormatError):
        run(read(LINE[:10], close=True))


def test_a_proxy_that_says_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxied, "PROXY_SECONDS", 0.02)

    with pytest.raises(TimeoutError):
        run(read(LINE[:10]))
