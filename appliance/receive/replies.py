"""Owns every sentence that a peer of smtpd hears, and how a reply is written on the wire.

The sentences are qmail-smtpd's where it has one. A peer that said EHLO was told ENHANCEDSTATUSCODES, so
replies to it carry the code in front (RFC 2034); one that said HELO, or nothing, hears what qmail-smtpd says,
byte for byte.
"""

import math
import re
from collections.abc import Iterable
from typing import NamedTuple

from appliance.formats.date822 import format_date
from appliance.formats.outcome import Report, Verdict
from appliance.protocols.sasl_server import Sasl
from appliance.protocols.smtp_events import Fault

_STATUS = re.compile(rb"\(#([245]\.\d{1,3}\.\d{1,3})\)")
_UNSPEAKABLE = re.compile(rb"[^\x20-\x7e]+")
_LONGEST_TEXT = 480  # RFC 5321 4.5.3.1.5: 512 bytes, with code and CR LF


class Reply(NamedTuple):
    """A reply as the two kinds of peers hear it; `reply[extended]` picks."""

    plain: bytes
    enhanced: bytes


def reply(code: int, text: bytes, status: bytes | None = None) -> Reply:
    """A reply of one line; the status is the one in the text's brackets, else the code's class."""
    text = _UNSPEAKABLE.sub(b" ", text).strip()[:_LONGEST_TEXT]
    if status is None:
        found = _STATUS.search(text)
        status = found[1] if found else b"%d.0.0" % (code // 100)
    return Reply(b"%d %s\r\n" % (code, text), b"%d %s %s\r\n" % (code, status, text))


def _always(line: bytes) -> Reply:
    """A reply without a status code: 3xx, and those to HELO and EHLO (RFC 2034 4)."""
    return Reply(line, line)


def greeting(name: bytes) -> bytes:
    """What a peer hears first."""
    return b"220 %s ESMTP\r\n" % name


def helo(name: bytes) -> Reply:
    """The answer to HELO."""
    return _always(b"250 %s\r\n" % name)


def ehlo(name: bytes, extensions: Iterable[bytes]) -> Reply:
    """The answer to EHLO."""
    lines = [name, *extensions]
    return _always(
        b"".join(b"250-%s\r\n" % line for line in lines[:-1]) + b"250 %s\r\n" % lines[-1],
    )


def accepted(epoch: int, number: int) -> Reply:
    """The queue has promised to deliver; qmail names the time and the process, we the message."""
    return reply(250, b"ok %d qp %d" % (epoch, number))


def chunk(size: int) -> Reply:
    """A chunk of BDAT has come (RFC 3030)."""
    return reply(250, b"ok %d bytes" % size)


def challenge(text: bytes) -> Reply:
    """AUTH asks for more, in base64 (RFC 4954 4)."""
    return _always(b"334 %s\r\n" % text)


def auth_is_by(mechanisms: Iterable[bytes]) -> Reply:
    """The client wants a mechanism that is not offered."""
    return reply(504, b"AUTH is by %b here (#5.5.4)" % b" or by ".join(mechanisms))


def not_his(login: bytes, address: bytes, *, in_header: bool = False) -> Reply:
    """Who logged in sends by an address that does not belong to him."""
    what = b"say From: " if in_header else b"send as "
    text = b"sorry, you are logged in as %s and may not %s%s (#5.7.1)" % (login, what, address or b"<>")
    return reply(553, text, b"5.7.1")


def enough(login: bytes, messages: int, recipients: int, until: float) -> Reply:
    """Who logged in has sent as much as he may for now."""
    most = [b"%d %s" % (n, what) for n, what in ((messages, b"messages"), (recipients, b"recipients")) if n]
    when = format_date(math.ceil(until)).encode()
    text = b"sorry, %s may send %s a day; try again after %s (#4.7.1)"
    return reply(450, text % (login, b" and ".join(most), when), b"4.7.1")


def header_fault(sentence: str) -> Reply:
    """The header of a message that is submitted cannot be taken."""
    return reply(554, b"sorry, I cannot read your message: %s (#5.6.0)" % _bytes(sentence), b"5.6.0")


def goodbye(name: bytes) -> Reply:
    """The answer to QUIT."""
    return reply(221, name)


def temporary(sentence: str | bytes) -> Reply:
    """Try again later, with the sentence of whoever says so."""
    return reply(451, _bytes(sentence))


def permanent(sentence: str | bytes) -> Reply:
    """Never, with the sentence of whoever says so."""
    return reply(554, _bytes(sentence))


def about_mailbox(report: Report) -> Reply:
    """Why a mailbox gets no mail, by a report that is not DONE."""
    if report.verdict is Verdict.TRY_AGAIN:
        return CANNOT_TELL
    return MAILBOX_FULL if b"(#5.2.2)" in report.text else NO_MAILBOX


def turning(node: bytes, count: int) -> Reply:
    """So many messages wait for a domain and are being sent (RFC 1985 5)."""
    if not count:
        return reply(251, b"ok, no messages waiting for %s" % node)
    return reply(253, b"ok, %d pending messages for %s started" % (count, node))


def cannot_turn(node: bytes) -> Reply:
    """Nobody can be asked to send now."""
    return reply(458, b"unable to send messages for %s now (#4.3.0)" % node)


def may_not_turn(node: bytes) -> Reply:
    """That mail is not the peer's, or there is no such domain."""
    return reply(459, b"%s not allowed: its mail is not kept for you (#4.7.1)" % node)


def unexpected(number: str) -> Reply:
    """Something is wrong here; the log tells what, under this number."""
    return reply(451, b"something is wrong here, my log has it as %s (#4.3.0)" % number.encode())


def _bytes(sentence: str | bytes) -> bytes:
    return sentence if isinstance(sentence, bytes) else sentence.encode("ascii", "replace")


OK = reply(250, b"ok")
SENDER_OK = reply(250, b"ok", b"2.1.0")
RECIPIENT_OK = reply(250, b"ok", b"2.1.5")
FLUSHED = reply(250, b"flushed")
VERIFY = reply(252, b"send some mail, i'll try my best")
HELP = reply(214, b"notqmail home page: https://notqmail.org")
GO_AHEAD = _always(b"354 go ahead\r\n")
READY_FOR_TLS = reply(220, b"ready for tls")

BAD_SENDER = reply(553, b"sorry, your envelope sender is in my badmailfrom list (#5.7.1)")
NO_RELAY = reply(553, b"sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)")
NO_MAILBOX = reply(550, b"sorry, no mailbox here by that name (#5.1.1)")
MAILBOX_FULL = reply(552, b"sorry, that mailbox is full (#5.2.2)")
CANNOT_TELL = reply(451, b"sorry, I cannot tell now whether that mailbox exists (#4.3.0)")
LOGGED_IN = reply(235, b"welcome", b"2.7.0")
WRONG_LOGIN = reply(535, b"sorry, that is no user here with that password (#5.7.8)")
CANNOT_LOG_IN = reply(454, b"sorry, I cannot check passwords now (#4.7.0)")
TOO_MANY_AT_ONCE = reply(452, b"sorry, that is more recipients than you may write to at once (#4.5.3)")
LOOPING = reply(554, b"too many hops, this message is looping (#5.4.6)")
TOO_LARGE = reply(552, b"sorry, that message size exceeds my databytes limit (#5.3.4)")

NO_CONTROLS = reply(421, b"unable to read controls (#4.3.0)")
NO_CONFIGURATION = reply(451, b"unable to read configuration (#4.3.0)")
TIMEOUT = reply(451, b"timeout (#4.4.2)")
TOO_SLOW = reply(451, b"too slow (#4.4.2)")
TOO_LONG = reply(421, b"this session takes too long (#4.4.2)")
GOING_DOWN = reply(421, b"going down, try again (#4.3.2)")

FAULTS = {
    Fault.UNKNOWN_COMMAND: reply(502, b"unimplemented (#5.5.1)"),
    Fault.PATH: reply(555, b"syntax error (#5.5.4)"),
    Fault.PARAMETER: reply(501, b"syntax error in a parameter (#5.5.4)"),
    Fault.REQUIRETLS: reply(555, b"TLS on all the way cannot be promised here (#5.7.30)"),
    Fault.MAIL_FIRST: reply(503, b"MAIL first (#5.5.1)"),
    Fault.RECIPIENT_FIRST: reply(503, b"RCPT first (#5.5.1)"),
    Fault.TOO_MANY_RECIPIENTS: reply(452, b"too many recipients for one message (#4.5.3)"),
    Fault.TLS_TWICE: reply(503, b"TLS is on (#5.5.1)"),
    Fault.CHUNKS_BEGUN: reply(503, b"BDAT has begun, end it with LAST (#5.5.1)"),
    Fault.TLS_FIRST: reply(530, b"STARTTLS first (#5.7.0)"),
    Fault.LOGIN_FIRST: reply(530, b"AUTH first, with the password of your mailbox (#5.7.0)"),
    Fault.AUTH_WITHOUT_TLS: reply(538, b"no password in the clear, STARTTLS first (#5.7.11)"),
    Fault.AUTH_OUT_OF_ORDER: reply(503, b"AUTH comes once, and before MAIL (#5.5.1)"),
    Fault.AUTH_MECHANISM: auth_is_by(Sasl().mechanisms),
    Fault.AUTH_RESPONSE: reply(501, b"that is no response in base64 (#5.5.2)"),
    Fault.AUTH_CANCELLED: reply(501, b"authentication cancelled (#5.7.0)"),
    Fault.ETRN_OUT_OF_ORDER: reply(503, b"no ETRN within a transaction (#5.5.1)"),
    Fault.NODE: reply(501, b"ETRN wants a domain, or @ and a domain (#5.5.4)"),
    Fault.TOO_SOON: reply(554, b"you spoke before my greeting (#5.5.0)"),
    Fault.OTHER_PROTOCOL: reply(502, b"unimplemented (#5.5.1)"),
    Fault.LINE_TOO_LONG: reply(500, b"line too long (#5.5.2)"),
    Fault.AUTH_TOO_LONG: reply(500, b"response too long (#5.5.6)"),
    Fault.TOO_MANY_ERRORS: reply(421, b"too many errors (#4.7.0)"),
    Fault.TOO_MUCH_CHATTER: reply(421, b"too many commands and no message (#4.7.0)"),
    Fault.PAST_DATA: reply(554, b"you did not wait for 354 (#5.5.0)"),
    Fault.PAST_STARTTLS: reply(554, b"you did not wait for 220 (#5.5.0)"),
    Fault.CHUNK_SIZE: reply(501, b"BDAT wants a size, then LAST or nothing (#5.5.4)"),
    Fault.BARE_NEWLINE: reply(451, b"See https://cr.yp.to/docs/smtplf.html.", b"4.5.2"),
}
