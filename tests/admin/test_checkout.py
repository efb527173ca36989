"""Owns the tests of where an appliance lies that is started from a checkout."""

import subprocess
import sys
from pathlib import Path

from appliance.admin import checkout
from appliance.system.place import Place


def test_all_of_it_lies_in_one_folder_of_the_checkout() -> None:
    place = Place.from_environ(checkout.completed({}, Path("/src/toaster")))

    assert Path("/src/toaster/.run/qmail") == place.home
    assert Path("/src/toaster/.run/mail") == place.mail
    assert Path("/src/toaster/.run/state") == place.state
    assert Path("/src/toaster/config.yaml") == place.config


def test_it_listens_on_loopback_above_port_2000_unless_told_otherwise() -> None:
    told = checkout.completed({"PORT_BASE": "3000"})
    untold = checkout.completed({"PORT_BASE": ""})

    assert ("127.0.0.1", "3000") == (told["TOASTER_BIND"], told["PORT_BASE"])
    assert untold["PORT_BASE"] == "2000"


def test_what_the_environment_says_is_kept() -> None:
    environment = checkout.completed({"TOASTER_HOME": "/h", "LANG": "C"}, Path("/src"))

    assert ("/h", "/h/run", "C") == tuple(environment[n] for n in ("TOASTER_HOME", "TOASTER_RUN", "LANG"))


def test_a_container_keeps_its_environment() -> None:
    assert {"TOASTER_CONTAINER": "yes"} == checkout.completed({"TOASTER_CONTAINER": "yes"})


def test_sockets_go_to_a_short_folder_where_their_path_would_be_too_long() -> None:
    deep = Path("/deep") / ("d" * 70)

    run = Path(checkout.completed({}, deep)["TOASTER_RUN"])

    assert len(f"{run}/supervisor.sock.4194304") <= 107
    assert run == Path(checkout.completed({}, deep)["TOASTER_RUN"])
    assert run != Path(checkout.completed({}, deep / "other")["TOASTER_RUN"])


def test_the_command_carries_the_environment_of_its_appliance(tmp_path: Path) -> None:
    environment = checkout.completed({"TOASTER_HOME": f"{tmp_path}/it's here"})
    script = tmp_path / "toaster"
    probe = checkout.command(environment).replace("-m appliance toaster", "-c 'import os; print(os.environ)'")
    script.write_text(probe)

    told = subprocess.run(["sh", script], capture_output=True, text=True, check=True, env={}).stdout

    assert f"{tmp_path}/it's here" in told
    assert sys.executable in probe
