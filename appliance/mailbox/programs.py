"""Owns the programs of a mailbox's owner: maildirmake, maildir2mbox, maildirwatch, and elq, pinq, qail.

    maildirmake folder        a Maildir
    maildir2mbox              the mail of $MAILDIR behind that of $MAIL, by way of $MAILTMP
    maildirwatch              who wrote, anew every half minute
    elq, pinq, qail           maildir2mbox, then elm, pine or Mail

Sentences are qmail's (maildir2mbox(1) and others). They run as the owner, from his shell.
"""

import fcntl
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, NamedTuple

from appliance.formats.maildirsize import Usage
from appliance.formats.outcome import Temporary
from appliance.mailbox import maildir, quota
from appliance.mailbox.mbox import FROM
from appliance.system.endings import fatal, refused, usage
from appliance.system.errors import words_of

Program = Callable[[list[str], Mapping[str, str]], int]

_RETURN_PATH = b"Return-Path: <"
_CLEAR = "\x1b[;H\x1b[;J"
_LOOK_S = 30
_LINES_SHOWN = 60
_PRINTABLE = re.compile(r"[^ -~]")


class _Message(NamedTuple):
    when: float
    path: Path


def maildirmake(argv: list[str], environ: Mapping[str, str]) -> int:
    """maildirmake(1)."""
    if not argv:
        return usage("maildirmake name")
    os.umask(0o077)
    for folder in ("", "/tmp", "/new", "/cur"):
        try:
            os.mkdir(argv[0] + folder, 0o700)
        except OSError as error:
            return fatal("maildirmake", 111, f"unable to mkdir {argv[0]}{folder}: {words_of(error)}")
    return 0


def maildir2mbox(argv: list[str], environ: Mapping[str, str]) -> int:
    """maildir2mbox(1): 0, or 111 and nothing was moved."""
    os.umask(0o077)
    try:
        _move(environ)
    except Temporary as reason:
        return refused("maildir2mbox", reason)
    return 0


def elq(argv: list[str], environ: Mapping[str, str]) -> int:
    """elq(1)."""
    return _read_with("elm", argv, environ)


def pinq(argv: list[str], environ: Mapping[str, str]) -> int:
    """pinq(1)."""
    return _read_with("pine", argv, environ)


def qail(argv: list[str], environ: Mapping[str, str]) -> int:
    """qail(1)."""
    return _read_with("Mail", argv, environ)


def maildirwatch(argv: list[str], environ: Mapping[str, str]) -> int:
    """maildirwatch(1): until it is interrupted."""
    while True:
        try:
            _enter(environ)
            lines = [_summary(message) for message in _messages("new")[:_LINES_SHOWN]]
        except Temporary as reason:
            return refused("maildirwatch", reason)
        sys.stdout.write(_CLEAR + "".join(lines or ["You have no new mail.\n"]))
        sys.stdout.flush()
        try:
            time.sleep(_LOOK_S)
        except KeyboardInterrupt:
            return 0


def _read_with(reader: str, argv: list[str], environ: Mapping[str, str]) -> int:
    code = maildir2mbox([], environ)
    if code:
        return code
    try:
        os.execvpe(reader, [reader, *argv], dict(environ))
    except OSError as error:
        return fatal(reader, 111, f"unable to run {reader}: {words_of(error)}")


# -- the Maildir ---------------------------------------------------------------------------------


def _enter(environ: Mapping[str, str]) -> None:
    folder = _variable(environ, "MAILDIR")
    try:
        os.chdir(folder)
    except OSError as error:
        raise Temporary(f"unable to chdir to {folder}: {words_of(error)}") from error


def _variable(environ: Mapping[str, str], name: str) -> str:
    if name not in environ:
        raise Temporary(f"{name} not set")
    return environ[name]


def _messages(*folders: str) -> list[_Message]:
    """What lies in the folders of the Maildir that we are in, oldest first."""
    found = []
    for folder in folders:
        try:
            with os.scandir(folder) as entries:
                found += [
                    _Message(entry.stat().st_mtime, Path(entry.path))
                    for entry in entries
                    if not entry.name.startswith(".")
                ]
        except OSError as error:
            raise Temporary(f"unable to scan $MAILDIR/{folder}: {words_of(error)}") from error
    return sorted(found)


