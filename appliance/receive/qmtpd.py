"""Owns the processes qmtpd and qmqpd: a connection's bytes go to a session, its answers come back."""

import asyncio
import contextlib
import signal
import time
import traceback
from collections.abc import Mapping
from functools import partial
from typing import cast

from appliance.formats.outcome import FormatError, Temporary
from appliance.net import tcpserver
from appliance.net.tcpserver import BoundListener, Connection
from appliance.queue.async_client import AsyncQueueClient
from appliance.receive.desk import Desk
from appliance.receive.packages import Qmqp, Qmtp, Session
from appliance.receive.policy import Policy
from appliance.receive.recipients import Recipients
from appliance.receive.rounds import make_rounds
from appliance.system import log
from appliance.system.control import Control, Watch
from appliance.system.place import Place
from appliance.system.privileges import become

_BLOCK = 64 * 1024
_LINGER = 2.0  # seconds in which a peer can read its answers, though it has said more than we read
_SLOWEST = 512  # bytes a second of a package, on average, when its first minute is over
_FIRST_MINUTE = 60.0


class Peer(asyncio.StreamReaderProtocol):
    """One connection."""

    def __init__(self, worker: "Worker", connection: Connection) -> None:
        super().__init__(asyncio.StreamReader(_BLOCK, worker.loop), self._serve, worker.loop)
        self._session = worker.kind(worker.desk, connection.environment)
        self._address = connection.environment.get("TCPREMOTEIP", "unknown")
        self._worker = worker
        self._transport: asyncio.Transport | None = None
        self._busy = False
        self._stopping = False
        self._began = self._heard = worker.loop.time()
        self._package_began: float | None = None
        self._package_size = 0
        connection.on_stop = self.stop
        worker.peers.add(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by name
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._worker.peers.discard(self)
        self._transport = None
        super().connection_lost(error)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while received := await reader.read(_BLOCK):
                await self._answer(received, writer)
                if self._session.ended or self._stopping and not self._session.pending:
                    break
            await self._linger(reader, writer)
        except FormatError as error:  # what it said cannot be told from what it meant
            log.line(f"refused {self._address}: {error}")
            await self._linger(reader, writer)
        except OSError:
            pass  # the peer went away
        except Exception:  # the top of a connection: it ends, the others go on
            log.line(f"fault with {self._address}: {traceback.format_exc()}")
        finally:
            self._session.close()
            writer.close()

    async def _answer(self, received: bytes, writer: asyncio.StreamWriter) -> None:
        began = self._worker.loop.time()
        self._busy = True
        try:
            async for answers in self._session.receive(received):
                writer.write(answers)
                self._busy = False  # now it is the peer's turn, to read
                await writer.drain()
                self._busy = True
        finally:
            self._busy = False
        self._heard = now = self._worker.loop.time()
        if not self._session.pending:
            self._package_began, self._package_size = None, 0
        else:  # the time that we took is not the peer's
            self._package_began = now if self._package_began is None else self._package_began + now - began
            self._package_size += len(received)

    async def _linger(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A close on unread input resets the connection, and the peer may never see its last answer."""
        if self._stopping or self._transport is None or self._transport.is_closing():
            return
        writer.write_eof()
        with contextlib.suppress(OSError):  # TimeoutError is one
            async with asyncio.timeout(_LINGER):
                while await reader.read(_BLOCK):
                    pass

    def stop(self) -> None:
        """End the connection after its package."""
        self._stopping = True
        if not self._busy and not self._session.pending and self._transport is not None:
            self._transport.close()

    def look(self, now: float) -> None:
        """End the connection if its peer is silent, slow, or here too long; there is no word for it."""
        policy = self._worker.desk.policy
        if self._busy or self._transport is None:
            return
        is_slow = False
        if self._package_began is not None:
            seconds = now - self._package_began
            is_slow = seconds > _FIRST_MINUTE and self._package_size < seconds * _SLOWEST
        is_silent = now - self._heard >= policy.timeout
        if is_slow or is_silent or now - self._began >= policy.session_seconds:
            log.line(f"timeout {self._address}: silent, slow, or here for too long")
            self._transport.abort()


class Worker:
    """What the connections of one process share."""

    def __init__(self, place: Place, policy: Policy, kind: type[Session]) -> None:
        self.loop = asyncio.get_running_loop()
        self.peers: set[Peer] = set()
        self.kind = kind
        self._place = place
        self._recipients = Recipients(place.socket("recipients"))
        self.desk = Desk(policy, AsyncQueueClient(place.socket("queue")), self._recipients, time.time)
        self._watch = Watch(Control(place.control))

    def reload(self) -> None:
        """Read the control files again: they hold from the next package on."""
        self._recipients.forget()
        self.desk.policy = Policy.read(self._place)

    async def look_after(self) -> None:
        """Look at all connections once a second, and whether control files were changed."""
        await make_rounds(self._watch, self.reload, self.peers)


async def _work(place: Place, bound: list[BoundListener], policy: Policy, kind: type[Session]) -> None:
    worker = Worker(place, policy, kind)
    settings = tcpserver.Settings.read(place)
    server = tcpserver.Server(bound, partial(Peer, worker), settings, on_reload=worker.reload)
    looking = asyncio.create_task(worker.look_after())
    await server.run()
    looking.cancel()


def _main(name: str, kind: type[Session], argv: list[str], environ: Mapping[str, str]) -> int:
    log.open(name, batched=True)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until the server listens to it, all is read anyway
    place = Place.from_environ(environ)
    try:
        listeners = [tcpserver.parse_listener(text) for text in argv]
        if any(one.tls for one in listeners):
            raise FormatError(f"{name} has no TLS")
        bound = tcpserver.bind(listeners)
        for one in bound:
            log.line(f"listening on {tcpserver.format_listener(one.listener)}")
        log.flush()
        become("qmaild")
        tcpserver.run(_work(place, bound, Policy.read(place), kind))
    except FormatError as error:
        return _end(100, str(error))
    except (Temporary, OSError) as error:
        return _end(111, error.sentence if isinstance(error, Temporary) else f"unable to listen: {error}")
    return 0


def _end(code: int, sentence: str) -> int:
    log.line(sentence)
    log.flush()
    return code


def qmtpd(argv: list[str], environ: Mapping[str, str]) -> int:
    """Listen on `name:address:port` ... for QMTP; 100: bad arguments, 111: it cannot begin now."""
    return _main("qmtpd", Qmtp, argv, environ)


def qmqpd(argv: list[str], environ: Mapping[str, str]) -> int:
    """Listen on `qmqp:address:port` ... for QMQP; 100: bad arguments, 111: it cannot begin now."""
    return _main("qmqpd", Qmqp, argv, environ)
