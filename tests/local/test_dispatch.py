"""Owns the check of what becomes of each frame, in one process but for the nursery and its workers."""

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.formats.assign import compile_assign
from appliance.formats.frame import FrameBuffer, format_frame
from appliance.formats.outcome import Report, Temporary, Verdict
from appliance.local import dispatch, nursery
from appliance.local.delivery import Terms
from appliance.local.dispatch import DEFAULT_DELIVERY, Dispatch, Large, read_limits
from appliance.local.programs import Limits
from appliance.local.switchboard import Switchboard
from appliance.local.worker import Worker
from appliance.protocols import spawn
from appliance.queue.client import QueueClient
from appliance.system import privileges
from appliance.system.control import Control
from appliance.system.place import Place
from appliance.system.privileges import Identity
from tests.support.folders import open_folder
from tests.support.mailroom import BODY, SOMEBODY, make_maildir, own

USER = SOMEBODY if os.geteuid() == 0 else Identity(os.geteuid(), os.getegid())


class Desk:
    """A dispatch with alice@h.test, send on one side and smtpd on the other."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("control", "users", "alias"):
            (folder / name).mkdir()
        (folder / "control" / "me").write_text("h.test\n")
        make_maildir(folder / "alice" / "Maildir")
        own(folder / "alice", USER)
        line = f"=alice:alice:{USER.uid}:{USER.gid}:{folder}/alice:::\n.\n"
        (folder / "users" / "cdb").write_bytes(compile_assign(line.encode()))
        self.board = Switchboard()
        client = QueueClient(folder / "queue.sock")
        self.nursery = nursery.start(
            lambda connection, limits: Worker(connection, Terms({}, limits), client).run()
        )
        self.dispatch = Dispatch(Place.from_environ({"TOASTER_HOME": str(folder)}), self.board, self.nursery)
        self.send, theirs = socket.socketpair()
        self.dispatch.admit_sender(theirs)
        self.smtpd, theirs = socket.socketpair()
        self.dispatch.admit_asker(theirs)

    def close(self) -> None:
        self.dispatch.close()
        self.nursery.close()
        self.send.close()
        self.smtpd.close()
        self.board.turn(0)
        os.wait()

    def hear(self, end: socket.socket, count: int = 1) -> list[tuple[bytes, bytes]]:
        end.setblocking(False)
        buffer, frames = FrameBuffer(spawn.FRAME_LIMIT), list[tuple[bytes, bytes]]()
        patience = time.monotonic() + 60
        while len(frames) < count:
            assert time.monotonic() < patience
            self.board.turn(0.05)
            try:
                frames += buffer.receive(end.recv(1 << 18))
            except BlockingIOError:
                continue
        return frames

    def deliver(self, *parts: bytes) -> Report:
        self.send.sendall(b"".join(parts))
        frame = spawn.parse_spawn_frame(*self.hear(self.send)[0])
        assert isinstance(frame, spawn.ReportFrame)
        return frame.report


@pytest.fixture
def desk() -> Iterator[Desk]:
    with open_folder() as folder:
        there = Desk(folder)
        try:
            yield there
        finally:
            there.close()


def message(key: int) -> bytes:
    return spawn.format_message(spawn.MessageFrame(key, len(BODY), BODY))


def delivery(key: int, recipient: bytes = b"alice@h.test") -> bytes:
    return spawn.format_delivery(spawn.DeliveryFrame(7, key, b"s@x.test", recipient))


def test_a_delivery_is_answered_under_its_number(desk: Desk) -> None:
    desk.send.sendall(message(1) + delivery(1))

    ((kind, payload),) = desk.hear(desk.send)

    assert (b"R", b"\0\0\0\7Kdid 1+0+0\n") == (kind, payload)
    assert not desk.dispatch.busy


def test_a_question_is_answered_under_its_number(desk: Desk) -> None:
    desk.smtpd.sendall(format_frame(b"Q", b"\0\0\0\7alice@h.test"))

    assert [(b"A", b"\0\0\0\7K")] == desk.hear(desk.smtpd)


def test_the_default_delivery_is_that_of_control(desk: Desk) -> None:
    (desk.folder / "control" / "defaultdelivery").write_bytes(b"./Mailbox\n./Maildir/\n\n")
    desk.dispatch.read_control()

    assert Report(Verdict.DONE, b"did 2+0+0\n") == desk.deliver(message(1), delivery(1))
    assert (desk.folder / "alice" / "Mailbox").exists()
    assert b"./Maildir/" == DEFAULT_DELIVERY


def test_control_without_me_cannot_be_read_and_what_was_read_stays(desk: Desk) -> None:
    (desk.folder / "control" / "me").unlink()

    with pytest.raises(Temporary):
        desk.dispatch.read_control()
    desk.smtpd.sendall(format_frame(b"Q", b"\0\0\0\7alice@h.test"))
    assert [(b"A", b"\0\0\0\7K")] == desk.hear(desk.smtpd)


def test_what_is_local_is_known_without_a_signal(desk: Desk) -> None:
    (desk.folder / "control" / "locals").write_bytes(b"other.test\n")

    desk.smtpd.sendall(format_frame(b"Q", b"\0\0\0\7nobody@h.test"))

    assert [(b"A", b"\0\0\0\7K")] == desk.hear(desk.smtpd)


def test_a_damaged_cdb_defers(desk: Desk) -> None:
    (desk.folder / "users" / "cdb").write_bytes(b"")

    report = desk.deliver(message(1), delivery(1))

    assert Report(Verdict.TRY_AGAIN, b"Trouble reading users/cdb in qmail-lspawn.\n") == report


def test_nothing_new_is_begun_while_it_stops(desk: Desk) -> None:
    desk.dispatch.stopping = True

    report = desk.deliver(message(1), delivery(1))

    assert Report(Verdict.TRY_AGAIN, b"Temporary failure in qmail-lspawn.\n") == report


def test_a_nul_in_a_question_is_no_address(desk: Desk) -> None:
    desk.smtpd.sendall(format_frame(b"Q", b"\0\0\0\7alice\0@h.test"))

    ((_, payload),) = desk.hear(desk.smtpd)

    assert b"D" == payload[4:5]


def test_an_answer_for_who_has_gone_goes_nowhere(desk: Desk) -> None:
    desk.send.sendall(message(1) + delivery(1))
    desk.board.turn(1)
    desk.send.close()
    end = time.monotonic() + 60
    while desk.dispatch.busy and time.monotonic() < end:
        desk.board.turn(0.05)

    assert not desk.dispatch.busy


def test_an_idle_worker_ends_in_time(desk: Desk) -> None:
    desk.deliver(message(1), delivery(1))
    deadline = desk.dispatch.deadline()

    desk.dispatch.expire(deadline + 1)

    assert desk.dispatch.deadline() > deadline


def test_a_peer_that_is_nobody_we_know_is_sent_away(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without root nobody here can be another user, so the answer of the kernel is replaced."""
    monkeypatch.setattr(privileges, "admits", lambda *_: False)
    for admit in (desk.dispatch.admit_sender, desk.dispatch.admit_asker):
        ours, theirs = socket.socketpair()
        admit(theirs)
        with ours:
            assert b"" == ours.recv(1)


