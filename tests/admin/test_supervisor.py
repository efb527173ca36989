"""Owns the tests of what is asked of supervisor: with a real one, and stand-ins for the daemons."""

from pathlib import Path

import pytest

from appliance.admin.supervisor import (
    Program,
    Refusal,
    Unreachable,
    answers,
    life,
    programs,
    read_again,
    settled,
    signal,
    start,
    states,
    stop,
    take_up,
)
from appliance.formats.outcome import Temporary
from appliance.system.place import Place
from tests.support.configs import place_in
from tests.support.supervised import configure, notes_of, supervised
from tests.support.waiting import wait_for


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return place_in(tmp_path)


@pytest.mark.parametrize(
    ("name", "state", "well"),
    [
        ("send", "RUNNING", True),
        ("send", "EXITED", False),
        ("send", "STARTING", False),
        ("checklist", "EXITED", True),
        ("checklist", "RUNNING", True),
        ("checklist", "FATAL", False),
    ],
)
def test_a_daemon_runs_and_the_checklist_ends(name: str, state: str, well: bool) -> None:
    assert well == Program(name, state, "").is_well


def test_without_supervisor_nobody_answers(place: Place) -> None:
    assert not answers(place)


def test_nobody_to_ask_is_a_temporary_failure(place: Place) -> None:
    with pytest.raises(Temporary, match="supervisor: "):
        programs(place)


def test_daemons_are_told_to_read_again_and_changes_are_taken_up(place: Place) -> None:
    with supervised(place, ["send", "smtpd", "pop3d"]):
        running = {program.name: program.state for program in programs(place)}
        told = read_again(place)
        wait_for(lambda: "HUP" in notes_of(place, "send") and "HUP" in notes_of(place, "smtpd"))
        configure(place, ["send", "smtpd", "popup"])
        words = take_up(place)

        assert {"send": "RUNNING", "smtpd": "RUNNING", "pop3d": "RUNNING"} == running
        assert (["send", "smtpd"], ["started"]) == (told, notes_of(place, "pop3d"))
        assert {"pop3d: removed process group", "popup: added process group"} <= set(words)
        assert ["started", "HUP"] == notes_of(place, "send")


def test_a_program_is_started_stopped_and_signalled(place: Place) -> None:
    with supervised(place, ["send"]):
        began = settled(place, "send")
        with pytest.raises(Refusal, match="supervisor: ALREADY_STARTED: send"):
            start(place, "send")
        signal(place, "send", "HUP")
        wait_for(lambda: "HUP" in notes_of(place, "send"))
        stop(place, "send")
        ended = settled(place, "send")
        with pytest.raises(Refusal, match="supervisor: NOT_RUNNING: send"):
            signal(place, "send", "HUP")
        start(place, "send")
        again = settled(place, "send")

    assert ("RUNNING", "STOPPED", 0, "RUNNING") == (began.state, ended.state, ended.pid, again.state)
    assert 0 < began.since <= ended.since <= again.since
    assert 0 != began.pid != again.pid


def test_nobody_is_told_from_no_such_program(place: Place) -> None:
    with pytest.raises(Unreachable, match="supervisor: No such file or directory"):
        life(place, "send")
    with supervised(place, ["send"]), pytest.raises(Refusal, match="supervisor: BAD_NAME: smtpd"):
        life(place, "smtpd")


def test_states_are_for_programs() -> None:
    assert [{"name": "a", "state": "B", "remark": "c"}] == states([Program("a", "B", "c")])
