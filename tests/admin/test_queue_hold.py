"""Owns the tests of `toaster queue hold` and `release`."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.admin.queue_hold import Choice, chosen_of
from appliance.formats.handin import Order, Word
from appliance.formats.outcome import Report, Verdict
from appliance.queue.layout import Layout
from tests.support.command import run
from tests.support.configs import place_in
from tests.support.queue_server import QueueServer
from tests.support.waiting_queue import arrive, queue_in, wait


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return queue_in(tmp_path)


@pytest.fixture
def server(layout: Layout, tmp_path: Path) -> Iterator[QueueServer]:
    place = place_in(tmp_path)
    place.run.mkdir(parents=True)
    running = QueueServer(place.socket("queue"))
    yield running
    running.close()


@pytest.mark.parametrize(("word", "name"), [(Word.HOLD, "hold"), (Word.RELEASE, "release")])
def test_send_is_asked_about_each_and_sentences_are_counted(
    tmp_path: Path, server: QueueServer, word: Word, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    server.answer = lambda number: Report(Verdict.DONE, b"so be it")

    codes = [run(tmp_path, "queue", name, "17"), run(tmp_path, "queue", name, "17", "18")]

    assert [0, 0] == codes
    assert "message 17: so be it\n2 messages: so be it\n" == capsys.readouterr().out
    assert [Order(1, word, number) for number in (17, 17, 18)] == server.requests


def test_a_no_is_a_one(tmp_path: Path, server: QueueServer, capsys: pytest.CaptureFixture[str]) -> None:
    server.answer = lambda number: Report(Verdict.NEVER, b"no such message waits")

    assert 1 == run(tmp_path, "queue", "hold", "17")
    assert "message 17: no such message waits\n" == capsys.readouterr().err


@pytest.mark.parametrize(
    ("expected", "choice"),
    [
        ([30, 31, 60], Choice((), None, None, True)),
        ([30, 31], Choice((), "s@*", None, False)),
        ([60], Choice((), "", None, False)),
        ([30], Choice((), None, "*@far.test", False)),
        ([31, 60], Choice((), None, "?@example.test", False)),
        ([], Choice((), "", "*@far.test", False)),
        ([5], Choice((5,), None, None, False)),
    ],
)
def test_patterns_choose_by_sender_and_by_recipients_left(
    tmp_path: Path, layout: Layout, expected: list[int], choice: Choice
) -> None:
    wait(layout, 30, {"local": b"Da@example.test\0", "remote": b"Tc@Far.test\0"})
    wait(layout, 31, {"local": b"Ta@example.test\0", "remote": b"Dc@Far.test\0"})
    log = arrive(layout, 60)

    assert expected == chosen_of(place_in(tmp_path), choice)
    assert 60 == log.last_number


def test_only_what_is_held_is_released(tmp_path: Path, layout: Layout, server: QueueServer) -> None:
    wait(layout, 30)
    wait(layout, 31)
    layout.hold(31)

    assert 0 == run(tmp_path, "queue", "release", "--all")

    assert [Order(1, Word.RELEASE, 31)] == server.requests


def test_nothing_is_chosen_from_a_queue_that_never_ran(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 0 == run(tmp_path, "queue", "hold", "--all")
    assert "no message is meant\n" == capsys.readouterr().out


@pytest.mark.parametrize("words", [[], ["3", "--all"], ["3", "--to", "x"], ["--all", "--from", "x"]])
def test_what_is_meant_is_told_in_one_way(tmp_path: Path, words: list[str]) -> None:
    assert 2 == run(tmp_path, "queue", "hold", *words)


def test_list_and_show_say_that_a_message_is_held_and_the_programs_of_qmail_do_not(
    tmp_path: Path, layout: Layout, capsys: pytest.CaptureFixture[str]
) -> None:
    wait(layout, 30)
    layout.hold(30)
    log = arrive(layout, 60)
    layout.hold(60)

    run(tmp_path, "queue", "list")
    assert "held" == capsys.readouterr().out.splitlines()[0].split("\t")[7]
    run(tmp_path, "queue", "list", "--json")
    assert json.loads(capsys.readouterr().out)["messages"][0]["held"]
    run(tmp_path, "queue", "show", "30")
    assert "local to b@example.test, held\n" in capsys.readouterr().out
    run(tmp_path, "queue", "show", "60")
    assert "to d@example.test, on its first way, held\n" in capsys.readouterr().out
    assert 0 == run(tmp_path, "queue", "fsck")
    assert 60 == log.last_number
