"""Owns the check of processes that are left: found wherever they went, ended however fast they fork."""

import contextlib
import os
import subprocess
from collections.abc import Iterator

import pytest

from appliance.local import strays
from tests.support.processes import is_alive
from tests.support.waiting import wait_for


@pytest.fixture
def parent() -> Iterator[int]:
    """A shell with two children, one of which has a child of its own in another session."""
    words = "sleep 300 & setsid sh -c 'sleep 300; :' & wait"
    with subprocess.Popen(["sh", "-c", words], start_new_session=True) as shell:
        wait_for(lambda: len(strays.family(shell.pid)) == 4)
        yield shell.pid
        strays.end_all(lambda: [shell.pid])


def test_a_family_is_all_that_descends_from_a_process(parent: int) -> None:
    family = strays.family(parent)

    assert (4, 2, parent) == (len(family), len(strays.children(parent)), family[0])


def test_all_of_a_family_ends(parent: int) -> None:
    family = strays.family(parent)

    assert 4 == strays.end_all(lambda: [parent])

    wait_for(lambda: not [pid for pid in family if is_alive(pid)])


def test_what_still_forks_ends_as_a_whole() -> None:
    chain = "chain() { [ $1 = 0 ] || { chain $(($1 - 1)) & sleep 300; }; }; chain 500"
    with subprocess.Popen(["sh", "-c", chain], start_new_session=True) as shell:
        wait_for(lambda: len(strays.family(shell.pid)) > 20)
        strays.end_all(lambda: [shell.pid])

    wait_for(lambda: not of_session(shell.pid))


def of_session(leader: int) -> list[int]:
    """The processes of a session that have not ended."""
    found = []
    for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
        with contextlib.suppress(ProcessLookupError):
            if os.getsid(pid) == leader and is_alive(pid):
                found.append(pid)
    return found


def test_the_tasks_of_a_user_are_counted(parent: int) -> None:
    assert strays.tasks_of(os.geteuid()) >= 4
    assert 0 == strays.tasks_of(54330)  # 54329 is another test's, which may run beside this one


def test_a_process_that_is_gone_has_no_children_and_cannot_be_ended() -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()

    assert ([], [ended.pid]) == (strays.children(ended.pid), strays.family(ended.pid))
    assert 1 == strays.end_all(lambda: [ended.pid])
