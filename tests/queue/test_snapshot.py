"""Owns the tests of a queue's snapshot: it tells one moment, whatever becomes of the queue afterwards."""

import errno
import os
from pathlib import Path

import pytest

from appliance.formats.envelope import Envelope
from appliance.formats.outcome import Temporary
from appliance.queue.layout import Layout, Settlement
from appliance.queue.log import Log
from appliance.queue.record import Origin
from appliance.queue.snapshot import Snapshot

BODY = b"Subject: t\n\nb\n"
BIRTH = 1_000_000_000


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(tmp_path)
    layout.lay_out()
    return layout


def settle(layout: Layout, number: int, failures: bytes = b"") -> None:
    channels = {"local": b"Ta@x.test\0Db@x.test\0", "remote": b"Tc@far.test\0"}
    layout.settle([Settlement(number, BIRTH, b"s@x.test", BODY, channels, failures)])
    for name in channels:
        layout.set_next_try(name, number, BIRTH + 100)


def taken(layout: Layout) -> Snapshot:
    snapshot = Snapshot(layout.queue)
    os.close(snapshot.claim())
    snapshot.take(lambda: None)
    return snapshot


def content_of(snapshot: Snapshot) -> dict[str, tuple[int, bytes]]:
    return {
        file.path: (
            file.time,
            file.content if isinstance(file.content, bytes) else file.content.read_bytes(),
        )
        for file in snapshot.files()
    }


def test_a_message_that_waits_is_in_it_with_its_times_though_it_has_gone_since(layout: Layout) -> None:
    settle(layout, 30, failures=b"<x@y>:\nno\n\n")
    layout.hold(30)
    layout.note_deferral("remote", 30, b"no, \xff\n")

    snapshot = taken(layout)
    layout.mark_done("local", 30, 0)
    layout.remove(30)

    found = content_of(snapshot)
    assert (1, BODY, b"") == (snapshot.messages, found["mess/7/30"][1], found["hold/7/30"][1])
    assert (BIRTH, b"Fs@x.test\0") == found["info/7/30"]
    assert (BIRTH + 100, b"Ta@x.test\0Db@x.test\0") == found["local/7/30"]
    assert (BIRTH + 100, b"Tc@far.test\0") == found["remote/7/30"]
    assert b"<x@y>:\nno\n\n" == found["bounce/30"][1]
    told = {file.path: file.attributes for file in snapshot.files() if file.attributes}
    assert {"remote/7/30": {"user.toaster.why": b"1 no, \xff\n"}} == told
    snapshot.clear()
    assert not (layout.queue / "backup").exists()


def test_the_log_counts_for_what_it_holds_and_is_in_it_up_to_its_last_record(layout: Layout) -> None:
    log = Log(layout.queue / "todo")
    log.append_message(50, Origin(BIRTH, 2, 3), Envelope(b"", (b"d@x.test",)), BODY)
    log.append_envelope(51, Origin(BIRTH, 2, 3), Envelope(b"", (b"e@x.test",)), 4)
    log.commit()
    layout.path("mess", 51).write_bytes(b"big\n")
    settle(layout, 50)

    snapshot = taken(layout)

    found = content_of(snapshot)
    assert (2, {"todo/50.log", "mess/4/50", "mess/5/51"}) == (snapshot.messages, set(found))
    assert BODY in found["todo/50.log"][1]
    assert len(found["todo/50.log"][1]) < 400


def test_a_message_that_ends_meanwhile_is_passed_over(layout: Layout) -> None:
    settle(layout, 30)
    layout.path("mess", 30).unlink()

    snapshot = taken(layout)

    assert (0, {}) == (snapshot.messages, content_of(snapshot))


def test_a_file_system_without_links_gets_copies(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    settle(layout, 30)

    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "no links")

    monkeypatch.setattr(os, "link", refuse)

    assert BODY == content_of(taken(layout))["mess/7/30"][1]


def test_there_is_one_backup_at_a_time_and_what_one_left_is_cleared(layout: Layout) -> None:
    settle(layout, 30)
    lock = Snapshot(layout.queue).claim()
    (layout.queue / "backup" / "small").write_bytes(b"old")
    (layout.queue / "backup" / "mess").mkdir()

    with pytest.raises(Temporary, match="another backup"):
        Snapshot(layout.queue).claim()

    os.close(lock)
    os.close(Snapshot(layout.queue).claim())
    assert [] == list((layout.queue / "backup").iterdir())
