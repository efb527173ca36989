"""Owns an appliance in simulated time: a real send and a real rspawn, one socket between them, a far host.

Queue, retries, spawn protocol, pool, table of timeouts and SMTP client are those of the appliance; the
clock and the network are not.
"""

import asyncio
import contextlib
import signal
import socket
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from appliance.formats import handin, tcpto
from appliance.formats.envelope import Envelope
from appliance.formats.frame import FrameBuffer
from appliance.formats.outcome import Verdict
from appliance.remote.message import Message
from appliance.remote.remote import Delivery, Remote, remote_of
from appliance.remote.rspawn import Deliveries
from appliance.send.schedule import REMOTE, Schedule, next_retry
from appliance.send.send import Send
from appliance.system import log
from appliance.system.place import Place
from tests.support.clock import SimulatedLoop
from tests.support.far_host import FarHost
from tests.support.queue_rig import Rig

START = 1_800_000_000
"""Seconds since 1970 when a simulation begins."""
MINUTE, HOUR, DAY = 60, 3600, 86400
CONCURRENCY = 20
"""Of remote deliveries at once, and (concurrencynexthop) of connections to one next hop."""
_MESSAGE = Message(2, b"a\n")


class Simulation:
    """What a story sees: the host, and an appliance that sends it mail; times are seconds since its begin."""

    def __init__(self, rig: Rig, loop: SimulatedLoop) -> None:
        self.host = FarHost()
        self.rig = rig
        self._loop = loop
        self._woken = asyncio.Event()
        self._deliveries: list[Deliveries] = []

    @property
    def now(self) -> float:
        """Seconds since the begin."""
        return self._loop.time()

    @property
    def table(self) -> Path:
        """The table of hosts that time out, queue/lock/tcpto."""
        return self.rig.place.queue / "lock" / "tcpto"

    async def alarm(self) -> None:
        """Let all that waits be tried now (ALRM), and a minute pass."""
        self.rig.send._signals.add(signal.SIGALRM)
        self._woken.set()
        await self.until(self.now + MINUTE)

    async def until(self, when: float) -> None:
        """Let time pass."""
        await asyncio.sleep(when - self.now)

    async def hand_in(self, recipients: list[bytes]) -> None:
        """Hand in a message for each, and wait until they are promised."""
        connection = socket.socket(socket.AF_UNIX)
        connection.setblocking(False)
        with connection:
            await self._loop.sock_connect(connection, str(self.rig.place.socket("queue")))
            for number, recipient in enumerate(recipients):
                envelope = Envelope(b"s@example.test", (recipient,))
                await self._loop.sock_sendall(
                    connection, handin.format_whole(number, envelope, b"Subject: t\n\nb\n")
                )
            buffer, promised = FrameBuffer(1 << 20), 0
            while promised < len(recipients):
                for frame in buffer.receive(await self._loop.sock_recv(connection, 1 << 20)):
                    assert Verdict.DONE is handin.parse_answer(*frame).report.verdict
                    promised += 1

    def dues(self) -> list[float]:
        """When the messages that wait for the host are due, earliest first."""
        return sorted(when - START for when, _ in self.rig.send._schedules[REMOTE].entries())

    async def run(self, story: Callable[["Simulation"], Awaitable[None]]) -> None:
        """Tell a story while the daemons work."""
        self._loop.connect = self.host.connect
        self._loop.stand_still_while(lambda: not self.rig.send._disk.is_idle)
        self._loop.add_reader(self.rig.remote.listener.fileno(), self._admit)
        self._loop.add_reader(self.rig.send._selector.fileno(), self._woken.set)
        daemon = asyncio.create_task(self._send())
        told = asyncio.ensure_future(story(self))
        await asyncio.wait([daemon, told], return_when=asyncio.FIRST_COMPLETED)
        daemon.cancel()
        self._loop.remove_reader(self.rig.send._selector.fileno())
        self._loop.remove_reader(self.rig.remote.listener.fileno())
        for deliveries in self._deliveries:
            deliveries.close()
        await asyncio.gather(daemon, return_exceptions=True)
        await told

    def _admit(self) -> None:
        connection, _ = self.rig.remote.listener.accept()
        self._deliveries.append(Deliveries(remote_of(self.rig.place, {}), connection, lambda: None))

    async def _send(self) -> None:
        send = self.rig.send
        send._patience = lambda: 0.0  # type: ignore[method-assign]
        while True:
            self._woken.clear()
            send._turn()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), Send._patience(send))


