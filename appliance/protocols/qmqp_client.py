"""Owns the client's side of QMQP (cr.yp.to/proto/qmqp.txt): one package out, one response back, no more.

package     netstring of: netstring of the message, netstring of the sender, a netstring a recipient
"""

from appliance.formats.address import check_address
from appliance.formats.envelope import Envelope
from appliance.formats.netstring import NetstringBuffer, format_netstring
from appliance.formats.outcome import Report
from appliance.protocols.response import RESPONSE_LIMIT, parse_response


def enclose(envelope: Envelope, size: int) -> tuple[bytes, bytes]:
    """The bytes before and behind a message of that size; FormatError for an address with control bytes."""
    for address in (envelope.sender, *envelope.recipients):
        check_address(address)
    before = b"%d:" % size
    behind = b"," + b"".join(format_netstring(address) for address in (envelope.sender, *envelope.recipients))
    return b"%d:%b" % (len(before) + size + len(behind), before), behind + b","


class Answer:
    """The server's one response, as it comes in."""

    def __init__(self) -> None:
        self._buffer = NetstringBuffer(RESPONSE_LIMIT)

    def receive(self, received: bytes) -> Report | None:
        """The response as soon as it is whole, whatever follows it; FormatError for what is none."""
        content = next(self._buffer.each(received), None)
        return None if content is None else parse_response(content)
