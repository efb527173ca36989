"""Owns the check of a worker, as lspawn sees it: frames in, mail delivered, reports out."""

import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from appliance.formats.frame import FrameBuffer
from appliance.formats.maildirsize import Usage, parse_maildirsize
from appliance.formats.outcome import Report, Verdict
from appliance.local import worker
from appliance.local.delivery import Terms
from appliance.local.programs import TOO_MUCH, Limits
from appliance.local.worker import MOST_PROGRAMS, NO_MESSAGE, REPORT_LIMIT, Worker
from appliance.mailbox.maildir import NO_MAILDIR
from appliance.mailbox.mbox import MboxDelivery, open_box, try_lock
from appliance.mailbox.quota import OVER_QUOTA
from appliance.protocols import spawn
from appliance.queue.client import QueueClient
from tests.support.mailroom import BODY, QueueEnd, instruction_for, letters_in
from tests.support.processes import is_alive
from tests.support.waiting import wait_for

HEAD = b"Return-Path: <s@x.test>\nDelivered-To: alice@h.test\n"
MAILDIR = b"did 1+0+0\n"


class Lspawn:
    """The other end of a worker's socket."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        connection.settimeout(100)
        self._buffer = FrameBuffer(spawn.FRAME_LIMIT)

    def hand_over(self, key: int, body: bytes = BODY) -> None:
        self.connection.sendall(spawn.format_message(spawn.MessageFrame(key, len(body), body)))

    def deliver(self, number: int, key: int, instruction: spawn.Instruction) -> None:
        self.connection.sendall(spawn.format_local(spawn.LocalFrame(number, key, instruction)))

    def forget(self, key: int) -> None:
        self.connection.sendall(spawn.format_forget(spawn.ForgetFrame(key)))

    def hear(self, count: int = 1) -> dict[int, Report]:
        reports: dict[int, Report] = {}
        while len(reports) < count:
            received = self.connection.recv(1 << 18)
            assert received, "the worker has ended"
            for frame in self._buffer.receive(received):
                report = spawn.parse_spawn_frame(*frame)
                assert isinstance(report, spawn.ReportFrame)
                reports[report.delivery] = report.report
        return reports


@contextmanager
def working(folder: Path, seconds: float = 100.0) -> Iterator[Lspawn]:
    """A worker in a child: it adopts orphans and kills what is its, which is not for the tests' process."""
    ours, theirs = socket.socketpair()
    child = os.fork()
    if not child:
        code = 1
        try:
            ours.close()
            os.umask(0o077)
            terms = Terms({b"PATH": os.environb[b"PATH"]}, Limits(seconds))
            Worker(theirs, terms, QueueClient(folder / "queue.sock")).run()
            code = 0
        finally:
            os._exit(code)
    theirs.close()
    with ours:
        yield Lspawn(ours)
    assert 0 == os.waitpid(child, 0)[1]


@pytest.fixture
def lspawn(home: Path) -> Iterator[Lspawn]:
    with working(home.parent) as end:
        yield end


def report(verdict: Verdict, text: bytes) -> Report:
    return Report(verdict, text)


def test_a_message_is_handed_over_once_for_many_deliveries(lspawn: Lspawn, home: Path) -> None:
    lspawn.hand_over(1)
    for number in range(200):
        lspawn.deliver(number, 1, instruction_for(home))
    lspawn.forget(1)

    assert dict.fromkeys(range(200), report(Verdict.DONE, MAILDIR)) == lspawn.hear(200)
    assert [HEAD + BODY] * 200 == letters_in(home / "Maildir")


def test_a_message_that_was_never_handed_over_defers(lspawn: Lspawn, home: Path) -> None:
    lspawn.hand_over(1)
    lspawn.forget(1)
    lspawn.forget(2)
    lspawn.deliver(7, 1, instruction_for(home))

    assert {7: report(Verdict.TRY_AGAIN, NO_MESSAGE)} == lspawn.hear()


