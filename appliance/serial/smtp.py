"""Owns the program serialsmtp: sends the messages whose names come on descriptor 0 over one SMTP connection.

serialsmtp prefix helohost          descriptors 6 and 7 are the connection, a report a message goes to 1
"""

import os
import signal
from collections import deque
from collections.abc import Mapping
from typing import BinaryIO

from appliance.formats.address import quote
from appliance.formats.outcome import FormatError, Report, Temporary
from appliance.formats.stored import Stored
from appliance.protocols.reply import NO_CODE, Reply, ReplyBuffer
from appliance.protocols.transparency import Transparency
from appliance.serial.wire import Wire, is_sayable, names, open_message, read_block, read_head, report
from appliance.system.endings import refused, usage

READ_S = 81.0
WRITE_S = 73.0
"""How long the peer may keep still, as serialsmtp has it."""

_VIOLATION = "protocol violation"
_RSET = b"RSET\r\n"


def main(argv: list[str], environ: Mapping[str, str]) -> int:
    """Send; 0 if every message has its report, else 111; 100: called wrongly."""
    if len(argv) < 2:
        return usage("serialsmtp prefix helohost")
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    try:
        session = _Session(os.fsencode(argv[1]), os.fsencode(environ.get("TCPREMOTEIP", "")))
        session.greet()
        for name in names():
            with open_message(name) as stream:
                session.take(name, stream, os.fsencode(argv[0]))
        session.quit()
    except Temporary as reason:
        return refused("serialsmtp", reason)
    return 0


class _Session:
    def __init__(self, helo: bytes, peer: bytes) -> None:
        self._wire = Wire()
        self._helo = helo
        self._peer = peer
        self._buffer = ReplyBuffer()
        self._replies: deque[Reply] = deque()
        self._is_pipelining = False
        self._is_fresh = True  # no message was begun: nothing to be reset

    def greet(self) -> None:
        """Say who we are; Temporary if we are not welcome."""
        if self._reply().code != 220:
            self.quit()
            raise Temporary("connected but greeting failed")
        answer = self._ask(b"EHLO %b\r\n" % self._helo)
        if answer.code == 250:
            self._is_pipelining = any(
                line[4:].upper() == b"PIPELINING" for line in answer.text.split(b"\n")[1:]
            )
        elif self._ask(b"HELO %b\r\n" % self._helo).code != 250:
            self.quit()
            raise Temporary("connected but my name was rejected")

    def take(self, name: bytes, stream: BinaryIO, prefix: bytes) -> None:
        """Send one message and report on it; one that is not for the prefix is passed over."""
        stored = read_head(stream, prefix)
        if stored is not None and is_sayable(name, stored):
            report(name, self._judge(stored, self._send(stored, stream)))

    def quit(self) -> None:
        """Say goodbye, and do not wait for the answer."""
        self._say(b"QUIT\r\n")

    def _send(self, stored: Stored, stream: BinaryIO) -> Reply:
        """The reply that decides."""
        commands = [
            b"MAIL FROM:<%b>\r\n" % quote(stored.sender),
            b"RCPT TO:<%b>\r\n" % quote(stored.recipient),
            b"DATA\r\n",
        ]
        if not self._is_fresh:
            commands.insert(0, _RSET)
        self._is_fresh = False
        refusal = self._say_together(commands) if self._is_pipelining else self._say_in_turn(commands)
        if refusal is not None:
            return refusal
        self._send_text(stream)
        return self._reply()

    def _say_in_turn(self, commands: list[bytes]) -> Reply | None:
        """The first refusal."""
        for command in commands:
            answer = self._ask(command)
            if answer.code >= 400:
                return _unless_reset(command, answer)
        return None

    def _say_together(self, commands: list[bytes]) -> Reply | None:
        """The same; whoever refuses one command must refuse all that follow it."""
        self._say(b"".join(commands))
        refusal = None
        for command in commands:
            answer = self._reply()
            if answer.code >= 400:
                refusal = refusal or _unless_reset(command, answer)
            elif refusal is not None:
                raise Temporary(_VIOLATION)
        return refusal

    def _send_text(self, stream: BinaryIO) -> None:
        _check_last_line(stream)
        transparency = Transparency()
        while block := read_block(stream):
            self._say(transparency.encode(block))
        self._say(transparency.end())

    def _judge(self, stored: Stored, answer: Reply) -> Report:
        line = answer.text.rstrip(b"\n").rpartition(b"\n")[2]
        where = self._peer + b" " if self._peer else b""
        return Report(answer.verdict, b"%bto: %b said: %b" % (where, stored.recipient, line))

    def _ask(self, command: bytes) -> Reply:
        self._say(command)
        return self._reply()

    def _say(self, block: bytes) -> None:
        self._wire.write_all(block, WRITE_S)

    def _reply(self) -> Reply:
        while not self._replies:
            self._wire.wait(reading=True, writing=False, seconds=READ_S)
            try:
                self._replies += self._buffer.receive(self._wire.read())
            except FormatError:
                raise Temporary(_VIOLATION) from None
        reply = self._replies.popleft()
        if reply.code == NO_CODE:
            raise Temporary(_VIOLATION)
        return reply


def _unless_reset(command: bytes, refusal: Reply) -> Reply:
    """Whoever refuses RSET may still have the last message's recipients."""
    if command is _RSET:
        raise Temporary(_VIOLATION)
    return refusal


def _check_last_line(stream: BinaryIO) -> None:
    """Temporary for a text that SMTP cannot end, before a word of it is said."""
    begin = stream.tell()
    end = stream.seek(0, os.SEEK_END)
    if end > begin:
        stream.seek(end - 1)
        if stream.read(1) != b"\n":
            raise Temporary("SMTP cannot transfer messages with partial final lines")
    stream.seek(begin)
