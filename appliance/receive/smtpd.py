"""Owns the process smtpd: aiosmtpd carries the bytes of each connection, a conversation answers them.

Of aiosmtpd's server stay the streams and the life of a connection. Its own dialogue reads by the
line, keeps a message whole, and has opinions that a mail host cannot have: none of it runs here.
"""

import asyncio
import contextlib
import ssl
import time
from collections.abc import Mapping
from functools import cache, partial
from typing import Any, cast

from aiosmtpd.smtp import SMTP

from appliance.accounts import async_client, client
from appliance.formats.outcome import FormatError, Temporary
from appliance.net import tcpserver, tls
from appliance.net.tcpserver import BoundListener, Connection
from appliance.protocols.sasl_server import Login
from appliance.queue.async_client import AsyncQueueClient
from appliance.receive import replies
from appliance.receive.conversation import Conversation
from appliance.receive.desk import Desk
from appliance.receive.ofmip import Ofmip
from appliance.receive.policy import Policy
from appliance.receive.rates import Rates
from appliance.receive.recipients import Recipients
from appliance.receive.replies import Reply
from appliance.receive.rounds import make_rounds
from appliance.receive.submission import Office
from appliance.receive.turns import Turns
from appliance.system import log
from appliance.system.control import Control, Watch
from appliance.system.place import Place
from appliance.system.privileges import become

SUBMISSION = ("submission", "submissions")
"""The listeners where users send their mail, and say who they are (RFC 6409, RFC 8314)."""

OFMIP = "ofmip"
"""The listener that mends what it gets, for those whom a rule allows."""

_BLOCK = 64 * 1024
_LINGER = 2.0  # seconds in which a peer that was refused in the midst of its text can read why
_SLOWEST = 512  # bytes a second of a text, on average, when its first minute is over
_FIRST_MINUTE = 60.0


@cache
def _template() -> dict[str, Any]:
    """What aiosmtpd's constructor sets.

    It inspects all its members, half a millisecond, writes to 1.7 MB of them, and always finds the same. So
    the master calls it, and its workers have the memory in common.
    """
    with contextlib.closing(asyncio.new_event_loop()) as loop:
        return dict(SMTP(object(), hostname="", loop=loop).__dict__)


class Session(SMTP):
    """One connection."""

    def __init__(self, worker: "Worker", connection: Connection) -> None:
        self.__dict__.update(worker.template)
        reader = asyncio.StreamReader(_BLOCK, worker.loop)
        asyncio.StreamReaderProtocol.__init__(self, reader, self._cb_client_connected, worker.loop)
        self.conversation = _conversation(worker.desk, connection)
        self.conversation.client = connection.client.encode()
        self._address = connection.environment.get("TCPREMOTEIP", "")
        self._worker = worker
        self._connection = connection
        self._busy = False
        self._stopping = False
        self._began = self._heard = worker.loop.time()
        self._text_began: float | None = None
        self._closed_at: float | None = None
        connection.on_stop = self.stop
        worker.sessions.add(self)

    def _reset_timeout(self, duration: float | None = None) -> None:
        """Nothing: the worker looks at all its sessions once a second."""

    def eof_received(self) -> bool | None:
        """Let what was received be answered first: a peer may say all it has to say and close its side.

        TLS has no such half: true would be answered with a warning that it means nothing there.
        """
        return asyncio.StreamReaderProtocol.eof_received(self) and not self.conversation.session.secure

    def connection_lost(self, error: Exception | None) -> None:
        self._worker.sessions.discard(self)
        super().connection_lost(error)

    async def _handle_client(self) -> None:
        try:
            await self._greet()
            while not self.conversation.ended:
                received = await self._reader.read(_BLOCK)
                if not received:
                    break
                await self._answer(received)
            else:
                await self._linger()
        except ConnectionError:
            pass  # the peer went away
        finally:
            self.conversation.close()
            self._close()

    async def _greet(self) -> None:
        await asyncio.sleep(0)  # one look at the network: what came before the greeting is here now
        early = bytes(self._reader._buffer)  # type: ignore[attr-defined]
        if early:
            self._reader._buffer.clear()  # type: ignore[attr-defined]
            self._writer.write(await self.conversation.receive(early))
        else:
            self._writer.write(self.conversation.greet())
            self._worker.turns.welcome(self._worker.desk.policy.turns, self._address)

    async def _answer(self, received: bytes) -> None:
        conversation = self.conversation
        self._busy = True
        answers = await conversation.receive(received)
        self._busy = False
        if conversation.session.in_text:
            self._heard = self._worker.loop.time()
            if self._text_began is None:
                self._text_began = self._heard
        elif answers:  # part of a command is no sign of life: it could come byte by byte for ever
            self._heard = self._worker.loop.time()
            self._text_began = None
        if answers:
            self._writer.write(answers)
            if conversation.wants_tls:
                await self._start_tls()
            else:
                await self._writer.drain()
        if self._stopping and not conversation.session.in_text:
            self._end(replies.GOING_DOWN)

    async def _start_tls(self) -> None:
        context, reader = self._worker.tls_context, cast(Any, self._reader)
        assert context is not None
        reader._buffer.clear()  # what was said in the clear is forgotten (RFC 3207 section 4.2)
        reader._transport = None  # until it is the encrypted one nobody pauses and resumes it
        self._busy = True
        secured = await tls.begin(cast(asyncio.Transport, self.transport), self, context)
        if isinstance(secured, str):
            log.line(f"warning: no TLS with {self._connection.environment.get('TCPREMOTEIP')}: {secured}")
            raise ConnectionAbortedError
        self._busy = False
        if self._connection.recorder is not None:
            secured = self._connection.recorder.recorded(secured)
        self.transport = self._writer._transport = reader._transport = secured  # type: ignore[attr-defined]
        self.conversation.start_tls()

    async def _linger(self) -> None:
        """A close on unread input resets the connection, and the peer may never see its last reply."""
        if self.conversation.session.quit or self.transport is None:
            return
        if self._writer.can_write_eof():
            self._writer.write_eof()
        try:
            async with asyncio.timeout(_LINGER):
                while await self._reader.read(_BLOCK):
                    pass
        except TimeoutError:
            pass

    def stop(self) -> None:
        """End the session after its command or text."""
        self._stopping = True
        if not self._busy and not self.conversation.session.in_text:
            self._end(replies.GOING_DOWN)

    def look(self, now: float) -> None:
        """End the session if its peer is silent, or slow, or has been here too long."""
        policy = self._worker.desk.policy
        if self._closed_at is not None:
            if now - self._closed_at > policy.timeout and self.transport is not None:
                cast(asyncio.Transport, self.transport).abort()  # it does not even read
        elif self._busy:
            pass
        elif now - self._heard >= policy.timeout:
            self._end(replies.TIMEOUT)
        elif now - self._began >= policy.session_seconds:
            self._end(replies.TOO_LONG)
        elif self._text_began is not None:
            seconds = now - self._text_began
            if seconds > _FIRST_MINUTE and self.conversation.session.size < seconds * _SLOWEST:
                self._end(replies.TOO_SLOW)

    def _end(self, reply: Reply) -> None:
        if self.transport is not None and self._closed_at is None:
            self._writer.write(self.conversation.say(reply))
            self._close()

    def _close(self) -> None:
        if self.transport is not None and self._closed_at is None:
            self._closed_at = self._worker.loop.time()
            self.transport.close()


