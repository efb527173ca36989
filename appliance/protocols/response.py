"""Owns the responses of QMTP and QMQP servers (cr.yp.to/proto/qmtp.txt): K, Z or D and words, a netstring.

17:Kok 848345 qp 1234,        10:Ztry later,        7:Dno way,
"""

from appliance.formats.netstring import format_netstring
from appliance.formats.outcome import FormatError, Report, Verdict
from appliance.protocols.reply import REPLY_LIMIT, TEXT_LIMIT

RESPONSE_LIMIT = REPLY_LIMIT
"""Bytes of one response; of its words as many are kept as of an SMTP reply."""


def format_response(report: Report) -> bytes:
    """Write a response."""
    return format_netstring(report.verdict.value + report.text)


def parse_response(content: bytes) -> Report:
    """Read what the netstring holds, without CR, a NUL shown as `?`; FormatError without K, Z or D."""
    try:
        verdict = Verdict(content[:1])
    except ValueError:
        raise FormatError("a response begins with neither K nor Z nor D") from None
    words = content[1:].replace(b"\r", b"").replace(b"\0", b"?")[: TEXT_LIMIT - 1].strip(b"\n")
    return Report(verdict, words + b"\n" if words else b"")
