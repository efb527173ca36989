"""Owns the proof of system/log: one event is one line, whatever a peer put into it and whatever fails."""

import contextlib
import errno
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.system import log
from tests.support.full_log import full_log

ROOT = Path(__file__).parents[2]
PREFIX = len("2026-11-22T23:35:16.123Z send: ")


@contextlib.contextmanager
def standard_error() -> Iterator[bytearray]:
    """What is written to standard error meanwhile; filled at the end."""
    written = bytearray()
    with tempfile.TemporaryFile() as file:
        before = os.dup(2)
        os.dup2(file.fileno(), 2)
        try:
            yield written
        finally:
            written += os.pread(file.fileno(), 1 << 20, 0)
            os.dup2(before, 2)
            os.close(before)


@pytest.fixture(autouse=True)
def unbatched() -> Iterator[None]:
    log.open("send")
    yield
    log.flush()
    log.open("toaster")


@pytest.fixture
def writes(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What each write(2) to standard error takes."""
    taken: list[bytes] = []

    def write(descriptor: int, content: bytes) -> int:
        assert descriptor == 2
        taken.append(bytes(content))
        return len(content)

    monkeypatch.setattr(os, "write", write)
    return taken


def texts(written: bytes | bytearray) -> list[str]:
    return [line[PREFIX:].decode() for line in written.splitlines(keepends=True)]


def test_a_line_has_the_time_in_utc_and_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 1795390516.125)

    with standard_error() as written:
        log.line("status: local 1/10 remote 0/20")

    assert written == b"2026-11-22T23:35:16.125Z send: status: local 1/10 remote 0/20\n"


def test_the_time_goes_on_and_may_go_back(monkeypatch: pytest.MonkeyPatch, writes: list[bytes]) -> None:
    clock = iter([1795390516.5, 1795390517.0, 1795390515.75])
    monkeypatch.setattr(time, "time", lambda: next(clock))

    for _ in range(3):
        log.line("")

    assert [b"16.500", b"17.000", b"15.750"] == [line[17:23] for line in writes]


@pytest.mark.parametrize(
    ("text", "logged"),
    [
        ("Sorry, no mailbox here. (#5.1.1)\n", "Sorry, no mailbox here. (#5.1.1)/"),
        ("a\n2026-11-22T23:35:16.123Z send: b", "a/2026-11-22T23:35:16.123Z send: b"),
        ("a\r\nb", r"a\r/b"),
        ("a\0b\x1b[2Jc\x7f\t", r"a\x00b\x1b[2Jc\x7f\t"),
        ("a\x85b\x9b2Jc\u2028d\u2029e\x0b\x0c\x1c", r"a\x85b\x9b2Jc\u2028d\u2029e\x0b\x0c\x1c"),
        ("txt.\u202egpj", r"txt.\u202egpj"),
        (b"caf\xe9".decode(errors="surrogateescape"), r"caf\udce9"),
        ("caf\u00e9 \u65e5\u672c", "caf\u00e9 \u65e5\u672c"),
    ],
)
def test_nothing_in_a_text_ends_forges_or_hides_a_line(text: str, logged: str) -> None:
    with standard_error() as written:
        log.line(text)

    assert [logged + "\n"] == texts(written)


@given(st.lists(st.text(st.characters(categories=None)), max_size=5), st.booleans())
def test_any_texts_are_as_many_printable_lines(some: list[str], batched: bool) -> None:
    """For any text, surrogates and controls included, exactly one printable line of UTF-8 is written."""
    log.open("send", batched=batched)

    with standard_error() as written:
        for text in some:
            log.line(text)
        log.flush()

    lines = written.decode().splitlines()
    assert len(some) == len(lines)
    assert all(line[PREFIX - 6 : PREFIX] == "send: " and line.isprintable() for line in lines)


def test_an_unbatched_line_is_written_at_once(writes: list[bytes]) -> None:
    log.line("a")
    log.line("b")

    assert len(writes) == 2


def test_batched_lines_are_written_with_one_call(writes: list[bytes]) -> None:
    log.open("send", batched=True)
    log.line("a")
    log.line("b")

    assert writes == []
    log.flush()
    assert ["a\n", "b\n"] == texts(b"".join(writes))
    assert len(writes) == 1


def test_many_lines_are_written_in_pieces_that_a_shared_pipe_does_not_tear(writes: list[bytes]) -> None:
    text = "\u00e9" * 50
    log.open("send", batched=True)
    for _ in range(1000):
        log.line(text)
    log.flush()

    assert [text + "\n"] * 1000 == texts(b"".join(writes))
    assert max(map(len, writes)) <= 4096
    assert all(piece.endswith(b"\n") for piece in writes)


def test_who_is_alone_at_its_pipe_writes_larger_pieces(writes: list[bytes]) -> None:
    log.open("send", batched=True, alone=True)
    for _ in range(1000):
        log.line("a")
    log.flush()

    assert ["a\n"] * 1000 == texts(b"".join(writes))
    assert 4096 < max(map(len, writes)) <= 32768


def test_a_line_longer_than_a_batch_is_written_whole_and_in_order(writes: list[bytes]) -> None:
    log.open("send", batched=True)
    log.line("before")
    log.line("x" * 10_000)
    log.line("after")
    log.flush()

    assert ["before\n", "x" * 10_000 + "\n", "after\n"] == texts(b"".join(writes))


def test_nothing_to_write_is_no_call(writes: list[bytes]) -> None:
    log.flush()

    assert writes == []


def test_a_write_that_takes_a_part_is_continued(monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, content: real(descriptor, content[:7]))

    with standard_error() as written:
        log.line("all of it")

    assert ["all of it\n"] == texts(written)


def test_a_log_that_cannot_be_written_stops_nobody_and_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    with standard_error() as written:
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", lambda descriptor, content: broken_pipe())
            log.line("lost")
        log.line("kept")

    assert ["kept\n"] == texts(written)


@pytest.mark.parametrize("failures", [1, 2])
def test_after_a_torn_line_the_next_one_begins_anew(monkeypatch: pytest.MonkeyPatch, failures: int) -> None:
    real = os.write
    parts = iter([10] + [0] * failures)

    def write(descriptor: int, content: bytes) -> int:
        most = next(parts, len(content))
        return real(descriptor, content[:most]) if most else broken_pipe()

    with standard_error() as written:
        monkeypatch.setattr(os, "write", write)
        for _ in range(failures):
            log.line("torn or lost")
        log.line("whole")

    torn, whole = written.splitlines()
    assert len(torn) == 10
    assert whole.endswith(b"Z send: whole")


def broken_pipe() -> int:
    raise OSError(errno.EPIPE, "Broken pipe")


def test_a_fork_doubles_no_waiting_line_and_an_exit_loses_none() -> None:
    program = """
import os
from appliance.system import log
log.open("lspawn", batched=True)
log.line("before the fork")
child = os.fork()
log.line("after it")
if child: os.wait()
"""

    written = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, stderr=subprocess.PIPE, check=True
    ).stderr

    assert written.count(b"before the fork\n") == 1
    assert written.count(b"after it\n") == 2


def test_a_line_is_an_object_if_the_environment_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOASTER_LOG_FORMAT", "json")
    log.open("send")

    with standard_error() as written:
        log.line("end msg 7")

    facts = json.loads(bytes(written))
    assert ("send", "end", 7) == (facts["program"], facts["event"], facts["msg"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", facts["time"])
    assert written.endswith(b"}\n")


def test_a_log_that_is_read_is_ready_and_one_that_nobody_reads_is_not() -> None:
    with standard_error():
        before = log.is_ready()
    with full_log():
        assert (True, False) == (before, log.is_ready())
    assert log.is_ready()