def test_a_failure_of_one_does_not_touch_the_others(lspawn: Lspawn, home: Path, tmp_path: Path) -> None:
    (tmp_path / "bob").mkdir(mode=0o755)
    lspawn.hand_over(1)
    lspawn.deliver(1, 1, instruction_for(tmp_path / "bob"))
    lspawn.deliver(2, 1, instruction_for(home))
    lspawn.deliver(3, 1, instruction_for(home, "nobody"))
    lspawn.deliver(4, 1, instruction_for(tmp_path / "nowhere"))

    reports = lspawn.hear(4)

    assert report(Verdict.TRY_AGAIN, NO_MAILDIR.encode() + b"\n") == reports[1]
    assert report(Verdict.DONE, MAILDIR) == reports[2]
    assert Verdict.NEVER == reports[3].verdict
    assert reports[4].text.endswith(b"file does not exist. (#4.3.0)\n")


def test_a_large_message_comes_as_a_descriptor(home: Path, tmp_path: Path) -> None:
    text = os.urandom(400_000)
    (tmp_path / "body").write_bytes(text)
    (home / ".qmail").write_text("./Maildir/\n|cat >copy\n./Mailbox\n")
    with working(tmp_path) as lspawn, (tmp_path / "body").open("rb") as file:
        frame = spawn.format_message(spawn.MessageFrame(1, len(text), None))
        socket.send_fds(lspawn.connection, [frame], [file.fileno()])
        lspawn.deliver(1, 1, instruction_for(home))
        lspawn.forget(1)
        assert {1: report(Verdict.DONE, b"did 2+0+1\n")} == lspawn.hear()

    assert [HEAD + text] == letters_in(home / "Maildir")
    assert text == (home / "copy").read_bytes()
    assert text.replace(b"\nFrom ", b"\n>From ") in (home / "Mailbox").read_bytes()


def test_what_programs_print_comes_before_the_report(lspawn: Lspawn, home: Path) -> None:
    (home / ".qmail").write_text("|echo out; echo err >&2\n|echo more; exit 100\n./after\n")
    lspawn.hand_over(1)
    lspawn.deliver(1, 1, instruction_for(home))

    assert {1: report(Verdict.NEVER, b"out\nerr\nmore\n")} == lspawn.hear()


@pytest.mark.parametrize(
    ("command", "text"),
    [
        (
            "head -c 5000 /dev/zero | tr '\\0' x",
            b"x" * (REPORT_LIMIT - 34) + b"\nError report too long, sorry.\n",
        ),
        ("printf 'a\\0b'", b"a"),
    ],
)
def test_a_report_is_cut_as_qmail_lspawn_cuts_it(
    lspawn: Lspawn, home: Path, command: str, text: bytes
) -> None:
    (home / ".qmail").write_text(f"|{command}\n")
    lspawn.hand_over(1)
    lspawn.deliver(1, 1, instruction_for(home))

    assert {1: report(Verdict.DONE, text)} == lspawn.hear()


def test_a_slow_program_does_not_hold_up_a_maildir(lspawn: Lspawn, home: Path) -> None:
    (home / ".qmail-slow").write_text("|read line <fifo; echo $line\n")
    os.mkfifo(home / "fifo")
    lspawn.hand_over(1)
    lspawn.deliver(1, 1, instruction_for(home, "slow"))
    lspawn.deliver(2, 1, instruction_for(home))
    assert {2: report(Verdict.DONE, MAILDIR)} == lspawn.hear()

    (home / "fifo").write_text("at last\n")

    assert {1: report(Verdict.DONE, b"at last\ndid 0+0+1\n")} == lspawn.hear()


