"""Owns the process popup: as qmaild it greets the stranger, hears who he is, and has him served.

It cannot tell a right password from a wrong one: user and password go to pop3d, and with them the client's
own connection; only what is behind TLS, which ends here, or recorded is carried both ways. By SCRAM the
client wants to hear of authd, too, that his password is known here, before pop3d is asked.
"""

import asyncio
import contextlib
import os
import signal
import ssl
from collections.abc import Awaitable, Coroutine, Mapping
from functools import partial

from appliance.accounts.async_client import check_async, salt_async
from appliance.accounts.client import POP3, Beginning, Question, new_stamp
from appliance.formats.frame import format_frame
from appliance.formats.outcome import FormatError, Temporary
from appliance.net import tls
from appliance.net.tcpserver import Connection, Server, Settings, bind, parse_listener, run
from appliance.pop3.handover import KIND, Credentials, format_credentials
from appliance.pop3.relay import Link, Relay, hand_over, may_travel
from appliance.protocols import pop3, sasl_server, scram
from appliance.protocols import pop3_replies as replies
from appliance.protocols.sasl_server import Login, Proven, SaltWanted, Sasl
from appliance.system import log
from appliance.system.control import Control
from appliance.system.place import Place
from appliance.system.privileges import become

LOGIN_SECONDS = (
    180.0  # RFC 1939's ten minutes are for a session; before it there is none, and Dovecot waits 3
)


