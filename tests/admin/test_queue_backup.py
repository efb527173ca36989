"""Owns the tests of `toaster queue backup`, with no send running; under load: tests/faq, chapter 12."""

import gzip
import os
import tarfile
from pathlib import Path

import pytest

from appliance.formats.outcome import Report, Verdict
from appliance.queue.layout import Layout
from appliance.queue.snapshot import Snapshot
from appliance.system.privileges import acting_as, identity_of
from tests.support.command import run
from tests.support.configs import place_in
from tests.support.queue_server import QueueServer
from tests.support.waiting_queue import queue_in, wait


@pytest.fixture
def layout(open_folder: Path) -> Layout:
    """A queue with a message that waits, and a letter in a mailbox."""
    layout = queue_in(open_folder)
    wait(layout, 30)
    for path in (layout.queue, *layout.queue.rglob("*")):
        os.chown(path, *identity_of("qmailq"))
    new = place_in(open_folder).mail / "x.test" / "alice" / "Maildir" / "new"
    for name in ("new", "cur", "tmp"):
        (new.parent / name).mkdir(parents=True)
    (new / "1.a").write_bytes(b"letter\n")
    return layout


NAMES = {
    "backup.json",
    "queue/mess/7/30",
    "queue/info/7/30",
    "queue/local/7/30",
    "queue/remote/7/30",
    "mail",
    "mail/x.test",
    "mail/x.test/alice",
    "mail/x.test/alice/Maildir",
    *(f"mail/x.test/alice/Maildir/{part}" for part in ("tmp", "new", "cur", "new/1.a")),
    "manifest.json",
}


def test_queue_and_mailboxes_are_in_the_file_and_nothing_is_left_in_the_queue(
    open_folder: Path, layout: Layout, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = open_folder / "all.tar"

    assert 0 == run(open_folder, "queue", "backup", str(archive))

    told = "1 messages of the queue and 1 files of the mail folder are backed up; deliveries paused for 0."
    assert capsys.readouterr().out.startswith(told)
    with tarfile.open(archive) as tar:
        assert NAMES == set(tar.getnames())
    assert 0o600 == archive.stat().st_mode & 0o777
    assert [archive.name] == [path.name for path in open_folder.glob("*.tar*")]
    assert not (layout.queue / "backup").exists()


def test_standard_output_and_gz(
    open_folder: Path, layout: Layout, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert 0 == run(open_folder, "queue", "backup", "-")
    plain, told = capfdbinary.readouterr()
    assert 0 == run(open_folder, "queue", "backup", str(open_folder / "all.tar.gz"))

    assert b"are backed up" in told
    packed = gzip.decompress((open_folder / "all.tar.gz").read_bytes())
    assert (b"backup.json", b"backup.json") == (plain[:11], packed[:11])


def test_a_local_delivery_without_an_end_is_told(
    open_folder: Path, layout: Layout, capsys: pytest.CaptureFixture[str]
) -> None:
    place = place_in(open_folder)
    place.run.mkdir(parents=True)
    server = QueueServer(place.socket("queue"))
    server.answer = lambda number: Report(Verdict.DONE, b"2")

    assert 0 == run(open_folder, "queue", "backup", str(open_folder / "all.tar"))

    assert "; 2 local deliveries did not end: after a restore they are made again" in capsys.readouterr().out
    server.close()


def test_what_fails_leaves_no_file_and_no_area(
    open_folder: Path, layout: Layout, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 1 == run(open_folder, "queue", "backup", str(open_folder / "none" / "all.tar"))
    assert "nothing was backed up: [Errno 2]" in capsys.readouterr().err
    with acting_as("qmailq"):
        lock = Snapshot(layout.queue).claim()

    assert 1 == run(open_folder, "queue", "backup", str(open_folder / "all.tar"))

    os.close(lock)
    assert "another backup is being written\n" == capsys.readouterr().err
    assert [] == list(open_folder.glob("*.tar*"))


def test_without_a_queue_there_is_nothing_to_back_up(
    open_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 1 == run(open_folder, "queue", "backup", "-")
    assert "there is no queue in" in capsys.readouterr().err