def test_programs_of_one_user_take_turns_when_there_are_many(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "ORDER_PATIENCE_S", 100.0)
    (home / ".qmail").write_text("|: >run.$$; ls run.* 2>&- | wc -l; sleep 0.02; rm run.$$\n")
    with working(tmp_path) as lspawn:
        lspawn.hand_over(1)
        for number in range(3 * MOST_PROGRAMS):
            lspawn.deliver(number, 1, instruction_for(home))

        reports = lspawn.hear(3 * MOST_PROGRAMS)

    assert {Verdict.DONE} == {report.verdict for report in reports.values()}
    assert max(int(report.text.split()[0]) for report in reports.values()) <= MOST_PROGRAMS


def test_a_program_whose_turn_does_not_come_is_tried_later(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "ORDER_PATIENCE_S", 0.1)
    (home / ".qmail").write_text("|sleep 300\n")
    with working(tmp_path) as lspawn:
        lspawn.hand_over(1)
        for number in range(MOST_PROGRAMS + 1):
            lspawn.deliver(number, 1, instruction_for(home))

        sentence = b"Too many programs of this user run already. (#4.3.2)\n"
        assert {MOST_PROGRAMS: report(Verdict.TRY_AGAIN, sentence)} == lspawn.hear()


def test_a_program_that_never_ends_is_stopped(home: Path, tmp_path: Path) -> None:
    (home / ".qmail").write_text("|sleep 300\n")
    with working(tmp_path, seconds=0.1) as lspawn:
        lspawn.hand_over(1)
        lspawn.deliver(1, 1, instruction_for(home))

        assert Verdict.TRY_AGAIN == lspawn.hear()[1].verdict


def test_why_a_program_was_stopped_comes_before_what_it_printed(lspawn: Lspawn, home: Path) -> None:
    (home / ".qmail").write_text("|head -c 20000000 /dev/zero\n")
    (home / ".qmail-words").write_text("|yes\n")
    lspawn.hand_over(1)
    for number, extension in enumerate(("", "words")):
        lspawn.deliver(number, 1, instruction_for(home, extension))

    reports = lspawn.hear(2)

    sentence = TOO_MUCH.encode() + b"\n"
    assert report(Verdict.TRY_AGAIN, sentence) == reports[0]
    assert reports[1].text.startswith(sentence + b"y\ny\n")


def test_a_program_that_cannot_be_started_defers(lspawn: Lspawn, home: Path) -> None:
    (home / ".qmail").write_text(f"|{'x' * 200_000}\n")
    lspawn.hand_over(1)
    lspawn.deliver(1, 1, instruction_for(home))

    sentence = b"Unable to run /bin/sh: argument list too long. (#4.3.0)\n"
    assert {1: report(Verdict.TRY_AGAIN, sentence)} == lspawn.hear()


def test_a_locked_mbox_does_not_hold_up_a_maildir(lspawn: Lspawn, home: Path) -> None:
    (home / ".qmail-mbox").write_text("./Mailbox\n")
    holder = open_box(MboxDelivery(bytes(home / "Mailbox"), b"", b"", b"", b""))
    try_lock(holder)
    lspawn.hand_over(1)
    lspawn.deliver(1, 1, instruction_for(home, "mbox"))
    lspawn.deliver(2, 1, instruction_for(home))
    assert {2: report(Verdict.DONE, MAILDIR)} == lspawn.hear()

    os.close(holder)

    assert {1: report(Verdict.DONE, MAILDIR)} == lspawn.hear()


def test_an_mbox_that_cannot_be_opened_defers(lspawn: Lspawn, home: Path) -> None:
    (home / ".qmail").write_text("./no/such/box\n")
    lspawn.hand_over(1)
    lspawn.deliver(1, 1, instruction_for(home))

    sentence = b"Unable to open ./no/such/box: file does not exist. (#4.2.1)\n"
    assert {1: report(Verdict.TRY_AGAIN, sentence)} == lspawn.hear()


