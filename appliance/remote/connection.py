"""Owns one SMTP connection to a next hop: transactions and TLS; the client's state tells how far it is."""

import asyncio
import ssl

from appliance.formats.outcome import FormatError
from appliance.protocols.smtp_client import Answered, SmtpClient, Stage, State, Transaction
from appliance.remote import reports, sentences
from appliance.remote.message import Message
from appliance.remote.mx import Exchanger
from appliance.remote.reports import Outcome
from appliance.remote.settings import Settings
from appliance.remote.wire import Wire

_WAITING = (State.HELLO, State.ENVELOPE, State.FINAL)


class Connection(Wire):
    """A dialogue on the network; sentences show `peer`, and each reply has `patience` seconds to come."""

    def __init__(self, client: SmtpClient, peer: str, patience: float) -> None:
        super().__init__(peer, patience)
        self.client = client
        self.transactions = 0
        self._answers: list[Answered] = []

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
        if self.client.state is State.TLS and not self.lost and await self.encrypt(context, name):
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
        self.close()

    def take(self, received: bytes) -> None:
        """Hand the peer's bytes to the client, and send what it says to them."""
        self._answers += self.client.receive(received)
        self._write()

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
            await self.wait_for_room()
            if self.lost or self.client.state is not State.BODY:
                return
            self.client.body(block)
        self._answers += self.client.end()
        self._write()

    def _write(self) -> None:
        self.write(self.client.to_send())

    async def _wait_for_replies(self) -> None:
        while self.client.state in _WAITING and not self.lost:
            await self.wait()


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
