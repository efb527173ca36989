"""Owns the tests of reading what py-spy saw."""

from tests.bench import profile

RAW = "main (send.py:9);turn (send.py:20);write (log.py:5) 6\nmain (send.py:9);turn (send.py:21) 2\n"


def test_a_function_counts_itself_and_what_it_calls() -> None:
    samples = profile.parse_stacks(RAW)

    assert 8 == samples.total
    assert {"write (log.py)": 6, "turn (send.py)": 2} == samples.itself
    assert {"main (send.py)": 8, "turn (send.py)": 8, "write (log.py)": 6} == samples.on_stack
    assert {"write (log.py:5)": 6, "turn (send.py:21)": 2} == samples.lines


def test_a_function_that_calls_itself_is_on_the_stack_once() -> None:
    samples = profile.parse_stacks("walk (a.py:1);walk (a.py:2) 3\n")

    assert {"walk (a.py)": 3} == samples.on_stack


def test_a_process_that_only_waited_has_empty_tables() -> None:
    assert "0.0" not in profile.format_samples(profile.parse_stacks(""))
