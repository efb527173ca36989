"""Owns the tests of autoturn: what is sent when it is asked, how often, and what becomes of it at the end."""

import asyncio
import fcntl
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from appliance.formats.outcome import Temporary
from appliance.serial import autoturn
from appliance.serial.autoturn import LOCK, Runs
from appliance.system.place import Place
from tests.support.nexthop import NextHop
from tests.support.qmtp_server import QmtpServer
from tests.support.serial_rig import SerialRig
from tests.support.sources import CHECKOUT
from tests.support.waiting import until_it_works, wait_for

HOME = Path("mail") / "far.test" / "autoturn"


@pytest.fixture
def kept(rig: SerialRig) -> SerialRig:
    """Mail for far.test that waits."""
    rig.prefix = "far.test-"
    (rig.folder / HOME).mkdir(parents=True)
    rig.maildir = rig.maildir.rename(rig.folder / HOME / "Maildir")
    (rig.folder / "run").mkdir()
    rig.put("1", "joe@far.test")
    rig.put("2", "ann@far.test")
    return rig


def turns(rig: SerialRig, next_hop: str) -> Place:
    (rig.folder / "control" / "autoturn").write_text(f"far.test:{next_hop}|192.0.2.7|\n")
    return Place.from_environ(rig.environ | {"TOASTER_MAIL": str(rig.folder / "mail")})


def play(rig: SerialRig, next_hop: str, story: Callable[[Runs], Awaitable[None]]) -> None:
    """The story, and what it has begun up to its end."""

    async def within() -> None:
        await story(Runs(turns(rig, next_hop), rig.environ, pause=0.01))
        begun = asyncio.all_tasks() - {asyncio.current_task()}
        async with asyncio.timeout(60):
            await asyncio.gather(*begun)

    asyncio.run(within())


def recipients(sink: NextHop) -> list[tuple[bytes, ...]]:
    return sorted(message.recipients for message in sink.messages)


def test_what_waits_is_sent_to_its_host(kept: SerialRig, capfd: pytest.CaptureFixture[str]) -> None:
    async def story(runs: Runs) -> None:
        assert 2 == runs.start("far.test")

    with NextHop() as sink:
        play(kept, f"127.0.0.1:{sink.port}", story)
        assert [(b"ann@far.test",), (b"joe@far.test",)] == recipients(sink)
    assert [] == kept.left
    log = capfd.readouterr().err
    assert ": start far.test to 127.0.0.1:" in log
    assert ": maildirserial: info: new/1 succeeded: 127.0.0.1 to: joe@far.test said: 250 accepted 99" in log
    assert ": end far.test status 0" in log


def test_it_may_go_by_qmtp(kept: SerialRig) -> None:
    async def story(runs: Runs) -> None:
        assert 2 == runs.start("far.test")

    with QmtpServer() as sink:
        play(kept, f"qmtp://127.0.0.1:{sink.port}", story)
        assert 2 == len(sink.packages)


def test_however_often_it_is_asked_one_runs_and_one_follows(
    kept: SerialRig, capfd: pytest.CaptureFixture[str]
) -> None:
    greets = threading.Event()

    async def story(runs: Runs) -> None:
        assert 2 == runs.start("far.test")
        while not sink.connections:
            await asyncio.sleep(0.01)
        assert [2] * 100 == [runs.start("far.test") for _ in range(100)]
        greets.set()

    with NextHop({"greet": greets}) as sink:
        play(kept, f"127.0.0.1:{sink.port}", story)
        assert [(b"ann@far.test",), (b"joe@far.test",)] == recipients(sink)
    assert 2 == capfd.readouterr().err.count(": start far.test")


def test_nothing_is_started_for_nothing_or_for_nobody(
    kept: SerialRig, capfd: pytest.CaptureFixture[str]
) -> None:
    async def story(runs: Runs) -> None:
        assert 0 == runs.start("no-such.test")
        for name in kept.left:
            (kept.maildir / "new" / name).unlink()
        assert 0 == runs.start("far.test")

    play(kept, "127.0.0.1:1", story)
    assert "" == capfd.readouterr().err


