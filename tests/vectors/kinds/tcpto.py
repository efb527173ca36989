"""Owns the cases of hosts that time out: qmail-remote step by step, the table read and aged as qmail's.

A record has 16 bytes: 4 of an IPv4 address, 1 the timeouts, 3 unused, 4 the time (little-endian), 4 unused.
"""

import re
import socket
import struct
import time
from pathlib import Path

from tests.support.silent import silent
from tests.vectors.case import Case, Json
from tests.vectors.running import Ended, Manner, program, run
from tests.vectors.system import QUEUE, SINK_PORT, System
from tests.vectors.world import HOME, PATH

SILENT_PORT, REFUSING_PORT = 2777, 2998
TABLE = QUEUE / "lock" / "tcpto"

_RECORD = struct.Struct("<4sB3sI4s")
_LATER = re.compile(r"(\d+) s later")
_AGO = re.compile(rb"timed out \d+ seconds ago")
_TIMEOUT_S = 1
_RECENT_S = 86400
_PAST_EVERY_REST_S = 7000


def play(case: Case) -> list[Json]:
    """Every step of a case, with what it asks for."""
    with System(daemons=()) as ours:
        ours.start_send()
        ours.stop_send()  # it has made the queue; the sink stays
    TABLE.write_bytes(bytes(TABLE.stat().st_size))
    (HOME / "control" / "timeoutconnect").write_text(f"{_TIMEOUT_S}\n")
    with silent(("127.0.0.1", SILENT_PORT)):
        return [_step(step, case.stdin) for step in case.expect["steps"]]


_MANNER = Manner({"PATH": PATH}, user="qmailr")


def _step(step: dict[str, Json], message: bytes) -> dict[str, Json]:
    """What the words of a step say is done; of what can be seen, what the step shows is given."""
    words = str(step["do"])
    port, later = _port(words), _LATER.search(words)
    if later:
        _age(int(later[1]))
    elif port == SINK_PORT:
        _age(_PAST_EVERY_REST_S)  # the words leave it out: at once nobody would connect
    seen: dict[str, Json] = {"do": words}
    if "fresh table" not in words:
        before = _connections_begun()
        seen["qmail-remote"] = _deliver(port, message).stdout
        # An attempt at the silent port lasts timeoutconnect, a second; a busy machine's clock tells less.
        seen["took_less_than_half_a_second"] = _connections_begun() == before
    if "qmail-tcpok" in words:
        seen |= run([program("qmail-tcpok")], _MANNER)._asdict()
    seen["tcpto"] = _table()
    return {key: seen.get(key) for key in step}


def _port(words: str) -> int:
    if "refused" in words:
        return REFUSING_PORT
    return SINK_PORT if "successful connection" in words else SILENT_PORT


def _deliver(port: int, message: bytes) -> Ended:
    (HOME / "control" / "smtproutes").write_text(f":127.0.0.1:{port}\n")
    return run([program("qmail-remote"), "far.test", "s@x.test", "r@far.test"], _MANNER, message)


def _connections_begun() -> int:
    """How many connections this name space has begun (proc(5), net/snmp)."""
    names, values = (
        line.split() for line in Path("/proc/net/snmp").read_text().splitlines() if line.startswith("Tcp:")
    )
    return int(values[names.index("ActiveOpens")])


# -- the table -----------------------------------------------------------------------------------


def _table() -> dict[str, Json]:
    content = TABLE.read_bytes()
    records = [
        {
            "index": index,
            "ip": socket.inet_ntoa(address),
            "count": count,
            "time_le32": "{{EPOCH}}" if abs(time.time() - when) < _RECENT_S else when,
            "rest": rest.hex(),
        }
        for index, (address, count, _, when, rest) in enumerate(_RECORD.iter_unpack(content))
        if address != bytes(4)
    ]
    printed = run([program("qmail-tcpto")], _MANNER).stdout
    printed = _AGO.sub(b"timed out {{N}} seconds ago", printed)
    return {"size": len(content), "records": records, "qmail-tcpto": printed}


def _age(seconds: int) -> None:
    """Let time pass, as far as the table knows."""
    records = _RECORD.iter_unpack(TABLE.read_bytes())
    aged = [
        _RECORD.pack(address, count, unused, max(0, when - seconds), rest)
        for address, count, unused, when, rest in records
    ]
    TABLE.write_bytes(b"".join(aged))
