"""Owns .qmail files: what their lines order, which file an extension has, whose list it is (dot-qmail(5)).

    ./path or /path    append to the mbox; deliver into the Maildir if the path ends with /
    |command           run it by sh
    &address           forward; the & may be left out
    +list              from here on only forwards are allowed, as in a file with the x bit
    # anything         a comment; other lines that begin with + and empty lines say nothing either

Blanks at the end of a line do not count. The first line must not be empty: its owner wants to know.
"""

from collections.abc import Iterator
from typing import NamedTuple

BLANK = "Uh-oh: first line of .qmail file is blank. (#4.2.1)"
FILE_REFUSED = "Uh-oh: .qmail has file delivery but has x bit set. (#4.7.0)"
PROGRAM_REFUSED = "Uh-oh: .qmail has prog delivery but has x bit set. (#4.7.0)"


class Mbox(NamedTuple):
    """Append the message to this file."""

    path: bytes


class Maildir(NamedTuple):
    """Deliver the message into this folder; the path ends with a slash."""

    path: bytes


class Program(NamedTuple):
    """Feed the message to this command."""

    command: bytes


class Forward(NamedTuple):
    """Send the message on; the address is as it stands in the file and not checked."""

    address: bytes


class Fault(NamedTuple):
    """A line that must not be obeyed: the delivery is deferred with this sentence, and nothing follows."""

    sentence: str


Instruction = Mbox | Maildir | Program | Forward | Fault


class Candidate(NamedTuple):
    """A file that may hold the instructions, and the variable DEFAULT that it brings, None for no change."""

    name: bytes
    default: bytes | None


def parse_dotqmail(
    content: bytes, executable: bool = False, default: bytes = b"./Maildir/"
) -> tuple[Instruction, ...]:
    """Give the instructions of a file, with the x bit or without; an empty one means the default delivery."""
    if not content:
        content, executable = default, False
    return tuple(_instructions(content, executable))


def _instructions(content: bytes, forward_only: bool) -> Iterator[Instruction]:
    for number, line in enumerate(content.removesuffix(b"\n").split(b"\n")):
        line = line.partition(b"\0")[0].rstrip(b" \t")
        first = line[:1]
        if first in (b".", b"/"):
            if forward_only:
                yield Fault(FILE_REFUSED)
                return
            yield Maildir(line) if line.endswith(b"/") else Mbox(line)
        elif first == b"|":
            if forward_only:
                yield Fault(PROGRAM_REFUSED)
                return
            yield Program(line[1:])
        elif line == b"+list":
            forward_only = True
        elif first not in (b"", b"#", b"+"):
            yield Forward(line.removeprefix(b"&"))
        elif not first and not number:
            yield Fault(BLANK)
            return


def default_of(user: bytes, default: bytes) -> bytes:
    """Give control/defaultdelivery for a user: `$USER` in a path is his name; programs have the variable."""
    if b"$USER" not in default:
        return default
    lines = default.split(b"\n")
    return b"\n".join(
        line.replace(b"$USER", user) if line.startswith((b".", b"/")) else line for line in lines
    )


def candidates(dash: bytes, ext: bytes) -> Iterator[Candidate]:
    """Give the files to look for, the first that exists counts; after the last one nobody has this name.

    Without a dash a missing one means the default delivery; .qmaildefault is looked for before that.
    """
    stem = b".qmail" + dash
    safe = safe_extension(ext)
    yield Candidate(stem + safe, ext[len(ext) - 7 :] if safe.endswith(b"default") else None)
    for end in range(len(safe), -1, -1):
        if not end or safe[end - 1] == ord("-"):
            yield Candidate(stem + safe[:end] + b"default", ext[end:])


def safe_extension(ext: bytes) -> bytes:
    """Give the extension as file names have it: lower case, and colons for dots, so it leads nowhere else."""
    return ext.lower().replace(b".", b":")


def owner_names(dash: bytes, ext: bytes) -> tuple[bytes, bytes]:
    """Give the two files whose existence makes forwards come from -owner, and from -owner-<recipient>."""
    stem = b".qmail" + dash + safe_extension(ext)
    return stem + b"-owner", stem + b"-owner-default"


def forward_sender(sender: bytes, local: bytes, host: bytes, owner: bool, owner_default: bool) -> bytes:
    """Give the envelope sender of forwards (NEWSENDER), given which of the owner_names exist."""
    if not owner or sender in (b"", b"#@[]"):
        return sender
    if owner_default:
        return local + b"-owner-@" + host + b"-@[]"
    return local + b"-owner@" + host