def _conversation(desk: Desk, connection: Connection) -> Conversation:
    name, secure = connection.listener.name, connection.listener.tls
    if name == OFMIP:
        return Ofmip(desk, connection.environment)
    return Conversation(desk, connection.environment, secure=secure, submission=name in SUBMISSION)


class Worker:
    """What the sessions of one process share."""

    def __init__(self, place: Place, policy: Policy, tls_context: ssl.SSLContext | None) -> None:
        self.loop = asyncio.get_running_loop()
        self.tls_context = tls_context
        self.sessions: set[Session] = set()
        self._place = place
        self._recipients = Recipients(place.socket("recipients"))
        self.turns = Turns(place.socket("autoturn"))
        queue = AsyncQueueClient(place.socket("queue"))
        self.desk = Desk(
            policy,
            queue,
            self._recipients,
            time.time,
            offers_tls=tls_context is not None,
            office=Office(self._check, self._salt, Rates(place.rates)),
            waiting=self.turns,
        )
        self.template = _template() | {
            "loop": self.loop,
            "_timeout_handle": self.loop.call_later(0, lambda: None),
        }
        self._watch = Watch(Control(place.control))

    async def _check(self, login: Login, address: bytes) -> client.Account | None:
        user, password, mechanism, challenge = login
        question = client.Question(user, password, client.SMTP, address, mechanism, challenge)
        return await async_client.check_async(self._place.socket("authd"), question)

    async def _salt(self, user: bytes, address: bytes) -> client.Salt:
        beginning = client.Beginning(user, client.SMTP, address)
        return await async_client.salt_async(self._place.socket("authd"), beginning)

    def reload(self) -> None:
        """Read the control files again: sessions go on by the new ones with their next transaction."""
        self._recipients.forget()
        self.desk.policy = Policy.read(self._place)

    async def look_after(self) -> None:
        """Look at all sessions once a second, and whether control files were changed."""
        await make_rounds(self._watch, self.reload, self.sessions)


async def _work(place: Place, bound: list[BoundListener], tls_context: ssl.SSLContext | None) -> None:
    worker = Worker(place, Policy.read(place), tls_context)
    settings = tcpserver.Settings.read(place)
    server = tcpserver.Server(bound, partial(Session, worker), settings, tls_context, worker.reload)
    looking = asyncio.create_task(worker.look_after())
    await server.run()
    looking.cancel()


def _run(place: Place, bound: list[BoundListener], tls_context: ssl.SSLContext | None) -> int:
    log.open("smtpd", batched=True)
    tcpserver.run(_work(place, bound, tls_context))
    return 0


def _needs_tls(listener: tcpserver.Listener) -> bool:
    """Nobody could log in on submission without a certificate."""
    return listener.tls or listener.name in SUBMISSION


def main(argv: list[str], environ: Mapping[str, str]) -> int:
    """Listen on `name:address:port[:tls]` ... and take mail; 100: bad arguments, 111: it cannot begin now."""
    log.open("smtpd")
    place = Place.from_environ(environ)
    control = Control(place.control)
    try:
        listeners = [tcpserver.parse_listener(text) for text in argv]
        tls_context = tls.open_for(place)
        bound = tcpserver.bind(one for one in listeners if tls_context is not None or not _needs_tls(one))
        if len(bound) < len(listeners):
            log.line("warning: no certificate, so no listener for which TLS is needed")
        for one in bound:
            log.line(f"listening on {tcpserver.format_listener(one.listener)}")
        become("qmaild")
        Policy.read(place)
        _template()
        workers = control.integer("smtpdworkers", 2)
    except FormatError as error:
        log.line(str(error))
        return 100
    except (Temporary, OSError) as error:
        log.line(error.sentence if isinstance(error, Temporary) else f"unable to listen: {error}")
        return 111
    return tcpserver.prefork(workers, partial(_run, place, bound, tls_context))
