"""Owns popup, pop3d and authd as running processes on a free port, over Maildirs in a temporary folder."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from appliance.accounts.exchange import Account
from appliance.accounts.passwords import hash_password
from appliance.accounts.table import Entry, Password, format_entry
from appliance.formats.tcprules import compile_rules
from appliance.system.place import Place
from appliance.system.privileges import IDENTITIES, is_root
from tests.support.folders import open_folder
from tests.support.ports import free_ports
from tests.support.sources import CHECKOUT
from tests.support.waiting import wait_for

OWNER = 5000  # of the mailboxes, if we are root


@dataclass
class Pop3Rig:
    """The three daemons, and the mailboxes they open."""

    folder: Path
    port: int
    tls_port: int
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    entries: dict[str, bytes] = field(default_factory=dict)
    arguments: dict[str, list[str]] = field(default_factory=dict)

    @property
    def environ(self) -> dict[str, str]:
        folders = {"HOME": self.folder, "MAIL": self.folder / "mail", "STATE": self.folder / "state"}
        return {f"TOASTER_{name}": str(folder) for name, folder in folders.items()}

    @property
    def place(self) -> Place:
        return Place.from_environ(self.environ)

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def add(self, name: str, password: str) -> Path:
        """A mailbox with an empty Maildir; daemons that run know it after HUP."""
        user, _, domain = name.partition("@")
        home = self.folder / "mail" / domain / user
        maildir = home / "Maildir"
        for folder in ("tmp", "new", "cur"):
            (maildir / folder).mkdir(parents=True)
        uid, gid = (OWNER, OWNER) if is_root() else (os.getuid(), os.getgid())
        own(home)
        account = Account(name.encode(), uid, gid, os.fsencode(home), b"Maildir")
        self.entries[name] = format_entry(Entry(account, (Password(hash_password(password.encode())),)))
        self.write_passwords()
        return maildir

    def write_passwords(self) -> None:
        """The table as authd reads it."""
        path = self.place.passwords
        path.unlink(missing_ok=True)
        path.write_bytes(b"".join(line + b"\n" for line in self.entries.values()))
        path.chmod(0o400)
        if is_root():
            os.chown(path, IDENTITIES["qmailp"].uid, -1)

    def start(self, *names: str) -> None:
        """Start these daemons, all if none is named, and wait until they answer."""
        since = begin = len(self.log)
        had_popup = "popup" in self.running
        for name in names or ("authd", "pop3d", "popup"):
            self.start_only(name)
        while "popup" in self.running and not (had_popup or self._listens(begin)):
            # Another test was faster and has the port: its daemon must not be taken for this one.
            self.port, self.tls_port = free_ports(2)
            begin = len(self.log)
            self.start_only("popup")
        for name in {"authd", "pop3d"} & self.running.keys():
            wait_for(lambda name=name: connects(self.place.socket(name)))  # type: ignore[misc]
        if "authd" in (names or self.running):
            wait_for(lambda: has_looked_at_table(self.log[since:]))

    def start_only(self, name: str) -> None:
        """Start one and do not wait."""
        arguments = {
            "popup": [f"pop3:127.0.0.1:{self.port}", f"pop3s:127.0.0.1:{self.tls_port}:tls"],
            **self.arguments,
        }
        with (self.folder / "log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                [sys.executable, "-m", "appliance", name, *arguments.get(name, ())],
                cwd=CHECKOUT,
                env={**os.environ, **self.environ},
                stderr=log,
            )

    def _listens(self, begin: int) -> bool:
        """Whether popup listens; not if the address was taken."""
        known = ("popup: tcpserver: status: 0/", "Address already in use")
        return wait_for(lambda: [text for text in known if text in self.log[begin:]]) == [known[0]]

    def stop(self, *names: str) -> None:
        """End these daemons, all if none is named, and wait for their end."""
        wanted = [self.running.pop(name) for name in names or tuple(self.running)]
        for process in wanted:
            process.terminate()
        for process in wanted:
            process.wait(60)

    def wait_for_quiet(self) -> None:
        """Wait until all connections have ended, and all sessions with them."""
        wait_for(self._is_quiet)

    def _is_quiet(self) -> bool:
        """Whether each login has its end, in popup's log, too, which comes later, and popup no connection."""
        log = self.log
        logins, ends = log.count(" pop3d: login "), log.count(" popup: tcpserver: end ")
        is_idle = log.rpartition(" popup: tcpserver: status: ")[2].startswith("0/")
        return logins == log.count(" pop3d: end ") and logins <= ends and is_idle

    @contextmanager
    def client(self) -> Iterator["Client"]:
        """A connection of somebody who reads what he is told."""
        with socket.create_connection(("127.0.0.1", self.port), 60) as connection:
            client = Client(connection)
            with client.lines:
                yield client


class Client:
    """Says lines and reads replies, with no mind of its own."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.lines = connection.makefile("rb")

    def say(self, text: bytes) -> None:
        self.connection.sendall(text + b"\r\n")

    def reply(self) -> bytes:
        """One line without its end; empty when the connection has ended."""
        return self.lines.readline().removesuffix(b"\r\n")

    def ask(self, text: bytes) -> bytes:
        self.say(text)
        return self.reply()

    def many(self) -> list[bytes]:
        """The lines up to the dot, as they were sent."""
        found = []
        while (line := self.lines.readline()) != b".\r\n":
            assert line, "the connection ended in the midst of an answer"
            found.append(line)
        return found

    def login(self, user: str, password: str) -> bytes:
        """What was answered to PASS."""
        self.ask(f"USER {user}".encode())
        return self.ask(f"PASS {password}".encode())


def own(folder: Path) -> None:
    """Give a home to the owner of the mailboxes."""
    if is_root():
        for path in [folder, *folder.rglob("*")]:
            os.lchown(path, OWNER, OWNER)


def has_looked_at_table(log: str) -> bool:
    """Whether authd has read its table, or found that it cannot."""
    return " authd: status: accounts" in log or " authd: alert: " in log


def connects(path: Path) -> bool:
    """Whether somebody accepts connections there."""
    with socket.socket(socket.AF_UNIX) as connection:
        return connection.connect_ex(str(path)) == 0


def opened_by(pid: int) -> dict[int, str]:
    """What a process has open now, by descriptor."""
    found = {}
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed since
            found[int(link.name)] = os.readlink(link)
    return found


def deliver(maildir: Path, name: str, content: bytes, mtime: int = 0) -> Path:
    """Put a message into new/, or with a flagged name into cur/."""
    path = maildir / ("cur" if ":" in name else "new") / name
    path.write_bytes(content)
    if mtime:
        os.utime(path, (mtime, mtime))
    own(maildir)
    return path


@contextmanager
def pop3_rig() -> Iterator[Pop3Rig]:
    """A rig that is not started yet and has no mailbox; what it logged is shown if the test fails."""
    with open_folder() as folder:
        port, tls_port = free_ports(2)
        rig = Pop3Rig(folder, port, tls_port)
        for part in ("control", "rules", "run", "mail", "state"):
            (folder / part).mkdir()
        (rig.place.control / "me").write_text("mail.example.test\n")
        for name in ("pop3", "pop3s"):
            (rig.place.rules / f"tcp.{name}.cdb").write_bytes(compile_rules(b":allow\n"))
        (folder / "log").touch()
        rig.write_passwords()
        try:
            yield rig
        finally:
            rig.stop()
            print(rig.log)
