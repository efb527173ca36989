"""Owns the cases of ofmipd, a program on a connection as tcpserver would run it."""

import ast
import re
import socket

from tests.vectors.case import CannotPlay, Case, Difference, compare, compare_fields
from tests.vectors.dialogue import talk
from tests.vectors.kinds.preparing import handed_in, prepare, take_for_queue
from tests.vectors.normalise import normalised
from tests.vectors.running import Manner, end, program, run, start
from tests.vectors.world import SCRATCH, place_files

_NAMES = re.compile(r"(\S+) made by ofmipname from (\".*\"|'.*')", re.DOTALL)


def play(case: Case) -> list[Difference]:
    """Run it on one end of a connection, with a stand-in for qmail-queue, and talk to it on the other."""
    place_files(case)
    for sentence in prepare(case):
        if not (found := _NAMES.fullmatch(sentence)):
            raise CannotPlay(sentence)
        table = ast.literal_eval(found[2]).encode()
        run([program("ofmipname"), found[1], "n.tmp"], Manner(cwd=SCRATCH), table)
    ours, its = socket.socketpair()
    manner = Manner(case.environment | take_for_queue(), case.user, SCRATCH)
    with ours:
        arguments = [argument.decode() for argument in case.argv]
        process = start([program("ofmipd"), *arguments], manner, its.fileno(), its.fileno())
        its.close()
        heard = talk(ours, case.record["dialogue"])
        ours.shutdown(socket.SHUT_RDWR)
        ended = end(process)
    return [
        *compare("dialogue", case.record["dialogue"], heard),
        *compare_fields(case.expect, ended._asdict()),
        *compare("queue", case.record.get("expect_queue", {}), normalised(handed_in())),
    ]
