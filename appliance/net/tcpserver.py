"""Owns accepting connections: limits, rules and PROXY header decide, then a protocol gets the connection.

One connection an event of readiness is accepted, so that workers that share a socket share the work: the busy
one comes back later. The log's lines are tcpserver(1)'s; its process id is our connection number.
"""

import asyncio
import errno
import ipaddress
import signal
import socket
import ssl
import traceback
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from typing import cast

from appliance.formats.outcome import FormatError, Temporary
from appliance.net import prefork as workers
from appliance.net import tls
from appliance.net.listeners import BoundListener, Listener, bind, format_listener, parse_listener
from appliance.net.lookups import Lookups
from appliance.net.loop import run
from appliance.net.peer import Peer
from appliance.net.prefork import prefork
from appliance.net.proxied import read_header
from appliance.net.recorder import Recorder
from appliance.net.rules import LISTED_ONLY, Rules
from appliance.net.settings import Settings
from appliance.protocols.proxy import Endpoint
from appliance.system import log

__all__ = [
    "BoundListener",
    "Connection",
    "Listener",
    "Server",
    "Settings",
    "bind",
    "format_listener",
    "parse_listener",
    "prefork",
    "run",
]

Accept = Callable[["Connection"], asyncio.BaseProtocol]

_PAUSE = 0.05  # seconds between looks at the limit, or at a table of descriptors that was full
_GRACE = 2.0  # seconds that sessions have to end after TERM: seven daemons stop one by one, in ten seconds
_LOG_SECONDS = 0.02  # log lines of so long go out together: each write wakes whoever keeps the log
# What wait(2) says of a process that ended with 100 or 111, as tcpserver's for a connection do.
_DENIED, _FAILED = 100 << 8, 111 << 8
_ANYBODYS = " never relays: strangers may seem to come from this address"
_FULL = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


@dataclass(slots=True)
class Connection:
    """One accepted connection."""

    number: int
    listener: Listener
    environment: dict[str, str] = field(default_factory=dict)
    """tcp-environ(5) and what the rule sets, such as RELAYCLIENT."""
    on_stop: Callable[[], None] | None = None
    """Set by the protocol: called at TERM, ends the session within 2 s; else the connection is closed."""
    transport: asyncio.BaseTransport | None = None
    counted_as: str = ""
    recorder: Recorder | None = None
    is_unnamed: bool = False
    """Whether a proxy does not name its client: it looks whether we are up, or does not know him."""
    is_anybodys: bool = False
    """Whether its address may be any stranger's: a gateway's, or a proxy's that does not name its client."""

    @property
    def client(self) -> str:
        """The client's address for those who count by it; `unknown` if there is only his proxy's."""
        return "unknown" if self.is_unnamed else self.environment.get("TCPREMOTEIP", "unknown")


