"""Owns the cases of qmail-newu, qmail-getpw and qmail-pw2u, and what lspawn looks up in users/cdb.

Our lspawn runs no qmail-local whose arguments could be seen; it is asked by the function it delivers by.
"""

import base64

from appliance.formats.outcome import Temporary
from appliance.local.users import Users
from tests.vectors.case import Case, Difference, compare
from tests.vectors.kinds.preparing import prepare
from tests.vectors.running import Manner, program, run
from tests.vectors.world import HOME, place_files

_REST = (b"h.test", b"s@x.test", b"./Mailbox")


def play(case: Case) -> list[Difference]:
    """Run the program, look at the database, ask for the local parts of the case."""
    place_files(case)
    (HOME / "users").mkdir(exist_ok=True)
    prepare(case)
    ended = run([program(case.tool), *case.argv], Manner(case.environment, case.user), case.stdin)
    got: dict[str, object] = ended._asdict()
    got["stdout_fields"] = ended.stdout.removesuffix(b"\0").split(b"\0")
    cdb = HOME / "users" / "cdb"
    got["cdb_b64"] = base64.b64encode(cdb.read_bytes()).decode() if cdb.exists() else None
    if "lookups" in case.expect:
        users = Users(cdb, HOME / "alias")
        got["lookups"] = {local: _look_up(users, local.encode()) for local in case.expect["lookups"]}
    return [
        difference
        for name, expected in case.expect.items()
        for difference in compare(name, expected, got.get(name))
    ]


def _look_up(users: Users, local: bytes) -> dict[str, bytes]:
    """How lspawn would deliver, written as the recordings' stand-in for qmail-local wrote its arguments."""
    if not local:
        return _report(b"K")  # thrown away before anybody is looked up
    try:
        found = users.find(local)
    except Temporary as refusal:
        return _report(b"Z%b\n" % refusal.sentence.encode())
    words = (found.user, found.home, local, found.dash, found.ext, *_REST)
    told = b" ".join(b"[%b]" % word for word in words)
    return _report(b"Kuid=%d gid=%d %b" % (found.uid, found.gid, told))


def _report(text: bytes) -> dict[str, bytes]:
    return {"status": b"\0", "text": text}
