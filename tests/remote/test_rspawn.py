"""Owns the tests of the daemon: played as send plays it, over its socket, with a next hop on loopback."""

import asyncio
import contextlib
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Self

import pytest

from appliance.formats.frame import FrameBuffer
from appliance.formats.outcome import Report, Verdict
from appliance.net.loop import run
from appliance.protocols import spawn
from appliance.protocols.spawn import DeliveryFrame, ForgetFrame, MessageFrame, ReportFrame
from appliance.remote import rspawn, sentences
from appliance.remote.remote import Remote
from appliance.remote.reports import Outcome
from appliance.system import privileges
from appliance.system.place import Place
from tests.support.nameserver import NameServer, Records
from tests.support.nexthop import LEAVE, NextHop, Step

JOE = b"joe@far.test"
BODY = b"Subject: t\n\nbody\n"
"""What send would hand over."""


class Send:
    """The other end of rspawn's socket, as send has it."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(60)
        self._socket.connect(str(path))
        self._buffer = FrameBuffer(spawn.FRAME_LIMIT)
        self.reports: dict[int, Report] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    def send(self, *frames: bytes) -> None:
        """All in one piece, as one turn of send's loop does."""
        self._socket.sendall(b"".join(frames))

    def send_large(self, key: int, path: Path) -> None:
        descriptor = os.open(path, os.O_RDONLY)
        frame = spawn.format_message(MessageFrame(key, path.stat().st_size, None))
        socket.send_fds(self._socket, [frame], [descriptor])
        os.close(descriptor)

    def wait_for_report(self, delivery: int) -> Report:
        while delivery not in self.reports:
            received = self._socket.recv(65536)
            assert received, "rspawn has left"
            for kind, payload in self._buffer.receive(received):
                frame = spawn.parse_spawn_frame(kind, payload)
                assert isinstance(frame, ReportFrame)
                self.reports[frame.delivery] = frame.report
        return self.reports[delivery]

    def is_left(self) -> bool:
        """Whether rspawn closes the connection; reports that came before are passed over."""
        try:
            while self._socket.recv(65536):
                pass
        except ConnectionResetError:
            pass
        return True

    def deliver(self, *recipients: bytes, body: bytes = BODY, sender: bytes = b"s@x.test") -> list[Report]:
        """Hand over one message and wait for its reports."""
        deliveries = [
            spawn.format_delivery(DeliveryFrame(i, 1, sender, to)) for i, to in enumerate(recipients)
        ]
        message = spawn.format_message(MessageFrame(1, len(body), body))
        self.send(message, *deliveries, spawn.format_forget(ForgetFrame(1)))
        self.reports.clear()
        return [self.wait_for_report(i) for i in range(len(recipients))]


PROGRAM = """\
import os
from appliance.remote import rspawn
rspawn.STOP_S = rspawn.REREAD_S = 60.0
raise SystemExit(rspawn.main([], os.environ))
"""
"""rspawn, but no busy machine makes it stop a delivery too early, or look for settings once more."""


class Daemon:
    """rspawn as a process of its own."""

    def __init__(self, home: Path, environ: Mapping[str, str]) -> None:
        whole = {"TOASTER_HOME": str(home), "PYTHONPATH": os.pathsep.join(sys.path), **environ}
        self.path = home / "run" / "rspawn.sock"
        self._log = home / "log"
        with self._log.open("wb") as log:
            command = [sys.executable, "-X", "dev", "-c", PROGRAM]
            self._process = subprocess.Popen(command, env=whole, stderr=log)
        self.wait_for_log("rspawn: ")

    def wait_for_log(self, text: str, patience_s: float = 60.0) -> bool:
        """Whether a text comes up in the log."""
        deadline = time.monotonic() + patience_s
        while text not in self._log.read_text():
            if time.monotonic() > deadline or self._process.poll() is not None:
                return text in self._log.read_text()
            time.sleep(0.01)
        return True

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def wait(self) -> tuple[int, str]:
        """Its exit code and log."""
        return self._process.wait(60), self._log.read_text()

    def stop(self) -> str:
        """End it; its log."""
        if self._process.poll() is None:
            self.signal(signal.SIGTERM)
        return self.wait()[1]