class Server:
    """One worker's share of the listeners."""

    def __init__(
        self,
        bound: Iterable[BoundListener],
        accept: Accept,
        settings: Settings,
        tls_context: ssl.SSLContext | None = None,
        on_reload: Callable[[], None] | None = None,
    ) -> None:
        """`accept` makes the protocol of a connection; `on_reload` is called at HUP before rules are read."""
        self._bound = list(bound)
        self._accept = accept
        self._settings = settings
        self._tls_context = tls_context
        self._on_reload = on_reload
        self._rules: dict[str, Rules] = {}
        self._lookups = Lookups(settings.place)
        self._slot = workers.slot()
        self._last = self._slot.number
        self._open: dict[int, Connection] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._paused = False
        self._looking: asyncio.TimerHandle | None = None
        self._flush_due = False
        self._read_rules()
        if tls_context is None and any(one.listener.tls for one in self._bound):
            raise ValueError("a listener with TLS needs a certificate")

    async def run(self) -> None:
        """Accept until TERM; return when all sessions have ended, 2 s later at most."""
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self._idle = asyncio.Event()
        self._loop.add_signal_handler(signal.SIGTERM, self._stop.set)
        self._loop.add_signal_handler(signal.SIGINT, self._stop.set)
        self._loop.add_signal_handler(signal.SIGHUP, self.reload)
        self._say_status()
        self._listen()
        await self._stop.wait()
        self._pause()
        for connection in list(self._open.values()):
            self._end_session(connection)
        if self._open:
            try:
                await asyncio.wait_for(self._idle.wait(), _GRACE)
            except TimeoutError:
                for connection in list(self._open.values()):
                    if connection.transport is not None:  # uvloop's is no asyncio.Transport by name
                        cast(asyncio.Transport, connection.transport).abort()
        for task in self._tasks:
            task.cancel()
        log.flush()

    def stop(self) -> None:
        """Do as at TERM."""
        self._stop.set()

    def reload(self) -> None:
        """Take limits and rules as they are on disk now; what cannot be read stays as it was."""
        try:
            self._settings = Settings.read(self._settings.place)
            if self._on_reload is not None:
                self._on_reload()
        except Temporary as error:
            self._say(f"tcpserver: warning: keeping what was read before: {error.sentence}")
        self._read_rules()

    def _read_rules(self) -> None:
        for name in {bound.listener.name for bound in self._bound}:
            self._read_rules_of(name)

    def _read_rules_of(self, name: str) -> None:
        try:
            path = self._settings.place.rules / f"tcp.{name}.cdb"
            self._rules[name] = Rules(path, listed_only=name in LISTED_ONLY)
        except Temporary as error:
            kept = "keeping the old rules" if name in self._rules else "dropping all connections"
            log.line(f"tcpserver: warning: {kept}, {error.sentence}")

    def _rules_now(self, name: str) -> Rules | None:
        """The rules of a listener; those that tcprules has made since count without a signal."""
        rules = self._rules.get(name)
        if rules is None or rules.changed():
            self._read_rules_of(name)
        return self._rules.get(name)

    def _end_session(self, connection: Connection) -> None:
        if connection.on_stop is not None:
            connection.on_stop()
        elif connection.transport is not None:
            connection.transport.close()

    def _listen(self) -> None:
        self._paused = False
        for bound in self._bound:
            self._loop.add_reader(bound.socket.fileno(), self._accept_one, bound)

    def _pause(self) -> None:
        self._paused = True
        for bound in self._bound:
            self._loop.remove_reader(bound.socket.fileno())

    def _pause_a_while(self) -> None:
        self._pause()
        self._look_again()

    def _look_again(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
        self._looking = self._loop.call_later(_PAUSE, self._maybe_listen)

    def _maybe_listen(self) -> None:
        if self._stop.is_set() or not self._paused:
            return
        if self._slot.total() < self._settings.concurrency:
            self._listen()
        else:  # the connection that ends may be another worker's
            self._look_again()

    def _accept_one(self, bound: BoundListener) -> None:
        if self._slot.total() >= self._settings.concurrency:  # the last one was another worker's
            self._pause_a_while()
            return
        try:
            accepted, peer = bound.socket.accept()
        except (BlockingIOError, ConnectionAbortedError, InterruptedError):
            return  # another worker was faster, or the peer went away
        except OSError as error:
            self._say(f"tcpserver: warning: unable to accept: {error.strerror}")
            if error.errno in _FULL:
                self._pause_a_while()
            return
        accepted.setblocking(False)
        self._last += self._slot.workers
        connection = Connection(self._last, bound.listener)
        self._open[connection.number] = connection
        total = self._slot.add(1)
        remote = Endpoint.of(peer)
        if self._settings.is_proxy(remote.address):
            self._start(self._read_proxy(connection, accepted, remote))
        else:
            self._admit(connection, accepted, remote)
        if total >= self._settings.concurrency:
            self._pause_a_while()

    async def _read_proxy(self, connection: Connection, accepted: socket.socket, peer: Endpoint) -> None:
        try:
            header = await read_header(accepted)
        except (FormatError, OSError) as error:  # TimeoutError is an OSError
            reason = f"{str(error) or 'no PROXY header in time'}; proxynetworks has it send one"
            self._say_status()
            self._say(f"tcpserver: deny {connection.number} proxy {peer.address}: {reason}")
            self._drop(connection, accepted, _DENIED)
            return
        if header is None:  # a look whether we are up, every other second: not a line in the log
            self._drop(connection, accepted, None)
            return
        connection.is_unnamed = connection.is_anybodys = header.remote is None
        self._admit(connection, accepted, header.remote or peer, header.local)

    def _admit(
        self, connection: Connection, accepted: socket.socket, remote: Endpoint, local: Endpoint | None = None
    ) -> None:
        """Ask limit and rules, then let the connection have its protocol."""
        peer = Peer(local or _own_end(accepted), remote, self._settings.local_host)
        connection.is_anybodys |= remote.address in self._settings.anybodys
        is_crowded = False
        if not connection.is_anybodys:
            connection.counted_as = _counted_as(remote.address)
            is_crowded = self._slot.opened(connection.counted_as) > self._settings.concurrency_per_address
        self._say_status()
        self._say(f"tcpserver: pid {connection.number} from {remote.address}")
        rules = self._rules_now(connection.listener.name)
        if is_crowded or rules is None:
            self._deny(connection, accepted, peer, " too many connections from this address" * is_crowded)
        elif rules.asks_host or rules.asks_user:
            self._start(self._find_out(connection, accepted, peer, rules))
        else:
            self._obey(connection, accepted, peer, rules)

    async def _find_out(
        self, connection: Connection, accepted: socket.socket, peer: Peer, rules: Rules
    ) -> None:
        known = await self._lookups.find_out(peer, asks_host=rules.asks_host, asks_user=rules.asks_user)
        self._obey(connection, accepted, known, rules)

    def _obey(self, connection: Connection, accepted: socket.socket, peer: Peer, rules: Rules) -> None:
        rule = rules.of(peer.remote.address, peer.remote_host, peer.user)
        is_listed_only = connection.listener.name in LISTED_ONLY  # to be allowed there is to relay
        if not rule.allow or (is_listed_only and connection.is_anybodys):
            self._deny(connection, accepted, peer, _ANYBODYS * rule.allow)
            return
        known = {name: value for name, value in peer.environment().items() if value is not None}
        connection.environment = known | rule.environment
        relays = "RELAYCLIENT" in connection.environment and connection.is_anybodys
        if relays:
            del connection.environment["RELAYCLIENT"]
        self._say(f"tcpserver: ok {connection.number} {peer.ends()}{_ANYBODYS * relays}")
        self._start(self._connect(connection, accepted))

    def _deny(self, connection: Connection, accepted: socket.socket, peer: Peer, reason: str = "") -> None:
        self._say(f"tcpserver: deny {connection.number} {peer.ends()}{reason}")
        self._drop(connection, accepted, _DENIED)

    async def _connect(self, connection: Connection, accepted: socket.socket) -> None:
        context = self._tls_context if connection.listener.tls else None
        try:
            if connection.listener.name in self._settings.recorded:
                connection.recorder = Recorder(connection.number, connection.listener.name, self._say)
            protocol = self._accept(connection)
            if connection.recorder is not None:
                connection.recorder.attach(protocol)
            _when_lost(protocol, lambda: self._ended(connection))
            connection.transport, _ = await self._loop.connect_accepted_socket(
                lambda: protocol,
                accepted,
                ssl=context,
                ssl_handshake_timeout=None if context is None else tls.HANDSHAKE_SECONDS,
            )
        except OSError as error:  # the peer went away, or does not speak TLS
            if not connection.is_unnamed:
                self._say(f"tcpserver: warning: dropping connection {connection.number}: {tls.why(error)}")
            self._drop(connection, accepted)
        except Exception:  # the top of a connection: whatever is wrong with it, the others go on
            self._say(f"tcpserver: dropping connection {connection.number}: {traceback.format_exc()}")
            self._drop(connection, accepted)

    def _start(self, work: Coroutine[object, object, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _drop(self, connection: Connection, accepted: socket.socket, status: int | None = _FAILED) -> None:
        accepted.close()
        self._ended(connection, status)

    def _ended(self, connection: Connection, status: int | None = 0) -> None:
        """A connection has left; status None: as if it had never come."""
        if self._open.pop(connection.number, None) is None:
            return
        if connection.counted_as:
            self._slot.closed(connection.counted_as)
        total = self._slot.add(-1)
        if status is not None:
            self._say(f"tcpserver: end {connection.number} status {status}")
            self._say_status()
        if self._stop.is_set():
            if not self._open:
                self._idle.set()
        elif self._paused and total < self._settings.concurrency:
            self._listen()

    def _say_status(self) -> None:
        self._say(f"tcpserver: status: {self._slot.total()}/{self._settings.concurrency}")

    def _say(self, text: str) -> None:
        log.line(text)
        if not self._flush_due:
            self._flush_due = True
            self._loop.call_later(_LOG_SECONDS, self._flush)

    def _flush(self) -> None:
        self._flush_due = False
        log.flush()


def _own_end(accepted: socket.socket) -> Endpoint:
    try:
        name = accepted.getsockname()
    except OSError:  # reset already: it will end as soon as it is read
        return Endpoint("0.0.0.0", 0)
    return Endpoint.of(name)


def _counted_as(address: str) -> str:
    # A site has at least a /64 of IPv6 to itself.
    return address if "." in address else str(int(ipaddress.IPv6Address(address)) >> 64)


def _lost_already(_: Exception | None) -> None:
    """A connection ends once, whoever noticed."""


def _when_lost(protocol: asyncio.BaseProtocol, act: Callable[[], None]) -> None:
    lost = protocol.connection_lost

    def connection_lost(error: Exception | None) -> None:
        try:
            lost(error)
        finally:
            protocol.connection_lost = _lost_already  # type: ignore[assignment, method-assign]
            act()

    protocol.connection_lost = connection_lost  # type: ignore[assignment, method-assign]
