"""Owns the process autoturn: as the owner of the mail it sends what waits for a host, when smtpd tells it to.

A line on its socket is a domain of control/autoturn; the answer, how many messages wait for its host. They
are sent by maildirsmtp, or maildirqmtp, under the lock that a crontab's call takes, too (serialmail's
AUTOTURN). However often smtpd asks, one at a time runs for a domain, and one more when that has ended.
"""

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Mapping
from pathlib import Path

from appliance.formats.autoturn import MAILBOX, Turn, format_count, parse_hop, parse_turns
from appliance.formats.logline import safe_text
from appliance.formats.outcome import FormatError, Temporary
from appliance.system import log
from appliance.system.control import Control
from appliance.system.place import Place
from appliance.system.privileges import Identity, admits, become_identity, bind_unix

LOCK = "seriallock"

_PAUSE_S = 10.0  # between two runs for a domain: a host that is not there costs a client's start
_GRACE_S = 3.0  # that what is being sent has at TERM; supervisor waits 4
_PATIENCE_S = 10.0
_LONGEST = 1024  # bytes of a domain, and of a log line of the programs
_USAGE = "usage: autoturn uid gid"


class Runs:
    """What is being sent, and what is wanted next."""

    def __init__(self, place: Place, environ: Mapping[str, str], pause: float = _PAUSE_S) -> None:
        """`pause` in seconds."""
        self._place = place
        self._environ = environ
        self._pause = pause
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._wanted: set[str] = set()
        self._sending: set[asyncio.subprocess.Process] = set()

    def start(self, domain: str) -> int:
        """How many messages wait, which are sent from now on; Temporary if that cannot be."""
        control = Control(self._place.control)
        try:
            turns = parse_turns(control.lines("autoturn") or ())
            found = [turn for turn in turns if turn.domain == domain]
            me = os.fsdecode(control.or_me("helohost"))
            count = _count(self._home(domain) / "Maildir") if found else 0
        except (FormatError, OSError) as error:
            raise Temporary(f"unable to send what waits for {safe_text(domain.encode())}: {error}") from error
        if count:
            self._wanted.add(domain)
            if domain not in self._tasks:
                self._tasks[domain] = asyncio.create_task(self._serve(found[0], me))
        return count

    def _home(self, domain: str) -> Path:
        return self._place.mail / domain / MAILBOX

    async def _serve(self, turn: Turn, me: str) -> None:
        """Send as long as it is wanted; a wish that comes while mail is sent may be for what came since."""
        try:
            while turn.domain in self._wanted:
                self._wanted.discard(turn.domain)
                await self._send(turn, me)
                await asyncio.sleep(self._pause)
        finally:
            self._wanted.discard(turn.domain)
            del self._tasks[turn.domain]

    async def _send(self, turn: Turn, me: str) -> None:
        hop, home = parse_hop(turn.next_hop), self._home(turn.domain)
        program = "maildirqmtp" if hop.by_qmtp else "maildirsmtp"
        words = [program, f"{home}/Maildir", f"{turn.domain}-", hop.host, *([] if hop.by_qmtp else [me])]
        environ = {**self._environ, "PATH": f"{self._place.home}/bin:{self._environ.get('PATH', '')}"}
        if hop.port:
            environ["TOASTER_QMTP_PORT" if hop.by_qmtp else "TOASTER_SMTP_PORT"] = hop.port
        log.line(f"start {turn.domain} to {turn.next_hop}")
        try:
            sending = await asyncio.create_subprocess_exec(
                *("setlock", "-nx", f"{home}/{LOCK}", *words),
                env=environ,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                limit=_LONGEST,
                start_new_session=True,
            )
        except OSError as error:
            log.line(f"warning: unable to run {program}: {error.strerror}")
            return
        self._sending.add(sending)
        await _tell(sending)
        self._sending.discard(sending)
        log.line(f"end {turn.domain} status {await sending.wait()}")

    async def close(self) -> None:
        """Let what is being sent end, for some seconds; then end all programs of a run at once.

        A client without its maildirserial would send a message that then stays in the Maildir.
        """
        ending = [asyncio.create_task(sending.wait()) for sending in self._sending]
        if ending:
            await asyncio.wait(ending, timeout=_GRACE_S)
        for sending in list(self._sending):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(sending.pid, signal.SIGTERM)
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, *ending, return_exceptions=True)


async def _tell(sending: asyncio.subprocess.Process) -> None:
    """The log lines of the programs are ours."""
    assert sending.stdout is not None
    while True:
        try:
            line = await sending.stdout.readuntil()
        except asyncio.LimitOverrunError:
            line = await sending.stdout.read(_LONGEST)
        except asyncio.IncompleteReadError as end:
            line = end.partial
            if not line:
                return
        log.line(line.decode("utf-8", "replace").removesuffix("\n"))


def _count(maildir: Path) -> int:
    return sum(not name.startswith(".") for part in ("new", "cur") for name in os.listdir(maildir / part))


async def _serve(listener: socket.socket, runs: Runs) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if admits(writer.get_extra_info("socket"), "qmaild"):
                async with asyncio.timeout(_PATIENCE_S):
                    domain = (await reader.readline()).decode("ascii", "replace").strip()
                writer.write(format_count(runs.start(domain)))
        except Temporary as error:
            log.line(f"warning: {error.sentence}")
        except (OSError, ValueError):
            pass  # the peer is gone, or says what is no line
        finally:
            writer.close()

    server = await asyncio.start_unix_server(answer, sock=listener, limit=_LONGEST)
    log.line("status: ready")
    await stop.wait()
    server.close()
    await runs.close()


def main(argv: list[str], environ: Mapping[str, str]) -> int:
    """uid and gid of the owner of the mail; 100: called wrongly, 111: it cannot begin now."""
    log.open("autoturn")
    place = Place.from_environ(environ)
    try:
        owner = Identity(*map(int, argv))
    except (TypeError, ValueError):
        log.line(_USAGE)
        return 100
    try:
        listener = bind_unix(place.socket("autoturn"))
        become_identity(owner)
    except OSError as error:
        log.line(f"unable to begin: {error}")
        return 111
    asyncio.run(_serve(listener, Runs(place, environ)))
    return 0
