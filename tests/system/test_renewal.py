"""Owns the tests of seeing that certificates change."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.system import certificates
from appliance.system.control import Control
from appliance.system.keyfiles import pairs_of
from appliance.system.place import Place
from appliance.system.renewal import Changes, Renewal
from tests.support.certificate import self_signed, split
from tests.support.processes import is_alive
from tests.support.sources import CHECKOUT
from tests.support.waiting import wait_for


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setenv("TOASTER_HOME", str(tmp_path))
    found = Place.from_environ(os.environ)
    found.control.mkdir()
    found.run.mkdir()
    (found.control / "me").write_text("mx.test\n")
    name_files(found)
    issue(found, "first.test")
    certificates.install(found, pairs_of(Control(found.control)), time.time())
    return found


def name_files(place: Place) -> None:
    (place.control / "servercert").write_text(f"{place.home}/live/fullchain.pem\n")
    (place.control / "serverkey").write_text(f"{place.home}/live/privkey.pem\n")


def issue(place: Place, name: str) -> None:
    """Make a pair and have live/ lead to it, as certbot does."""
    folder = place.home / f"archive-{name}"
    folder.mkdir()
    split(self_signed(folder / "both.pem", "mx.test", name, days=90), folder)
    live = place.home / "live"
    live.mkdir(exist_ok=True)
    for file in ("fullchain.pem", "privkey.pem"):
        link = live / f"{file}.new"
        link.symlink_to(folder / file)
        link.rename(live / file)


def shown(place: Place) -> list[str]:
    return [certificate.names[-1] for certificate in certificates.in_use(place)]


def looks(changes: Changes, count: int) -> list[bool]:
    return [changes.are_due() for _ in range(count)]


@pytest.fixture
def changes(place: Place) -> Changes:
    """What has seen the files as they are."""
    found = Changes(place)
    assert [False, True, False] == looks(found, 3)
    return found


def test_a_pair_that_has_changed_is_due_once_it_is_at_rest(place: Place, changes: Changes) -> None:
    issue(place, "second.test")
    assert [False] == looks(changes, 1)
    issue(place, "third.test")
    assert [False, True, False] == looks(changes, 3)


def test_a_pair_that_is_bad_is_due_once_and_so_is_the_next(place: Place, changes: Changes) -> None:
    (place.home / "live" / "privkey.pem").unlink()
    assert [False, True, False, False] == looks(changes, 4)
    issue(place, "second.test")
    assert [False, True, False, False] == looks(changes, 4)


def test_other_files_in_control_are_due_too(place: Place, changes: Changes) -> None:
    own = self_signed(place.home / "own.pem", "own.test")
    (place.control / "servercert").write_text(f"{own}\n")

    assert [False, True, False] == looks(changes, 3)


def test_a_control_file_that_cannot_be_read_now_is_no_end(place: Place, changes: Changes) -> None:
    (place.control / "servercert").unlink()
    (place.control / "servercert").mkdir()
    assert [False, True, False] == looks(changes, 3)

    (place.control / "servercert").rmdir()
    name_files(place)
    assert [False, True, False] == looks(changes, 3)


def test_each_day_is_a_reason_of_its_own(changes: Changes, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = time.monotonic()

    monkeypatch.setattr(time, "monotonic", lambda: begun + 86000)
    assert [False] == looks(changes, 1)
    monkeypatch.setattr(time, "monotonic", lambda: begun + 86500)
    assert [True, False] == looks(changes, 2)


def children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def descriptors(pid: str) -> Iterator[str]:
    """What they lead to; some are closed while we look."""
    for path in Path("/proc", pid, "fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            yield os.readlink(path)


DAEMON = """
import os, socket, sys, time
from appliance.system.place import Place
from appliance.system.renewal import Renewal
kept = socket.socketpair()
renewal = Renewal(Place.from_environ(os.environ))
renewal.start()
renewal.start()
time.sleep(600)
"""


def test_it_is_one_process_without_a_socket_that_ends_with_its_daemon(place: Place) -> None:
    daemon = subprocess.Popen([sys.executable, "-c", DAEMON], cwd=CHECKOUT)
    try:
        wait_for(lambda: children(daemon.pid))
        issue(place, "second.test")
        wait_for(lambda: ["second.test"] == shown(place))
        [child] = children(daemon.pid)
        open_in_it = list(descriptors(child))
    finally:
        daemon.kill()
        daemon.wait()

    assert not [link for link in open_in_it if link.startswith("socket:")]
    wait_for(lambda: not is_alive(int(child)))


def test_without_a_certificate_there_is_no_process(place: Place) -> None:
    (place.control / "servercert").unlink()
    before = children(os.getpid())

    Renewal(place).start()

    assert {*before} >= {*children(os.getpid())}


def test_who_watches_has_no_openssl_in_memory() -> None:
    asked = "import sys, appliance.local.lspawn; sys.exit('ssl' in sys.modules)"

    assert 0 == subprocess.run([sys.executable, "-c", asked], cwd=CHECKOUT, check=False).returncode
