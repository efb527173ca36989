"""Owns the measures of POP3: mailboxes that are fetched and emptied, a user's first login and later ones."""

import os
import socket
import time
from collections.abc import Sequence
from functools import partial
from itertools import islice
from pathlib import Path

from tests.bench import load
from tests.bench.load import Failed
from tests.bench.measures import PROCESSOR, RATE, Field, Figures, Measure, timed
from tests.bench.side import OWNER, PASSWORD, Side

MESSAGES = 10_000
USERS = 100
AGAIN = 4
"""Times that each logs in again: ours keeps a decision for five minutes, and clients come every minute."""
CLIENTS = 10
SIZE = 2048
FORGETTING = 6.0
"""Seconds for which ext4 makes files slowly after so many were deleted: nobody else shall suffer from it."""


class Client:
    """One that says a command when it has heard the answer to the last one."""

    def __init__(self, port: int, user: str) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), load.PATIENCE)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._hear(b"\r\n")
        for command in (f"USER {user}", f"PASS {PASSWORD}"):
            self.ask(command.encode())

    def ask(self, command: bytes, end: bytes = b"\r\n") -> bytes:
        """The answer, up to its end; Failed if it is a refusal."""
        self._socket.sendall(command + b"\r\n")
        return self._hear(end)

    def _hear(self, end: bytes) -> bytes:
        heard = b""
        while not heard.endswith(end):
            part = self._socket.recv(65536)
            heard = heard + part if heard else part
            if not part or not heard.startswith(b"+"):
                raise Failed(f"POP3 answers {heard[:80]!r}")
        return heard

    def quit(self) -> None:
        """Say so, and wait until the server has ended the connection, so that nothing is left to do."""
        self.ask(b"QUIT")
        self._socket.recv(1)
        self._socket.close()


def empty(port: int, user: str) -> None:
    """Fetch and delete all that a mailbox holds, as fetchmail and others do."""
    client = Client(port, user)
    count = int(client.ask(b"STAT").split()[1])
    for command in (b"LIST", b"UIDL"):
        client.ask(command, b"\r\n.\r\n")
    for number in range(1, count + 1):
        client.ask(b"RETR %d" % number, b"\r\n.\r\n")
        client.ask(b"DELE %d" % number)
    client.quit()


def log_in(port: int, users: Sequence[str]) -> None:
    """One user after the other, to see that there is nothing."""
    for user in users:
        client = Client(port, user)
        client.ask(b"STAT")
        client.quit()


def _fetch(side: Side, field: Field, sessions: int) -> Figures:
    """10,000 messages in so many mailboxes, a session each."""
    mailboxes = [next(field.fresh) for _ in range(sessions)]
    for mailbox in mailboxes:
        _fill(side.new(mailbox), MESSAGES // sessions)
    name = f"pop3_fetch_{sessions}"
    jobs = [partial(empty, side.pop3, "@".join(mailbox)) for mailbox in mailboxes]
    figures = timed(side, name, MESSAGES, lambda: load.at_once(jobs))
    folders = [side.new(mailbox).parent / part for mailbox in mailboxes for part in ("new", "cur")]
    if left := sum(len(os.listdir(folder)) for folder in folders):
        raise Failed(f"{left} of {MESSAGES} messages are still there")
    time.sleep(FORGETTING)
    return figures


def _fill(new: Path, count: int) -> None:
    line = b"x" * 70 + b"\n"
    for number in range(count):
        head = b"From: sender@outside.test\nSubject: %d\n\n" % number
        path = new / f"{1_700_000_000 + number}.M{number}P1.bench"
        path.write_bytes(head + line * ((SIZE - len(head)) // len(line)))
        os.chown(path, OWNER, OWNER)


def _log_in(side: Side, field: Field) -> Figures:
    """Users who were not seen lately, whose password costs its hash; the same ones again; all together."""
    users = ["@".join(address) for address in islice(field.users, USERS)]
    first = _logins(side, "pop3_login_first", users, 1)
    again = _logins(side, "pop3_login_again", users, AGAIN)
    (first_rate, first_used), (rate, used) = first.values(), again.values()
    both = (1 + AGAIN) / (1 / first_rate[0] + AGAIN / rate[0])
    both_used = (first_used[0] + AGAIN * used[0]) / (1 + AGAIN)
    return {**first, **again, "pop3_login": (both, RATE), "pop3_login_cpu": (both_used, PROCESSOR)}


def _logins(side: Side, name: str, users: Sequence[str], times: int) -> Figures:
    jobs = [partial(log_in, side.pop3, list(users[number::CLIENTS]) * times) for number in range(CLIENTS)]
    return timed(side, name, len(users) * times, lambda: load.at_once(jobs))


MEASURES = [
    Measure("pop3_login", _log_in),
    Measure("pop3_fetch_1", partial(_fetch, sessions=1)),
    Measure("pop3_fetch_10", partial(_fetch, sessions=10)),
]
