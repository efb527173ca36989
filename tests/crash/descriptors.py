"""Owns the play of a full table of descriptors: each daemon in turn can open nothing, and then can again."""

import contextlib
import os
import poplib
import resource
import smtplib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from appliance.__main__ import DAEMONS
from tests.crash.kills import CONFIG, wait_until_empty
from tests.support.clients import Mailbox
from tests.support.nexthop import NextHop
from tests.support.site import SMTP, Site, site
from tests.support.waiting import until_it_works

WHILE_S = 1.5
MOST_BUSY = 0.5
"""The share of that time that a daemon may spend on the processor: one that turns idly takes all of it."""
_TICKS = os.sysconf("SC_CLK_TCK")


@contextmanager
def full_table(pids: list[int]) -> Iterator[None]:
    """While it lasts, these processes get no new descriptor."""
    for pid in pids:
        taken = {int(name) for name in os.listdir(f"/proc/{pid}/fd")}
        _limit(pid, next(number for number in range(len(taken) + 1) if number not in taken))
    try:
        yield
    finally:
        for pid in pids:
            _limit(pid, None)


def _limit(pid: int, most: int | None) -> None:
    """Let a process have so many descriptors, None: as many as ever. Only its own user may say so."""
    child = os.fork()
    if not child:
        code = 1
        try:
            words = Path(f"/proc/{pid}/status").read_text().split()
            uid, gid = (int(words[words.index(name) + 1]) for name in ("Uid:", "Gid:"))
            if os.geteuid() == 0:
                os.setresgid(gid, gid, gid)
                os.setresuid(uid, uid, uid)
            _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (hard if most is None else most, hard))
            code = 0
        except (FileNotFoundError, ProcessLookupError):
            code = 0  # it has ended since
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0, f"the limit of process {pid} cannot be set"


def seconds_on_processor(pids: list[int]) -> dict[int, float]:
    """Of each process that still lives, user and system."""
    spent: dict[int, float] = {}
    for pid in pids:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            spent[pid] = (int(fields[11]) + int(fields[12])) / _TICKS
    return spent


class Descriptors:
    """An appliance, a next hop, and the messages that were promised."""

    def __init__(self, running: Site, sink: NextHop) -> None:
        self._running = running
        self._sink = sink
        self._count = 0
        self._promised: set[int] = set()
        self._mailbox = running.mailbox()

    def hand_in(self, patience_s: float) -> str:
        """Hand in a message for here and one elsewhere; empty if it is promised, else why not."""
        self._count += 1
        number, body = self._count, f"Subject: full {self._count}\r\n\r\nfull table {self._count}\r\n"
        try:
            with smtplib.SMTP("127.0.0.1", self._running.port(SMTP), "client.test", patience_s) as session:
                session.sendmail("sender@example.test", ["alice@example.test", "joe@far.test"], body)
        except (OSError, smtplib.SMTPException) as error:
            return repr(error)
        self._promised.add(number)
        return ""

    def fetch(self, patience_s: float) -> str:
        """Look into a mailbox; empty if that works, else why not."""
        try:
            talk(self._mailbox, patience_s)
        except (OSError, poplib.error_proto) as error:
            return repr(error)
        return ""

    def play(self, name: str) -> Iterator[str]:
        """One daemon without descriptors; what is wrong then or afterwards."""
        before = self._running.daemons()[name]
        began = seconds_on_processor(before)
        with full_table(before):
            end = time.monotonic() + WHILE_S
            while time.monotonic() < end:
                said = self.hand_in(0.5)
                if "5" in said.partition("(5")[1]:
                    yield f"{name}: a message is refused for good: {said}"
                self.fetch(0.5)
        for pid, seconds in seconds_on_processor(before).items():
            if seconds - began[pid] > MOST_BUSY * WHILE_S:
                yield f"{name}: process {pid} took {seconds - began[pid]:.1f} s of the processor meanwhile"
        with contextlib.suppress(AssertionError):
            until_it_works(lambda: self._assert(self.hand_in(5.0)))
            until_it_works(lambda: self._assert(self.fetch(5.0)))
            return
        yield f"{name}: afterwards: {self.hand_in(5.0)} {self.fetch(5.0)}"

    def _assert(self, trouble: str) -> None:
        assert not trouble, trouble

    def missing(self) -> list[int]:
        """The promised messages that are not here, or not there."""
        here = b"".join(self._running.maildir("alice"))
        there = b"".join(taken.body for taken in self._sink.messages)
        texts = {number: b"full table %d" % number for number in self._promised}
        return [
            number
            for number, text in sorted(texts.items())
            if text + b"\n" not in here or text + b"\r\n" not in there
        ]


def talk(mailbox: Mailbox, patience_s: float) -> None:
    """A session of POP3."""
    session = poplib.POP3("127.0.0.1", mailbox.port, patience_s)
    with contextlib.closing(session):
        session.user(mailbox.user)
        session.pass_(mailbox.password)
        session.stat()
        session.quit()


def run() -> int:
    """Play every daemon and print the sums; how many are bad."""
    bad = 0
    with NextHop() as sink, site(CONFIG.format(port=sink.port)) as running:
        running.up()
        playing = Descriptors(running, sink)
        for name in DAEMONS:
            complaints = list(playing.play(name))
            bad += bool(complaints)
            print(*complaints, sep="\n", end="\n" if complaints else "", flush=True)
        wait_until_empty(running)
        if missing := playing.missing():
            print(f"promised and lost: {missing}")
        if "Traceback" in running.log:
            print("a daemon crashed")
        wrong = bad or missing or "Traceback" in running.log
        if wrong:
            print(running.log)
        print(f"full tables of descriptors = {len(DAEMONS)}, bad = {bad}")
        return 1 if wrong else 0
