"""Owns the program qmail-inject (qmail-inject(8)): a message from a user's program, completed and handed in.

    qmail-inject [ -nNaAhH ] [ -fsender ] [ recipient ... ]

Addresses in the header are completed (qmail-header(5)), missing fields added, Bcc taken away. The environment
says who the user is and what he wants (QMAILINJECT and others). Exit code 0, 100 or 111.
"""

import os
import sys
import time
from collections.abc import Mapping
from getopt import GetoptError, getopt

from appliance.formats.addrlist import Defaults
from appliance.formats.composed import Composed, parse_composed
from appliance.formats.envelope import Envelope
from appliance.formats.outcome import FormatError, Permanent, Temporary
from appliance.formats.token822 import Token, parse_tokens
from appliance.inject.completion import followed_lists
from appliance.inject.header import Header, Unparsed, User
from appliance.inject.input import close_other_end
from appliance.queue.client import queue_of
from appliance.system.control import Control
from appliance.system.place import Place
from appliance.system.rewriting import setting

_OPTIONS = "aAhHnNf:"


class Refused(Exception):
    """Why a message is not handed in, and the exit code."""

    def __init__(self, sentence: str, code: int) -> None:
        super().__init__(sentence)
        self.code = code


def main(argv: list[str], environ: Mapping[str, str]) -> int:
    """Hand in what is on descriptor 0; see the head of this file."""
    try:
        options, recipients = getopt(argv, _OPTIONS)
    except GetoptError as error:
        missing = error.msg.startswith("option -" + error.opt + " requires")
        words = "option requires an argument" if missing else "illegal option"
        return _say(f"qmail-inject: {words} -- {error.opt}\n", 100)
    try:
        return _inject(options, [os.fsencode(recipient) for recipient in recipients], environ)
    except Unparsed as unparsed:
        sys.stderr.flush()
        sys.stderr.buffer.write(b"qmail-inject: fatal: " + unparsed.sentence)
        return 100
    except Refused as refusal:
        return _say(f"qmail-inject: fatal: {refusal}\n", refusal.code)


def _say(words: str, code: int) -> int:
    sys.stderr.write(words)
    return code


def _inject(options: list[tuple[str, str]], recipients: list[bytes], environ: Mapping[str, str]) -> int:
    place = Place.from_environ(environ)
    user = User.of({os.fsencode(name): os.fsencode(value) for name, value in environ.items()})
    try:
        lists = followed_lists(environ)
        control = Control(place.control)
        header = Header(user, _defaults(control, environ), int(time.time()), os.getpid())
        id_host = setting(control, environ, "idhost", "idhost")
    except Temporary as refusal:
        raise Refused("read error", 111) from refusal
    for address in (text for name, text in options if name == "-f"):
        header.set_sender(os.fsencode(address))  # the last of them counts, and each must be one
    strategy = _last(options, "-a", "-A", "-h", "-H") or "-A"
    if strategy == "-A":
        strategy = "-a" if recipients else "-h"
    to = [header.complete_recipient(one) for one in recipients] if strategy != "-h" else []
    close_other_end()
    try:
        with open(0, "rb", closefd=False) as stream:
            composed = parse_composed(stream.read())
    except OSError as error:
        raise Refused("read error", 111) from error
    for field in composed.fields:
        header.take(field)
    whole = header.finish(id_host, lists)
    if strategy != "-a":
        to += header.recipients
    if _last(options, "-n", "-N") == "-n":
        return _print(header, whole, composed)
    return _hand_in(Envelope(header.sender, tuple(to)), whole + composed.body, environ, place)


def _last(options: list[tuple[str, str]], *names: str) -> str | None:
    given = [name for name, _ in options if name in names]
    return given[-1] if given else None


def _defaults(control: Control, environ: Mapping[str, str]) -> Defaults:
    def parsed(sign: bytes, name: str) -> list[Token]:
        text = sign + setting(control, environ, name, name)
        try:
            return parse_tokens(text)
        except FormatError as error:
            raise Unparsed(b"unable to parse this line:\n" + text) from error

    domain = parsed(b".", "defaultdomain")
    return Defaults(parsed(b"@", "defaulthost"), domain, parsed(b".", "plusdomain"))


def _print(header: Header, whole: bytes, composed: Composed) -> int:
    sys.stdout.buffer.write(header.return_path() + whole + composed.body)
    sys.stdout.flush()
    return 0


def _hand_in(envelope: Envelope, message: bytes, environ: Mapping[str, str], place: Place) -> int:
    try:
        queue_of(place.socket("queue"), environ).submit(envelope, message)
    except (Temporary, Permanent) as refusal:
        code = 111 if isinstance(refusal, Temporary) else 100
        raise Refused(refusal.sentence, code) from refusal
    return 0
