"""Owns the cases of qmail-remote with names of the case's own."""

import json
import re
from collections.abc import Iterable

import dns.rdata

from tests.support.nameserver import NameServer, Records
from tests.vectors.case import CannotPlay, Case, Difference, Json, compare, to_bytes
from tests.vectors.kinds.remote import report_fields
from tests.vectors.running import Manner, program, run
from tests.vectors.smtp_server import Heard, Server, end_all, scripted
from tests.vectors.world import place_files

_NAMES = re.compile(r"DNS data: (\[.*\])", re.DOTALL)
_SERVERS = re.compile(r"names not listed do not exist; accepting SMTP servers on port 25 of (.*)")
_OURSELVES = "own addresses of the machine: 127.0.0.1 (and 0.0.0.0)"
# The words do not say it of a server that refuses; the report that was recorded quotes what it said.
_REFUSAL = re.compile(rb"Connected to (\S+) but greeting failed\.\nRemote host said: (.*)\n")
_ENVELOPE = (b"EHLO", b"HELO", b"MAIL", b"RCPT")

dns.rdata.load_all_types()  # type: ignore[no-untyped-call]  # the world may hide where they lie


def play(case: Case) -> list[Difference]:
    """Deliver with a name server and a sink at each address, and see who was reached."""
    place_files(case)
    heard: dict[str, Heard] = {}
    servers = []
    with NameServer(_records(case), port=53):
        for address in _addresses(case):
            heard[address] = Heard()
            servers.append(Server((address, 25), scripted(_script(case, address)), heard[address]))
        ended = run([program(case.tool), *case.argv], Manner(case.environment, case.user), case.stdin)
    end_all(servers)
    said = [step["client"] for each in heard.values() for step in each.dialogue if "client" in step]
    got = {
        "exit": ended.exit,
        "report_fields": report_fields(ended.stdout),
        "stderr": ended.stderr,
        "connected_to": [address for address, each in heard.items() for _ in range(each.connections)],
        "envelope_seen": [line for line in said if line.upper().startswith(_ENVELOPE)],
    }
    return [
        difference
        for name, expected in case.expect.items()
        for difference in compare(name, expected, got.get(name))
    ]


def _sentences(case: Case, pattern: re.Pattern[str]) -> Iterable[str]:
    return (found[1] for sentence in case.setup if (found := pattern.fullmatch(sentence)))


def _records(case: Case) -> Records:
    if any(not (_NAMES.fullmatch(s) or _SERVERS.fullmatch(s) or s == _OURSELVES) for s in case.setup):
        raise CannotPlay("; ".join(case.setup))
    records: Records = {}
    for name, kind, values in json.loads(next(iter(_sentences(case, _NAMES)))):
        if kind == "ALL":
            records[name] = values
            continue
        kinds = records.setdefault(name, {})
        assert isinstance(kinds, dict)
        kinds[kind] = _texts(values)
    return records


def _texts(values: Json) -> list[str]:
    listed = [values] if isinstance(values, str) else values
    return [value if isinstance(value, str) else " ".join(map(str, value)) for value in listed]


def _addresses(case: Case) -> list[str]:
    found = [address for listed in _sentences(case, _SERVERS) for address in listed.split(", ")]
    return [address for address in found if address != "(none)"]


def _script(case: Case, address: str) -> dict[str, Json]:
    for field in case.expect["report_fields"]:
        found = _REFUSAL.search(to_bytes(field))
        if found and found[1].decode() == address:
            return {"greet": found[2].decode()}
    return {}
