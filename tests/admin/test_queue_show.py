"""Owns the tests of `toaster queue show`."""

import sys
from pathlib import Path

import pytest

from appliance.queue.layout import Layout
from tests.support.command import run
from tests.support.waiting_queue import arrive, queue_in, wait


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return queue_in(tmp_path)


def test_a_message_that_waits_is_shown(
    tmp_path: Path, layout: Layout, capsys: pytest.CaptureFixture[str]
) -> None:
    wait(layout, 30, failures=b"<x@y>:\nno\n\n")
    layout.note_deferral("remote", 30, b"busy\n")

    assert 0 == run(tmp_path, "queue", "show", "30")

    when = "9 Sep 2001 01:48:20 -0000"
    assert [
        "message 30, 18 bytes, of 9 Sep 2001 01:46:40 -0000",
        "from <s@x.test>",
        "local to a@example.test, done",
        f"local to b@example.test, next try {when}",
        f"remote to c@Far.test, next try {when}, tries 1: busy",
        "will bounce: <x@y>:",
        "will bounce: no",
        "",
        "Subject: t",
    ] == capsys.readouterr().out.splitlines()


def test_the_body_is_shown_as_it_is_but_not_to_a_terminal(
    tmp_path: Path,
    layout: Layout,
    capfdbinary: pytest.CaptureFixture[bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wait(layout, 30)

    run(tmp_path, "queue", "show", "30", "--body")
    plain = capfdbinary.readouterr().out
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    run(tmp_path, "queue", "show", "30", "--body")

    assert plain.endswith(b"\n\nSubject: t\n\nb\x1b[2J\n")
    assert capfdbinary.readouterr().out.endswith(b"b?[2J\n")


def test_a_message_on_its_first_way_is_shown(
    tmp_path: Path, layout: Layout, capsys: pytest.CaptureFixture[str]
) -> None:
    log = arrive(layout, 31)

    assert 0 == run(tmp_path, "queue", "show", "31", "--body")

    told = capsys.readouterr().out
    assert "to d@example.test, on its first way" in told
    assert told.endswith("\nSubject: u\n\nc\n")
    assert 31 == log.last_number


def test_no_message_and_a_damaged_one_are_told(
    tmp_path: Path, layout: Layout, capsys: pytest.CaptureFixture[str]
) -> None:
    wait(layout, 30)
    layout.path("info", 30).write_bytes(b"damaged")

    assert (1, 1) == (run(tmp_path, "queue", "show", "29"), run(tmp_path, "queue", "show", "30"))
    told = capsys.readouterr().err
    assert "there is no message 29 in the queue" in told
    assert "the files of message 30 are damaged" in told
