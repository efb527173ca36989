"""The programs that show what a header says, on descriptor 0 and 1."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.__main__ import Main
from appliance.inject import fields
from tests.support.on_descriptor import on_descriptor_0

MESSAGE = b"Subject: one\nX-Foo: a\n folded\nsubject:   two  \nno field\nSubject: three\n"
DATES = b"Date: 1 Jan 2000 0:00 +0200\nResent-Date: 2 Jan 98 0:00 EST\nDate: never\n\n"
PROGRAMS = [
    (fields.header, "822header"),
    (fields.field, "822field"),
    (fields.date, "822date"),
    (fields.received, "822received"),
    (fields.print_, "822print"),
    (fields.parsedate, "parsedate"),
]


@pytest.fixture(autouse=True)
def _an_hour_east_of_greenwich(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "CET-1")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def show(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> "Show":
    return Show(tmp_path, capfdbinary)


class Show:
    """Runs a program on a message."""

    def __init__(self, folder: Path, captured: pytest.CaptureFixture[bytes]) -> None:
        self._folder = folder
        self._captured = captured

    def __call__(self, program: Main, message: bytes, *argv: str) -> tuple[int, bytes]:
        with on_descriptor_0(self._folder, message):
            code = program([*argv], {})
        return code, self._captured.readouterr().out


def test_the_header_ends_before_what_is_none(show: Show) -> None:
    assert (0, MESSAGE.partition(b"no field")[0]) == show(fields.header, MESSAGE)
    assert (0, b"a: b") == show(fields.header, b"a: b")


def test_the_values_of_a_field_have_a_line_each(show: Show) -> None:
    assert (0, b" one\n   two  \n") == show(fields.field, MESSAGE)
    assert (0, b" a folded\n") == show(fields.field, MESSAGE, "x-FOO")
    assert (100, b"") == show(fields.field, MESSAGE, "Foo")
    assert (100, b"") == show(fields.field, b" folded\n", "")


def test_the_last_date_that_is_one_has_three_forms(show: Show) -> None:
    first = b"2000-01-01 00:00:00 +0200\n1999-12-31 22:00:00 +0000\nFri Dec 31 23:00:00 1999\n"
    second = b"1998-01-02 00:00:00 -0500\n1998-01-02 05:00:00 +0000\nFri Jan  2 06:00:00 1998\n"

    assert (0, first) == show(fields.date, DATES)
    assert (0, second) == show(fields.date, DATES, "resent-date")
    assert (100, b"") == show(fields.date, DATES, "X")


def test_received_fields_begin_with_the_first_station(show: Show) -> None:
    header = b"Received: by b; 1 Jan 2000 00:00 +0000\nReceived: by a\n"
    shown = b"\t\t\t by a\nSat Jan  1 01:00:00 2000 by b\n\t\t\t ; 1 Jan 2000 00:00 +0000\n"

    assert (0, shown) == show(fields.received, header)
    assert (0, b"\t\t\t \n") == show(fields.received, b"a: b\n")


def test_a_message_is_printed_whole(show: Show) -> None:
    code, printed = show(fields.print_, DATES + b"body")

    assert (0, True) == (code, printed.endswith(b"\n\nbody"))
    assert b"".join(b"_\b%c" % sign for sign in b"1999-12-31 23:00:00") in printed


def test_dates_have_a_line_each(show: Show) -> None:
    lines = b"Sat, 1 Jan 2000 0:00 +0200\nnever\r\n\n1 Jan 00 0:00 -0000"
    shown = (
        b"2000-01-01 00:00:00 +0200\t1999-12-31 22:00:00 +0000\n\n\n"
        b"2000-01-01 00:00:00 +0000?\t2000-01-01 00:00:00 +0000\n"
    )
    assert (0, shown) == show(fields.parsedate, lines)
    assert (0, b"\n") == show(fields.parsedate, b"\n")
    assert (0, b"") == show(fields.parsedate, b"")


@pytest.mark.parametrize(("program", "name"), PROGRAMS)
def test_a_message_that_cannot_be_read_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], program: Main, name: str
) -> None:
    with on_descriptor_0(tmp_path, None):
        assert 111 == program([], {})
    assert f"{name}: fatal: unable to read input: file descriptor not open\n" == capsys.readouterr().err


@settings(max_examples=60)
@given(st.binary(max_size=100), st.sampled_from([b"Date: ", b"Received: ", b"Subject: ", b""]))
def test_any_message_is_shown(show: Show, text: bytes, name: bytes) -> None:
    for program, _ in PROGRAMS:
        assert show(program, name + text)[0] in (0, 100)


def test_a_date_far_away_is_shown(show: Show) -> None:
    far = b"Date: 999999999 Dec 999999999 999999999:999999999:999999999 -999999999\n"

    assert all(show(program, far)[0] == 0 for program, _ in PROGRAMS if program is not fields.field)
