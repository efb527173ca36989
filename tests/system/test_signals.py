"""Owns the tests of signals as a loop sees them."""

import os
import select
import signal
from collections.abc import Iterator

import pytest

from appliance.system.signals import Signals

NUMBERS = (signal.SIGHUP, signal.SIGTERM, signal.SIGINT)


@pytest.fixture
def signals() -> Iterator[Signals]:
    """This process's, which are afterwards as they were."""
    before = {number: signal.getsignal(number) for number in NUMBERS}
    signals = Signals()
    yield signals
    signals.close()
    for number, disposition in before.items():
        signal.signal(number, disposition)


def woken(signals: Signals) -> bool:
    """Whether select sees something within so long as a signal may take."""
    return bool(select.select([signals.reader], [], [], 30)[0])


def test_hup_wakes_the_loop_and_is_taken_once(signals: Signals) -> None:
    os.kill(os.getpid(), signal.SIGHUP)

    assert woken(signals)
    signals.drain()
    assert [True, False] == [signals.take_hang_up(), signals.take_hang_up()]
    assert not signals.terminate
    assert [] == select.select([signals.reader], [], [], 0)[0]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_term_and_ctrl_c_ask_for_the_end(signals: Signals, number: int) -> None:
    os.kill(os.getpid(), number)

    assert woken(signals)
    assert (True, False) == (signals.terminate, signals.take_hang_up())
