"""Owns the program qmail-qmqpc (qmail-qmqpc(8)): qmail-queue's interface; the queue is a QMQP server's.

control/qmqpservers lists servers by address: `192.0.2.1`, `192.0.2.1:6280`, `[2001:db8::1]:6280`. They are
tried in turn until one takes the connection; the outcome is that one's, since it may have the message.
"""

import contextlib
import ipaddress
import os
import re
import socket
import tempfile
from collections.abc import Iterable, Mapping
from typing import IO, NamedTuple

from appliance.formats.envelope import Envelope
from appliance.formats.handin import LARGE
from appliance.formats.outcome import FormatError, Temporary, Verdict
from appliance.inject.queue import (
    BAD_ENVELOPE,
    NO_CONNECTION,
    NOT_READ,
    REFUSED,
    Unusable,
    read_all,
    take_envelope,
)
from appliance.protocols.qmqp_client import Answer, enclose
from appliance.system.control import Control
from appliance.system.place import Place

PORT = 628
NO_CONTROL = 55
DEFERRED = 71
TIMED_OUT = 72
NOT_CONNECTED = 73
CONNECT_S = 10
SILENCE_S = 60
"""How long the server may take to read a block or to answer, as qmail-qmqpc has it."""

_EXIT = {Verdict.DONE: 0, Verdict.TRY_AGAIN: DEFERRED, Verdict.NEVER: REFUSED}
_BLOCK = 64 * 1024


class Server(NamedTuple):
    """Where a QMQP server listens."""

    address: str
    port: int


def main(argv: list[str], environ: Mapping[str, str]) -> int:
    """Hand in one message; see the head of this file."""
    try:
        servers = parse_servers(Control(Place.from_environ(environ).control).lines("qmqpservers") or [])
        with tempfile.SpooledTemporaryFile(LARGE) as message:
            while block := os.read(0, _BLOCK):
                message.write(block)
            return _hand_in(servers, take_envelope(read_all(1)), message)
    except Temporary:
        return NO_CONTROL
    except OSError:
        return NOT_READ
    except Unusable as unusable:
        return BAD_ENVELOPE if unusable.code == NOT_READ else unusable.code


def parse_servers(lines: Iterable[bytes]) -> list[Server]:
    """The servers of control/qmqpservers; a line that is no address is passed over."""
    servers = []
    for line in lines:
        text = line.decode("ascii", "replace")
        found = re.fullmatch(r"\[(.*)\](?::(\d{1,5}))?|([^:]*):(\d{1,5})", text)
        address, port = (found[1] or found[3], found[2] or found[4]) if found else (text, None)
        with contextlib.suppress(ValueError):
            server = Server(str(ipaddress.ip_address(address)), int(port or PORT))
            if server.port <= 65535:
                servers.append(server)
    return servers


def _hand_in(servers: list[Server], envelope: Envelope, message: IO[bytes]) -> int:
    """The exit code; with no server in the list, that of a list that is none."""
    try:
        before, behind = enclose(envelope, message.tell())
    except FormatError:
        return REFUSED
    code = NO_CONTROL
    for server in servers:
        try:
            connection = socket.create_connection(server, CONNECT_S)
        except TimeoutError:
            code = TIMED_OUT
        except OSError:
            code = NOT_CONNECTED
        else:
            with connection:
                return _exchange(connection, before, message, behind)
    return code


def _exchange(connection: socket.socket, before: bytes, message: IO[bytes], behind: bytes) -> int:
    """Send the package and wait for the answer."""
    connection.settimeout(SILENCE_S)
    message.seek(0)
    try:
        with connection.makefile("wb", _BLOCK) as out:
            out.write(before)
            while block := message.read(_BLOCK):
                out.write(block)
            out.write(behind)
        answer = Answer()
        while received := connection.recv(_BLOCK):
            if (report := answer.receive(received)) is not None:
                return _EXIT[report.verdict]
    except (OSError, FormatError):
        pass
    return NO_CONNECTION
