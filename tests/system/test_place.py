"""Owns the proof of system/place: where things lie, by the environment."""

from pathlib import Path

import pytest

from appliance.system.place import Place


def test_without_an_environment_the_places_are_those_of_the_container() -> None:
    place = Place.from_environ({})

    assert Path("/var/qmail") == place.home
    assert Path("/mail") == place.mail
    assert Path("/var/lib/toaster") == place.state
    assert Path("/var/qmail/run") == place.run
    assert Path("/etc/toaster/config.yaml") == place.config
    assert Path("/etc/aliases") == place.aliases


def test_an_empty_variable_counts_as_unset() -> None:
    names = [f"TOASTER_{field.upper()}" for field in Place._fields]

    assert Place.from_environ({}) == Place.from_environ(dict.fromkeys(names, ""))


@pytest.mark.parametrize("field", Place._fields)
def test_each_place_can_be_moved_alone(field: str) -> None:
    place = Place.from_environ({f"TOASTER_{field.upper()}": "/elsewhere"})

    assert Path("/elsewhere") == getattr(place, field)


def test_what_lies_in_the_home_moves_with_it() -> None:
    place = Place.from_environ({"TOASTER_HOME": "/h"})

    assert Path("/h/control") == place.control
    assert Path("/h/users") == place.users
    assert Path("/h/alias") == place.alias
    assert Path("/h/rules") == place.rules
    assert Path("/h/queue") == place.queue
    assert Path("/h/run/send.down") == place.send_down
    assert Path("/h/passwords") == place.passwords
    assert Path("/h/run") == place.run


def test_a_station_s_socket_has_its_name() -> None:
    place = Place.from_environ({"TOASTER_RUN": "/r"})

    assert Path("/r/queue.sock") == place.socket("queue")
