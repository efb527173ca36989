"""Owns the tests of asking autoturn, which here is a server of the test."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from appliance.formats.autoturn import parse_turns
from appliance.formats.outcome import Temporary
from appliance.receive.turns import Turns

TURNS = parse_turns(
    [b"ppp.test:h|192.0.2.7|", b"sub.test:h|192.0.2.0/24|", b"other.test:h|192.0.2.9|joe@x.test"]
)


class Autoturn:
    """Says what it was asked, and answers once it may."""

    def __init__(self, answer: bytes) -> None:
        self.asked: list[bytes] = []
        self.may_answer = asyncio.Event()
        self._answer = answer

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked.append(await reader.readline())
        await self.may_answer.wait()
        writer.write(self._answer)
        writer.close()


@asynccontextmanager
async def autoturn(path: Path, answer: bytes = b"2\n") -> AsyncIterator[Autoturn]:
    found = Autoturn(answer)
    async with await asyncio.start_unix_server(found.serve, path):
        yield found


def test_sessions_that_ask_at_once_ask_once(tmp_path: Path) -> None:
    async def story() -> None:
        turns = Turns(tmp_path / "s")
        async with autoturn(tmp_path / "s") as server:
            asking = [asyncio.ensure_future(turns.start("ppp.test")) for _ in range(50)]
            asking[0].cancel()
            server.may_answer.set()
            assert [2] * 49 == await asyncio.gather(*asking[1:])
            assert [b"ppp.test\n"] == server.asked

            assert 2 == await turns.start("ppp.test")
            assert [b"ppp.test\n"] * 2 == server.asked

    asyncio.run(story())


def test_what_waits_for_a_client_is_sent_when_it_connects(tmp_path: Path) -> None:
    async def story() -> None:
        turns = Turns(tmp_path / "s")
        async with autoturn(tmp_path / "s") as server:
            for address in ("192.0.2.1", "192.0.2.7", "192.0.2.7", "2001:db8::1", "unknown"):
                turns.welcome(TURNS, address)
            async with asyncio.timeout(30):
                while len(server.asked) < 2:
                    await asyncio.sleep(0.01)
                server.may_answer.set()
                await turns.start("ppp.test")
            assert {b"ppp.test\n", b"sub.test\n"} == set(server.asked)

    asyncio.run(story())


@pytest.mark.parametrize("answer", [b"", b"no number\n"])
def test_no_answer_is_a_reason_to_try_again(tmp_path: Path, answer: bytes) -> None:
    async def story() -> None:
        turns = Turns(tmp_path / "s")
        async with autoturn(tmp_path / "s", answer) as server:
            server.may_answer.set()
            with pytest.raises(Temporary, match="autoturn is not answering"):
                await turns.start("ppp.test")

    asyncio.run(story())


def test_nobody_there_is_told_in_the_log(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    async def story() -> None:
        turns = Turns(tmp_path / "s")
        with pytest.raises(Temporary):
            await turns.start("ppp.test")
        turns.welcome(TURNS, "192.0.2.7")
        with pytest.raises(Temporary):
            await turns.start("ppp.test")
        await asyncio.sleep(0.01)

    asyncio.run(story())
    assert "warning: autoturn is not answering" in capfd.readouterr().err
