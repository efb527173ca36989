"""Owns a header made easy to read: the two columns of 822print, the lines of 822received.

Bold is a byte struck twice, `S\\bS`, and underlined one struck over a line, `_\\bS`: nroff's way, which less
and man show.
"""

from collections.abc import Callable, Iterable, Sequence

from appliance.formats.header import Field, fields
from appliance.formats.mailboxes import join, parse_mailboxes
from appliance.formats.moment import Moment, format_iso, parse_moment
from appliance.formats.words822 import Kind, parse_words

_WIDTH, _MOST = 78, 76
_LEFT_WIDTH, _SIDE_WIDTH = 73, 50
_RULE = b"-" * _WIDTH + b"\n"

_BCC = (b"bcc", b"apparently-to")
_TRACE = frozenset(
    b"received delivered-to errors-to resent-sender resent-from resent-reply-to resent-to resent-cc"
    b" resent-bcc resent-date resent-message-id".split()
)
_RECIPIENTS = (
    (b"To: ", (b"to",)),
    (b"Cc: ", (b"cc",)),
    (b"Bcc: ", _BCC),
    (b"Notice-Requested-Upon-Delivery-To: ", (b"notice-requested-upon-delivery-to",)),
)
_TARGETS = (
    (b"sender", b"Sender: ", b"sender "),
    (b"reply-to", b"Reply-To: ", b"reply to "),
    (b"mail-reply-to", b"Mail-Reply-To: ", b"reply to "),
    (b"mail-followup-to", b"Mail-Followup-To: ", b"follow up to "),
)
_PLACED = _TRACE.union(
    b"subject from date return-path in-reply-to references message-id".split(),
    *(names for _, names in _RECIPIENTS),
    (name for name, _, _ in _TARGETS),
)
_BEGINS_LINE = frozenset((b"from", b"by", b"for", b"id"))

Cells = list[bytes]
"""A line on its way: a column each, with what is struck over it."""
Style = Callable[[bytes], bytes]


def _plain(sign: bytes) -> bytes:
    return sign


def _bold(sign: bytes) -> bytes:
    return sign + b"\b" + sign


def _underlined(sign: bytes) -> bytes:
    return b"_\b" + sign


def _cells(text: bytes, style: Style, of_others: Style) -> Cells:
    """Text in a style; bytes that cannot be printed in octal, in the other."""
    cells = []
    for byte in text.replace(b"\t", b" "):
        if 32 <= byte <= 126:
            cells.append(style(bytes([byte])))
        else:
            cells += [of_others(bytes([sign])) for sign in b"\\%03o" % byte]
    return cells


def _lines(cells: Cells) -> bytes:
    """One column, folded at blanks."""
    lines, start = [], 0
    while len(cells) - start > _LEFT_WIDTH:
        blanks = [place for place in range(start + 1, start + _LEFT_WIDTH) if cells[place].endswith(b" ")]
        end = blanks[-1] if blanks else start + _LEFT_WIDTH
        lines.append(b"".join(cells[start:end]))
        start = end
    return b"\n".join([*lines, b"".join(cells[start:])]) + b"\n"


def _columns(left: Cells, right: Cells) -> bytes:
    """Two columns, the right one ending at the edge."""
    lines, at_left, at_right = [], 0, 0
    while len(left) - at_left + len(right) - at_right > _MOST:
        first = min(len(left) - at_left, _SIDE_WIDTH)
        second = min(len(right) - at_right, _SIDE_WIDTH, _MOST - first)
        lines.append(_beside(left[at_left : at_left + first], right[at_right : at_right + second]))
        at_left, at_right = at_left + first, at_right + second
    return b"".join([*lines, _beside(left[at_left:], right[at_right:])])


def _beside(left: Cells, right: Cells) -> bytes:
    return b"".join([*left, b" " * (_WIDTH - len(left) - len(right)), *right]) + b"\n"


def format_readable(header: bytes, local: Callable[[int], Moment]) -> bytes:
    """Write a header in an order of its own; `local` says what the reader's clock showed at a second."""
    given = list(fields(header))
    return b"".join(_readable(given, local))


def _readable(given: list[Field], local: Callable[[int], Moment]) -> Iterable[bytes]:
    def named(*names: bytes) -> list[Field]:
        return [field for field in given if field.name in names]

    subject = b"\0".join(field.text for field in named(b"subject"))
    yield _columns(_cells(b"Subject:", _plain, _plain), _cells(subject, _underlined, _plain))
    yield _mailboxes(b"From: ", named(b"from"))
    yield _date(named(b"date"), local)
    yield _mailboxes(b"Return-Path: ", named(b"return-path"), b"return ")
    yield _raw(named(*_TRACE))
    yield _raw(named(b"in-reply-to"))
    yield _mailboxes(b"Ref: ", named(b"references"), style=_underlined)
    yield _mailboxes(b"Message-ID: ", named(b"message-id"), style=_underlined)
    yield _RULE
    for label, names in _RECIPIENTS:
        yield _mailboxes(label, named(*names))
    yield _RULE
    for name, label, before in _TARGETS:
        yield _mailboxes(label, named(name), before)
    yield _raw([field for field in given if field.name not in _PLACED])


def _raw(found: Sequence[Field]) -> bytes:
    lines = [line for field in found for line in field.raw.removesuffix(b"\n").split(b"\n")]
    return b"".join(_lines(_cells(line, _plain, _underlined)) for line in lines)


def _mailboxes(label: bytes, found: Sequence[Field], before: bytes = b"", style: Style = _bold) -> bytes:
    written = []
    for address, name in join(parse_mailboxes(field.text) for field in found):
        left = _cells(label, _plain, _plain) + _cells(name or b"", _underlined, _plain)
        if address is None:
            written.append(_lines(left))
        else:
            right = _cells(before, _plain, _plain) + _cells(address, style, _underlined)
            written.append(_columns(left, right))
    return b"".join(written)


def _date(found: Sequence[Field], local: Callable[[int], Moment]) -> bytes:
    left = _cells(b"Date:" + b"\0".join(field.text for field in found), _plain, _underlined)
    moments = [moment for field in found if (moment := parse_moment(field.text)) is not None]
    if not moments:
        return _lines(left)
    shown = format_iso(local(moments[-1].epoch))[: -len(" +0000")]
    return _columns(left, _cells(shown, _underlined, _plain))


def format_received_line(text: bytes, when: bytes) -> bytes:
    """Write a Received field so that from, by, for, id and the date begin lines; `when` is put in front."""
    parts, last = [when, b" "], Kind.BLANK
    is_begun = is_dated = False
    for kind, word in parse_words(text):
        if kind is Kind.BLANK:
            parts.append(b" " if is_dated or (is_begun and last is not Kind.BLANK) else b"")
        elif not is_dated and word == b";" and kind is Kind.SPECIAL:
            parts.append(b"\n\t\t\t ;" if is_begun else b";")
            is_dated = True
        elif (
            kind is Kind.WORD
            and is_begun
            and not is_dated
            and last is Kind.BLANK
            and word.lower() in _BEGINS_LINE
        ):
            parts.append(b"\n\t\t\t " + word)
        else:
            parts.append(b"(" + word + b")" if kind is Kind.COMMENT else word)
        is_begun, last = is_begun or kind is not Kind.BLANK, kind
    return b"".join(parts) + b"\n"
