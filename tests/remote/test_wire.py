"""Owns the tests of the network under a dialogue, with a plain socket as the peer."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from appliance.formats.outcome import FormatError
from appliance.net.loop import run
from appliance.remote.mx import Exchanger
from appliance.remote.tls import Policy, Terms, TlsHosts
from appliance.remote.wire import Wire, finish_goodbyes
from tests.support.certificate import self_signed, server_context


class Parrot(Wire):
    """Says again what it hears, but for a word that is none."""

    def take(self, received: bytes) -> None:
        if received == b"nonsense":
            raise FormatError("nonsense")
        self.write(received)


def talk(story: Callable[[Parrot, socket.socket], Awaitable[None]], patience_s: float = 60.0) -> None:
    """Play with a connection and the socket at its other end."""

    async def told() -> None:
        peer, ours = socket.socketpair()
        with peer:
            _, wire = await asyncio.get_running_loop().create_connection(
                lambda: Parrot("127.0.0.2", patience_s), sock=ours
            )
            await story(wire, peer)
            wire.abort()
            await asyncio.sleep(0)

    run(told())


def test_who_waits_wakes_when_the_peer_says_something() -> None:
    async def story(wire: Parrot, peer: socket.socket) -> None:
        peer.sendall(b"hello")
        await wire.wait()
        assert b"hello" == await asyncio.to_thread(peer.recv, 10)
        assert (b"127.0.0.2", False) == (wire.peer, wire.lost)

    talk(story)


@pytest.mark.parametrize("word", [b"nonsense", b""])
def test_a_peer_that_leaves_or_is_not_understood_is_lost(word: bytes) -> None:
    async def story(wire: Parrot, peer: socket.socket) -> None:
        if word:
            peer.sendall(word)
        else:
            peer.close()
        await wire.wait()
        assert wire.lost
        wire.write(b"nobody gets this")

    talk(story)


def test_a_peer_that_is_silent_for_too_long_is_lost() -> None:
    async def story(wire: Parrot, peer: socket.socket) -> None:
        await wire.wait()
        assert wire.lost

    talk(story, 0.05)


def test_a_peer_that_does_not_read_is_waited_for() -> None:
    async def story(wire: Parrot, peer: socket.socket) -> None:
        block = bytes(8 * 1024 * 1024)
        wire.write(block)
        waiting = asyncio.create_task(wire.wait_for_room())
        await asyncio.sleep(0)
        assert not waiting.done()

        got = 0
        while got < len(block):
            got += len(await asyncio.to_thread(peer.recv, 1 << 20))
        await waiting
        assert not wire.lost

    talk(story)


def test_closing_lets_what_was_written_go_out() -> None:
    async def story(wire: Parrot, peer: socket.socket) -> None:
        wire.write(b"goodbye")
        wire.close()
        assert wire.lost
        assert b"goodbye" == await asyncio.to_thread(peer.recv, 10)

    talk(story)


def test_a_peer_that_answers_no_goodbye_is_left_after_a_moment(tmp_path: Path) -> None:
    server = server_context(self_signed(tmp_path / "pem"))
    terms = Policy(TlsHosts()).terms(b"sink.test", Exchanger(0, "127.0.0.2", b"sink.test"))
    assert isinstance(terms, Terms)
    assert terms.context is not None
    client = terms.context

    async def story(wire: Parrot, peer: socket.socket) -> None:
        peer.setblocking(True)
        shaking = asyncio.create_task(asyncio.to_thread(server.wrap_socket, peer.dup(), server_side=True))
        assert await wire.encrypt(client, None)
        with await shaking:
            wire.close()
            await asyncio.wait_for(finish_goodbyes(), 60)

    talk(story)