class Popup(asyncio.Protocol):
    """One client's connection, from the greeting to the end."""

    def __init__(
        self,
        connection: Connection,
        place: Place,
        host: bytes,
        context: ssl.SSLContext | None,
        mechanisms: bytes = b"",
    ) -> None:
        """`mechanisms`: words of control/saslmechanisms."""
        if connection.listener.tls:
            has_tls = pop3.Tls.ACTIVE
        else:
            has_tls = pop3.Tls.ABSENT if context is None else pop3.Tls.OFFERED
        self._has_apop = pop3.APOP in mechanisms.split()
        self._state = pop3.Authorization(
            new_stamp(host) if self._has_apop else host,
            tls=has_tls,
            sasl=Sasl.of(mechanisms, partial(new_stamp, host)),
        )
        self._connection = connection
        self._authd, self._pop3d = place.socket("authd"), place.socket("pop3d")
        self._proved: Login | None = None
        self._context = context
        self._relay: Relay | None = None
        self._link: Link | None = None
        self._transport: asyncio.Transport | None = None
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self._is_eof = False
        self._early: bytearray | None = None  # what is said while nothing can be answered
        connection.on_stop = self._close

    # what the client does

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        if self._transport is None:
            self._timer = self._loop.call_later(LOGIN_SECONDS, self.abort)
            transport.write(self._state.greeting)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if self._relay is not None:
            self._relay.send(data)
        elif self._early is not None:
            self._early += data
        else:
            self._hear(data)

    def _hear(self, data: bytes) -> None:
        for event in self._state.receive(data):
            self._act(event)

    def eof_received(self) -> bool:
        self._is_eof = True  # he may have said all he wants to say, and still listen
        if self._relay is not None:
            self._relay.send_eof()
        return self._relay is not None or self._task is not None

    def pause_writing(self) -> None:
        if self._relay is not None:
            self._relay.pause_reading()

    def resume_writing(self) -> None:
        if self._relay is not None:
            self._relay.resume_reading()

    def connection_lost(self, error: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()
        if self._link is not None:
            self._link.end()
        self._transport = None

    # what is done about it

    def _act(self, event: pop3.Event) -> None:
        assert self._transport is not None
        match event:
            case pop3.Reply(wire):
                self._transport.write(wire)
            case pop3.Close(wire):
                self._transport.write(wire)
                self._close()
            case pop3.StartTls(wire):
                # The first commands may come with the end of the handshake, before start_tls has given us the
                # transport: answered at once they would be answered in the clear.
                self._transport.write(wire)
                self._pause_for(self._start_tls(self._transport))
            case Login(mechanism=pop3.APOP) if not self._has_apop:  # no secret is stored to make a digest of
                self._transport.write(replies.AUTHORIZATION_FAILED)
                self._close()
            case SaltWanted(user):
                self._pause_for(self._go_on(self._salt(user), user))
            case Login(mechanism=sasl_server.SCRAM):
                self._proved = event
                self._pause_for(self._go_on(self._signature(event), event.user))
            case Login():
                self._pause_for(self._open(event))
            case Proven():
                assert self._proved is not None
                self._pause_for(self._open(self._proved))

    def _pause_for(self, task: Coroutine[None, None, None]) -> None:
        """Hear nothing more of the client until that is done."""
        assert self._transport is not None
        self._early = bytearray()
        self._transport.pause_reading()
        self._task = self._loop.create_task(task)

    @property
    def _address(self) -> bytes:
        return self._connection.client.encode()

    async def _salt(self, user: bytes) -> bytes:
        return scram.format_salt(*await salt_async(self._authd, Beginning(user, POP3, self._address)))

    async def _signature(self, login: Login) -> bytes:
        user, proof, mechanism, message = login
        question = Question(user, proof, POP3, self._address, mechanism, message)
        account = await check_async(self._authd, question)
        return b"" if account is None else account.signature

    async def _go_on(self, asked: Awaitable[bytes], user: bytes) -> None:
        """Go on with SCRAM when authd has answered; nothing: that is not the password."""
        client = self._transport
        assert client is not None
        who = f"{user.decode('utf-8', 'backslashreplace')} from {self._address.decode()}"
        try:
            known = await asked
        except Temporary as error:
            _say(f"deferral: {who}: {error.sentence}")
            client.write(replies.TRY_LATER)
            client.close()
            return
        if not known:
            _say(f"authorization failed: {who}")
            client.write(replies.WRONG_PASSWORD)
            client.close()
            return
        self._task = None
        self._act(self._state.tell(known))
        client.resume_reading()
        self._hear(self._take_early())
        if self._is_eof and self._task is None:
            self._close()

    async def _start_tls(self, transport: asyncio.Transport) -> None:
        assert self._context is not None
        if self._early:  # in the clear, behind STLS: see Authorization
            transport.abort()
            return
        secured = await tls.begin(transport, self, self._context)
        if isinstance(secured, str):
            _say(f"warning: no TLS with {self._connection.environment.get('TCPREMOTEIP')}: {secured}")
            return
        self._task = None
        self._transport = self._connection.transport = secured
        if self._connection.recorder is not None:
            self._transport = self._connection.recorder.recorded(secured)
        self._hear(self._take_early())

    async def _open(self, login: Login) -> None:
        """Have pop3d take over."""
        client = self._transport
        assert client is not None
        credentials = Credentials(login.user, login.password, self._address, login.mechanism, login.challenge)
        first = format_frame(KIND, format_credentials(credentials)) + self._state.take_rest()
        try:
            if self._connection.recorder is None and may_travel(client, first):
                self._link = await hand_over(self._pop3d, client, first)
            else:
                path = str(self._pop3d)
                _, self._relay = await self._loop.create_unix_connection(lambda: Relay(client, first), path)
                self._link = self._relay
        except OSError as error:
            _say(f"deferral: pop3d is not answering: {error}")
            client.write(replies.TRY_LATER)
            client.close()
            return
        self._task = None
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        if self._relay is None:
            self._connection.on_stop = self._link.stop
            return  # nothing is read of him any more
        self._relay.send(self._take_early())
        client.resume_reading()
        if self._is_eof:
            self._relay.send_eof()

    def _take_early(self) -> bytes:
        early, self._early = bytes(self._early or b""), None
        return early

    def _close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """End at once; pop3d's worker deletes nothing then."""
        if self._transport is not None:
            self._transport.abort()


def _mechanisms(control: Control) -> bytes:
    """Read for each connection: it is one small file, and always as it is now."""
    with contextlib.suppress(Temporary):  # as if nothing were stored but hashes
        return control.table("saslmechanisms").get(POP3, b"")
    return b""


def _say(text: str) -> None:
    log.line(text)
    log.flush()


def main(argv: list[str], environ: Mapping[str, str]) -> int:
    """popup(8): listens where its arguments say (`pop3:0.0.0.0:110 pop3s:0.0.0.0:995:tls`) until TERM."""
    log.open("popup", batched=True)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until the server listens to it, all is read anyway
    place = Place.from_environ(environ)
    control = Control(place.control)
    try:
        listeners = [parse_listener(text) for text in argv]
        context = tls.open_for(place)
        control.or_me("me")  # without a name nothing starts
        settings = Settings.read(place)
        bound = bind(listener for listener in listeners if context is not None or not listener.tls)
    except (FormatError, Temporary, OSError) as error:
        _say(f"alert: unable to start: {getattr(error, 'sentence', error)}")
        return 100 if isinstance(error, FormatError) else 111
    if len(bound) < len(listeners):
        _say("warning: no certificate, so no listener that begins with TLS")
    become("qmaild")

    def accept(connection: Connection) -> Popup:
        host = os.fsencode(connection.environment["TCPLOCALHOST"])  # `me`, as it was read last
        return Popup(connection, place, host, context, _mechanisms(control))

    async def serve() -> None:
        await Server(bound, accept, settings, context).run()

    run(serve())
    return 0
