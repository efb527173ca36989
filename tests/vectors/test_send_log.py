"""Comparing logs of qmail-send: the lines of one message on one channel, in their order."""

from tests.vectors.send_log import compare_logs, is_idle, is_quiet, routes, without_stamps

LOG = b"""\
status: local 0/1 remote 0/1
new msg 1
info msg 1: bytes 2 from <> qp 3 uid 4
starting delivery 1: msg 1 to local a@x.test
status: local 1/1 remote 0/1
starting delivery 2: msg 1 to remote b@y.test
status: local 1/1 remote 1/1
delivery 2: success: ok/
status: local 1/1 remote 0/1
delivery 1: deferral: not_now/
status: local 0/1 remote 0/1
status: exiting
"""


def swapped(first: bytes, second: bytes) -> bytes:
    return LOG.replace(first, b"@@").replace(second, first).replace(b"@@", second)


def test_the_order_of_parallel_deliveries_does_not_count() -> None:
    other = swapped(b"delivery 2: success: ok/", b"delivery 1: deferral: not_now/")

    assert [] == compare_logs("log", LOG, other)


def test_another_outcome_does() -> None:
    (difference,) = compare_logs("log", LOG, LOG.replace(b"not_now", b"later"))

    assert ("log", True) == (difference.field, "later" in difference.got)


def test_another_limit_of_deliveries_does() -> None:
    assert [] != compare_logs("log", LOG, LOG.replace(b"/1 remote", b"/10 remote"))


def test_routes_are_told_in_the_order_of_their_starts() -> None:
    assert [[b"local", b"a@x.test"], [b"remote", b"b@y.test"]] == routes(LOG)


def test_it_is_quiet_when_all_were_tried_and_nothing_is_under_way() -> None:
    lines = LOG.splitlines(keepends=True)

    assert [False, False, False, True] == [is_quiet(b"".join(lines[:count])) for count in (1, 3, 9, 11)]


def test_it_is_idle_before_a_delivery_and_behind_the_last() -> None:
    lines = LOG.splitlines(keepends=True)

    assert [False, True, False, False, True] == [
        is_idle(b"".join(lines[:count])) for count in (0, 3, 5, 9, 11)
    ]


def test_our_stamps_are_no_part_of_the_lines() -> None:
    assert b"new msg 1\n" == without_stamps(b"2026-11-23T01:02:03.456Z send: new msg 1\n")
