"""Owns the tests of a queue that is being restored, whenever it is cut off."""

import io
import os
import shutil
from pathlib import Path

import pytest

from appliance.formats.envelope import Envelope
from appliance.formats.outcome import Permanent, Temporary
from appliance.queue import census
from appliance.queue.layout import Deferral, Layout, Settlement
from appliance.queue.log import Log
from appliance.queue.record import Origin
from appliance.queue.restored import Restored, refuse_filled, refuse_half

FILES = {
    "mess/7/30": b"Subject: t\n\nb\n",
    "info/7/30": b"Fs@x.test\0",
    "local/7/30": b"Ta@x.test\0",
    "hold/7/30": b"",
    "bounce/30": b"<x@y>:\nno\n\n",
}


def unpacked(queue: Path) -> Restored:
    restored = Restored(queue)
    restored.begin()
    for path, content in FILES.items():
        restored.add(path, 1_000_000_000, io.BytesIO(content), {"user.toaster.why": b"1 \xff\n"})
    return restored


def test_what_is_unpacked_becomes_the_queue(tmp_path: Path) -> None:
    Layout(tmp_path).lay_out()
    (tmp_path / "todo" / "12.spare").write_bytes(b"old")
    restored = unpacked(tmp_path)

    with pytest.raises(Temporary, match="cut off"):
        refuse_half(tmp_path)
    restored.finish()
    assert restored.is_whole
    restored.put_in_place()

    refuse_half(tmp_path)
    (message,) = census.waiting(tmp_path)
    assert (30, 1_000_000_000, b"s@x.test") == (message.number, message.birth, message.sender)
    assert Layout(tmp_path).is_held(30)
    assert Deferral(1, b"\xff\n") == Layout(tmp_path).deferral("local", 30)
    assert 1_000_000_000 < (tmp_path / "mess/7/30").stat().st_mtime
    assert {"bounce", "hold", "info", "intd", "local", "lock", "mess", "pid", "remote", "todo"} == set(
        os.listdir(tmp_path)
    )
    assert [] == os.listdir(tmp_path / "todo")


def test_a_move_that_was_cut_off_is_ended(tmp_path: Path) -> None:
    Layout(tmp_path).lay_out()
    restored = unpacked(tmp_path)
    restored.finish()
    shutil.rmtree(tmp_path / "mess")
    (tmp_path / "restore" / "mess").rename(tmp_path / "mess")

    Restored(tmp_path).put_in_place()

    assert [30] == [message.number for message in census.waiting(tmp_path)]


def test_an_unpacking_that_was_cut_off_begins_anew(tmp_path: Path) -> None:
    unpacked(tmp_path)

    unpacked(tmp_path).finish()


@pytest.mark.parametrize(
    "path", ["mess/8/30", "todo/30", "lock/sendmutex", "../x", "bounce/../../x", "info/7/30/x", "small"]
)
def test_what_is_no_file_of_a_queue_is_refused(tmp_path: Path, path: str) -> None:
    restored = Restored(tmp_path)
    restored.begin()

    with pytest.raises(Permanent, match="no file of a queue"):
        restored.add(path, 0, io.BytesIO(), {})


def test_only_an_empty_queue_is_restored_into(tmp_path: Path) -> None:
    refuse_filled(tmp_path)
    log = Log(tmp_path / "todo")
    log.append_message(50, Origin(1, 2, 3), Envelope(b"", (b"d@x.test",)), b"\n")
    log.commit()
    Layout(tmp_path).settle([Settlement(30, 1, b"", b"\n", {"local": b"Ta@x.test\0"}, b"")])

    with pytest.raises(Permanent, match="holds 2 messages"):
        refuse_filled(tmp_path)
