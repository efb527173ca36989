"""Owns the check of lspawn as a process: send's and smtpd's sockets, real users, real mailboxes."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from appliance.formats.assign import compile_assign
from appliance.formats.frame import FrameBuffer, format_frame
from appliance.formats.outcome import Report, Verdict
from appliance.local import strays
from appliance.local.lspawn import main, program_environment
from appliance.local.programs import TOO_LONG
from appliance.protocols import spawn
from appliance.system.privileges import IDENTITIES, Identity
from tests.support.folders import open_folder
from tests.support.mailroom import (
    BODY,
    SOMEBODY,
    SOMEBODY_ELSE,
    as_user,
    letters_in,
    make_maildir,
    own,
    queue_end,
)
from tests.support.processes import is_alive
from tests.support.waiting import wait_for

ROOT = os.geteuid() == 0
OURSELVES = Identity(os.geteuid(), os.getegid())
ALICE, BOB = (SOMEBODY, SOMEBODY_ELSE) if ROOT else (OURSELVES, OURSELVES)
K, Z, D = Verdict.DONE, Verdict.TRY_AGAIN, Verdict.NEVER


class Host:
    """A home of the appliance with alice@h.test and bob@h.test, and lspawn running in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("control", "users", "alias", "run"):
            (folder / name).mkdir()
        (folder / "control" / "me").write_text("h.test\n")
        (folder / "control" / "virtualdomains").write_text("v.test:alice\n")
        self.users = {"alice": ALICE, "bob": BOB}
        for name, identity in self.users.items():
            make_maildir(folder / name / "Maildir")
            (folder / name).chmod(0o700)
            own(folder / name, identity)
        own(folder / "alias", IDENTITIES["alias"])
        self.assign()
        self.process: subprocess.Popen[bytes] | None = None
        self.lines: list[socket.socket] = []

    def assign(self) -> None:
        lines = "".join(
            f"={name}:{name}:{who.uid}:{who.gid}:{self.folder}/{name}:::\n"
            f"+{name}-:{name}:{who.uid}:{who.gid}:{self.folder}/{name}:-::\n"
            for name, who in self.users.items()
        )
        (self.folder / "users" / "new").write_bytes(compile_assign(f"{lines}.\n".encode()))
        (self.folder / "users" / "new").rename(self.folder / "users" / "cdb")

    def start(self, *command: str) -> None:
        """As it is started by supervisor, or by another command of Python's."""
        environment = {**os.environ, "TOASTER_HOME": str(self.folder)}
        command = (sys.executable, *(command or ("-m", "appliance", "lspawn")))
        with (self.folder / "log").open("wb") as log:
            self.process = subprocess.Popen(command, env=environment, stderr=log)
        wait_for(lambda: "started" in self.log() or self.process and self.process.poll() is not None)

    def stop(self, number: int = signal.SIGTERM) -> int:
        assert self.process
        for line in self.lines:
            line.close()
        self.process.send_signal(number)
        return self.process.wait(60)

    def log(self) -> str:
        return (self.folder / "log").read_text()

    def dot_qmail(self, name: str, text: str) -> None:
        path = self.folder / name
        path.write_text(text)
        own(path.parent, IDENTITIES["alias"] if path.parent.name == "alias" else self.users[path.parent.name])


