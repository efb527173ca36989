"""Owns the process authd: as qmailp, the only one who reads password hashes, it tells others yes or no."""

import contextlib
import os
import secrets
import select
import signal
import socket
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from appliance.accounts import program
from appliance.accounts.checks import TOO_MANY, Checks
from appliance.accounts.exchange import (
    BEGINNING,
    LIMIT,
    Question,
    format_answer,
    format_salt,
    parse_beginning,
    parse_question,
)
from appliance.accounts.limits import Limits
from appliance.accounts.orders import ORDERS, obey
from appliance.accounts.passwords import verify
from appliance.accounts.program import Program
from appliance.accounts.proofs import Proofs
from appliance.accounts.table import EXTERNAL, Table, parse_table
from appliance.formats.frame import FrameBuffer
from appliance.formats.outcome import FormatError, Temporary
from appliance.formats.scram import Keys, make_keys
from appliance.system import files, log, memory
from appliance.system.gateways import anybodys
from appliance.system.place import Place
from appliance.system.privileges import IDENTITIES, accept, admits, become, bind_unix, is_root
from appliance.system.signals import Signals

UNREADABLE = "Unable to read passwords (#4.3.0)."
IDLE_SECONDS = 300.0
WRITE_SECONDS = 30.0  # how much of the counting of wrong passwords a crash may lose
PROGRAMS_AT_ONCE = 8
MOST_PEERS = 1024  # each has a thread

_SALT_KEY = 32  # bytes
_KEPT = 32 << 20  # bytes: a verification needs 19 MiB, and a fifth more time if they are mapped anew