def test_forwards_go_to_the_queue(queue: QueueEnd, lspawn: Lspawn, home: Path) -> None:
    (home / ".qmail").write_text("&bob@x.test\n./Maildir/\n")
    lspawn.hand_over(1)
    lspawn.deliver(1, 1, instruction_for(home))

    assert {1: report(Verdict.DONE, b"did 1+1+0\nqp 17\n")} == lspawn.hear()
    assert [b"Delivered-To: alice@h.test\n" + BODY] == [body for _, body in queue.taken]


def test_questions_are_answered(lspawn: Lspawn, home: Path) -> None:
    for number, extension in enumerate(("", "nobody")):
        frame = spawn.QueryFrame(number, instruction_for(home, extension))
        lspawn.connection.sendall(spawn.format_query(frame))

    answers = lspawn.hear(2)

    assert (Verdict.DONE, Verdict.NEVER) == (answers[0].verdict, answers[1].verdict)


def test_a_full_maildir_refuses_for_good_and_says_so_to_no_log(
    home: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    size = len(HEAD + BODY)
    (home / "Maildir/maildirsize").write_text(f"{3 * size}S\n0 0\n")
    with working(tmp_path) as lspawn:
        lspawn.hand_over(1)
        for number in range(5):
            lspawn.deliver(number, 1, instruction_for(home))

        reports = list(lspawn.hear(5).values())

    assert 3 == reports.count(report(Verdict.DONE, MAILDIR))
    assert 2 == reports.count(report(Verdict.NEVER, OVER_QUOTA.encode() + b"\n"))
    assert Usage(3 * size, 3) == parse_maildirsize((home / "Maildir/maildirsize").read_bytes()).used
    assert "unable to deliver" not in capfd.readouterr().err


def test_tmp_is_cleaned_once_in_a_while(lspawn: Lspawn, home: Path) -> None:
    forgotten = home / "Maildir" / "tmp" / "forgotten"
    lspawn.hand_over(1)
    for number in (1, 2):
        forgotten.touch()
        os.utime(forgotten, (0, 0))
        lspawn.deliver(number, 1, instruction_for(home))
        lspawn.hear()
        assert (number == 2) == forgotten.exists()


def test_reports_that_lspawn_does_not_read_yet_wait(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "ORDER_PATIENCE_S", 100.0)
    (home / ".qmail").write_text("|head -c 2900 /dev/zero | tr '\\0' x\n./Maildir/\n")
    with working(tmp_path) as lspawn:
        lspawn.hand_over(1)
        for number in range(100):
            lspawn.deliver(number, 1, instruction_for(home))
        wait_for(lambda: len(os.listdir(home / "Maildir" / "new")) == 100, 100)

        assert 100 == len(lspawn.hear(100))


def test_programs_end_with_lspawn(home: Path, tmp_path: Path) -> None:
    (home / ".qmail").write_text("|echo $$ >pid; sleep 300\n")
    with working(tmp_path) as lspawn:
        lspawn.hand_over(1)
        lspawn.deliver(1, 1, instruction_for(home))
        wait_for(lambda: (home / "pid").exists() and (home / "pid").read_text())

    wait_for(lambda: not is_alive(int((home / "pid").read_text())))


@pytest.mark.parametrize("deliveries", [1, 40, 150])
def test_a_worker_that_is_killed_leaves_no_half_of_a_message_in_new(home: Path, deliveries: int) -> None:
    ours, theirs = socket.socketpair()
    child = os.fork()
    if not child:
        try:
            ours.close()
            Worker(theirs, Terms({}, Limits(20.0)), QueueClient(home / "queue.sock")).run()
        finally:
            os._exit(0)
    theirs.close()
    body = BODY + b"x" * 100_000
    with ours:
        lspawn = Lspawn(ours)
        lspawn.hand_over(1, body)
        for number in range(300):
            lspawn.deliver(number, 1, instruction_for(home))
        end = time.monotonic() + 60
        while len(os.listdir(home / "Maildir" / "new")) < deliveries:
            assert time.monotonic() < end
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)

    assert {HEAD + body} == set(letters_in(home / "Maildir"))
