"""Owns the tests of workers: forked, counted, replaced, ended."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.net.prefork import BUCKETS, CROWD, Slot, prefork
from tests.support.processes import is_alive
from tests.support.sources import CHECKOUT
from tests.support.waiting import wait_for

PROGRAM = """
import os, signal, sys, time
from pathlib import Path
from appliance.net import prefork as module
from appliance.net.prefork import CROWD, prefork, slot
folder = Path(sys.argv[1])
module.QUIET_S, module.LOOK_S = float(sys.argv[2]), 0.05
def body():
    def note(number, _):
        (folder / f"{signal.Signals(number).name}.{os.getpid()}").touch()
        if number == signal.SIGTERM and not (folder / "stubborn").exists():
            os._exit(0)
    def take(*_):
        slot().add(CROWD)
    def lose(*_):
        slot().add(-CROWD)
    signal.signal(signal.SIGHUP, note)
    signal.signal(signal.SIGTERM, note)
    signal.signal(signal.SIGUSR1, take)
    signal.signal(signal.SIGUSR2, lose)
    total = slot().add(int(sys.argv[3]))
    (folder / f"worker.{os.getpid()}").write_text(f"{slot().number} {total}")
    while True:
        time.sleep(60)
sys.exit(prefork(2, body))
"""


@contextlib.contextmanager
def running(folder: Path, begins_with: int, quiet: float = 60.0) -> Iterator["subprocess.Popen[bytes]"]:
    """A master; each worker begins with so many connections."""
    words = [sys.executable, "-c", PROGRAM, str(folder), str(quiet), str(begins_with)]
    master = subprocess.Popen(words, cwd=CHECKOUT)
    try:
        yield master
    finally:
        if master.poll() is None:
            master.kill()
        master.wait()


@pytest.fixture
def master(tmp_path: Path) -> Iterator["subprocess.Popen[bytes]"]:
    with running(tmp_path, CROWD) as started:
        yield started


def workers(folder: Path, count: int) -> list[tuple[int, str]]:
    """The process numbers of so many workers, and what each wrote about its slot."""

    def found() -> list[tuple[int, str]]:
        texts = [(int(path.suffix[1:]), path.read_text()) for path in folder.glob("worker.*")]
        return texts if len(texts) == count and all(text for _, text in texts) else []

    return sorted(wait_for(found), key=lambda pair: pair[1])


def test_one_worker_is_the_process_itself() -> None:
    assert os.getpid() == prefork(1, os.getpid)


def meet(one: str, other: str) -> bool:
    """Whether two addresses are counted as one; which ones do is for each process to draw."""
    return hash(one) % BUCKETS == hash(other) % BUCKETS


def test_connections_are_counted_over_all_workers() -> None:
    first = Slot(2, 0)
    second = first.of(1)

    assert [1, 2, 3] == [first.add(1), second.add(1), first.add(1)]
    far = next(text for text in ("192.0.2.8", "192.0.2.9") if not meet(text, "192.0.2.7"))
    assert [1, 2, 1] == [first.opened("192.0.2.7"), second.opened("192.0.2.7"), second.opened(far)]
    second.closed("192.0.2.7")
    assert 2 == first.opened("192.0.2.7")


def test_a_worker_that_died_takes_its_counts_with_it() -> None:
    first = Slot(2, 0)
    second = first.of(1)
    for slot in (first, second):
        slot.add(1)
        slot.opened("192.0.2.7")

    second.clear()

    assert (1, 2) == (first.total(), first.opened("192.0.2.7"))


def test_each_worker_has_a_slot_of_its_own_in_shared_memory(
    master: "subprocess.Popen[bytes]", tmp_path: Path
) -> None:
    found = workers(tmp_path, 2)

    assert ["0", "1"] == [text.split()[0] for _, text in found]
    assert [str(CROWD), str(2 * CROWD)] == [text.split()[1] for _, text in found]


def test_a_dead_worker_is_replaced_and_not_counted(master: "subprocess.Popen[bytes]", tmp_path: Path) -> None:
    (_, _), (pid, _) = workers(tmp_path, 2)

    os.kill(pid, signal.SIGKILL)

    texts = [text.split() for number, text in workers(tmp_path, 3) if number != pid]
    assert [["0", str(CROWD)], ["1", str(2 * CROWD)]] == sorted(texts)


def test_one_worker_is_enough_until_a_crowd_comes_and_when_it_has_left(tmp_path: Path) -> None:
    with running(tmp_path, 0, quiet=0.2):
        ((first, _),) = workers(tmp_path, 1)
        os.kill(first, signal.SIGUSR1)  # a crowd comes
        (second,) = {pid for pid, _ in workers(tmp_path, 2)} - {first}
        os.kill(first, signal.SIGUSR2)  # and leaves
        wait_for(lambda: not is_alive(second))
        assert is_alive(first)

        os.kill(first, signal.SIGUSR1)
        workers(tmp_path, 3)


def test_a_worker_with_a_connection_is_not_let_go(tmp_path: Path) -> None:
    with running(tmp_path, 1, quiet=0.2):
        ((first, _),) = workers(tmp_path, 1)
        os.kill(first, signal.SIGUSR1)
        (second,) = {pid for pid, _ in workers(tmp_path, 2)} - {first}
        os.kill(first, signal.SIGUSR2)

        time.sleep(0.5)
        assert is_alive(second)


def test_hup_and_term_reach_all_workers(master: "subprocess.Popen[bytes]", tmp_path: Path) -> None:
    pids = [pid for pid, _ in workers(tmp_path, 2)]

    master.send_signal(signal.SIGHUP)
    wait_for(lambda: len(list(tmp_path.glob("SIGHUP.*"))) == 2)
    master.send_signal(signal.SIGTERM)

    assert 0 == master.wait(60)
    assert all(not is_alive(pid) for pid in pids)


def test_workers_end_with_their_master(master: "subprocess.Popen[bytes]", tmp_path: Path) -> None:
    pids = [pid for pid, _ in workers(tmp_path, 2)]

    master.kill()
    master.wait()

    wait_for(lambda: all(not is_alive(pid) for pid in pids))


def test_a_signal_that_comes_with_the_end_of_a_worker_does_not_end_the_master() -> None:
    program = """
import os, signal, sys
from appliance.net.prefork import prefork
wait = os.wait
def wait_and_be_told():
    ended = wait()
    os.kill(os.getpid(), signal.SIGHUP)
    return ended
os.wait = wait_and_be_told
sys.exit(prefork(2, lambda: os.kill(os.getppid(), signal.SIGTERM) or 0))
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=CHECKOUT, capture_output=True, check=False)

    assert (0, b"") == (done.returncode, done.stderr)


def test_a_worker_that_raises_says_why_and_is_replaced(tmp_path: Path) -> None:
    program = "from appliance.net.prefork import prefork\ndef body():\n 1 / 0\nprefork(2, body)"
    with subprocess.Popen([sys.executable, "-c", program], cwd=CHECKOUT, stderr=subprocess.PIPE) as running:
        assert running.stderr is not None
        lines = [running.stderr.readline() for _ in range(8)]
        running.terminate()
        running.stderr.read()

    text = b"".join(lines)
    assert b"ZeroDivisionError" in text
    assert b"died, status" in text
