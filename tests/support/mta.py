"""Owns the mail hosts of others as tests see them: handed mail, asked for what arrived, told to try again.

Each has a domain of its own, such as exim.test, where ANN and BEN have Maildirs, GREY is put off until
`welcome`, and there is nobody else. All other mail it takes too, and sends to the next hop.
"""

import os
import shutil
import smtplib
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

from tests.support.certificate import self_signed
from tests.support.machine import Machine
from tests.support.waiting import wait_for

UNPACKED = Path("/opt/toaster-mtas")
"""Where peers.sh puts what Debian does not let one install beside Postfix."""

ANN, BEN, GREY = "ann", "ben", "grey"
PUT_OFF = "4.7.1 come back later"
OWNER = 5000
"""Whose the Maildirs are, by number, if it can be chosen."""


class Mta(ABC):
    """One of them; its files lie in `folder`, and it takes mail at a port of loopback."""

    name: str
    extensions: frozenset[str]
    """What it knows of what some do not."""

    def __init__(self, folder: Path, port: int) -> None:
        """Skips the test where it cannot run, as Machine does."""
        folder.mkdir()
        folder.chmod(0o755)
        self.folder = folder
        self.port = port
        self.pem = self_signed(folder / "pem", self.domain)
        self.pem.chmod(0o600)
        self.machine = Machine(folder)
        self._group = folder / "group"
        shutil.copy("/etc/group", self._group)
        self.machine.instead(Path("/etc/group"), self._group)
        self._running: subprocess.Popen[bytes] | None = None

    def account(self, name: str, number: int) -> None:
        """A user of its machine, and his group."""
        self.machine.account(name, number, self.folder)
        with self._group.open("a") as groups:
            groups.write(f"{name}:x:{number}:\n")

    def mailboxes(self, owner: int) -> None:
        """Make a home for each mailbox."""
        for home in (self.folder / "mail", *(self.folder / "mail" / user for user in (ANN, BEN, GREY))):
            home.mkdir()
            os.chown(home, owner, owner)

    @property
    def domain(self) -> str:
        """Whose mail it keeps."""
        return f"{self.name}.test"

    @property
    def log(self) -> str:
        """What it has logged and printed."""
        paths = (self.folder / "output", self.folder / "log")
        return "".join(path.read_text(errors="replace") for path in paths if path.exists())

    @abstractmethod
    def lay_out(self, next_hop: int) -> None:
        """Write its configuration; it offers TLS by the key and the certificate of `pem`."""

    @abstractmethod
    def command(self) -> Sequence[str]:
        """What runs it in the foreground."""

    @abstractmethod
    def welcome(self) -> None:
        """Put nobody off any longer."""

    @abstractmethod
    def retry(self) -> None:
        """Try now whatever waits."""

    def start(self) -> None:
        """Start it; it answers some time later."""
        with (self.folder / "output").open("ab") as output:
            self._running = subprocess.Popen(
                [*self.machine.words, *self.command()],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    def wait_until_up(self) -> None:
        """Wait for its greeting."""
        wait_for(self._answers)

    def _answers(self) -> bool:
        assert self._running is not None
        assert self._running.poll() is None, self.log
        try:
            with smtplib.SMTP("127.0.0.1", self.port, "here.test", 60):
                return True
        except OSError:
            return False

    def stop(self) -> None:
        """End it and all its processes."""
        if self._running is not None:
            self._running.terminate()
            self._running.wait(60)

    def run(self, *words: str) -> str:
        """What a command prints that sees the machine as it does; AssertionError if it fails."""
        done = subprocess.run(
            [*self.machine.words, *words], capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, (words, done.returncode, done.stdout, done.stderr)
        return done.stdout

    def hand_in(self, sender: str, recipients: Sequence[str], message: bytes) -> None:
        """Give it a message with CR LF at line ends, as one of its users does."""
        with smtplib.SMTP("127.0.0.1", self.port, "laptop.test", 60) as session:
            session.ehlo()
            options = [] if message.isascii() else ["BODY=8BITMIME"]
            if not f"{sender}{''.join(recipients)}".isascii():
                options.append("SMTPUTF8")
            refused = session.sendmail(sender, recipients, message, options)
        assert refused == {}

    def arrived(self, user: str) -> list[bytes]:
        """The messages of a mailbox."""
        new = self.folder / "mail" / user / "Maildir/new"
        return [path.read_bytes() for path in new.iterdir()] if new.exists() else []
