"""Owns the program dot-forward (dot-forward(1)): a line of .qmail that does what sendmail's .forward says.

    |dot-forward [ -nN ] file ...        the first file that is there and not empty counts; -n only tells

Exit code 99 if that was all, so that the rest of .qmail is left out; 0 if the user himself is among the
recipients, or if no file says anything.
"""

import os
import sys
from collections.abc import Mapping
from getopt import GetoptError, getopt
from pathlib import Path

from appliance.formats.envelope import Envelope
from appliance.formats.forwardlist import Completion, Entry, lines_of, read_entries, shown, unreadable
from appliance.formats.outcome import FormatError, Permanent, Temporary
from appliance.inject.commands import pipe_through
from appliance.inject.completion import read_completion
from appliance.inject.forward import hand_in
from appliance.system.endings import refused, say
from appliance.system.errors import words_of
from appliance.system.place import Place

USAGE = "dot-forward: usage: dot-forward [ -nN ] file ...\n"
_ALL_DONE = 99


def main(argv: list[str], environ: Mapping[str, str]) -> int:
    """Follow the first file that says something; 0, 99, 100 or 111."""
    try:
        options, names = getopt(argv, "nN")
    except GetoptError as error:
        sys.stderr.write(f"dot-forward: illegal option -- {error.opt}\n{USAGE}")
        return 100
    only_tells = bool(options) and options[-1][0] == "-n"
    try:
        completion = read_completion(environ)
        for name in names:
            forwarding = _Forwarding(environ, completion, only_tells=only_tells)
            if (text := _read(name)) is not None and forwarding.follow(text, name):
                return 0 if forwarding.is_direct else _ALL_DONE
    except (Temporary, Permanent) as refusal:
        return refused("dot-forward", refusal)
    if only_tells:
        say(b"direct delivery\n")
    return 0


def _read(name: str) -> bytes | None:
    """A file's content; None if there is none. Temporary."""
    doing = "open"
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NONBLOCK)  # a fifo must not keep the delivery
        doing = "read"
        with open(descriptor, "rb") as stream:
            return stream.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Temporary(f"unable to {doing} {name}: {words_of(error)}") from error


class _Forwarding:
    """What one file orders: commands run as they are read, all addresses get one message at the end."""

    def __init__(self, environ: Mapping[str, str], completion: Completion, *, only_tells: bool) -> None:
        self.is_direct = False
        """Whether the user is among the recipients."""
        self._environ = environ
        self._completion = completion
        self._only_tells = only_tells
        self._recipients: list[bytes] = []
        self._commands = 0

    def follow(self, text: bytes, name: str) -> bool:
        """Do what the file says; whether it says anything. Temporary, Permanent."""
        for line in lines_of(text):
            if line.startswith(b"#"):
                continue
            try:
                for entry in read_entries(line):
                    self._take(entry)
            except FormatError as error:
                raise unreadable(line) from error
        if self._recipients and not self._only_tells:
            self._send()
        if self.is_direct:
            self._tell(b"direct delivery")
        elif not self._recipients and not self._commands:
            self._tell(b"skipping empty file " + os.fsencode(name))
            return False
        return True

    def _tell(self, words: bytes) -> None:
        if self._only_tells:
            say(words + b"\n")

    def _take(self, entry: Entry) -> None:
        if not entry.text:
            return
        if self._is_user(entry):
            self.is_direct = True
        elif entry.is_file:
            raise Temporary(f"file delivery {shown(entry.text)} not supported")
        elif entry.program is not None:
            self._run(entry.program.partition(b"\0")[0])
        else:
            recipient = self._completion.of(entry).partition(b"\0")[0]
            self._recipients.append(recipient)
            self._tell(b"forward " + recipient)

    def _is_user(self, entry: Entry) -> bool:
        names, hosts = {self._variable("USER").lower()}, {self._variable("HOST").lower()}
        home = Path(self._environ.get("HOME", ""))
        if home.parent.parent == Place.from_environ(self._environ).mail:
            # The mailboxes of config.yaml are one user's; their homes tell them from each other.
            names.add(os.fsencode(home.name).lower())
            hosts.add(os.fsencode(home.parent.name).lower())
        text = entry.text.lower()
        user, _, host = text.rpartition(b"@") if entry.has_at else (text, b"", b"")
        return user in names and (not entry.has_at or host in hosts)

    def _run(self, command: bytes) -> None:
        self._commands += 1
        self._tell(b"pipe through " + command)
        if not self._only_tells:
            pipe_through(
                "dot-forward", command, b"".join(map(self._variable, ("UFLINE", "RPLINE", "DTLINE")))
            )

    def _send(self) -> None:
        envelope = Envelope(self._variable("NEWSENDER"), tuple(self._recipients))
        try:
            number = hand_in(envelope, self._environ)
        except OSError as error:
            raise Temporary(f"unable to read message: {words_of(error)}") from error
        except (Temporary, Permanent) as refusal:
            raise type(refusal)(f"unable to forward message: {refusal.sentence}") from refusal
        say(b"dot-forward: info: qp %d\n" % number)

    def _variable(self, name: str) -> bytes:
        return os.fsencode(self._environ.get(name, ""))
