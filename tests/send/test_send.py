"""The process send: signals, settling off the loop, and a start that cannot be."""

import contextlib
import errno
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from appliance.formats.envelope import Envelope
from appliance.formats.outcome import Temporary
from appliance.queue.client import QueueClient
from appliance.queue.layout import claim, prepare
from appliance.send import send
from appliance.system import privileges
from tests.support.failing_files import FailingDisk
from tests.support.queue_rig import DONE, LATER, Rig


def test_hup_rereads_where_recipients_go_and_how_many_at_once(rig: Rig) -> None:
    (rig.place.control / "locals").write_text("example.test\nfar.test\n")
    (rig.place.control / "concurrencylocal").write_text("7\n")

    os.kill(os.getpid(), signal.SIGHUP)
    rig.turn()
    rig.hand_in("carol@far.test")
    rig.turn(lambda: bool(rig.local.unanswered))

    assert 7 == rig.send._channels[0].limit


def test_controls_that_cannot_be_reread_leave_the_old_in_force(rig: Rig) -> None:
    (rig.place.control / "me").unlink()

    os.kill(os.getpid(), signal.SIGHUP)
    rig.turn()

    assert b"mx.example.test" == rig.send._work.settings.me


def test_term_waits_for_open_deliveries_starts_no_more_and_mail_is_taken(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(send, "PATIENCE_S", 0.0)
    rig.hand_in("alice@example.test")
    rig.turn(lambda: bool(rig.local.unanswered))

    os.kill(os.getpid(), signal.SIGTERM)
    rig.turn()
    rig.hand_in("bob@example.test")
    rig.turn()

    assert (False, 1) == (rig.send._may_exit(), len(rig.local.deliveries))
    rig.local.answer(DONE)
    rig.turn(rig.send._may_exit)


def test_int_does_not_wait_for_ever(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(send, "PATIENCE_S", 0.0)
    rig.hand_in("alice@example.test")
    rig.turn(lambda: bool(rig.local.unanswered))

    os.kill(os.getpid(), signal.SIGTERM)
    rig.turn()
    os.kill(os.getpid(), signal.SIGINT)
    rig.turn()

    assert rig.send._may_exit()


def test_what_comes_within_milliseconds_is_handed_over_together(new_rig: Callable[..., Rig]) -> None:
    rig = new_rig(concurrencylocal="100")
    rig.turn()

    rig.send._next_hand_over = time.monotonic() + 1000
    rig.hand_in("alice@example.test")
    rig.turn()
    held_back = len(rig.local.deliveries)
    rig.send._next_hand_over = 0.0
    rig.turn()

    assert (0, 1) == (held_back, len(rig.local.deliveries))


def test_a_full_hand_does_not_wait(new_rig: Callable[..., Rig]) -> None:
    rig = new_rig(concurrencylocal="200")
    rig.turn()

    rig.send._next_hand_over = time.monotonic() + 1000
    rig.hand_in(*(f"u{number}@example.test" for number in range(150)))
    rig.turn(lambda: bool(rig.local.deliveries))

    assert 150 == len(rig.local.deliveries)


def test_deliveries_that_take_all_places_do_not_wait_for_more(new_rig: Callable[..., Rig]) -> None:
    rig = new_rig(concurrencylocal="2")
    rig.turn()

    rig.send._next_hand_over = time.monotonic() + 1000
    rig.hand_in("alice@example.test", "bob@example.test", "carol@example.test")
    rig.turn(lambda: bool(rig.local.deliveries))

    assert 2 == len(rig.local.deliveries)


def test_settling_that_fails_is_tried_again(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.hand_in("alice@example.test")
    rig.turn(lambda: bool(rig.local.unanswered))
    with monkeypatch.context() as context:
        FailingDisk(context).fail("fsync", 1, errno.EIO)
        rig.local.answer(LATER)
        rig.turn(lambda: bool(rig.send._ending._postponed))

    later = time.time() + 1000
    monkeypatch.setattr(time, "time", lambda: later)
    rig.turn(lambda: not rig.send._work.messages)

    assert 1 == len(rig.files("local"))


def test_a_spawn_that_reads_slowly_is_written_to_when_it_can(new_rig: Callable[..., Rig]) -> None:
    rig = new_rig(concurrencylocal="100")
    rig.local.read = lambda: None  # type: ignore[method-assign]
    for number in range(40):
        rig.hand_in(f"u{number}@example.test", body=b"x" * 200_000)
    rig.turn()
    assert rig.send._channels[0].backlog

    del rig.local.read
    rig.turn(lambda: len(rig.local.unanswered) == 40)


def test_it_sleeps_until_something_is_due(rig: Rig) -> None:
    assert send.RECONNECT_S == rig.send._patience()
    rig.turn()
    rig.send._next_hand_over = 0.0
    rig.send._turn()
    patience = type(rig.send)._patience
    assert 30 < patience(rig.send) <= send.IDLE_S

    rig.send._schedules[0].push(int(time.time()) + 30, 1)
    assert 0 < patience(rig.send) <= 30


def test_without_controls_it_says_so_and_ends(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "appliance", "send"],
        env={**os.environ, "TOASTER_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert 111 == done.returncode
    assert "send: alert: cannot start: Unable to read controls (#4.3.0)." in done.stderr


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that other users may enter: as root, send is somebody else."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@pytest.mark.parametrize(("is_to_stay_down", "code"), [(False, 0), (True, send.STAY_DOWN)])
def test_as_a_process_it_takes_mail_and_stops_on_term(
    open_folder: Path, is_to_stay_down: bool, code: int
) -> None:
    (open_folder / "control").mkdir()
    (open_folder / "run").mkdir()
    (open_folder / "control" / "me").write_text("mx.example.test\n")
    (open_folder / "run" / "send.down").touch()  # of one that was killed: nobody orders this one down yet
    client, envelope = QueueClient(open_folder / "run" / "queue.sock"), Envelope(b"", (b"a@x.test",))
    deadline, number = time.monotonic() + 60, 0
    with subprocess.Popen(
        [sys.executable, "-m", "appliance", "send"],
        env={**os.environ, "TOASTER_HOME": str(open_folder)},
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        while not number:
            assert time.monotonic() < deadline
            with contextlib.suppress(Temporary):
                number = client.submit(envelope, b"b\n")
            time.sleep(0.02)
        if is_to_stay_down:
            (open_folder / "run" / "send.down").touch()
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=60)

    assert code == process.returncode
    assert f"send: new msg {number}\n" in log
    assert "send: status: exiting\n" in log


def test_a_second_one_leaves_the_first_its_queue_and_its_socket(open_folder: Path) -> None:
    (open_folder / "control").mkdir()
    (open_folder / "run").mkdir()
    (open_folder / "control" / "me").write_text("mx.example.test\n")
    (open_folder / "run" / "queue.sock").touch()
    prepare(open_folder / "queue", privileges.identity_of("qmailq"))
    with privileges.acting_as("qmailq"):
        mutex = claim(open_folder / "queue")
    done = subprocess.run(
        [sys.executable, "-m", "appliance", "send"],
        env={**os.environ, "TOASTER_HOME": str(open_folder)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    os.close(mutex)

    assert (111, True) == (done.returncode, (open_folder / "run" / "queue.sock").is_file())
    assert "alert: cannot start: qmail-send is already running\n" in done.stderr
