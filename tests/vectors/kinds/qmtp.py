"""Owns the cases of qmail-qmtpd and qmail-qmqpd: packages on standard input, and a stand-in for the queue."""

from tests.vectors.case import CannotPlay, Case, Difference, Json, compare, compare_fields
from tests.vectors.kinds.preparing import handed_in, prepare, take_for_queue
from tests.vectors.normalise import normalised
from tests.vectors.running import Manner, program, run
from tests.vectors.world import place_files

_NEWMRH = "qmail-newmrh"


def play(case: Case) -> list[Difference]:
    """One session; compare what is answered, how it ends, and what the queue was handed."""
    place_files(case)
    for sentence in prepare(case):
        if sentence != _NEWMRH:
            raise CannotPlay(sentence)
        run([program(sentence)], Manner())
    environment = case.environment | take_for_queue()
    ended = run([program(case.tool), *case.argv], Manner(environment, case.user), case.stdin)
    return [
        *compare_fields(case.expect, normalised(ended._asdict())),
        *compare("queue", _expected_queue(case), normalised(handed_in())),
    ]


def _expected_queue(case: Case) -> Json:
    """They start qmail-queue before the message comes; one that got no whole envelope queued nothing."""
    expected = case.record.get("expect_queue", {})
    return {"nothing_queued": True} if "envelope_raw" in expected else expected
