"""Owns the tests of a listener's rounds."""

import asyncio
from pathlib import Path

import pytest

from appliance.formats.outcome import Temporary
from appliance.receive.rounds import make_rounds
from appliance.system.control import Control, Watch
from tests.support.waiting import until


class Peer:
    """A connection that notes how often it was looked at."""

    def __init__(self) -> None:
        self.looks: list[float] = []

    def look(self, now: float) -> None:
        self.looks.append(now)


def test_files_that_cannot_be_read_end_no_round(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    peer = Peer()

    def reload() -> None:
        raise Temporary("Unable to read controls (#4.3.0)")

    async def some_rounds() -> None:
        watch = Watch(Control(tmp_path))
        (tmp_path / "me").write_text("mx.lab.test\n")
        rounds = asyncio.create_task(make_rounds(watch, reload, {peer}))
        await until(lambda: len(peer.looks) >= 2)
        rounds.cancel()

    asyncio.run(some_rounds())

    assert 1 == capfd.readouterr().err.count("keeping what was read before: Unable to read controls")
