"""Owns the program serialqmtp: sends the messages whose names come on descriptor 0 over one QMTP connection.

serialqmtp prefix          descriptors 6 and 7 are the connection, a report a message goes to 1

The packages follow each other without a pause; the responses come in their order.
"""

import os
import signal
import stat
from collections import deque
from collections.abc import Iterator, Mapping
from typing import BinaryIO

from appliance.formats.envelope import Envelope
from appliance.formats.netstring import NetstringBuffer
from appliance.formats.outcome import FormatError, Temporary
from appliance.protocols.qmtp_client import QmtpClient
from appliance.protocols.response import RESPONSE_LIMIT, parse_response
from appliance.serial.wire import Wire, is_sayable, names, open_message, read_block, read_head, report
from appliance.system.endings import fatal, refused, usage

READ_S = 3600.0
WRITE_S = 73.0
"""How long the peer may keep still, as serialqmtp has it."""

_VIOLATION = "remote protocol violation"


def main(argv: list[str], environ: Mapping[str, str]) -> int:
    """Send; 0 if every message has its report, else 111; 100: called wrongly."""
    if not argv:
        return usage("serialqmtp prefix")
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    peer = os.fsencode(environ.get("TCPREMOTEIP", ""))
    try:
        _exchange(os.fsencode(argv[0]), peer + b" said: " if peer else b"")
    except Temporary as reason:
        return refused("serialqmtp", reason)
    except FormatError:
        return fatal("serialqmtp", 111, _VIOLATION)
    return 0


def _exchange(prefix: bytes, where: bytes) -> None:
    """Write packages and read responses, each as soon as it can be."""
    wire, responses = Wire(), NetstringBuffer(RESPONSE_LIMIT)
    awaited: deque[bytes] = deque()  # names of what was sent, or is being sent
    packages = _packages(prefix, awaited)
    block = next(packages, b"")
    while block or awaited:
        seconds = WRITE_S if block else READ_S
        readable, writable = wire.wait(reading=bool(awaited), writing=bool(block), seconds=seconds)
        if readable:
            for content in responses.each(wire.read()):
                _report(awaited, content, where)
        elif writable:
            block = block[wire.write(block) :] or next(packages, b"")


def _report(awaited: deque[bytes], content: bytes, where: bytes) -> None:
    if not awaited:
        raise Temporary(_VIOLATION)
    answer = parse_response(content)
    text = where + answer.text.removesuffix(b"\n")
    report(awaited.popleft(), answer._replace(text=text))


def _packages(prefix: bytes, awaited: deque[bytes]) -> Iterator[bytes]:
    """The bytes to be sent, none of them empty; the name of each message comes into `awaited` first."""
    for name in names():
        with open_message(name) as stream:
            stored = read_head(stream, prefix)
            if stored is None or not is_sayable(name, stored):
                continue
            awaited.append(name)
            yield from _package(Envelope(stored.sender, (stored.recipient,)), stream)


def _package(envelope: Envelope, stream: BinaryIO) -> Iterator[bytes]:
    client = QmtpClient()
    size = os.fstat(stream.fileno())[stat.ST_SIZE] - stream.tell()
    yield client.start(envelope, size)
    while block := read_block(stream):
        yield client.body(block)
    yield client.end()
