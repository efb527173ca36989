"""Owns the program new-inject (new-inject(1)): qmail-inject's work, with rules of the user's own.

    new-inject [ -nNaAhHFIMRS ] [ -fsender ] [ recipient ... ]

Hosts are rewritten by control/rewrite or the user's QMAILREWRITEFILE (rewriting(5)); F I M R S may stand in
QMAILINJECT, too. Exit code 0, 100 or 111.
"""

import os
import time
from collections.abc import Mapping
from getopt import GetoptError, getopt

from appliance.formats.envelope import Envelope
from appliance.formats.header import split_written
from appliance.formats.mailboxes import Mailbox, format_mailbox
from appliance.formats.newheader import Additions, NewHeader
from appliance.formats.outcome import Temporary
from appliance.formats.rewriting import Rewriting
from appliance.inject.completion import followed_lists, lines_of, unable_to_read
from appliance.inject.header import User
from appliance.inject.input import close_other_end, read_input
from appliance.queue.client import queue_of
from appliance.system.control import Control
from appliance.system.endings import ended, put, say
from appliance.system.place import Place
from appliance.system.rewriting import read_rewriting

_FLAGS = b"FIMRS"
_IGNORED_BY = {b"F": b"from", b"I": b"message-id", b"S": b"return-path"}
_USAGE = "new-inject: usage: new-inject [ -nNaAhHFIMRS ] [ -f sender ] [ recip ... ]\n\n"


def main(argv: list[str], environ: Mapping[str, str]) -> int:
    """Hand in what is on descriptor 0; see the head of this file."""
    try:
        options, recipients = getopt(argv, "nNaAhHFIMRSf:")
    except GetoptError as error:
        is_missing = error.msg.startswith(f"option -{error.opt} requires")
        words = "option requires an argument" if is_missing else "illegal option"
        say(os.fsencode(f"new-inject: {words} -- {error.opt}\n{_USAGE}"))
        return 100
    return ended("new-inject", lambda: _inject(options, list(map(os.fsencode, recipients)), environ))


def _inject(options: list[tuple[str, str]], recipients: list[bytes], environ: Mapping[str, str]) -> None:
    place = Place.from_environ(environ)
    rewriting, id_host, followed = _read_settings(Control(place.control), environ)
    close_other_end()
    message = read_input()
    head, rest = split_written(message if message.endswith(b"\n") or not message else message + b"\n")
    user, now = _user(options, environ), int(time.time())
    header = NewHeader(
        head, rewriting, frozenset(_IGNORED_BY[flag] for flag in user.flags if flag in _IGNORED_BY)
    )
    given = dict(options).get("-f")  # the last of them
    sender = header.sender if given is None else rewriting.address(os.fsencode(given))
    if sender is None:
        sender = _own_sender(user, rewriting, now)
    strategy = _last(options, "aAhH", "A")
    to = list[bytes]()
    if strategy in "aH" or (strategy == "A" and recipients):
        to += map(rewriting.address, recipients)
    if strategy in "hH" or (strategy == "A" and not recipients):
        to += header.recipients
    author = Mailbox(rewriting.address(user.name + b"@" + (user.host or b"")), user.full_name)
    whole = header.finish(Additions(author, now, b"%d" % os.getpid(), id_host), followed)
    body = rest if rest.startswith(b"\n") or not rest else b"\n" + rest
    if _last(options, "nN", "N") == "n":
        put(_shown(sender, to) + whole + body)
    else:
        queue_of(place.socket("queue"), environ).submit(Envelope(sender, tuple(to)), whole + body)


def _read_settings(control: Control, environ: Mapping[str, str]) -> tuple[Rewriting, bytes, frozenset[bytes]]:
    """The rules, what stands behind the @ of a Message-ID, the lists that are followed; Temporary."""
    what = "$QMAILMFTFILE"
    try:
        followed = followed_lists(environ)
        what = "$QMAILREWRITEFILE"
        lines = lines_of(environ, "QMAILREWRITEFILE")
        what = "controls"
        rewriting, id_host = read_rewriting(control, environ, lines)
    except Temporary as refusal:
        raise unable_to_read(what, refusal) from refusal
    return rewriting, id_host, followed


def _user(options: list[tuple[str, str]], environ: Mapping[str, str]) -> User:
    user = User.of({os.fsencode(name): os.fsencode(value) for name, value in environ.items()})
    given = b"".join(user.flags).upper() + b"".join(os.fsencode(name[1:]) for name, _ in options)
    return user._replace(flags=frozenset(bytes([flag]) for flag in _FLAGS if flag in given))


def _own_sender(user: User, rewriting: Rewriting, now: int) -> bytes:
    """The envelope's, if neither header nor options say it."""
    name = user.sender_name
    if b"M" in user.flags:
        name += b"-%d.%d" % (now, os.getpid())
    if b"R" in user.flags:
        name += b"-"
    sender = rewriting.address(name + b"@" + (user.sender_host or b""))
    return sender + (b"-@[]" if b"R" in user.flags else b"")


def _last(options: list[tuple[str, str]], letters: str, default: str) -> str:
    """The last that was given of options that exclude each other."""
    return [default, *(name[1:] for name, _ in options if name[1:] in letters)][-1]


def _shown(sender: bytes, recipients: list[bytes]) -> bytes:
    """The envelope as two fields."""
    lines = [b"  " + format_mailbox(Mailbox(recipient)) + b",\n" for recipient in recipients]
    shown = format_mailbox(Mailbox(sender))
    return b"Envelope-Sender: " + shown + b"\nEnvelope-Recipients:\n" + b"".join(lines)
