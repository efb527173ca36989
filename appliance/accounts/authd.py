"""Owns the process authd: as qmailp, the only one who reads password hashes, it tells others yes or no."""

import asyncio
import contextlib
import ctypes
import os
import signal
import socket
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from appliance.accounts.checks import Checks
from appliance.accounts.exchange import LIMIT, format_answer, parse_question
from appliance.accounts.table import Entry, parse_table
from appliance.formats.frame import FrameBuffer
from appliance.formats.outcome import FormatError, Temporary
from appliance.system import log
from appliance.system.place import Place
from appliance.system.privileges import accept, admits, become, bind_unix

UNREADABLE = "Unable to read passwords (#4.3.0)."
IDLE_SECONDS = 300.0

_M_MMAP_THRESHOLD = -3  # mallopt(3)


class Authd:
    """The table in memory and those who ask about it."""

    def __init__(self, place: Place, pool: ThreadPoolExecutor) -> None:
        self._place = place
        self._checks = Checks(pool, {})
        self._fault: Temporary | None = Temporary(UNREADABLE)
        self._tasks: set[asyncio.Task[None]] = set()

    def reload(self) -> None:
        """Read the table again; one that cannot be read leaves the old in force."""
        try:
            entries = self._read()
        except Temporary as error:
            log.line(f"alert: {error.sentence}")
            self._fault = None if self._checks.has_entries else Temporary(UNREADABLE)
            return
        self._fault = None
        self._checks.replace(entries)
        log.line(f"status: accounts {len(entries)}")

    def _read(self) -> dict[bytes, Entry]:
        try:
            content = self._place.passwords.read_bytes()
        except OSError as error:
            raise Temporary(f"{UNREADABLE} {error.strerror}") from error
        entries, faults = parse_table(content)
        for fault in faults:
            log.line(f"warning: passwords: {fault}")
        return entries

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
                await self._answer_all(reader, writer)
            else:
                log.line("warning: a peer that may not ask about passwords")
        except (OSError, FormatError, TimeoutError) as error:
            log.line(f"warning: dropping a peer: {error!r}")
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _answer_all(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        buffer = FrameBuffer(LIMIT)
        while received := await asyncio.wait_for(reader.read(LIMIT), IDLE_SECONDS):
            for kind, payload in buffer.receive(received):
                answer = self._fault or await self._checks.answer(parse_question(kind, payload))
                writer.write(format_answer(answer))
            await writer.drain()


def _give_memory_back() -> None:
    """Have malloc return the 19 MiB of each verification at once, instead of keeping them for the next."""
    with contextlib.suppress(OSError, AttributeError):  # no GNU libc: nothing to tell
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, 1 << 20)


async def _serve(listener: socket.socket, place: Place) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    with ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="verify") as pool:
        authd = Authd(place, pool)
        loop.add_signal_handler(signal.SIGHUP, authd.reload)
        authd.reload()
        loop.add_reader(listener, authd.welcome, listener)
        await stop.wait()
        loop.remove_reader(listener)
        pool.shutdown(cancel_futures=True)
    log.line("status: exiting")


def main(argv: list[str], environ: Mapping[str, str]) -> int:
    """authd(8): takes no arguments; HUP reads the passwords again, TERM ends it."""
    log.open("authd")
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # nothing is read yet that would have to be read again
    place = Place.from_environ(environ)
    try:
        listener = bind_unix(place.socket("authd"))
        become("qmailp")
    except OSError as error:
        log.line(f"alert: cannot start: {error}")
        return 111
    _give_memory_back()
    asyncio.run(_serve(listener, place))
    return 0
