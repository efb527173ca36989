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
from appliance.system.privileges import admits, become, bind_unix

UNREADABLE = "Unable to read passwords (#4.3.0)."
IDLE_SECONDS = 300.0

_M_MMAP_THRESHOLD = -3  # mallopt(3)


class Authd:
    """The table in memory and those who ask about it."""

    def __init__(self, place: Place, pool: ThreadPoolExecutor) -> None:
        self._place = place
        self._checks = Checks(pool, {})
        self._fault: Temporary | None = Temporary(UNREADABLE)

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

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one peer's questions, one after the other, until he has no more."""
        try:
            if admits(_socket_of(writer), "qmaild"):
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


def _socket_of(writer: asyncio.StreamWriter) -> socket.socket:
    found: socket.socket = writer.get_extra_info("socket")
    return found


async def _serve(listener: socket.socket, place: Place) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    with ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="verify") as pool:
        authd = Authd(place, pool)
        loop.add_signal_handler(signal.SIGHUP, authd.reload)
        authd.reload()
        # Not start_unix_server: since Python 3.13 that removes the socket's file at the end, which is root's.
        server = await asyncio.start_server(authd.converse, sock=listener)
        await stop.wait()
        server.close()
        pool.shutdown(cancel_futures=True)
    log.line("status: exiting")


def main(argv: list[str], environ: Mapping[str, str]) -> int:
    """authd(8): takes no arguments; HUP reads the passwords again, TERM ends it."""
    log.open("authd")
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # nothing is read yet that would have to be read again
    place = Place.from_environ(environ)
    listener = bind_unix(place.socket("authd"))
    become("qmailp")
    _give_memory_back()
    asyncio.run(_serve(listener, place))
    return 0
