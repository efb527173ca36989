"""Owns the preparations that a case asks for in words and that many kinds share."""

import ast
import os
import re
from pathlib import Path

from tests.vectors import world
from tests.vectors.case import Case, Json
from tests.vectors.world import SCRATCH

_MODE = re.compile(r"chmod ([0-7]+) (/\S+)")
_MAILDIR = re.compile(r"maildir (/\S+) \(cur new tmp\), owner (\S+)")
_QUEUE = re.compile(
    r"qmail-queue replaced by a program that reads everything, writes ('.*'|\".*\") to fd 6 and exits (\d+)",
    re.DOTALL,
)
_QUEUE_EXITS = re.compile(r"qmail-queue exits (\d+), fd 6 ('.*'|\".*\")")
_LINK = re.compile(r"ln -sf (/\S+) (/\S+)")
_READERS = "Mail, mail, elm and pine are stand-ins printing their name and arguments and exiting 5"

_HANDED = SCRATCH / "handed"
_QUEUE_PROGRAM = SCRATCH / "qmail-queue"
_TAKING = """\
import os
def take(descriptor, name):
    with open(descriptor, "rb", closefd=False) as stream, open({folder!r} + name, "wb") as kept:
        kept.write(stream.read())
try:
    take(0, "message")
    take(1, "envelope")
    said = {said!r}
    if said:
        os.write(6, said)
except OSError:
    os._exit(54)
os._exit({code})
"""
_READING = """\
import os, sys
print(*[os.path.basename(sys.argv[0]), *sys.argv[1:]])
sys.exit(5)
"""


def prepare(case: Case) -> list[str]:
    """Do what the case's words ask for; gives the sentences that are left for the kind itself."""
    left = []
    for sentence in case.setup:
        if found := _MODE.fullmatch(sentence):
            os.chmod(found[2], int(found[1], 8))
        elif found := _MAILDIR.fullmatch(sentence):
            world.place(Path(found[1]), {"type": "maildir", "owner": found[2]})
        elif found := _QUEUE.fullmatch(sentence):
            take_for_queue(ast.literal_eval(found[1]).encode(), int(found[2]))
        elif found := _QUEUE_EXITS.fullmatch(sentence):
            take_for_queue(ast.literal_eval(found[2]).encode(), int(found[1]))
        elif found := _LINK.fullmatch(sentence):
            os.symlink(found[1], found[2])
        elif sentence == _READERS:
            for name in ("Mail", "mail", "elm", "pine"):
                world.stand_in(SCRATCH / name, _READING)
        else:
            left.append(sentence)
    return left


def forget_queue() -> None:
    """Take away the stand-in and what it was handed, for a next run."""
    _QUEUE_PROGRAM.unlink(missing_ok=True)
    if _HANDED.exists():
        world.empty(_HANDED)


def take_for_queue(said: bytes = b"", code: int = 0) -> dict[str, str]:
    """A stand-in for qmail-queue that keeps what it is handed; gives the environment that names it."""
    if not _QUEUE_PROGRAM.exists():
        _HANDED.mkdir(exist_ok=True)
        _HANDED.chmod(0o1777)
        world.stand_in(_QUEUE_PROGRAM, _TAKING.format(said=said, code=code, folder=f"{_HANDED}/"))
    return {"QMAILQUEUE": str(_QUEUE_PROGRAM)}


def handed_in() -> dict[str, Json]:
    """What the stand-in was handed: message, sender and recipients, or the envelope if it is no whole one."""
    message, envelope = _HANDED / "message", _HANDED / "envelope"
    if not message.exists():
        return {"nothing_queued": True}
    wire = envelope.read_bytes() if envelope.exists() else b""
    if not wire.endswith(b"\0\0") or not wire.startswith(b"F"):
        return {"message": message.read_bytes(), "envelope_raw": wire}
    sender, *recipients = wire[:-2].split(b"\0")
    addresses = [recipient[1:] for recipient in recipients]
    return {"message": message.read_bytes(), "sender": sender[1:], "recipients": addresses}