def simulate(
    folder: Path, monkeypatch: pytest.MonkeyPatch, story: Callable[[Simulation], Awaitable[None]]
) -> FarHost:
    """Tell a story in simulated time; the host in it, for what it has seen."""
    loop = _loop(monkeypatch)
    log.open("send", batched=True)
    rig = Rig(folder, smtproutes=":192.0.2.1")
    _lay_out_tables(rig.place)
    simulation = Simulation(rig, loop)
    try:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(simulation.run(story))
    finally:
        rig.close()
        log.flush()
        log.open("toaster")
    return simulation.host


def _loop(monkeypatch: pytest.MonkeyPatch) -> SimulatedLoop:
    loop = SimulatedLoop()
    monkeypatch.setattr(time, "time", lambda: START + loop.time())
    monkeypatch.setattr(time, "monotonic", loop.time)
    return loop


def _lay_out_tables(place: Place) -> None:
    for name, width in tcpto.FILES.items():
        (place.queue / "lock" / name).write_bytes(tcpto.empty_table(width))


class Crowd:
    """Thousands of messages without a queue: send's schedule and retries, and all of rspawn's delivery."""

    def __init__(self, births: list[float]) -> None:
        self.host = FarHost()
        self.tries = 0
        self.dues: list[int] = []
        """When those that waited as the host came back were due, earliest first."""
        self._births = [START + int(birth) for birth in births]
        self._schedule = Schedule()
        self._under_way = 0
        self._woken = asyncio.Event()

    def live(self, folder: Path, monkeypatch: pytest.MonkeyPatch, *, down_s: float, end_s: float) -> None:
        """Hand the messages in, each at its birth, to a host that is down for a while."""
        loop = _loop(monkeypatch)
        loop.connect = self.host.connect
        place = Place.from_environ({"TOASTER_HOME": str(folder)})
        for part in (place.control, place.queue / "lock"):
            part.mkdir(parents=True)
        for name, content in {"me": "mx.example.test", "smtproutes": ":192.0.2.1"}.items():
            (place.control / name).write_text(f"{content}\n")
        _lay_out_tables(place)

        async def told() -> None:
            loop.call_at(down_s, self._come_back)
            await self._send(remote_of(place, {}), end_s)

        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(told())

    def _come_back(self) -> None:
        self.host.is_up = True
        self.dues = sorted(when - START for when, _ in self._schedule.entries())

    async def _send(self, remote: Remote, end_s: float) -> None:
        for number, birth in enumerate(self._births):
            self._schedule.push(birth, number)
        tasks: set[asyncio.Task[None]] = set()
        while (now := time.time() - START) < end_s:
            first = self._schedule.first() if self._under_way < CONCURRENCY else None
            wait_s = end_s - now if first is None else min(end_s, first - START) - now
            if wait_s <= 0:
                self._under_way += 1
                task = asyncio.create_task(self._try(remote, self._schedule.pop()[1]))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
                continue
            self._woken.clear()
            timer = asyncio.get_running_loop().call_later(wait_s, self._woken.set)
            await self._woken.wait()
            timer.cancel()
        await asyncio.gather(*tasks)
        remote.pool.close_idle()

    async def _try(self, remote: Remote, number: int) -> None:
        self.tries += 1
        recipient = b"joe%d@far.test" % number
        outcome = await remote.deliver(Delivery(b"far.test", b"s@example.test", (recipient,), _MESSAGE))
        if outcome.message.verdict is Verdict.TRY_AGAIN:
            self._schedule.push(next_retry(int(time.time()), self._births[number], REMOTE), number)
        self._under_way -= 1
        self._woken.set()