def test_a_large_message_is_opened_again_so_that_each_delivery_has_a_place_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "body").write_bytes(b"text")
    descriptor = os.open(tmp_path / "body", os.O_RDONLY)
    os.lseek(descriptor, 2, os.SEEK_SET)

    again = dispatch._opened_again(Large(descriptor, 4))

    assert b"text" == os.read(again, 10)
    os.close(again)
    os.close(descriptor)


def test_a_large_message_that_may_not_be_opened_again_is_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "body").write_bytes(b"text")
    descriptor = os.open(tmp_path / "body", os.O_RDONLY)

    def refuse(*_: object) -> int:
        raise PermissionError(13, "no capability to override modes")

    monkeypatch.setattr(os, "open", refuse)
    copy = dispatch._opened_again(Large(descriptor, 4))

    assert b"text" == os.pread(copy, 10, 0)
    os.close(copy)
    os.close(descriptor)


def test_what_programs_may_use_is_told_by_control_files(tmp_path: Path) -> None:
    assert Limits() == read_limits(Control(tmp_path))

    names = ("timeoutprogram", "programoutput", "programprocesses", "programmemory", "programfilesize")
    for number, name in enumerate(names, start=1):
        (tmp_path / name).write_text(f"{number}\n")

    assert Limits(1, 2, 3, 4, 5) == read_limits(Control(tmp_path))
    (tmp_path / "programmemory").write_text("9" * 20)
    assert (1 << 63) - 1 == read_limits(Control(tmp_path)).memory