@pytest.fixture
def home() -> Iterator[Path]:
    """A qmail home whose control/me is written; as root, pytest's own folder would be closed to qmailr."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        home.chmod(0o755)
        for name in ("control", "run"):
            (home / name).mkdir()
        (home / "control" / "me").write_text("mx.lab.test\n")
        yield home


@contextlib.contextmanager
def running(home: Path, sink: NextHop, **routes: NextHop) -> Iterator[Send]:
    """A connection to an rspawn that sends everything to a sink, and the domains of routes to others."""
    lines = [f"{name}.test:127.0.0.1:{other.port}\n" for name, other in routes.items()]
    (home / "control" / "smtproutes").write_text("".join([*lines, f":127.0.0.1:{sink.port}\n"]))
    daemon = Daemon(home, {})
    try:
        with Send(daemon.path) as send:
            yield send
    finally:
        log = daemon.stop()
    assert "Traceback" not in log
    assert "unclosed" not in log


def test_a_message_goes_to_its_next_hop(home: Path) -> None:
    with NextHop() as sink, running(home, sink) as send:
        [report] = send.deliver(JOE)
        [taken] = sink.wait_for_messages(1)

    expected = b"127.0.0.1 accepted message.\nRemote host said: 250 accepted 99\n"
    assert Report(Verdict.DONE, expected) == report
    assert (b"s@x.test", (JOE,), BODY.replace(b"\n", b"\r\n")) == taken[:3]


@pytest.mark.parametrize(
    ("script", "report"),
    [
        (
            {"RCPT": "450 try later"},
            Report(
                Verdict.TRY_AGAIN,
                b"127.0.0.1 does not like recipient.\n"
                b"Remote host said: 450 try later\nGiving up on 127.0.0.1.\n",
            ),
        ),
        (
            {"RCPT": "550-first line\r\n550-second\r\n550 last"},
            Report(
                Verdict.NEVER,
                b"127.0.0.1 does not like recipient.\n"
                b"Remote host said: 550-first line\n550-second\n550 last\nGiving up on 127.0.0.1.\n",
            ),
        ),
        (
            {"message": "554 bad content"},
            Report(
                Verdict.NEVER,
                b"127.0.0.1 failed after I sent the message.\nRemote host said: 554 bad content\n",
            ),
        ),
        (
            {"message": LEAVE},
            Report(
                Verdict.TRY_AGAIN,
                b"Connected to 127.0.0.1 but connection died. Possible duplicate! (#4.4.2)\n",
            ),
        ),
    ],
)
def test_reports_are_qmail_rspawns(home: Path, script: Mapping[str, Step], report: Report) -> None:
    with NextHop(script) as sink, running(home, sink) as send:
        assert [report] == send.deliver(JOE)


def test_recipients_of_one_message_at_one_next_hop_share_a_transaction(home: Path) -> None:
    recipients = [b"a@far.test", b"b@near.test", b"c@far.test", b"nohost"]

    with NextHop({"RCPT": ["250 ok", "550 no"]}) as sink, running(home, sink) as send:
        reports = send.deliver(*recipients)
        [taken] = sink.wait_for_messages(1)

    verdicts = [report.verdict for report in reports]
    assert [Verdict.DONE, Verdict.NEVER, Verdict.DONE, Verdict.NEVER] == verdicts
    assert Report(Verdict.NEVER, sentences.NO_HOST_NAME) == reports[3]
    assert (b"a@far.test", b"c@far.test") == taken.recipients


def test_a_transaction_has_at_most_a_hundred_recipients(home: Path) -> None:
    with NextHop(extensions=["PIPELINING"]) as sink, running(home, sink) as send:
        reports = send.deliver(*(b"u%d@far.test" % i for i in range(250)))
        taken = sink.wait_for_messages(3)

    assert {Verdict.DONE} == {report.verdict for report in reports}
    assert [50, 100, 100] == sorted(len(message.recipients) for message in taken)


def test_other_senders_of_the_same_message_have_their_own_transaction(home: Path) -> None:
    with NextHop() as sink, running(home, sink) as send:
        send.send(
            spawn.format_message(MessageFrame(1, len(BODY), BODY)),
            *(
                spawn.format_delivery(
                    DeliveryFrame(i, 1, b"list-u%d=far.test@x.test" % i, b"u%d@far.test" % i)
                )
                for i in range(2)
            ),
        )
        for i in range(2):
            assert Verdict.DONE is send.wait_for_report(i).verdict

    assert 2 == len(sink.messages)


def test_a_large_message_is_read_from_its_descriptor(home: Path) -> None:
    path = home / "large"
    path.write_bytes(b".line of a large message\r\n" * 40_000)
    with NextHop() as sink, running(home, sink) as send:
        send.send_large(5, path)
        path.unlink()
        send.send(spawn.format_delivery(DeliveryFrame(0, 5, b"", JOE)), spawn.format_forget(ForgetFrame(5)))
        assert Verdict.DONE is send.wait_for_report(0).verdict
        [taken] = sink.wait_for_messages(1)

    assert b".line of a large message\r\n" * 40_000 == taken.body


def test_a_message_that_was_not_handed_over_is_tried_again(home: Path) -> None:
    with NextHop() as sink, running(home, sink) as send:
        send.send(
            spawn.format_message(MessageFrame(1, 2, b"a\n")),
            spawn.format_forget(ForgetFrame(1)),
            spawn.format_forget(ForgetFrame(1)),
            spawn.format_delivery(DeliveryFrame(0, 1, b"", JOE)),
        )

        assert Report(Verdict.TRY_AGAIN, sentences.NO_SUCH_MESSAGE) == send.wait_for_report(0)


def test_many_deliveries_go_on_at_once(home: Path) -> None:
    with NextHop({"MAIL": 300.0}) as slow, NextHop() as fast, running(home, fast, slow=slow) as send:
        message = spawn.format_message(MessageFrame(1, len(BODY), BODY))
        send.send(message, spawn.format_delivery(DeliveryFrame(0, 1, b"", b"joe@slow.test")))
        send.send(spawn.format_delivery(DeliveryFrame(1, 1, b"", JOE)))

        assert Verdict.DONE is send.wait_for_report(1).verdict
        assert 0 not in send.reports


def test_noise_from_send_ends_the_connection(home: Path) -> None:
    with NextHop() as sink, running(home, sink) as send:
        send.send(struct.pack(">I", 2**31))

        assert send.is_left()


def test_deliveries_of_a_send_that_has_died_are_cut_off(home: Path) -> None:
    may_go_on = threading.Event()
    with NextHop({"DATA": may_go_on}) as sink, NextHop() as other, running(home, sink, near=other) as send:
        send.send(*one_delivery(0))
        assert sink.wait_for_line(b"DATA")
        send.close()
        with Send(home / "run" / "rspawn.sock") as another:
            assert [Verdict.DONE] == [report.verdict for report in another.deliver(b"sue@near.test")]
        may_go_on.set()

        assert sink.wait_until_left(60)
        assert [] == sink.messages


def one_delivery(delivery: int) -> tuple[bytes, bytes]:
    """A message and its only recipient."""
    return (
        spawn.format_message(MessageFrame(1, len(BODY), BODY)),
        spawn.format_delivery(DeliveryFrame(delivery, 1, b"", JOE)),
    )


def listens(path: Path) -> bool:
    """Whether a daemon takes connections there."""
    with socket.socket(socket.AF_UNIX) as asking:
        return asking.connect_ex(str(path)) == 0


def test_term_lets_deliveries_finish(home: Path) -> None:
    may_finish = threading.Event()
    with NextHop({"message": may_finish}) as sink:
        (home / "control" / "smtproutes").write_text(f":127.0.0.1:{sink.port}\n")
        daemon = Daemon(home, {})
        with Send(daemon.path) as send:
            send.send(*one_delivery(0))
            assert sink.wait_for_line(b"DATA")
            daemon.signal(signal.SIGTERM)
            while listens(daemon.path):
                time.sleep(0.01)

            send.send(*one_delivery(1))
            assert Report(Verdict.TRY_AGAIN, sentences.STOPPING) == send.wait_for_report(1)
            may_finish.set()
            assert Verdict.DONE is send.wait_for_report(0).verdict
        code, log = daemon.wait()

    assert (0, True) == (code, "rspawn: status: exiting" in log)


def test_without_settings_every_delivery_waits_until_hup_finds_them(home: Path) -> None:
    (home / "control" / "me").unlink()
    with NextHop() as sink:
        (home / "control" / "smtproutes").write_text(f":127.0.0.1:{sink.port}\n")
        daemon = Daemon(home, {})
        with Send(daemon.path) as send:
            assert [Report(Verdict.TRY_AGAIN, sentences.CONTROL)] == send.deliver(JOE)

            (home / "control" / "me").write_text("mx.lab.test\n")
            daemon.signal(signal.SIGHUP)
            wait_for_verdict(send, Verdict.DONE)
    assert 1 == daemon.stop().count("alert: Unable to read controls")


def test_settings_that_could_not_be_read_are_read_again(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "control" / "me").unlink()
    monkeypatch.setattr(rspawn, "REREAD_S", 0.01)

    async def take() -> None:
        running = rspawn.Rspawn(Place.from_environ({"TOASTER_HOME": str(home)}), {})
        assert running._remote is None
        (home / "control" / "me").write_text("mx.lab.test\n")
        async with asyncio.timeout(60):
            while running._remote is None:
                await asyncio.sleep(0.01)

    run(take())


def wait_for_verdict(send: Send, verdict: Verdict) -> None:
    """Deliver until it comes out so."""
    deadline = time.monotonic() + 60
    while send.deliver(JOE)[0].verdict is not verdict:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_routes_that_were_edited_hold_without_a_signal(home: Path) -> None:
    with NextHop() as sink, NextHop({"RCPT": "550 no"}) as other:
        (home / "control" / "smtproutes").write_text(f":127.0.0.1:{sink.port}\n")
        daemon = Daemon(home, {})
        with Send(daemon.path) as send:
            wait_for_verdict(send, Verdict.DONE)
            (home / "control" / "smtproutes").write_text(f":127.0.0.1:{other.port}\n")
            wait_for_verdict(send, Verdict.NEVER)
        daemon.stop()


def test_hup_takes_up_other_routes_and_keeps_the_old_where_there_are_none(home: Path) -> None:
    with NextHop() as sink, NextHop({"RCPT": "550 no"}) as other:
        (home / "control" / "smtproutes").write_text(f":127.0.0.1:{sink.port}\n")
        daemon = Daemon(home, {})
        with Send(daemon.path) as send:
            wait_for_verdict(send, Verdict.DONE)
            (home / "control" / "smtproutes").write_text(f":127.0.0.1:{other.port}\n")
            daemon.signal(signal.SIGHUP)
            wait_for_verdict(send, Verdict.NEVER)

            (home / "control" / "me").unlink()
            daemon.signal(signal.SIGHUP)
            assert daemon.wait_for_log("alert: Unable to read controls")
            wait_for_verdict(send, Verdict.NEVER)
        daemon.stop()


def test_mail_follows_the_mx_of_a_name_server(home: Path) -> None:
    records: Records = {"far.test": {"MX": ["10 mx.far.test"]}, "mx.far.test": {"A": ["127.0.0.2"]}}
    with NameServer(records) as names, NextHop(at=("127.0.0.2", 0)) as sink:
        daemon = Daemon(home, {"TOASTER_NAMESERVER": names.at, "TOASTER_SMTP_PORT": str(sink.port)})
        with Send(daemon.path) as send:
            assert b"127.0.0.2 accepted message.\n" in send.deliver(JOE)[0].text
        daemon.stop()


def test_it_does_not_start_where_its_socket_cannot_be(home: Path) -> None:
    (home / "run").rmdir()

    code, log = Daemon(home, {}).wait()

    assert (111, True) == (code, "alert: cannot start" in log)


class Crash(Remote):
    """A Remote with a fault of ours in it."""

    async def deliver(self, delivery: object) -> Outcome:
        raise ZeroDivisionError


def test_a_fault_of_ours_costs_one_delivery_and_is_logged(
    home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    place = Place.from_environ({"TOASTER_HOME": str(home)})
    monkeypatch.setattr("appliance.remote.remote.Remote", Crash)

    async def told() -> Report:
        listener = privileges.bind_unix(place.socket("rspawn"))
        serving = asyncio.create_task(rspawn.serve(listener, place, {}))
        await asyncio.sleep(0.01)
        with Send(place.socket("rspawn")) as send:
            [report] = await asyncio.to_thread(send.deliver, JOE)
            os.kill(os.getpid(), signal.SIGTERM)
            await serving
        return report

    assert Report(Verdict.TRY_AGAIN, sentences.CRASHED) == run(told())
    assert "ZeroDivisionError" in capfd.readouterr().err