class Authd:
    """The table in memory and those who ask about it."""

    def __init__(self, place: Place, asked: Program | None) -> None:
        self._place = place
        self._program = asked
        # Half of the processors: a flood of logins leaves room for mail, and has 19 MiB for each at most.
        self._hashing = threading.Semaphore(max(1, (os.cpu_count() or 1) // 2))
        self._asking = threading.Semaphore(PROGRAMS_AT_ONCE)
        self._room = threading.Semaphore(MOST_PEERS)
        self._limits = Limits()
        proofs = Proofs(self._make_keys, _salt_key(place))
        self._checks = Checks(self._verify, proofs, self._limits, has_program=asked is not None)
        self._fault: Temporary | None = Temporary(UNREADABLE)

    def _verify(self, known_hash: str, question: Question) -> bool:
        if known_hash == EXTERNAL and self._program is not None:
            with self._asking:
                return self._program.is_right(question)
        with self._hashing:
            return verify(known_hash, question.password)

    def _make_keys(self, password: bytes, salt: bytes, iterations: int) -> Keys:
        with self._hashing:
            return make_keys(password, salt, iterations)

    def reload(self) -> None:
        """Read the table again; one that cannot be read leaves the old in force."""
        self._limits.anybodys = anybodys()
        try:
            table = self._read()
        except Temporary as error:
            self._say(f"alert: {error.sentence}")
            self._fault = None if self._checks.has_entries else Temporary(UNREADABLE)
            return
        self._fault = None
        self._checks.replace(table)
        self._say(f"status: accounts {len(table.entries)}")

    def _read(self) -> Table:
        try:
            content = self._place.passwords.read_bytes()
        except OSError as error:
            raise Temporary(f"{UNREADABLE} {error.strerror}") from error
        table = parse_table(content)
        for fault in table.faults:
            self._say(f"warning: passwords: {fault}")
        return table

    def welcome(self, listener: socket.socket) -> None:
        """Take the next connection."""
        connection = accept(listener)
        if connection is None:
            return
        if self._room.acquire(blocking=False):
            try:
                threading.Thread(target=self._converse, args=(connection,), daemon=True).start()
                return
            except RuntimeError:  # the system has no thread left
                self._room.release()
        with connection, contextlib.suppress(OSError):
            connection.send(format_answer(TOO_MANY))

    def _converse(self, connection: socket.socket) -> None:
        """Answer one peer's questions, one after the other, until he has no more."""
        try:
            with connection:
                if not admits(connection, "qmaild"):
                    raise FormatError("a peer that may not ask about passwords")
                connection.settimeout(IDLE_SECONDS)
                self._answer_all(connection, may_order=admits(connection))
        except (OSError, FormatError) as error:  # TimeoutError is an OSError
            self._say(f"warning: dropping a peer: {error!r}")
        finally:
            self._room.release()

    def _answer_all(self, connection: socket.socket, *, may_order: bool) -> None:
        buffer = FrameBuffer(LIMIT)
        while received := connection.recv(LIMIT):
            for kind, payload in buffer.receive(received):
                if may_order and kind in ORDERS:
                    with self._checks.lock:
                        answer = obey(self._limits, kind, payload)
                else:
                    answer = self._answer(kind, payload)
                connection.sendall(answer)

    def _say(self, text: str) -> None:
        with self._checks.lock:
            log.line(text)

    def _answer(self, kind: bytes, payload: bytes) -> bytes:
        if kind == BEGINNING:
            return format_salt(self._fault or self._checks.salt(parse_beginning(payload)))
        return format_answer(self._fault or self._checks.answer(parse_question(kind, payload)))

    def remember(self) -> None:
        """Take up what is known of wrong passwords from before a restart; without it counting begins anew."""
        try:
            self._limits.load(_limits_file(self._place).read_bytes())
        except FileNotFoundError:
            pass
        except (OSError, ValueError) as error:
            log.line(f"warning: counting wrong passwords anew: {error}")

    def write(self) -> None:
        """Keep what is known of wrong passwords, if it has changed."""
        with self._checks.lock:
            content = self._limits.dump() if self._limits.is_changed else None
        if content is not None:
            try:
                files.replace(_limits_file(self._place), content, 0o600)
            except OSError as error:
                self._say(f"warning: unable to keep who is limited: {error}")


def _limits_file(place: Place) -> Path:
    return place.state / "authd" / "limits"


def _salt_key(place: Place) -> bytes:
    """What salts of unknown users are made of: the same after a restart, or it would tell that they are."""
    path = place.state / "authd" / "salts"
    made = secrets.token_bytes(_SALT_KEY)
    try:
        kept = path.read_bytes() if path.exists() else b""
        if len(kept) == _SALT_KEY:
            return kept
        files.replace(path, made, 0o600)
    except OSError as error:
        log.line(f"warning: salts of unknown users change with each start: {error}")
    return made


def _make_folder(place: Place) -> None:
    """The folder in the state volume that is qmailp's; without it all works but remembering."""
    folder = _limits_file(place).parent
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if is_root():
            os.chown(folder, *IDENTITIES["qmailp"])
    except OSError as error:
        log.line(f"warning: unable to make {folder}: {error.strerror}")


def _serve(listener: socket.socket, place: Place, asked: Program | None) -> None:
    """Until TERM; whoever waits for an answer then has none."""
    signals = Signals()
    authd = Authd(place, asked)
    authd.remember()
    authd.reload()
    write_at = time.monotonic() + WRITE_SECONDS
    while not signals.terminate:
        ready, _, _ = select.select([listener, signals.reader], [], [], max(0.0, write_at - time.monotonic()))
        if signals.reader in ready:
            signals.drain()
        if signals.take_hang_up():
            authd.reload()
        if listener in ready:
            authd.welcome(listener)
        if time.monotonic() >= write_at:
            authd.write()
            memory.give_back()  # where nobody has logged in since the last time nothing is kept
            write_at = time.monotonic() + WRITE_SECONDS
    authd.write()
    log.line("status: exiting")


def main(argv: list[str], environ: Mapping[str, str]) -> int:
    """authd(8): the user and command of a program that is asked, if any; HUP reads again, TERM ends it."""
    log.open("authd")
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # nothing is read yet that would have to be read again
    place = Place.from_environ(environ)
    if argv and (argv[0] not in IDENTITIES or len(argv) < 2):
        log.line("alert: cannot start: usage: authd [USER PROGRAM [ARGUMENT ...]]")
        return 100
    try:
        asked = program.start(argv[0], argv[1:]) if argv else None
        listener = bind_unix(place.socket("authd"))
        _make_folder(place)
        become("qmailp")
    except OSError as error:
        log.line(f"alert: cannot start: {error}")
        return 111
    memory.keep(_KEPT)
    memory.have_one_heap()
    _serve(listener, place, asked)
    return 0
