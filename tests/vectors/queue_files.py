"""Owns looking at the queue folder as the recordings show it: names, bytes, modes, owners."""

import grp
import pwd
import re
import stat
from pathlib import Path
from typing import Any

from tests.vectors.case import Case, Difference, Json, compare, plain, to_bytes
from tests.vectors.normalise import normalise
from tests.vectors.system import QUEUE

SPLIT = 23
_ATTRIBUTES = ("bytes", "mode", "owner", "group", "links")
_PROCESS = re.compile(rb"(\Au\d+\0p)\d+\0")


def layout() -> dict[str, dict[str, Json]]:
    """Every file but those in lock/ and the accept log, which is ours and no file of a waiting message."""
    seen: dict[str, int] = {}
    found = {}
    for path in sorted(QUEUE.rglob("*"), key=lambda path: (path.name, str(path))):
        where = path.relative_to(QUEUE)
        if not path.is_file() or where.parts[0] == "lock" or path.suffix == ".log":
            continue
        number = seen.setdefault(path.name, len(seen) + 1) if path.name.isdecimal() else 0
        found[_name(where, number)] = _entry(path)
    return found


def _name(where: Path, number: int) -> str:
    parts = list(where.parts)
    if number:
        parts[-1] = f"{{{{INODE{number}}}}}"
    if len(parts) == 3 and number and int(parts[1]) == int(where.name) % SPLIT:
        parts[1] = f"{{{{INODE{number} mod {SPLIT}}}}}"
    return "/".join(parts)


def _entry(path: Path) -> dict[str, Json]:
    state = path.stat()
    content = _PROCESS.sub(rb"\1{{PID}}\0", path.read_bytes())
    return {
        "bytes": normalise(content),
        "mode": f"{stat.S_IMODE(state.st_mode):04o}",
        "owner": pwd.getpwuid(state.st_uid).pw_name,
        "group": grp.getgrgid(state.st_gid).gr_name,
        "links": state.st_nlink,
    }


def compare_layouts(expected: dict[str, Any], got: dict[str, Any], field: str = "layout") -> list[Difference]:
    """Names first, then each attribute of the files that both have as a field of its own."""
    differences = compare(f"{field} names", sorted(expected), sorted(got))
    both = [name for name in expected if name in got]
    for attribute in _ATTRIBUTES:
        sides = [{name: side[name].get(attribute) for name in both} for side in (expected, got)]
        if plain(sides[0]) != plain(sides[1]):
            differences.append(compare(f"{field} {attribute}", [sides[0]], [sides[1]])[0])
    return differences


def tree() -> dict[str, dict[str, Json]]:
    """The folders and the files in lock/ of an empty queue, one part of each that is split."""
    found: dict[str, dict[str, Json]] = {}
    for path in sorted(QUEUE.rglob("*")):
        where = path.relative_to(QUEUE)
        if where.name.isdecimal() and where.name != "0" or path.suffix == ".log":
            continue
        state = path.stat()
        kind = "dir" if path.is_dir() else "fifo" if path.is_fifo() else "file"
        found[str(where)] = {
            "mode": f"{stat.S_IMODE(state.st_mode):04o}",
            "owner": pwd.getpwuid(state.st_uid).pw_name,
            "group": grp.getgrgid(state.st_gid).gr_name,
            "type": kind,
            "size": state.st_size if kind == "file" else None,
        }
    return found


# -- what was handed in --------------------------------------------------------------------------

_FROM = re.compile(r"info msg \{\{MSG(\d+)\}\}: bytes \S+ from <(.*)> qp")
_TO = re.compile(r"starting delivery \d+: msg \{\{MSG(\d+)\}\} to (?:local|remote) (.*)")
_CHANNEL = re.compile(r"(?:local|remote)/\{\{INODE1 mod 23\}\}/")


def recorded_envelope(case: Case) -> tuple[bytes, list[bytes]]:
    """Sender and recipients of the first message; the words do not name them, recorded log and files do."""
    log = case.expect.get("log_first") or case.expect.get("log", "")
    senders = [found[2] for found in _FROM.finditer(log) if found[1] == "1"]
    recipients = [
        record[1:]
        for name, entry in case.expect.get("layout", {}).items()
        if _CHANNEL.match(name)
        for record in to_bytes(entry["bytes"]).split(b"\0")[:-1]
    ]
    recipients += [found[2].encode() for found in _TO.finditer(log) if found[1] == "1"]
    unique = dict.fromkeys(_without_prefix(recipient, case) for recipient in recipients)
    return senders[0].encode() if senders else b"", [*unique]


def recorded_prefix(case: Case, recipient: bytes) -> bytes:
    """The virtual domain's prefix with which the second message's recipient was recorded."""
    log = case.expect.get("log", "")
    addresses = [found[2].encode() for found in _TO.finditer(log) if found[1] == "2"]
    return addresses[0].removesuffix(b"-" + recipient) if addresses else b""


def _without_prefix(address: bytes, case: Case) -> bytes:
    local, _, domain = address.rpartition(b"@")
    for line in to_bytes(case.files.get("/var/qmail/control/virtualdomains", "")).splitlines():
        name, _, prefix = line.partition(b":")
        if prefix and name == domain and local.startswith(prefix + b"-"):
            return address[len(prefix) + 1 :]
    return address
