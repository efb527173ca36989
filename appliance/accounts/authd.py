"""Owns the process authd: as qmailp, the only one who reads password hashes, it tells others yes or no."""

import asyncio
import contextlib
import ctypes
import os
import secrets
import signal
import socket
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
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
from appliance.system import files, log
from appliance.system.gateways import gateways
from appliance.system.place import Place
from appliance.system.privileges import IDENTITIES, accept, admits, become, bind_unix, is_root

UNREADABLE = "Unable to read passwords (#4.3.0)."
IDLE_SECONDS = 300.0
WRITE_SECONDS = 30.0  # how much of the counting of wrong passwords a crash may lose
PROGRAMS_AT_ONCE = 8

_SALT_KEY = 32  # bytes
_M_MMAP_THRESHOLD = -3  # mallopt(3)


class Authd:
    """The table in memory and those who ask about it."""

    def __init__(self, place: Place, asked: Program | None) -> None:
        self._place = place
        self._program = asked
        # Half of the processors: a flood of logins leaves room for mail, and has 19 MiB for each at most.
        self._hashing = ThreadPoolExecutor(max(1, (os.cpu_count() or 1) // 2), thread_name_prefix="verify")
        self._asking = ThreadPoolExecutor(PROGRAMS_AT_ONCE, thread_name_prefix="program")
        self._limits = Limits()
        proofs = Proofs(self._make_keys, _salt_key(place))
        self._checks = Checks(self._verify, proofs, self._limits, has_program=asked is not None)
        self._fault: Temporary | None = Temporary(UNREADABLE)
        self._tasks: set[asyncio.Task[None]] = set()

    async def _verify(self, known_hash: str, question: Question) -> bool:
        run = asyncio.get_running_loop().run_in_executor
        try:
            if known_hash == EXTERNAL and self._program is not None:
                return await run(self._asking, self._program.is_right, question)
            return await run(self._hashing, verify, known_hash, question.password)
        except RuntimeError:  # the system has no thread left
            raise TOO_MANY from None

    async def _make_keys(self, password: bytes, salt: bytes, iterations: int) -> Keys:
        run = asyncio.get_running_loop().run_in_executor
        return await run(self._hashing, make_keys, password, salt, iterations)

    def reload(self) -> None:
        """Read the table again; one that cannot be read leaves the old in force."""
        self._limits.gateways = gateways()
        try:
            table = self._read()
        except Temporary as error:
            log.line(f"alert: {error.sentence}")
            self._fault = None if self._checks.has_entries else Temporary(UNREADABLE)
            return
        self._fault = None
        self._checks.replace(table)
        log.line(f"status: accounts {len(table.entries)}")

    def _read(self) -> Table:
        try:
            content = self._place.passwords.read_bytes()
        except OSError as error:
            raise Temporary(f"{UNREADABLE} {error.strerror}") from error
        table = parse_table(content)
        for fault in table.faults:
            log.line(f"warning: passwords: {fault}")
        return table

    def welcome(self, listener: socket.socket) -> None:
        """Take the next connection."""
        # asyncio's own server says a hundred times a second that it is out of descriptors.
        connection = accept(listener)
        if connection is not None:
            task = asyncio.get_running_loop().create_task(self._converse(connection))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _converse(self, connection: socket.socket) -> None:
        """Answer one peer's questions, one after the other, until he has no more."""
        reader, writer = await asyncio.open_unix_connection(sock=connection)
        try:
            if admits(connection, "qmaild"):
                await self._answer_all(reader, writer, may_order=admits(connection))
            else:
                log.line("warning: a peer that may not ask about passwords")
        except (OSError, FormatError, TimeoutError) as error:
            log.line(f"warning: dropping a peer: {error!r}")
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _answer_all(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, may_order: bool
    ) -> None:
        buffer = FrameBuffer(LIMIT)
        while received := await asyncio.wait_for(reader.read(LIMIT), IDLE_SECONDS):
            for kind, payload in buffer.receive(received):
                if may_order and kind in ORDERS:
                    writer.write(obey(self._limits, kind, payload))
                    continue
                writer.write(await self._answer(kind, payload))
            await writer.drain()

    async def _answer(self, kind: bytes, payload: bytes) -> bytes:
        if kind == BEGINNING:
            return format_salt(self._fault or self._checks.salt(parse_beginning(payload)))
        return format_answer(self._fault or await self._checks.answer(parse_question(kind, payload)))

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
        if self._limits.is_changed:
            try:
                files.replace(_limits_file(self._place), self._limits.dump(), 0o600)
            except OSError as error:
                log.line(f"warning: unable to keep who is limited: {error}")

    async def write_now_and_then(self) -> None:
        """Do so for as long as the process lives."""
        while True:
            await asyncio.sleep(WRITE_SECONDS)
            self.write()

    def stop(self) -> None:
        """Begin nothing more."""
        for pool in (self._hashing, self._asking):
            pool.shutdown(wait=False, cancel_futures=True)


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


def _give_memory_back() -> None:
    """Have malloc return the 19 MiB of each verification at once, instead of keeping them for the next."""
    with contextlib.suppress(OSError, AttributeError):  # no GNU libc: nothing to tell
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, 1 << 20)


async def _serve(listener: socket.socket, place: Place, asked: Program | None) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    authd = Authd(place, asked)
    authd.remember()
    loop.add_signal_handler(signal.SIGHUP, authd.reload)
    authd.reload()
    loop.add_reader(listener, authd.welcome, listener)
    writing = loop.create_task(authd.write_now_and_then())
    await stop.wait()
    loop.remove_reader(listener)
    writing.cancel()
    authd.stop()
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
    _give_memory_back()
    asyncio.run(_serve(listener, place, asked))
    return 0
