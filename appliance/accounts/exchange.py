"""Owns what is said on authd's socket, in frames: one question, one answer, then maybe the next.

question  C  user, password, scope, address of the client, mechanism, challenge     joined by NUL
answer    A  name, uid, gid, home, maildir, signature      that is the account
          N                                                no: unknown user or wrong password
          Z  sentence                                      cannot tell now

question  S  user, scope, address                          what does SCRAM begin with?
answer    K  iterations, salt in base64                    of an unknown user, too; or Z
"""

from typing import NamedTuple

from appliance.formats.frame import format_frame
from appliance.formats.outcome import FormatError, Temporary

LIMIT = 16384  # bytes of a frame

QUESTION, ACCOUNT, NO, CANNOT_TELL, BEGINNING, SALT = b"C", b"A", b"N", b"Z", b"S", b"K"


class Question(NamedTuple):
    """Is that the password? `scope`, such as pop3, and `address` say what for and for whom.

    With a mechanism (SCRAM-SHA-256, CRAM-MD5, APOP) `password` is what he answered to the challenge, as text.
    """

    user: bytes
    password: bytes
    scope: bytes = b""
    address: bytes = b""
    mechanism: bytes = b""
    challenge: bytes = b""
    """The stamp that the digest is made with; of SCRAM the AuthMessage (RFC 5802 3)."""

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
    signature: bytes = b""
    """SCRAM's last word, in base64: by it the client knows that we know his password."""


class Beginning(NamedTuple):
    """What does SCRAM begin with for this user?"""

    user: bytes
    scope: bytes = b""
    address: bytes = b""


class Salt(NamedTuple):
    """What it begins with; `text` is the salt in base64."""

    iterations: int
    text: bytes


def format_question(question: Question) -> bytes:
    """The frame of a question; FormatError for a NUL within a field."""
    if any(b"\0" in field for field in question):
        raise FormatError("a NUL in a question about a password")
    return format_frame(QUESTION, b"\0".join(question))


def parse_question(kind: bytes, payload: bytes) -> Question:
    """FormatError for anything but a question."""
    fields = payload.split(b"\0")
    if kind != QUESTION or len(fields) != 6:
        raise FormatError("not a question about a password")
    return Question(*fields)


def format_answer(answer: Account | None | Temporary) -> bytes:
    """The frame of an answer."""
    if answer is None:
        return format_frame(NO, b"")
    if isinstance(answer, Temporary):
        return format_frame(CANNOT_TELL, answer.sentence.encode("utf-8", "surrogateescape"))
    numbers = (b"%d" % answer.uid, b"%d" % answer.gid)
    fields = (answer.name, *numbers, answer.home, answer.maildir, answer.signature)
    return format_frame(ACCOUNT, b"\0".join(fields))


def parse_answer(kind: bytes, payload: bytes) -> Account | None | Temporary:
    """FormatError for anything but an answer."""
    if kind == NO and not payload:
        return None
    if kind == CANNOT_TELL:
        return Temporary(payload.decode("utf-8", "surrogateescape"))
    fields = payload.split(b"\0")
    if kind != ACCOUNT or len(fields) != 6 or not (fields[1].isdigit() and fields[2].isdigit()):
        raise FormatError("not an answer about a password")
    if len(fields[1]) > 10 or len(fields[2]) > 10:
        raise FormatError("a user of more than ten digits")
    return Account(fields[0], int(fields[1]), int(fields[2]), *fields[3:])


def format_beginning(beginning: Beginning) -> bytes:
    """The frame of the question about a salt; FormatError for a NUL within a field."""
    if any(b"\0" in field for field in beginning):
        raise FormatError("a NUL in a question about a salt")
    return format_frame(BEGINNING, b"\0".join(beginning))


def parse_beginning(payload: bytes) -> Beginning:
    """FormatError unless it is three fields."""
    fields = payload.split(b"\0")
    if len(fields) != 3:
        raise FormatError("not a question about a salt")
    return Beginning(*fields)


def format_salt(salt: Salt | Temporary) -> bytes:
    """The frame of its answer."""
    if isinstance(salt, Temporary):
        return format_answer(salt)
    return format_frame(SALT, b"%d\0%b" % salt)


def parse_salt(kind: bytes, payload: bytes) -> Salt | Temporary:
    """FormatError for anything but an answer to the question about a salt."""
    if kind == CANNOT_TELL:
        return Temporary(payload.decode("utf-8", "surrogateescape"))
    iterations, _, text = payload.partition(b"\0")
    if kind != SALT or not iterations.isdigit() or len(iterations) > 10 or not text:
        raise FormatError("not an answer about a salt")
    return Salt(int(iterations), text)
