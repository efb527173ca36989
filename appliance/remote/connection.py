"""Owns one SMTP connection to a next hop: transactions and TLS; the client's state tells how far it is."""

import asyncio
import ssl

from appliance.formats.outcome import FormatError
from appliance.formats.smarthosts import Login
from appliance.protocols.smtp_client import Answered, SmtpClient, Stage, State, Transaction
from appliance.remote import reports, sentences
from appliance.remote.message import Message
from appliance.remote.mx import Exchanger
from appliance.remote.reports import Outcome
from appliance.remote.settings import Settings
from appliance.remote.tls import Terms
from appliance.remote.wire import Wire

_WAITING = (State.HELLO, State.LOGIN, State.ENVELOPE, State.FINAL)


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

    async def make_ready(self, terms: Terms) -> Outcome | None:
        """Greet, encrypt, log in; None, or why the peer gets no mail. OSError if TLS failed."""
        await self._wait_for_replies()
        if terms.context is not None and self.client.may_start_tls and not self.lost:
            await self._start_tls(terms.context, terms.name)
        if self.lost or self.client.state is not State.READY:
            return self._judge(())
        if terms.demanded and not self.client.encrypted:
            return reports.try_again(sentences.no_tls(self.peer, self._named(terms)))
        return None if terms.login is None else await self._log_in(terms.login, self._named(terms))

    async def _start_tls(self, context: ssl.SSLContext, name: str | None) -> None:
        """Encrypt and greet anew; this connection is of no use any more if that fails."""
        self.client.starttls()
        self._write()
        await self._wait_for_replies()
        if self.client.state is State.TLS and not self.lost and await self.encrypt(context, name):
            self.client.tls_started()
            self._write()
            await self._wait_for_replies()
        if self.lost or self.client.state is State.TLS:
            raise ConnectionResetError("the peer left when it should have begun TLS")

    async def _log_in(self, login: Login, host: bytes) -> Outcome | None:
        if not self.client.may_log_in:
            return reports.try_again(sentences.no_login(self.peer, host))
        self.client.log_in(login)
        self._write()
        await self._wait_for_replies()
        refusals = [answer.reply.text for answer in self._answers if answer.reply is not None]
        if refusals:
            return reports.try_again(sentences.login_refused(self.peer, host, refusals[-1]))
        return None if self.reusable else self._judge(())

    def _named(self, terms: Terms) -> bytes:
        return terms.name.encode() if terms.name else self.peer

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


async def open_dialogue(
    exchanger: Exchanger, port: int, settings: Settings, terms: Terms
) -> Connection | Outcome:
    """A connection that is READY, or why the peer gets no mail now; OSError if nobody answers there.

    Where TLS is not demanded, a handshake that fails is made up for by a new connection in the clear.
    """
    try:
        connection = await _connect(exchanger, port, settings, terms)
    except ssl.SSLError as error:
        return _tls_failed(exchanger, terms, error)
    try:
        refusal = await connection.make_ready(terms)
    except OSError as error:
        connection.abort()
        if terms.demanded:
            return _tls_failed(exchanger, terms, error)
        return await open_dialogue(exchanger, port, settings, Terms())
    except BaseException:
        connection.abort()
        raise
    if refusal is None:
        return connection
    connection.quit()
    return refusal


async def _connect(exchanger: Exchanger, port: int, settings: Settings, terms: Terms) -> Connection:
    # Who has to offer an extension hears EHLO, though his greeting does not say that he knows it.
    client = SmtpClient(settings.helohost, always_ehlo=terms.demanded, encrypted=terms.implicit)
    async with asyncio.timeout(settings.timeout_connect):
        _, connection = await asyncio.get_running_loop().create_connection(
            lambda: Connection(client, exchanger.address, settings.timeout_remote),
            exchanger.address,
            port,
            ssl=terms.context if terms.implicit else None,
            server_hostname=terms.name if terms.implicit else None,
        )
    return connection


def _tls_failed(exchanger: Exchanger, terms: Terms, error: OSError) -> Outcome:
    peer = exchanger.address.encode()
    why = getattr(error, "verify_message", "") or getattr(error, "reason", "") or str(error)
    host = terms.name.encode() if terms.name else peer
    return reports.try_again(sentences.tls_failed(peer, host, why))
