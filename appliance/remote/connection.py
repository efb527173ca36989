"""Owns one connection to a next hop: the client's bytes on the network, time limits, TLS.

A connection that is lost, in whatever way, has `lost` set; the client's state tells how far it had come.
"""

import asyncio
import ssl

from appliance.formats.outcome import FormatError
from appliance.protocols.smtp_client import Answered, SmtpClient, Stage, State, Transaction
from appliance.remote import reports, sentences
from appliance.remote.message import Message
from appliance.remote.mx import Exchanger
from appliance.remote.reports import Outcome
from appliance.remote.settings import Settings

_WAITING = (State.HELLO, State.ENVELOPE, State.FINAL)
_HANDSHAKE_S = 60.0


class Connection(asyncio.Protocol):
    """A dialogue on the network; sentences show `peer`, and each reply has `patience` seconds to come."""

    def __init__(self, client: SmtpClient, peer: str, patience: float) -> None:
        self.client = client
        self.peer = peer.encode()
        self.lost = False
        self.transactions = 0
        self._patience = patience
        self._answers: list[Answered] = []
        self._transport: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()
        self._heard = self._loop.time()  # of the peer, or by it: when something last went over
        self._timer: asyncio.TimerHandle | None = None
        self._turn: asyncio.Future[None] | None = None
        self._full = False

    @property
    def reusable(self) -> bool:
        """Whether another transaction may follow on it."""
        return not self.lost and self.client.reusable

    @property
    def stale(self) -> bool:
        """Whether the peer left a reused connection before it had the message: a new one may do better."""
        decided = any(answer.stage is Stage.MESSAGE for answer in self._answers)
        return self.transactions > 1 and not self.reusable and not decided and not self._critical

    @property
    def refusal(self) -> Outcome:
        """What a dialogue came to that never got to a transaction."""
        return reports.judge(self.peer, 0, self._answers, critical=False)

    async def greet(self) -> None:
        """Wait until hellos are exchanged: the client is READY or OVER, or the connection is lost."""
        await self._wait_for_replies()

    async def start_tls(self, context: ssl.SSLContext, name: str | None) -> None:
        """Encrypt and greet anew; OSError if that fails, and this connection is of no use any more."""
        self.client.starttls()
        self._write()
        await self._wait_for_replies()
        if self.client.state is State.TLS and not self.lost:
            assert self._transport is not None
            patience = min(self._patience, _HANDSHAKE_S)
            transport = await self._loop.start_tls(
                self._transport, self, context, server_hostname=name, ssl_handshake_timeout=patience
            )
            if transport is not None:  # None: the peer left in the middle
                self._transport = transport
                self.client.tls_started()
                self._write()
                await self._wait_for_replies()
        if self.lost or self.client.state is State.TLS:
            raise ConnectionResetError("the peer left when it should have begun TLS")

    async def transact(self, sender: bytes, recipients: tuple[bytes, ...], message: Message) -> Outcome:
        """Carry out one transaction; afterwards the connection is `reusable`, or it is to be quit."""
        self.transactions += 1
        self._answers = []
        try:
            transaction = Transaction(sender, recipients, message.size, message.eight_bit)
            self._answers = self.client.start(transaction)
        except FormatError:
            return reports.never(sentences.BAD_ADDRESS)
        except OSError:
            return reports.try_again(sentences.READ)
        self._write()
        await self._wait_for_replies()
        if self.client.state is State.BODY and not self.lost:
            try:
                await self._send(message)
            except FormatError:
                return self._give_up(recipients, reports.never(sentences.PARTIAL_LINE))
            except OSError:
                return self._give_up(recipients, reports.try_again(sentences.READ))
            await self._wait_for_replies()
        return self._judge(recipients)

    def quit(self) -> None:
        """Say goodbye and close; nobody waits for the answer."""
        if not self.lost:
            self.client.quit()
            self._write()
        if self._transport is not None:
            self._transport.close()
        self._lose()

    def abort(self) -> None:
        """Close without a word."""
        if self._transport is not None:
            self._transport.abort()
        self._lose()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take note of the transport (asyncio.Protocol, as all below)."""
        self._transport = transport  # type: ignore[assignment]  # uvloop's is no subclass of asyncio's

    def data_received(self, received: bytes) -> None:
        """Hand the peer's bytes to the client, send what it says to them, and let who waits look."""
        self._heard = self._loop.time()
        try:
            self._answers += self.client.receive(received)
        except FormatError:
            self.abort()
            return
        self._write()
        self._wake()

    def connection_lost(self, error: Exception | None) -> None:
        """Take note that it is over."""
        self._lose()

    def pause_writing(self) -> None:
        """Wait before sending more of a message."""
        self._full = True

    def resume_writing(self) -> None:
        """Send on."""
        self._full = False
        self._heard = self._loop.time()
        self._wake()

    @property
    def _critical(self) -> bool:
        return self.client.state is State.FINAL

    def _judge(self, recipients: tuple[bytes, ...]) -> Outcome:
        return reports.judge(self.peer, len(recipients), self._answers, critical=self._critical)

    def _give_up(self, recipients: tuple[bytes, ...], why: Outcome) -> Outcome:
        """Leave in the middle of a message, without its dot: nobody shall take it for whole."""
        self.abort()
        return self._judge(recipients)._replace(message=why.message)

    async def _send(self, message: Message) -> None:
        for number, block in enumerate(message.blocks()):
            if number:
                self._write()  # the block before this one; the last goes out together with the dot
                await asyncio.sleep(0)  # others want their turn, and the peer may have left
            while self._full and not self.lost:
                await self._wait()
            if self.lost or self.client.state is not State.BODY:
                return
            self.client.body(block)
        self._answers += self.client.end()
        self._write()

    def _write(self) -> None:
        out = self.client.to_send()
        if out and self._transport is not None and not self.lost:
            self._heard = self._loop.time()
            self._transport.write(out)

    async def _wait_for_replies(self) -> None:
        while self.client.state in _WAITING and not self.lost:
            await self._wait()

    async def _wait(self) -> None:
        """Wait for anything to happen; if nothing does in time, the connection is lost."""
        self._turn = self._loop.create_future()
        if self._timer is None:
            self._timer = self._loop.call_at(self._heard + self._patience, self._look_at_clock)
        await self._turn

    def _look_at_clock(self) -> None:
        self._timer = None
        if self._turn is None or self._turn.done():
            return
        due = self._heard + self._patience
        if self._loop.time() >= due:
            self.abort()
        else:
            self._timer = self._loop.call_at(due, self._look_at_clock)

    def _wake(self) -> None:
        if self._turn is not None and not self._turn.done():
            self._turn.set_result(None)

    def _lose(self) -> None:
        self.lost = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._wake()


def opportunistic_context() -> ssl.SSLContext:
    """TLS with whoever is there: it keeps listeners out, and proves nothing (RFC 7435)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def open_dialogue(
    exchanger: Exchanger, port: int, settings: Settings, context: ssl.SSLContext | None
) -> Connection:
    """Connect and greet, by TLS if there is a context and the peer offers it; OSError if nobody answers.

    A handshake that fails is made up for by a new connection in the clear. The connection's client is READY,
    or its `refusal` says why not.
    """
    connection = await _connect(exchanger, port, settings)
    try:
        await connection.greet()
        if context is None or connection.lost or not connection.client.may_start_tls:
            return connection
        await connection.start_tls(context, exchanger.name.decode("ascii", "replace") or None)
    except OSError:
        connection.abort()
        return await open_dialogue(exchanger, port, settings, None)
    except BaseException:
        connection.abort()
        raise
    return connection


async def _connect(exchanger: Exchanger, port: int, settings: Settings) -> Connection:
    client = SmtpClient(settings.helohost)
    async with asyncio.timeout(settings.timeout_connect):
        _, connection = await asyncio.get_running_loop().create_connection(
            lambda: Connection(client, exchanger.address, settings.timeout_remote), exchanger.address, port
        )
    return connection
