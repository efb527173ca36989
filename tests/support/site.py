"""Owns a small appliance for end to end tests: all daemons in one folder, on free ports of loopback."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from appliance.__main__ import DAEMONS
from appliance.system.place import Place
from tests.support.clients import Mailbox
from tests.support.folders import open_folder
from tests.support.letter import Letter
from tests.support.ports import free_base
from tests.support.processes import is_alive
from tests.support.sources import CHECKOUT
from tests.support.waiting import LIMIT_S, wait_for

ALWAYS = tuple(name for name in DAEMONS if name not in ("qmtpd", "qmqpd", "autoturn"))
"""The daemons that run although config.yaml does not ask for them."""

_UP = "Ctrl-C stops them.\n"
"""How the checklist ends."""

SMTP, OFMIP, SUBMISSIONS, SUBMISSION, QMTP, QMQP, POP3, POP3S = 25, 26, 465, 587, 209, 628, 110, 995

CONFIG = """\
version: 1
hostname: mail.example.test
postmaster: alice@example.test
domains:
  example.test:
    mailboxes:
      alice: {password: generate}
      bob: {password: generate}
      carol: {forward: [bob], keep_copy: true}
    aliases: {info: [alice, bob], sales: alice}
  example.net: {alias_of: example.test}
  catch.test:
    mailboxes: {dora: {password: generate}}
    catch_all: dora
"""


@dataclass
class Site:
    """An appliance that `python -m appliance start` runs in a folder."""

    folder: Path
    base: int
    environ: dict[str, str]
    user: int | None = None
    """As whom it is started, if not as ourselves."""
    running: subprocess.Popen[bytes] | None = None
    within: tuple[str, ...] = ()
    """Words before its commands, such as those of tests/support/machine.py."""

    @property
    def place(self) -> Place:
        return Place.from_environ(self.environ)

    @property
    def log(self) -> str:
        """What it has printed so far, checklist and log lines."""
        return (self.folder / "log").read_text(errors="replace")

    def port(self, standard: int) -> int:
        """The port on which it answers for a standard one."""
        return self.base + standard

    def start(self) -> subprocess.Popen[bytes]:
        """Starts it; its output goes to the log."""
        with (self.folder / "log").open("ab") as log:
            self.running = subprocess.Popen(
                [*self.within, sys.executable, "-m", "appliance", "start"],
                env=self.environ,
                cwd=CHECKOUT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                user=self.user,
                group=self.user,
                extra_groups=None if self.user is None else [],
            )
        return self.running

    def up(self) -> None:
        """Starts it and waits for its checklist."""
        before = self.log.count(_UP) if (self.folder / "log").exists() else 0
        running = self.start()
        wait_for(lambda: running.poll() is not None or self.log.count(_UP) > before, 90)
        assert running.poll() is None, self.log

    def down(self) -> int:
        """Stops it as Ctrl-C does; its exit code."""
        assert self.running
        self.running.send_signal(signal.SIGINT)
        return self.running.wait(LIMIT_S)

    def kill(self) -> None:
        """Ends it and all its daemons at once, as a loss of power does; their ports are free then."""
        assert self.running
        for number in (signal.SIGSTOP, signal.SIGKILL):
            pids = [self.running.pid, *descendants(self.running.pid)]
            for pid in reversed(pids):
                with suppress(ProcessLookupError):  # it has ended by itself
                    os.kill(pid, number)
        self.running.wait(LIMIT_S)
        wait_for(lambda: not any(map(is_alive, pids)))

    def toaster(self, *words: str, code: int = 0, stdin: str = "") -> str:
        """What the command `toaster` prints; AssertionError if it ends with another exit code."""
        done = subprocess.run(
            [sys.executable, "-m", "appliance", "toaster", *words],
            env=self.environ,
            cwd=CHECKOUT,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
        return done.stdout + done.stderr

    def shell(self, command: str) -> str:
        """What a command prints that calls qmail's programs by name; AssertionError if it fails."""
        path = f"{self.place.home / 'bin'}:{os.environ['PATH']}"
        done = subprocess.run(
            [*self.within, "sh", "-c", command],
            env={**self.environ, "PATH": path},
            cwd=self.place.home,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert (0, "") == (done.returncode, done.stderr), (done.returncode, done.stdout, done.stderr)
        return done.stdout

    def signal(self, name: str, which: str) -> None:
        """Sends a daemon a signal, as an operator does."""
        configuration = str(self.place.home / "supervisord.conf")
        control = [sys.executable, "-m", "supervisor.supervisorctl", "-c", configuration]
        subprocess.run([*control, "signal", which, name], env=self.environ, check=True, capture_output=True)

    def daemons(self) -> dict[str, list[int]]:
        """The processes of each daemon, the eldest first."""
        assert self.running
        found: dict[str, list[int]] = {}
        for pid in descendants(self.running.pid):
            try:
                words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            except (FileNotFoundError, ProcessLookupError):
                continue  # it has ended since
            name = words[words.index(b"appliance") + 1].decode() if b"appliance" in words else ""
            if name in DAEMONS:
                found.setdefault(name, []).append(pid)
        return found

    def mailbox(self, name: str = "alice@example.test") -> Mailbox:
        """A mailbox with the password that its first start printed."""
        found = re.search(rf"mailbox {re.escape(name)} password (\S+)\s", self.log)
        assert found, self.log
        return Mailbox(self.port(POP3), name, found[1])

    def maildir(self, name: str, domain: str = "example.test") -> list[bytes]:
        """The messages of a mailbox as they lie on disk, oldest first."""
        folder = self.place.mail / domain / name / "Maildir"
        paths = [path for part in ("new", "cur") for path in (folder / part).iterdir()]
        try:
            return [path.read_bytes() for path in sorted(paths, key=lambda path: path.stat().st_mtime_ns)]
        except FileNotFoundError:  # one was fetched or sent on meanwhile
            return self.maildir(name, domain)

    def has(self, name: str, new: Letter) -> bool:
        """Whether a letter lies in a mailbox."""
        return any(new.is_in(message) for message in self.maildir(name))


def descendants(pid: int) -> list[int]:
    """All processes below a process, those nearer to it first; one that ends meanwhile has none."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return []
    found = [int(child) for child in children]
    return found + [deeper for child in found for deeper in descendants(child)]


@contextmanager
def site(config: str = CONFIG, environ: Mapping[str, str] | None = None) -> Iterator[Site]:
    """A folder with a config.yaml, nothing started yet; all of it is gone afterwards.

    The folder is not pytest's own: started as root the daemons are other users, and must be able to enter it.
    """
    with open_folder() as folder:
        (folder / "config.yaml").write_text(config)
        base = free_base((SMTP, OFMIP, SUBMISSIONS, SUBMISSION, QMTP, QMQP, POP3, POP3S))
        places = {"HOME": "qmail", "MAIL": "mail", "STATE": "state", "CONFIG": "config.yaml"}
        settings = {f"TOASTER_{name}": str(folder / path) for name, path in places.items()}
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("TOASTER_", "PORT_"))}
        new = Site(folder, base, {**kept, **settings, "PORT_BASE": str(base), **(environ or {})})
        try:
            yield new
        finally:
            if new.running and new.running.poll() is None:
                new.down()
