"""Owns the envelope, sender and recipients, and the shapes it has on its way into the queue and in it.

    handed in       F sender \\0  T recipient \\0 ... \\0              qmail-queue(8); the last \\0 is its end
    todo/ intd/     u uid \\0  p pid \\0  F sender \\0  T recipient \\0 ...
    info/           F sender \\0
    local/ remote/  T recipient \\0 ...          T waits, D is done: one byte written in place

Addresses that are handed in are checked here. Those in the queue's files are taken as they stand, since a
queue may come from a qmail that let more through; a NUL ends them all, so none can hide a recipient.
"""

from collections.abc import Iterable
from typing import NamedTuple

from appliance.formats.address import check_address
from appliance.formats.outcome import FormatError

WAITING = b"T"
DONE = b"D"


class Envelope(NamedTuple):
    """Who sends and who receives, in the order in which they were given."""

    sender: bytes
    recipients: tuple[bytes, ...]


class Todo(NamedTuple):
    """A message as qmail-queue left it in todo/: who handed it in, by which process, and its envelope."""

    uid: int
    pid: int
    envelope: Envelope


class Recipient(NamedTuple):
    """A recipient in a channel's file; DONE is written at offset when it needs no further try."""

    offset: int
    done: bool
    address: bytes


def format_envelope(envelope: Envelope) -> bytes:
    """Write an envelope to be handed in; FormatError if an address could be read as something else."""
    check_address(envelope.sender)
    for recipient in envelope.recipients:
        check_address(recipient)
    return _format_addresses(envelope) + b"\0"


def parse_envelope(wire: bytes) -> Envelope:
    """Read an envelope handed in; FormatError if it is cut short, too long or has a bad address."""
    if not wire.endswith(b"\0"):
        raise FormatError("the envelope is cut short")
    envelope = _parse_addresses(wire[:-1])
    check_address(envelope.sender)
    for recipient in envelope.recipients:
        check_address(recipient)
    return envelope


def format_todo(todo: Todo) -> bytes:
    """Write the file todo/<number>."""
    return b"u%d\0p%d\0" % (todo.uid, todo.pid) + _format_addresses(todo.envelope)


def parse_todo(content: bytes) -> Todo:
    """Read the file todo/<number>; FormatError if it is damaged."""
    words = content.split(b"\0", 2)
    if len(words) < 3:
        raise FormatError("the todo file is cut short")
    return Todo(_number(b"u", words[0]), _number(b"p", words[1]), _parse_addresses(words[2]))


def format_info(sender: bytes) -> bytes:
    """Write the file info/<number>."""
    return b"F" + sender + b"\0"


def parse_info(content: bytes) -> bytes:
    """Read the sender from the file info/<number>; FormatError if it is damaged."""
    (record,) = _records(content, 1)
    if record[:1] != b"F":
        raise FormatError("the info file has no sender")
    return record[1:]


def format_channel(recipients: Iterable[bytes]) -> bytes:
    """Write the file local/<number> or remote/<number>, all recipients waiting."""
    return b"".join([b"%s%s\0" % (WAITING, recipient) for recipient in recipients])


def parse_channel(content: bytes) -> list[Recipient]:
    """Read the file local/<number> or remote/<number>; FormatError if it is damaged."""
    recipients = []
    offset = 0
    for record in _records(content):
        letter = record[:1]
        if letter not in (WAITING, DONE):
            raise FormatError(f"the record at byte {offset} is neither T nor D")
        recipients.append(Recipient(offset, letter == DONE, record[1:]))
        offset += len(record) + 1
    return recipients


def _format_addresses(envelope: Envelope) -> bytes:
    return format_info(envelope.sender) + format_channel(envelope.recipients)


def _parse_addresses(content: bytes) -> Envelope:
    records = _records(content)
    if not records or records[0][:1] != b"F":
        raise FormatError("the envelope does not begin with a sender")
    for record in records[1:]:
        if record[:1] != b"T":
            raise FormatError("the envelope has a record that is no recipient")
    return Envelope(records[0][1:], tuple([record[1:] for record in records[1:]]))


def _records(content: bytes, count: int | None = None) -> list[bytes]:
    records = content.split(b"\0")
    if records.pop():
        raise FormatError("the last record is cut short")
    if count is not None and len(records) != count:
        raise FormatError(f"there are {len(records)} records instead of {count}")
    return records


def _number(letter: bytes, word: bytes) -> int:
    if word[:1] != letter or not word[1:].isdigit() or len(word) > 20:
        raise FormatError(f"the todo file has no {letter.decode()} number")
    return int(word[1:])
