"""Owns what is said on authd's socket, in frames: one question, one answer, then maybe the next.

question  C  user, password, scope, address of the client     joined by NUL
answer    A  name, uid, gid, home, maildir                    that is the account
          N                                                   no: unknown user or wrong password
          Z  sentence                                         cannot tell now
"""

from typing import NamedTuple

from appliance.formats.frame import format_frame
from appliance.formats.outcome import FormatError, Temporary

LIMIT = 16384  # bytes of a frame

QUESTION, ACCOUNT, NO, CANNOT_TELL = b"C", b"A", b"N", b"Z"


class Question(NamedTuple):
    """Is that the password? `scope`, such as pop3, and `address` say what for and for whom."""

    user: bytes
    password: bytes
    scope: bytes = b""
    address: bytes = b""

    def __repr__(self) -> str:
        """Without the password: a question may end up in a log line."""
        return f"Question({self.user!r}, scope={self.scope!r}, address={self.address!r})"


class Account(NamedTuple):
    """Whose password it was: his full address, his numbers, his home and his Maildir."""

    name: bytes
    uid: int
    gid: int
    home: bytes
    maildir: bytes


def format_question(question: Question) -> bytes:
    """The frame of a question; FormatError for a NUL within a field."""
    if any(b"\0" in field for field in question):
        raise FormatError("a NUL in a question about a password")
    return format_frame(QUESTION, b"\0".join(question))


def parse_question(kind: bytes, payload: bytes) -> Question:
    """FormatError for anything but a question."""
    fields = payload.split(b"\0")
    if kind != QUESTION or len(fields) != 4:
        raise FormatError("not a question about a password")
    return Question(*fields)


def format_answer(answer: Account | None | Temporary) -> bytes:
    """The frame of an answer."""
    if answer is None:
        return format_frame(NO, b"")
    if isinstance(answer, Temporary):
        return format_frame(CANNOT_TELL, answer.sentence.encode("utf-8", "surrogateescape"))
    fields = (answer.name, b"%d" % answer.uid, b"%d" % answer.gid, answer.home, answer.maildir)
    return format_frame(ACCOUNT, b"\0".join(fields))


def parse_answer(kind: bytes, payload: bytes) -> Account | None | Temporary:
    """FormatError for anything but an answer."""
    if kind == NO and not payload:
        return None
    if kind == CANNOT_TELL:
        return Temporary(payload.decode("utf-8", "surrogateescape"))
    fields = payload.split(b"\0")
    if kind != ACCOUNT or len(fields) != 5 or not (fields[1].isdigit() and fields[2].isdigit()):
        raise FormatError("not an answer about a password")
    if len(fields[1]) > 10 or len(fields[2]) > 10:
        raise FormatError("a user of more than ten digits")
    return Account(fields[0], int(fields[1]), int(fields[2]), fields[3], fields[4])
