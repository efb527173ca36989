"""Owns the cases of tcprules and tcprulescheck."""

import base64
from pathlib import Path

from tests.vectors.case import Case, Difference, compare
from tests.vectors.running import Manner, program, run
from tests.vectors.world import SCRATCH


def play(case: Case) -> list[Difference]:
    """Compile the rules, look at the files, ask for the clients of the case."""
    folder = SCRATCH / "rules"
    folder.mkdir()
    manner = Manner(case.environment, case.user, folder)
    ended = run([program(case.tool), *case.argv], manner, case.stdin)
    got: dict[str, object] = ended._asdict()
    if len(case.argv) == 2:
        cdb, temporary = (folder / word.decode() for word in case.argv)
        got |= {"cdb_b64": _encoded(cdb), "tmp_left": temporary.exists()}
        asked = case.expect.get("tcprulescheck", [])
        got["tcprulescheck"] = [_check(cdb, client["env"]) for client in asked]
    return [
        difference
        for name, expected in case.expect.items()
        for difference in compare(name, expected, got.get(name))
    ]


def _encoded(path: Path) -> str | None:
    return base64.b64encode(path.read_bytes()).decode() if path.exists() else None


def _check(cdb: Path, environment: dict[str, str]) -> dict[str, object]:
    ended = run([program("tcprulescheck"), cdb.name], Manner(environment, cwd=cdb.parent))
    return {"env": environment, **ended._asdict()}
