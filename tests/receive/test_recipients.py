"""Owns the tests of asking lspawn about recipients."""

import asyncio
import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path

import pytest

from appliance.formats.frame import FrameBuffer, format_frame
from appliance.formats.outcome import Verdict
from appliance.net.loop import run
from appliance.receive import recipients
from appliance.receive.recipients import Recipients
from tests.support.waiting import until


class Lspawn(asyncio.Protocol):
    """Answers as the local part says, or with rubbish, or never."""

    asked: list[bytes]
    connections: int

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.WriteTransport = transport  # type: ignore[assignment]
        self.buffer = FrameBuffer(10_000)
        Lspawn.connections += 1

    def data_received(self, received: bytes) -> None:
        for kind, payload in self.buffer.receive(received):
            assert kind == b"Q"
            number, address = payload[:4], payload[4:]
            Lspawn.asked.append(address)
            match address.partition(b"@")[0]:
                case b"silent":
                    pass
                case b"gone":
                    self.transport.close()
                case b"rubbish":
                    self.transport.write(b"\xff\xff\xff\xff")
                case b"odd":
                    self.transport.write(format_frame(b"A", number + b"?"))
                case letter:
                    self.transport.write(format_frame(b"A", number + letter[:1].upper() + b"a sentence"))


Story = Callable[[Recipients], Coroutine[None, None, None]]


def play(story: Story) -> None:
    async def within(path: Path) -> None:
        loop = asyncio.get_running_loop()
        Lspawn.asked, Lspawn.connections = [], 0
        server = await loop.create_unix_server(Lspawn, str(path))
        found = Recipients(path)
        await asyncio.wait_for(story(found), 60)
        found.close()
        server.close()

    with tempfile.TemporaryDirectory() as folder:  # pytest's own may be too long for a socket
        run(within(Path(folder) / "recipients.sock"))


@pytest.mark.parametrize(
    ("address", "verdict"),
    [(b"k@x", Verdict.DONE), (b"d@x", Verdict.NEVER), (b"z@x", Verdict.TRY_AGAIN)],
)
def test_lspawns_verdict_is_the_answer(address: bytes, verdict: Verdict) -> None:
    async def story(found: Recipients) -> None:
        assert (verdict, b"a sentence") == await found.ask(address)

    play(story)


def test_answers_are_kept_shortly_but_not_that_nobody_can_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    for verdict in (Verdict.DONE, Verdict.NEVER):
        monkeypatch.setitem(recipients._KEEP, verdict, 60.0)

    async def story(found: Recipients) -> None:
        for address in (b"k@x", b"d@x", b"z@x"):
            assert found.known(address) is None
            await found.ask(address)
        verdicts = [report and report.verdict for report in map(found.known, (b"k@x", b"d@x", b"z@x"))]
        assert [Verdict.DONE, Verdict.NEVER, None] == verdicts
        monkeypatch.setitem(recipients._KEEP, Verdict.NEVER, 0.02)
        await found.ask(b"d@y")
        await until(lambda: found.known(b"d@y") is None)
        assert found.known(b"k@x")
        found.forget()
        assert found.known(b"k@x") is None

    play(story)


def test_sessions_that_ask_the_same_at_once_share_the_question() -> None:
    async def story(found: Recipients) -> None:
        answers = await asyncio.gather(*[found.ask(b"k@x") for _ in range(5)], found.ask(b"d@x"))
        assert [Verdict.DONE] * 5 + [Verdict.NEVER] == [answer.verdict for answer in answers]
        assert [b"k@x", b"d@x"] == Lspawn.asked
        assert 1 == Lspawn.connections

    play(story)


def test_a_session_that_goes_away_takes_no_answer_from_others() -> None:
    async def story(found: Recipients) -> None:
        first, second = asyncio.create_task(found.ask(b"k@x")), asyncio.create_task(found.ask(b"k@x"))
        await asyncio.sleep(0)
        first.cancel()
        assert Verdict.DONE is (await second).verdict

    play(story)


@pytest.mark.parametrize("address", [b"gone@x", b"rubbish@x", b"odd@x"])
def test_an_lspawn_that_fails_cannot_tell_and_is_asked_again(address: bytes) -> None:
    async def story(found: Recipients) -> None:
        assert Verdict.TRY_AGAIN is (await found.ask(address)).verdict
        assert Verdict.DONE is (await found.ask(b"k@x")).verdict
        assert 2 == Lspawn.connections

    play(story)


def test_no_answer_in_time_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(found: Recipients) -> None:
        await found.ask(b"d@x")
        monkeypatch.setattr(recipients, "_PATIENCE", 0.02)
        assert Verdict.TRY_AGAIN is (await found.ask(b"silent@x")).verdict
        monkeypatch.setattr(recipients, "_PATIENCE", 60.0)
        assert Verdict.DONE is (await found.ask(b"k@x")).verdict
        assert 1 == Lspawn.connections

    play(story)


def test_without_lspawn_nobody_can_tell(tmp_path: Path) -> None:
    async def story() -> None:
        assert Verdict.TRY_AGAIN is (await Recipients(tmp_path / "none.sock").ask(b"k@x")).verdict

    run(story())


def test_more_answers_than_are_kept_are_forgotten_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recipients, "_KEPT", 2)

    async def story(found: Recipients) -> None:
        for address in (b"k1@x", b"k2@x", b"k3@x"):
            await found.ask(address)
        assert [None, None, True] == [found.known(b"k%d@x" % i) and True for i in (1, 2, 3)]

    play(story)
