"""Owns the answers of FAQ chapter 12: file systems, and a backup of queue and mailboxes while mail flows."""

import contextlib
import itertools
import os
import random
import re
import smtplib
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from appliance.queue import census
from appliance.queue import log as queue_log
from tests.crash import prefixes
from tests.crash.recording import disks_after
from tests.support.nexthop import NextHop
from tests.support.site import SMTP, Site, site
from tests.support.waiting import LIMIT_S, wait_for

CONFIG = """\
version: 1
hostname: mail.example.test
postmaster: alice@example.test
domains:
  example.test:
    mailboxes:
      alice: {{password: generate}}
      bob: {{password: generate}}
relay:
  clients: [127.0.0.1]
  routes: {{far.test: "127.0.0.1:{port}"}}
"""
SESSIONS = 3
LARGE = 300_000
_NUMBER = re.compile(rb"^Subject: letter (\d+)\r?$", re.MULTILINE)


class Load:
    """Clients that hand in numbered letters, to mailboxes here and hosts elsewhere, and note every 250."""

    def __init__(self, port: int) -> None:
        self.promised: set[tuple[int, str]] = set()
        self._port = port
        self._numbers = itertools.count(1)
        self._is_over = threading.Event()

    @contextmanager
    def running(self) -> Iterator[None]:
        """While it lasts, mail comes in."""
        threads = [threading.Thread(target=self._work) for _ in range(SESSIONS)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._is_over.set()
            for thread in threads:
                thread.join()

    def _work(self) -> None:
        with (
            contextlib.suppress(OSError, smtplib.SMTPException),
            smtplib.SMTP("127.0.0.1", self._port, "client.test", LIMIT_S) as session,
        ):
            while not self._is_over.wait(0.01):
                self._hand_in(session, next(self._numbers))

    def _hand_in(self, session: smtplib.SMTP, number: int) -> None:
        recipients = ["alice@example.test", "bob@example.test", "remote@far.test"][number % 3 :][:2]
        body = f"Subject: letter {number}\r\n\r\n" + "x" * 70 + "\r\n"
        if number % 40 == 0:
            body += ("y" * 98 + "\r\n") * (LARGE // 100)
        session.sendmail("sender@outside.test", recipients, body)
        self.promised |= {(number, recipient) for recipient in recipients}


def arrived(running: Site, sink: NextHop) -> Counter[tuple[int, str]]:
    """How often each letter lies in a mailbox or came to the next hop."""
    found: Counter[tuple[int, str]] = Counter()
    for name in ("alice", "bob"):
        for message in running.maildir(name):
            found.update((int(number), f"{name}@example.test") for number in _NUMBER.findall(message))
    for taken in sink.messages:
        for recipient in taken.recipients:
            found.update((int(number), recipient.decode()) for number in _NUMBER.findall(taken.body))
    return found


def is_empty(running: Site) -> bool:
    running.signal("send", "ALRM")
    queue = running.place.queue
    return not census.unsettled(queue) and not list(census.waiting(queue))


def test_q12_2_back_up_the_queue(tmp_path: Path) -> None:
    archive = tmp_path / "backup.tar.gz"
    with NextHop({"RCPT": "451 not now"}) as sink:
        config = CONFIG.format(port=sink.port)
        with site(config) as old:
            old.up()
            load = Load(old.port(SMTP))
            with load.running():
                wait_for(lambda: len(load.promised) > 300 and len(old.maildir("bob")) > 50)
                before = set(load.promised)
                told = old.toaster("queue", "backup", str(archive))
                after = len(load.promised)
                wait_for(lambda: len(load.promised) > after + 50)
            old.kill()
            assert "are backed up; deliveries paused" in told
            assert not (old.place.queue / "backup").exists()

        with site(config) as new:
            sink.script["RCPT"] = "250 ok"
            assert "are restored" in new.toaster("queue", "restore", str(archive))
            new.up()
            wait_for(lambda: is_empty(new))
            found = arrived(new, sink)

    assert [] == sorted(before - set(found))
    assert {} == {letter: count for letter, count in found.items() if count > 1}
    assert before < set(found) <= load.promised


def test_q12_1_which_file_systems_are_safe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # No `sync` mount is needed: whatever was not fsynced may be lost at any moment, and nothing promised is.
    # All moments are played by `make crash PREFIXES=1`.
    monkeypatch.setattr(queue_log, "SEGMENT_LIMIT", prefixes.SEGMENT)
    recording, draw = prefixes.live(tmp_path / "life"), random.Random(12)
    for count in sorted(draw.sample(range(len(recording.steps)), 3)):
        for number, disk in enumerate(disks_after(recording.steps[:count], draw).values()):
            copies = prefixes.deliver_all(disk, tmp_path / f"{count}-{number}")  # a socket's path is short
            assert [] == prefixes.faults(recording, count, copies)

    # One that is not known to keep what was fsynced is told at the start.
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="toaster-") as memory:
        os.chmod(memory, 0o755)
        with site(environ={"TOASTER_MAIL": f"{memory}/mail"}) as forgetful:
            forgetful.up()
            told = re.findall(r"MAIL MAY BE LOST: (\S+) is on (\S+): all of it is gone", forgetful.log)
    assert (f"{memory}/mail", "tmpfs") in told
