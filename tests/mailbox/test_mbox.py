"""Owns the check of mbox deliveries: the bytes, the lock, and that a failure leaves the file as it was."""

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.formats.outcome import Temporary
from appliance.mailbox.body import Body, Stored
from appliance.mailbox.mbox import MboxDelivery, append, open_box, try_lock

HEAD = b"Return-Path: <s@x.test>\nDelivered-To: alice@h.test\n"
_READER = """
import fcntl, sys
box = open(sys.argv[1], "r+")
fcntl.lockf(box, fcntl.LOCK_EX)
print(flush=True)
sys.stdin.read(1)
fcntl.flock(box, fcntl.LOCK_EX | fcntl.LOCK_NB)
print(flush=True)
sys.stdin.read()
"""
FROM_LINE = b"From s@x.test Sun Nov 22 23:35:16 2026\n"


def delivery(box: Path | bytes, body: Body = b"") -> MboxDelivery:
    return MboxDelivery(bytes(box), b"./box", FROM_LINE, HEAD, body)


def deliver(box: Path, body: Body) -> None:
    descriptor = open_box(delivery(box))
    try:
        assert try_lock(descriptor)
        append(descriptor, delivery(box, body))
    finally:
        os.close(descriptor)


def test_a_message_is_appended_with_its_from_line_and_an_empty_line(tmp_path: Path) -> None:
    box = tmp_path / "Mailbox"
    box.write_bytes(b"From old Mon Jan  1 00:00:00 2001\n\nold\n\n")

    deliver(box, b"Subject: s\n\ntext\n")

    old, new = b"From old Mon Jan  1 00:00:00 2001\n\nold\n\n", b"Subject: s\n\ntext\n\n"
    assert old + FROM_LINE + HEAD + new == box.read_bytes()


def test_a_new_mbox_is_only_for_its_owner(tmp_path: Path) -> None:
    deliver(tmp_path / "Mailbox", b"")

    assert 0o600 == (tmp_path / "Mailbox").stat().st_mode & 0o777


@pytest.mark.parametrize(
    ("body", "written"),
    [
        (b"", b"\n"),
        (b"no newline", b"no newline\n\n"),
        (
            b"From a\n>From b\n>>From c\n From d\nfrom e\n",
            b">From a\n>>From b\n>>>From c\n From d\nfrom e\n\n",
        ),
        (b"a\r\n\r\nFrom x\r\n", b"a\r\n\r\n>From x\r\n\n"),
    ],
)
def test_from_lines_are_quoted_and_the_last_line_is_ended(
    tmp_path: Path, body: bytes, written: bytes
) -> None:
    deliver(tmp_path / "Mailbox", body)

    assert FROM_LINE + HEAD + written == (tmp_path / "Mailbox").read_bytes()


def test_a_large_stored_message_is_quoted_too(tmp_path: Path) -> None:
    text = (b"x" * 70 + b"\nFrom here\n") * 40_000
    (tmp_path / "body").write_bytes(text)
    source = os.open(tmp_path / "body", os.O_RDONLY)

    deliver(tmp_path / "Mailbox", Stored(source, len(text)))
    os.close(source)

    written = (tmp_path / "Mailbox").read_bytes()
    assert FROM_LINE + HEAD + text.replace(b"From here", b">From here") + b"\n" == written


@given(st.lists(st.sampled_from([b"From ", b">From ", b"a", b"", b">>", b"From"])))
def test_no_line_of_a_message_looks_like_the_start_of_another(lines: list[bytes]) -> None:
    box = os.memfd_create("mbox")
    append(box, delivery(b"", b"\n".join(lines)))

    written = os.pread(box, 1 << 20, 0).split(b"\n")
    os.close(box)

    assert 1 == sum(line.startswith(b"From ") for line in written)


@pytest.mark.parametrize("kind", ["folder", "fifo", "no folder", "bad name"])
def test_what_is_no_file_defers(tmp_path: Path, kind: str) -> None:
    box = tmp_path / "box"
    if kind == "folder":
        box.mkdir()
    elif kind == "fifo":
        os.mkfifo(box)
    name = {"no folder": bytes(box / "deep"), "bad name": b"\0"}.get(kind, bytes(box))

    with pytest.raises(Temporary, match=r"^Unable to open \./box: .*\. \(#4\.2\.1\)$"):
        open_box(delivery(name))


def test_a_fifo_that_somebody_reads_defers(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "box")
    reader = os.open(tmp_path / "box", os.O_RDONLY | os.O_NONBLOCK)

    with pytest.raises(Temporary, match="device not configured"):
        open_box(delivery(tmp_path / "box"))
    os.close(reader)


def test_dev_null_takes_everything() -> None:
    deliver(Path("/dev/null"), b"Subject: s\n\ntext\n")


def test_a_locked_mbox_waits(tmp_path: Path) -> None:
    holder, other = open_box(delivery(tmp_path / "box")), open_box(delivery(tmp_path / "box"))

    assert try_lock(holder)
    assert not try_lock(other)

    os.close(holder)
    assert try_lock(other)
    os.close(other)


def test_a_reader_that_locks_by_fcntl_is_waited_for_and_not_kept_waiting(tmp_path: Path) -> None:
    """mutt, procmail and Dovecot do; a lock of our own in the same process would not be in the way."""
    box = tmp_path / "box"
    ours = open_box(delivery(box))
    reader = [sys.executable, "-c", _READER, str(box)]
    with subprocess.Popen(reader, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as reading:
        assert reading.stdin
        assert reading.stdout
        assert b"\n" == reading.stdout.readline()

        assert not try_lock(ours)

        reading.stdin.write(b"x")
        assert b"\n" == reading.stdout.readline()
    assert try_lock(ours)
    os.close(ours)


def test_a_failed_append_leaves_the_mbox_as_it_was(tmp_path: Path) -> None:
    box = tmp_path / "Mailbox"
    box.write_bytes(b"old\n\n")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))

    try:
        with pytest.raises(Temporary, match=r"^Unable to write \./box: file too big\. \(#4\.3\.0\)$"):
            deliver(box, b"x" * 5000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)

    assert b"old\n\n" == box.read_bytes()


def test_a_disk_that_does_not_tell_what_it_opened_defers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: int) -> os.stat_result:
        raise OSError(5, "Input/output error")

    box = tmp_path / "Mailbox"
    descriptor = open_box(delivery(box))
    with monkeypatch.context() as context:
        context.setattr(os, "fstat", broken)
        with pytest.raises(Temporary) as not_opened:
            open_box(delivery(box))
        with pytest.raises(Temporary) as not_written:
            append(descriptor, delivery(box, b"text\n"))
    os.close(descriptor)

    assert "Unable to open ./box: input/output error. (#4.2.1)" == not_opened.value.sentence
    assert "Unable to write ./box: input/output error. (#4.3.0)" == not_written.value.sentence
    assert b"" == box.read_bytes()