class Line:
    """One connection to lspawn."""

    def __init__(self, host: Host, name: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        host.lines.append(self.socket)
        self.socket.settimeout(60)
        self.socket.connect(str(host.folder / "run" / f"{name}.sock"))
        self._buffer = FrameBuffer(spawn.FRAME_LIMIT)

    def frames(self, count: int) -> list[tuple[bytes, bytes]]:
        frames: list[tuple[bytes, bytes]] = []
        while len(frames) < count:
            received = self.socket.recv(1 << 18)
            assert received
            frames += self._buffer.receive(received)
        return frames


class Send(Line):
    """send's end."""

    def __init__(self, host: Host) -> None:
        super().__init__(host, "lspawn")

    def hand_over(self, key: int, body: bytes = BODY) -> None:
        self.socket.sendall(spawn.format_message(spawn.MessageFrame(key, len(body), body)))

    def deliver(self, number: int, key: int, recipient: str) -> None:
        frame = spawn.DeliveryFrame(number, key, b"s@x.test", recipient.encode())
        self.socket.sendall(spawn.format_delivery(frame))

    def hear(self, count: int = 1) -> dict[int, Report]:
        found = [spawn.parse_spawn_frame(*frame) for frame in self.frames(count)]
        return {frame.delivery: frame.report for frame in found if isinstance(frame, spawn.ReportFrame)}


class Smtpd(Line):
    """smtpd's end."""

    def __init__(self, host: Host) -> None:
        super().__init__(host, "recipients")

    def ask(self, address: str) -> tuple[Verdict, bytes]:
        self.socket.sendall(format_frame(b"Q", b"\0\0\0\7" + address.encode()))
        ((kind, payload),) = self.frames(1)
        assert (b"A", b"\0\0\0\7") == (kind, payload[:4])
        return Verdict(payload[4:5]), payload[5:]


@pytest.fixture
def host() -> Iterator[Host]:
    with open_folder() as folder:
        there = Host(folder)
        try:
            there.start()
            yield there
        finally:
            there.stop()


def test_mail_goes_to_its_user_and_is_his(host: Host) -> None:
    send = Send(host)
    send.hand_over(1)
    for number, recipient in enumerate(("alice@h.test", "BOB@h.test", "alice@h.test")):
        send.deliver(number, 1, recipient)

    assert dict.fromkeys(range(3), Report(K, b"did 1+0+0\n")) == send.hear(3)

    for name, count in (("alice", 2), ("bob", 1)):
        assert count == len(letters_in(host.folder / name / "Maildir"))
        for path in (host.folder / name / "Maildir" / "new").iterdir():
            assert host.users[name] == (path.stat().st_uid, path.stat().st_gid)


def test_what_cannot_be_delivered_is_said_as_qmail_lspawn_says_it(host: Host) -> None:
    send = Send(host)
    send.hand_over(1)
    cases = {
        "alice": Report(D, b"Sorry, address must include host name. (#5.1.3)\n"),
        "@h.test": Report(K, b""),
        "alice-nobody@h.test": Report(D, b"Sorry, no mailbox here by that name. (#5.1.1)\n"),
        "nobody@h.test": Report(D, b"Sorry, no mailbox here by that name. (#5.1.1)\n"),
    }
    for number, recipient in enumerate(cases):
        send.deliver(number, 1, recipient)
    send.deliver(9, 2, "alice@h.test")

    reports = send.hear(5)

    assert list(cases.values()) == [reports[number] for number in range(4)]
    assert Report(Z, b"qmail-spawn unable to open message. (#4.3.0)\n") == reports[9]


def test_a_large_message_comes_with_its_file_and_each_program_reads_it_from_its_start(host: Host) -> None:
    text = os.urandom(600_000)
    (host.folder / "body").write_bytes(text)
    host.dot_qmail("alice/.qmail-default", "|cat >copy-$EXT\n")
    send = Send(host)
    with (host.folder / "body").open("rb") as file:
        frame = spawn.format_message(spawn.MessageFrame(1, len(text), None))
        socket.send_fds(send.socket, [frame], [file.fileno()])
    for number in range(4):
        send.deliver(number, 1, f"alice-{number}@h.test")
    send.socket.sendall(spawn.format_forget(spawn.ForgetFrame(1)))

    assert dict.fromkeys(range(4), Report(K, b"did 0+0+1\n")) == send.hear(4)
    for number in range(4):
        assert text == (host.folder / "alice" / f"copy-{number}").read_bytes()


def test_forwards_of_alias_are_handed_in(host: Host) -> None:
    host.dot_qmail("alias/.qmail-postmaster", "&alice@h.test\n")
    with queue_end(host.folder / "run" / "queue.sock") as queue:
        send = Send(host)
        send.hand_over(1)
        send.deliver(1, 1, "postmaster@h.test")

        assert {1: Report(K, b"did 0+1+0\nqp 17\n")} == send.hear()
        assert (b"alice@h.test",) == queue.taken[0][0].recipients


def test_smtpd_learns_which_recipients_exist(host: Host) -> None:
    host.dot_qmail("alice/.qmail-list", "&x@x.test\n")
    host.dot_qmail("alice/.qmail-web", "./Mailbox\n")
    smtpd = Smtpd(host)
    nobody = (D, b"Sorry, no mailbox here by that name. (#5.1.1)")

    assert [(K, b"")] * 5 == [
        smtpd.ask(address)
        for address in ("alice@h.test", "alice-LIST@h.test", "web@v.test", "anybody@far.test", "alice")
    ]
    assert [nobody] * 4 == [
        smtpd.ask(address) for address in ("alice-x@h.test", "who@h.test", "x@v.test", "@h.test")
    ]


def test_smtpd_learns_that_it_cannot_be_told_now(host: Host) -> None:
    host.users["alice"] = Identity(0, 0)
    (host.folder / "bob").rename(host.folder / "gone")
    host.assign()
    smtpd = Smtpd(host)

    if ROOT:
        assert (Z, b"Not allowed to perform deliveries as root.") == smtpd.ask("alice@h.test")
    assert Z == smtpd.ask("bob@h.test")[0]


def test_a_new_mailbox_receives_at_once_and_control_is_read_at_hup(host: Host) -> None:
    smtpd = Smtpd(host)
    before = smtpd.ask("carol@h.test")[0], smtpd.ask("nobody@new.test")[0]
    make_maildir(host.folder / "carol" / "Maildir")
    host.users["carol"] = ALICE
    own(host.folder / "carol", ALICE)
    host.assign()
    (host.folder / "control" / "locals").write_text("h.test\nnew.test\n")
    assert host.process
    host.process.send_signal(signal.SIGHUP)
    wait_for(lambda: "read control again" in host.log())

    assert (D, K) == before
    assert (K, D) == (smtpd.ask("carol@h.test")[0], smtpd.ask("nobody@new.test")[0])


def test_a_domain_that_smtpd_has_heard_of_first_is_known_at_once(host: Host) -> None:
    smtpd = Smtpd(host)
    asked_before = smtpd.ask("nobody@new.test")[0]  # a look at the control files: the next is due in a second
    (host.folder / "control" / "locals").write_text("h.test\nnew.test\n")

    assert (K, D) == (asked_before, smtpd.ask("nobody@new.test")[0])


def test_control_that_cannot_be_read_at_hup_changes_nothing(host: Host) -> None:
    (host.folder / "control" / "locals").mkdir()
    assert host.process
    host.process.send_signal(signal.SIGHUP)
    wait_for(lambda: "control stays as it was" in host.log())

    assert K == Smtpd(host).ask("alice@h.test")[0]


def test_a_sender_that_goes_away_takes_only_its_own_with_it(host: Host) -> None:
    gone, there = Send(host), Send(host)
    for send in (gone, there):
        send.hand_over(1, b"Subject: %d\n" % id(send))
    gone.deliver(1, 1, "alice@h.test")
    gone.socket.close()
    there.deliver(1, 1, "bob@h.test")

    assert {1: Report(K, b"did 1+0+0\n")} == there.hear()
    assert letters_in(host.folder / "bob" / "Maildir")[0].endswith(b"Subject: %d\n" % id(there))


@pytest.mark.parametrize(
    "frame",
    [
        format_frame(b"X", b""),
        format_frame(spawn.LOCAL, b"\0" * 20),
        format_frame(spawn.REPORT, b"\0\0\0\1K"),
        spawn.format_message(spawn.MessageFrame(1, 10, None)),
        spawn.format_message(spawn.MessageFrame(1, 5, b"four")),
        b"\xff" * 8,
    ],
)
def test_a_sender_that_says_nonsense_is_cut_off_and_nobody_else(host: Host, frame: bytes) -> None:
    send, smtpd = Send(host), Smtpd(host)
    send.socket.sendall(frame)

    assert b"" == send.socket.recv(1)
    assert K == smtpd.ask("alice@h.test")[0]


def test_an_asker_that_says_nonsense_is_cut_off(host: Host) -> None:
    for frame in (format_frame(b"Q", b"1"), format_frame(b"M", b"\0" * 30)):
        smtpd = Smtpd(host)
        smtpd.socket.sendall(frame)

        assert b"" == smtpd.socket.recv(1)


@pytest.mark.parametrize(
    ("name", "friend", "question"),
    [
        ("lspawn", "qmailq", spawn.format_delivery(spawn.DeliveryFrame(1, 1, b"", b"alice@h.test"))),
        ("recipients", "qmaild", format_frame(b"Q", b"\0\0\0\7alice@h.test")),
    ],
)
def test_only_their_own_peers_are_let_in(host: Host, name: str, friend: str, question: bytes) -> None:
    """Without root nobody can be a stranger, and we are let in."""

    def is_let_in() -> bool:
        line = Line(host, name).socket
        try:
            line.sendall(question)
            return line.recv(1) != b""
        except ConnectionError:
            return False

    friends = {IDENTITIES[friend].uid}
    strangers = {SOMEBODY.uid, *(who.uid for who in IDENTITIES.values())} - {0} - friends

    assert all(as_user(uid, is_let_in) for uid in friends)
    assert not any(as_user(uid, is_let_in) for uid in strangers) or not ROOT


def test_a_recipients_program_cannot_reach_what_is_not_its_users(host: Host) -> None:
    """It tries: the other's mail, its own worker's memory and descriptors. Without root all is one user's."""
    attempts = [
        f"cat {host.folder}/bob/Maildir/new/*",
        f"touch {host.folder}/bob/x",
        "cat /proc/$PPID/environ",
        "cat /proc/$PPID/mem",
        "ls /proc/$PPID/fd/",
        "kill -0 1",
    ]
    if not ROOT:
        attempts = ["false"] * 6
    script = "\n".join(
        f"|{{ {attempt}; }} >out 2>&1 && echo reached && exit 100; exit 0" for attempt in attempts
    )
    host.dot_qmail("alice/.qmail", f"{script}\n")
    send = Send(host)
    send.hand_over(1)
    send.deliver(1, 1, "bob@h.test")
    send.deliver(2, 1, "alice@h.test")

    assert {1: Report(K, b"did 1+0+0\n"), 2: Report(K, b"did 0+0+6\n")} == send.hear(2)


def test_a_worker_that_is_killed_defers_its_deliveries_and_nothing_else(host: Host) -> None:
    host.dot_qmail("alice/.qmail", "|kill -9 $PPID; sleep 300\n")
    send = Send(host)
    send.hand_over(1)
    send.deliver(1, 1, "alice@h.test")
    crashed = send.hear()
    host.dot_qmail("alice/.qmail", "./Maildir/\n")
    send.deliver(2, 1, "alice@h.test")

    assert {1: Report(Z, b"qmail-local crashed. (#4.3.0)\n")} == crashed
    assert {2: Report(K, b"did 1+0+0\n")} == send.hear()
    assert "ended with 1 open deliveries" in host.log()


PATIENT = """\
import os
from appliance.local import lspawn
lspawn.STOP_SECONDS = 60.0
raise SystemExit(lspawn.main([], os.environ))
"""


def test_term_lets_open_deliveries_end_and_takes_no_new_ones(host: Host) -> None:
    host.stop()
    host.start("-c", PATIENT)
    os.mkfifo(host.folder / "alice" / "fifo")
    host.dot_qmail("alice/.qmail", "|echo >started; read line <fifo\n")
    send = Send(host)
    send.hand_over(1)
    send.deliver(1, 1, "alice@h.test")
    wait_for(lambda: (host.folder / "alice" / "started").exists())
    assert host.process
    host.process.send_signal(signal.SIGTERM)
    wait_for(lambda: not can_connect(host))
    send.deliver(2, 1, "bob@h.test")
    refused = send.hear()
    (host.folder / "alice" / "fifo").write_text("go on\n")

    assert {2: Report(Z, b"Temporary failure in qmail-lspawn.\n")} == refused
    assert {1: Report(K, b"did 0+0+1\n")} == send.hear()
    assert 0 == host.process.wait(60)


def can_connect(host: Host) -> bool:
    try:
        Send(host).socket.close()
    except OSError:
        return False
    return True


def test_lspawn_that_is_killed_leaves_no_process(host: Host) -> None:
    send = Send(host)
    send.hand_over(1)
    send.deliver(1, 1, "alice@h.test")
    send.hear()
    assert host.process
    family = strays.family(host.process.pid)
    assert len(family) >= 3

    host.stop(signal.SIGKILL)

    wait_for(lambda: not [pid for pid in family if is_alive(pid)])


def test_lspawn_does_not_go_on_without_its_nursery(host: Host) -> None:
    assert host.process
    (made,) = strays.children(host.process.pid)
    os.kill(made, signal.SIGKILL)

    assert 111 == host.process.wait(60)
    assert "has ended" in host.log()


def test_who_watches_certificates_comes_when_they_are_named(host: Host) -> None:
    process = host.process
    assert process
    [nursery] = strays.children(process.pid)
    (host.folder / "control" / "servercert").write_text(f"{host.folder}/none.pem\n")

    process.send_signal(signal.SIGHUP)

    [watching] = wait_for(lambda: set(strays.children(process.pid)) - {nursery})
    wait_for(lambda: "none.pem cannot be read: No such file" in host.log())
    assert 0 == host.stop()
    wait_for(lambda: is_gone(watching))


def is_gone(pid: int) -> bool:
    return not is_alive(pid)


def test_a_host_without_control_does_not_start(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    home = tmp_path / "home"
    (home / "control").mkdir(parents=True)
    done = subprocess.run(
        [sys.executable, "-m", "appliance", "lspawn"],
        env={**os.environ, "TOASTER_HOME": str(home)},
        check=False,
        timeout=60,
    )

    assert 111 == done.returncode
    assert "cannot start" in capfd.readouterr().err


def test_new_limits_for_programs_count_from_the_next_delivery_on(host: Host) -> None:
    assert host.process
    begun, go = host.folder / "alice" / "begun", host.folder / "alice" / "go"
    host.dot_qmail("alice/.qmail", f"|touch {begun}; until [ -e {go} ]; do sleep 0.05; done\n")
    send = Send(host)
    send.hand_over(1)
    send.deliver(1, 1, "alice@h.test")
    wait_for(begun.exists)

    (host.folder / "control" / "timeoutprogram").write_text("1\n")
    host.process.send_signal(signal.SIGHUP)
    wait_for(lambda: "read control again" in host.log())
    send.deliver(2, 1, "alice@h.test")
    assert {2: Report(Z, f"{TOO_LONG}\n".encode())} == send.hear()
    go.touch()
    assert {1: Report(K, b"did 0+0+1\n")} == send.hear()


def test_a_program_that_stops_or_kills_its_worker_only_defers_its_users_mail(host: Host) -> None:
    send = Send(host)
    send.hand_over(1)
    for number, action in enumerate(("STOP", "KILL")):
        left = host.folder / "alice" / f"left-{action}"
        host.dot_qmail(
            "alice/.qmail",
            f"|setsid sh -c 'trap \"\" HUP TERM; echo $$ >{left}; sleep 300; :' & "
            f"until [ -s {left} ]; do :; done; kill -{action} $PPID; sleep 300\n",
        )
        send.deliver(2 * number, 1, "alice@h.test")
        assert {2 * number: Report(Z, b"qmail-local crashed. (#4.3.0)\n")} == send.hear()
        send.deliver(2 * number + 1, 1, "bob@h.test")
        assert {2 * number + 1: Report(K, b"did 1+0+0\n")} == send.hear()

        wait_for(partial(is_gone, int(left.read_text())))


def test_programs_find_the_path_and_the_appliance_but_nothing_else() -> None:
    environ = {
        "PATH": "/bin",
        "TZ": "UTC",
        "LC_ALL": "C",
        "TOASTER_HOME": "/h",
        "PGPASSWORD": "secret",
        "HOME": "/root",
    }

    found = program_environment(environ, "/h")

    assert found == {b"PATH": b"/h/bin:/bin", b"TZ": b"UTC", b"LC_ALL": b"C", b"TOASTER_HOME": b"/h"}
    assert b"/h/bin:/usr/local/bin:/usr/bin:/bin" == program_environment({}, "/h")[b"PATH"]
    assert callable(main)
