"""Owns the cases of fastforward and the programs that make and print its tables and lists."""

import base64
import os
from pathlib import Path

from tests.vectors import spaces, world
from tests.vectors.case import Case, Difference, Json, compare, to_bytes
from tests.vectors.kinds.preparing import forget_queue, handed_in, prepare, take_for_queue
from tests.vectors.normalise import normalise
from tests.vectors.running import Ended, Manner, program, run
from tests.vectors.world import SCRATCH

_FOLDER = SCRATCH / "w"
_ETC = Path("/etc")
_KEPT = ("passwd", "group", "hosts", "ld.so.cache")
_QUEUE_EXITS = {b"rejected message (#5.3.0)": 31, b"disk full (#4.3.0)": 53}
"""The recordings tell of a queue that refuses only by what fastforward said of it."""


def play(case: Case) -> list[Difference]:
    """Make the table or list, print it, and forward by it."""
    _FOLDER.mkdir()
    _FOLDER.chmod(0o1777)
    os.chdir(_FOLDER)
    _leave_etc()
    world.place_files(case)
    prepare(case)
    made = _made(case)
    got: dict[str, Json] = {**_program(case.record["tools"][0], case)._asdict()}
    got["mode"] = f"{made.stat().st_mode & 0o7777:04o}" if made.exists() else None
    got["cdb_b64"] = got["bin_b64"] = _encoded(made)
    for printer in ("printforward", "printmaillist"):
        if printer in case.expect:
            got[printer] = run([program(printer)], Manner(cwd=_FOLDER), made.read_bytes())._asdict()
    runs = case.expect.get("fastforward", [])
    got["fastforward"] = [_forward(wanted, made) for wanted in runs]
    expect = case.expect | ({"fastforward": [_told(wanted) for wanted in runs]} if runs else {})
    return [
        difference
        for name, expected in expect.items()
        for difference in compare(name, expected, got.get(name))
    ]


def _leave_etc() -> None:
    """Let /etc be a folder of the world's own: newaliases knows no other."""
    kept = {name: (_ETC / name).read_bytes() for name in _KEPT if (_ETC / name).exists()}
    spaces.memory_folder(str(_ETC))
    for name, content in kept.items():
        (_ETC / name).write_bytes(content)


def _made(case: Case) -> Path:
    """Where the first program puts what it makes."""
    match case.record["tools"][0]:
        case "newaliases":
            return _ETC / "aliases.cdb"
        case "newinclude":
            return _FOLDER / f"{case.argv[0].decode()}.bin" if case.argv else _FOLDER / ".bin"
        case _:
            return _FOLDER / case.argv[0].decode() if case.argv else _FOLDER / "cdb"


def _program(name: str, case: Case) -> Ended:
    return run([program(name), *case.argv], Manner(case.environment, cwd=_FOLDER), case.stdin)


def _encoded(path: Path) -> str | None:
    return base64.b64encode(path.read_bytes()).decode() if path.exists() else None


def _forward(wanted: Json, table: Path) -> Json:
    """One run by the table, with a stand-in for qmail-queue."""
    forget_queue()
    said = to_bytes(wanted["stderr"])
    code = next((code for words, code in _QUEUE_EXITS.items() if words in said), 0)
    name, *argv = wanted["argv"]
    argv = [str(table) if word == "cdb" else word for word in argv]
    manner = Manner({**wanted["env"], **take_for_queue(code=code)}, cwd=_FOLDER)
    ended = run([program(name), *argv], manner, to_bytes(wanted["stdin"]))
    got: dict[str, Json] = {**_told(wanted), **ended._asdict(), "stderr": normalise(ended.stderr)}
    return got | ({"queued": handed_in()} if "queued" in wanted else {})


def _told(wanted: Json) -> Json:
    return {name: value for name, value in wanted.items() if name not in ("env", "stdin")}