def test_what_a_crontab_sends_is_not_sent_besides(kept: SerialRig) -> None:
    async def story(runs: Runs) -> None:
        runs.start("far.test")

    with NextHop() as sink, open(kept.folder / HOME / LOCK, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        play(kept, f"127.0.0.1:{sink.port}", story)
        assert 0 == sink.connections
    assert ["1", "2"] == kept.left


def test_a_host_that_is_not_there_leaves_mail_where_it_is(
    kept: SerialRig, capfd: pytest.CaptureFixture[str]
) -> None:
    async def story(runs: Runs) -> None:
        assert 2 == runs.start("far.test")

    play(kept, "127.0.0.1:1", story)
    assert ["1", "2"] == kept.left
    assert "unable to connect to 127.0.0.1 port 1" in capfd.readouterr().err


def test_what_cannot_be_read_is_told(kept: SerialRig) -> None:
    async def story(runs: Runs) -> None:
        kept.maildir.rename(kept.folder / "away")
        with pytest.raises(Temporary, match="unable to send what waits for far.test"):
            runs.start("far.test")
        (kept.folder / "control" / "autoturn").write_text("far.test\n")
        with pytest.raises(Temporary, match="this is not domain:next hop"):
            runs.start("far.test")

    play(kept, "127.0.0.1:1", story)


# -- the process ---------------------------------------------------------------------------------


@contextmanager
def daemon(rig: SerialRig, next_hop: str) -> Iterator["subprocess.Popen[str]"]:
    place = turns(rig, next_hop)
    running = subprocess.Popen(
        [sys.executable, "-m", "appliance", "autoturn", str(os.getuid()), str(os.getgid())],
        cwd=CHECKOUT,
        env=rig.environ | {"TOASTER_MAIL": str(place.mail)},
        stderr=subprocess.PIPE,
        text=True,
    )
    until_it_works(lambda: _connects(place.socket("autoturn")), 60)
    try:
        yield running
    finally:
        running.kill()
        running.communicate(timeout=60)


def _connects(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        assert 0 == connection.connect_ex(str(path))


def ask(rig: SerialRig, line: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(60)
        connection.connect(str(rig.folder / "run" / "autoturn.sock"))
        connection.sendall(line)
        connection.shutdown(socket.SHUT_WR)
        return connection.recv(100)


def test_the_process_answers_how_many_wait_and_sends_them(kept: SerialRig) -> None:
    with NextHop() as sink, daemon(kept, f"127.0.0.1:{sink.port}") as running:
        assert b"0\n" == ask(kept, b"no-such.test\n")
        assert b"" == ask(kept, b"far.test" * 1000)
        assert b"0\n" == ask(kept, b"\xff\0\n")
        assert b"0\n" == ask(kept, b"")

        assert b"2\n" == ask(kept, b"far.test\n")
        wait_for(lambda: [] == kept.left, 60)
        assert 2 == len(sink.messages)
        running.terminate()
        assert 0 == running.wait(60)


def test_at_term_all_programs_of_a_run_end_and_mail_stays(kept: SerialRig) -> None:
    never = threading.Event()
    with NextHop({"message": never}) as sink, daemon(kept, f"127.0.0.1:{sink.port}") as running:
        assert b"2\n" == ask(kept, b"far.test\n")
        wait_for(lambda: b"DATA" in b"".join(sink.dialogue), 60)

        running.send_signal(signal.SIGTERM)
        assert 0 == running.wait(60)
        with open(kept.folder / HOME / LOCK, "a") as lock:  # nobody holds it: nobody is left
            wait_for(lambda: _takes(lock.fileno()), 60)
        assert ["1", "2"] == kept.left
        never.set()


def _takes(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@pytest.mark.parametrize("argv", [[], ["1"], ["a", "b"], ["1", "2", "3"]])
def test_it_says_how_it_is_called(argv: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert 100 == autoturn.main(argv, {"TOASTER_HOME": str(tmp_path)})
    assert "usage: autoturn uid gid" in capfd.readouterr().err


def test_without_a_place_for_its_socket_it_cannot_begin(tmp_path: Path) -> None:
    assert 111 == autoturn.main(
        [str(os.getuid()), str(os.getgid())], {"TOASTER_HOME": str(tmp_path / "none")}
    )