def _summary(message: _Message) -> str:
    sender, subject = b"", b""
    try:
        with message.path.open("rb") as stream:
            for line in iter(stream.readline, b""):
                if line == b"\n":
                    break
                name, _, value = line.partition(b":")
                if name.lower() == b"from":
                    sender = value.strip()
                elif name.lower() == b"subject":
                    subject = value.strip()
    except OSError:
        return ""  # somebody has read it just now
    text = f"{sender.decode('ascii', 'replace')}: {subject.decode('ascii', 'replace')}"
    return _PRINTABLE.sub("?", text)[:78] + "\n"


# -- maildir2mbox --------------------------------------------------------------------------------


def _move(environ: Mapping[str, str]) -> None:
    box, temporary = _variable(environ, "MAIL"), _variable(environ, "MAILTMP")
    _enter(environ)
    maildir.clean(b".", time.time())
    messages = _messages("cur", "new")
    if not messages:
        return
    with _locked(box), _opened(temporary, "wb", "create") as new:
        with _opened(box, "rb", "read") as old:
            _write(new, temporary, iter(lambda: old.read(1 << 20), b""))
        for message in messages:
            with _opened(message.path, "rb", "read") as stream:
                _write(new, temporary, _as_mbox(message, stream))
        try:
            os.fsync(new.fileno())
            os.rename(temporary, box)
        except OSError as error:
            raise Temporary(f"unable to move {temporary} to {box}: {words_of(error)}") from error
    gone = Usage()
    for message in messages:
        try:
            size = message.path.lstat().st_size
            message.path.unlink()
        except OSError as error:
            why = f"$MAILDIR/{message.path} will be delivered twice; unable to unlink: {words_of(error)}"
            sys.stderr.write(f"maildir2mbox: warning: {why}\n")
        else:
            gone = gone.plus(Usage(-size, -1))
    with quota.opened(b".") as here:
        quota.add(here, gone)


def _locked(box: str) -> BinaryIO:
    """The mbox, which nobody else delivers into while the stream is open."""
    try:
        stream = open(box, "ab")  # noqa: SIM115 - the caller closes it
        fcntl.flock(stream, fcntl.LOCK_EX)
    except OSError as error:
        raise Temporary(f"unable to lock {box}: {words_of(error)}") from error
    return stream


def _opened(path: str | Path, mode: str, verb: str) -> BinaryIO:
    try:
        stream: BinaryIO = open(path, mode)  # type: ignore[assignment]  # noqa: SIM115 - the same
    except OSError as error:
        shown = f"$MAILDIR/{path}" if isinstance(path, Path) else path
        raise Temporary(f"unable to {verb} {shown}: {words_of(error)}") from error
    return stream


def _write(new: BinaryIO, name: str, pieces: Iterator[bytes]) -> None:
    try:
        for piece in pieces:
            new.write(piece)
        new.flush()
    except OSError as error:
        raise Temporary(f"unable to write to {name}: {words_of(error)}") from error


def _as_mbox(message: _Message, stream: BinaryIO) -> Iterator[bytes]:
    last = first = stream.readline()
    date = time.strftime("%a %b %d %H:%M:%S %Y\n", time.gmtime(message.when))
    yield b"From " + _sender(first) + b" " + date.encode()
    while last:
        yield FROM.sub(b">", last)
        if not last.endswith(b"\n"):
            yield b"\n"
        last = stream.readline()
    yield b"\n"


def _sender(first_line: bytes) -> bytes:
    if not first_line.startswith(_RETURN_PATH) or not first_line.endswith(b"\n"):
        return b"XXX"
    sender = first_line[len(_RETURN_PATH) :]
    if sender.startswith(b">"):
        return b"MAILER-DAEMON"
    return re.sub(rb"[ \t]", b"-", sender[:-2])  # but for the > and the newline
