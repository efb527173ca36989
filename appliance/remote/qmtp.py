"""Owns one QMTP connection to a next hop: packages one after the other; and MXPS, which says who takes them.

There is no greeting and no farewell: who is connected may send, and who is done closes.
"""

import asyncio

from appliance.formats.envelope import Envelope
from appliance.formats.outcome import FormatError
from appliance.protocols.qmtp_client import QmtpClient
from appliance.remote import reports, sentences
from appliance.remote.message import Message
from appliance.remote.mx import Exchanger
from appliance.remote.reports import Outcome
from appliance.remote.settings import Settings
from appliance.remote.wire import Wire

_MXPS = range(12801, 13042, 16)
_BLOCK = 64 * 1024


def speaks_qmtp(exchanger: Exchanger) -> bool:
    """Whether its MX preference says so (cr.yp.to/im/mxps.html); SMTP it speaks as well."""
    return exchanger.preference in _MXPS


class QmtpConnection(Wire):
    """Packages on the network; each response has `patience` seconds to come."""

    def __init__(self, peer: str, patience: float) -> None:
        super().__init__(peer, patience)
        self.transactions = 0
        self._client = QmtpClient()

    @property
    def reusable(self) -> bool:
        """Whether another package may follow on it."""
        return not self.lost and self._client.ready

    @property
    def stale(self) -> bool:
        """Whether the peer left a reused connection before it had the message: a new one may do better."""
        decided = self._client.responses or self._client.critical
        return self.transactions > 1 and not self.reusable and not decided

    async def transact(self, sender: bytes, recipients: tuple[bytes, ...], message: Message) -> Outcome:
        """Send one package and take its responses; afterwards it is `reusable`, or it is to be quit."""
        self.transactions += 1
        try:
            head = self._client.start(Envelope(sender, recipients), message.size)
        except FormatError:
            return reports.never(sentences.BAD_ADDRESS)
        try:
            await self._send(head, message)
        except (OSError, FormatError):
            self.abort()  # in the midst of a package: the peer forgets it
            return reports.try_again(sentences.READ)
        while self._client.critical and not self.lost:
            await self.wait()
        return reports.judge_package(
            self.peer, len(recipients), self._client.responses, critical=self._client.critical
        )

    def quit(self) -> None:
        """Close."""
        self.close()

    def take(self, received: bytes) -> None:
        """Take responses."""
        self._client.receive(received)

    async def _send(self, head: bytes, message: Message) -> None:
        """Block by block, as the peer reads; a small message is one write."""
        out = bytearray(head)
        for block in message.blocks():
            out += self._client.body(block)
            if len(out) > _BLOCK:
                self.write(bytes(out))
                out.clear()
                await asyncio.sleep(0)  # others want their turn, and the peer may have left
                await self.wait_for_room()
            if self.lost:
                return
        self.write(bytes(out) + self._client.end())


async def open_qmtp(exchanger: Exchanger, port: int, settings: Settings) -> QmtpConnection:
    """Connect; OSError if nobody answers."""
    async with asyncio.timeout(settings.timeout_connect):
        _, connection = await asyncio.get_running_loop().create_connection(
            lambda: QmtpConnection(exchanger.address, settings.timeout_remote), exchanger.address, port
        )
    return connection
