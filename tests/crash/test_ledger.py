"""The ledger's judgement: what is lost, and which second copy a kill explains."""

from collections import Counter

import pytest

from tests.crash.ledger import Kill, Ledger, seconds, tries_of

ALICE, SENDER = "alice-1@example.test", "sender-1@example.test"
STARTING = (
    "2026-11-22T10:00:00.000Z send: starting delivery 1: msg 5 to local example.test-alice-1@example.test"
)
STAMP = "2026-11-22T10:00:01.000Z"
SUCCESS = f"{STAMP} send: delivery 1: success: did_1+0+0/"
CUT_OFF = f"{STAMP} send: delivery 1: deferral: The_delivery_was_cut_off_before_it_was_reported._(#4.3.0)/"
LATER = f"{STAMP} send: delivery 1: deferral: not_now._(#4.3.0)/"


def ledger(copies: int) -> Ledger:
    return Ledger(accepted={ALICE: SENDER}, arrived=Counter({ALICE: copies}))


def test_a_promised_recipient_without_a_copy_or_a_bounce_is_lost() -> None:
    assert [ALICE] == ledger(0).missing()


def test_a_recipient_whom_a_bounce_names_is_not_lost() -> None:
    bounced = ledger(0)
    bounced.bounced[SENDER].add(ALICE)

    assert [] == bounced.missing()


@pytest.mark.parametrize(
    ("log", "unexplained"),
    [
        ([STARTING, SUCCESS], [ALICE]),
        ([STARTING, LATER, STARTING, SUCCESS], [ALICE]),
        ([STARTING, CUT_OFF, STARTING, SUCCESS], []),
        ([STARTING, STARTING, SUCCESS], []),  # the first was another send's
        ([STARTING], []),
        ([], [ALICE]),
    ],
)
def test_a_second_copy_needs_a_delivery_that_was_cut_off(log: list[str], unexplained: list[str]) -> None:
    assert unexplained == ledger(2).unexplained("\n".join(log), [])


@pytest.mark.parametrize(("later", "cut_off"), [(-1.0, 0), (0.1, 1), (2.0, 0)])
def test_a_report_within_a_turn_before_sends_end_may_be_unwritten(later: float, cut_off: int) -> None:
    kill = Kill(seconds(STAMP) + later, "send")

    tries = tries_of(f"{STARTING}\n{SUCCESS}\n", [kill])

    assert cut_off == tries[ALICE].cut_off


def test_a_bounce_that_was_promised_twice_needs_a_killed_send() -> None:
    twice = Ledger(accepted={ALICE: SENDER}, arrived=Counter({SENDER: 2}))
    starts = STARTING.replace("alice-1", "sender-1")
    log = "\n".join([starts, SUCCESS, starts.replace("msg 5", "msg 6"), SUCCESS])

    assert [SENDER] == twice.unexplained(log, [])
    assert [] == twice.unexplained(log, [Kill(0, "send")])
