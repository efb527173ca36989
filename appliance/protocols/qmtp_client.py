"""Owns the client's side of QMTP (cr.yp.to/proto/qmtp.txt): packages out, a response a recipient back.

    package     netstrings of LF and the message, of the sender, of the recipients' netstrings
    ready       start(envelope, size)                 -> the message's length must be known now
                body(block) ..., end()                -> critical: the package is sent
    critical    receive() until all have a response   -> ready; lost before, the message may arrive twice

The LF in front says that the message's lines end with LF, as they do in the queue: it goes as it is, bytes
beyond ASCII and a last line without an end too.
"""

from appliance.formats.address import check_address
from appliance.formats.envelope import Envelope
from appliance.formats.netstring import NetstringBuffer, format_netstring
from appliance.formats.outcome import FormatError, Report
from appliance.protocols.response import RESPONSE_LIMIT, parse_response

_LF_LINES = b"\n"


class QmtpClient:
    """The packages of one connection, one after the other; `responses` are those to the last one."""

    def __init__(self) -> None:
        self.responses: list[Report] = []
        self._buffer = NetstringBuffer(RESPONSE_LIMIT)
        self._behind = b""
        self._recipients = 0
        self._missing = 0  # bytes of the message that were promised and not sent
        self._awaited = 0  # recipients of the package that was sent

    @property
    def ready(self) -> bool:
        """Whether a package may follow."""
        return not self._behind and not self.critical and not self._buffer.pending

    @property
    def critical(self) -> bool:
        """Whether the package is sent, and not every recipient has his response."""
        return len(self.responses) < self._awaited

    def start(self, envelope: Envelope, size: int) -> bytes:
        """The bytes before a message of that size; FormatError for an address with control bytes."""
        for address in (envelope.sender, *envelope.recipients):
            check_address(address)
        if not self.ready:
            raise RuntimeError("the package before is not done with")
        self.responses, self._awaited = [], 0
        self._missing = size
        recipients = b"".join(format_netstring(recipient) for recipient in envelope.recipients)
        self._behind = b"," + format_netstring(envelope.sender) + format_netstring(recipients)
        self._recipients = len(envelope.recipients)
        return b"%d:%b" % (len(_LF_LINES) + size, _LF_LINES)

    def body(self, block: bytes) -> bytes:
        """The next bytes of the message; FormatError if there are more than its size: drop the connection."""
        self._missing -= len(block)
        if self._missing < 0:  # the rest would be read as an envelope
            raise FormatError("the message is longer than was said")
        return block

    def end(self) -> bytes:
        """The bytes behind the message; FormatError if it was shorter than its size: drop the connection."""
        if self._missing:
            raise FormatError("the message is shorter than was said")
        behind, self._behind = self._behind, b""
        self._awaited = self._recipients
        return behind

    def receive(self, received: bytes) -> None:
        """Take responses; FormatError for what is none, or was not asked for: drop the connection."""
        for content in self._buffer.each(received):
            if not self.critical:
                raise FormatError("the peer answers without being asked")
            self.responses.append(parse_response(content))
