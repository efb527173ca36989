"""Owns the clients of a crash test: sessions that hand in numbered messages and note every 250."""

import contextlib
import itertools
import random
import smtplib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.crash.ledger import Ledger

SESSIONS = 4
PAUSE_S = 0.08
LARGE = 300_000


def body_of(number: int) -> bytes:
    """The message of a number, LF at line ends; every fortieth is larger than the log takes."""
    size = LARGE if number % 40 == 0 else 200 + number % 1000
    lines = b"".join(b".%d of %d\n" % (line, number) for line in range(size // 16))
    return b"Subject: crash %d\n\n%b.\nend of %d\n" % (number, lines, number)


def recipients_of(number: int, draw: random.Random) -> list[str]:
    """Whom a message is for: mailboxes here, hosts elsewhere, and at times nobody."""
    local = [f"{name}-{number}@example.test" for name in ("alice", "bob")]
    remote = [f"r{index}-{number}@far.test" for index in range(3)]
    chosen = draw.choice([local[:1], local[:1], local, remote[:1], remote, local + remote[:1]])
    return chosen + ([f"nobody-{number}@example.test"] if draw.random() < 0.1 else [])


class Clients:
    """Parallel sessions of SMTP; a dropped one is opened again, a message is never handed in twice."""

    def __init__(self, port: int, ledger: Ledger) -> None:
        self.refused = 0
        self.promised = 0
        self._port = port
        self._ledger = ledger
        self._numbers = itertools.count(1)
        self._is_over = threading.Event()

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """While it lasts, mail is handed in."""
        threads = [threading.Thread(target=self._work, args=(seed,)) for seed in range(SESSIONS)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._is_over.set()
            for thread in threads:
                thread.join()

    def _work(self, seed: int) -> None:
        draw = random.Random(seed)
        while not self._is_over.is_set():
            with (
                contextlib.suppress(OSError, smtplib.SMTPException),
                smtplib.SMTP("127.0.0.1", self._port, "client.test", 10) as session,
            ):
                session.ehlo()
                for _ in range(draw.randrange(1, 8)):
                    self._hand_in(session, next(self._numbers), draw)
                    time.sleep(PAUSE_S)
            time.sleep(0.02)

    def _hand_in(self, session: smtplib.SMTP, number: int, draw: random.Random) -> None:
        sender, recipients = f"sender-{number}@example.test", recipients_of(number, draw)
        session.mail(sender)
        taken = [recipient for recipient in recipients if session.rcpt(recipient)[0] == 250]
        self.refused += len(recipients) - len(taken)
        if not taken:
            session.rset()
            return
        code, _ = session.data(body_of(number).replace(b"\n", b"\r\n"))
        if code == 250:
            self.promised += 1
            self._ledger.accepted.update(dict.fromkeys(taken, sender))
