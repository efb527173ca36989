"""Owns the tests of `toaster queue retry`, `drop` and `rejuvenate`."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.formats.handin import Order, Word
from appliance.formats.outcome import Report, Verdict
from appliance.system.privileges import identity_of
from tests.support.command import run
from tests.support.configs import place_in
from tests.support.queue_server import QueueServer
from tests.support.supervised import supervised
from tests.support.waiting_queue import BIRTH, queue_in, wait


@pytest.fixture
def server(tmp_path: Path) -> Iterator[QueueServer]:
    place = place_in(tmp_path)
    place.run.mkdir(parents=True)
    running = QueueServer(place.socket("queue"))
    yield running
    running.close()


@pytest.mark.parametrize(
    ("word", "words"),
    [
        (Word.RETRY, ["retry", "17"]),
        (Word.DROP, ["drop", "17"]),
        (Word.BOUNCE, ["drop", "17", "--bounce"]),
    ],
)
def test_send_is_asked_and_its_sentence_is_told(
    tmp_path: Path,
    server: QueueServer,
    word: Word,
    words: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    server.answer = lambda number: Report(Verdict.DONE, b"so be it")

    assert 0 == run(tmp_path, "queue", *words)

    assert ("message 17: so be it\n", [Order(1, word, 17)]) == (capsys.readouterr().out, server.requests)


@pytest.mark.parametrize("verdict", [Verdict.TRY_AGAIN, Verdict.NEVER])
def test_a_refusal_is_a_one(
    tmp_path: Path, server: QueueServer, verdict: Verdict, capsys: pytest.CaptureFixture[str]
) -> None:
    server.answer = lambda number: Report(verdict, b"no such message waits")

    assert 1 == run(tmp_path, "queue", "drop", "17")

    assert "message 17: no such message waits\n" == capsys.readouterr().err


def test_without_send_nothing_is_done(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wait(queue_in(tmp_path), 30)

    assert [1, 1, 1] == [
        run(tmp_path, "queue", *words) for words in (["drop", "30"], ["retry", "30"], ["retry", "--all"])
    ]
    told = capsys.readouterr().err.splitlines()
    assert ["the queue is not answering (#4.3.0)"] * 2 + ["no daemon is running here"] == told


def test_retry_wants_a_number_or_all(tmp_path: Path) -> None:
    assert [2, 2] == [run(tmp_path, "queue", "retry", *words) for words in ([], ["3", "--all"])]


def test_everything_is_tried_by_alrm(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with supervised(place_in(tmp_path), ["send"]):
        code = run(tmp_path, "queue", "retry", "--all")

    assert (0, "everything that waits is tried now\n") == (code, capsys.readouterr().out)


def test_a_rejuvenated_message_is_born_now(open_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    layout = queue_in(open_folder)
    wait(layout, 30)
    for path in (layout.queue, *layout.queue.rglob("*")):
        os.chown(path, *identity_of("qmailq"))

    assert 0 == run(open_folder, "queue", "rejuvenate", "30")

    assert BIRTH < time.time() - 60 < layout.sender_and_birth(30)[1]
    assert 1 == run(open_folder, "queue", "rejuvenate", "31")
    assert "message 31: no such message waits\n" == capsys.readouterr().err
