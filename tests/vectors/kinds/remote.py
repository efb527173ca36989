"""Owns the cases of qmail-remote against one scripted server."""

import json
import re

from tests.vectors.case import CannotPlay, Case, Difference, compare
from tests.vectors.normalise import normalise
from tests.vectors.running import Manner, program, run
from tests.vectors.smtp_server import Heard, Server, end_all, scripted
from tests.vectors.world import place_files

PORT = 2525
_SERVER = re.compile(r"scripted SMTP server on 127\.0\.0\.1 port @PORT@: (\{.*\})", re.DOTALL)
_NOTHING = "nothing listens on port @PORT@"


def play(case: Case) -> list[Difference]:
    """Deliver, and compare the report and every word that was said."""
    place_files(case, (b"@PORT@", str(PORT).encode()))
    heard = Heard()
    servers = []
    for sentence in case.setup:
        if found := _SERVER.fullmatch(sentence):
            servers.append(Server(("127.0.0.1", PORT), scripted(json.loads(found[1])), heard))
        elif sentence != _NOTHING:
            raise CannotPlay(sentence)
    manner = Manner(case.environment, case.user)
    ended = run([program(case.tool), *case.argv], manner, case.stdin)
    end_all(servers)
    got = {
        "exit": ended.exit,
        "report_fields": report_fields(ended.stdout),
        "report_ends_with_nul": ended.stdout.endswith(b"\0"),
        "stderr": ended.stderr,
        "connections": heard.connections,
    }
    differences = [
        difference
        for name, expected in case.expect.items()
        for difference in compare(name, expected, got.get(name))
    ]
    dialogue = [{side: normalise(text) for side, text in step.items()} for step in heard.dialogue]
    return differences + compare("dialogue", case.record.get("dialogue", []), dialogue)


def report_fields(report: bytes) -> list[bytes]:
    """The fields of qmail-remote's report, each ended by a NUL."""
    return report.removesuffix(b"\0").split(b"\0")
