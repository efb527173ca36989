"""Owns the tests of the programs qmail-tcpto and qmail-tcpok."""

import time
from pathlib import Path

import pytest

from appliance.admin import tcpto as programs
from appliance.formats import tcpto
from appliance.queue.layout import prepare
from appliance.queue.timeouts import prepare_timeouts
from appliance.remote.tcpto import Timeouts
from appliance.system import privileges


@pytest.fixture
def lock(open_folder: Path) -> Path:
    """The folder of the tables, as send makes it."""
    prepare(open_folder / "queue", privileges.identity_of("qmailq"))
    prepare_timeouts(open_folder / "queue")
    return open_folder / "queue" / "lock"


@pytest.fixture
def environ(lock: Path) -> dict[str, str]:
    return {"TOASTER_HOME": str(lock.parent.parent)}


def test_the_hosts_that_timed_out_are_printed_and_forgotten(
    lock: Path,
    environ: dict[str, str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(time, "time", lambda: 1_000_121.5)
    timeouts = Timeouts(lock)
    for host, when in (("192.0.2.1", 1_000_000), ("192.0.2.1", 1_000_120), ("2001:db8::1", 1_000_000)):
        timeouts.timed_out(host, when)

    assert 0 == programs.main([], environ)
    assert (
        "192.0.2.1 timed out 1 seconds ago; # recent timeouts: 2\n"
        "2001:db8::1 timed out 121 seconds ago; # recent timeouts: 1\n"
    ) == capsys.readouterr().out

    assert not timeouts.may_try("192.0.2.1", 1_000_121)
    assert 0 == programs.ok([], environ)
    assert timeouts.may_try("192.0.2.1", 1_000_121)
    assert (0, ("", "")) == (programs.main([], environ), capsys.readouterr())


def test_a_table_that_has_grown_is_as_short_again(lock: Path, environ: dict[str, str]) -> None:
    table = lock / "tcpto"
    table.write_bytes(bytes(5000))

    programs.ok([], environ)

    assert tcpto.empty_table(4) == table.read_bytes()


def test_the_queue_of_a_real_qmail_has_no_table_for_ipv6(lock: Path, environ: dict[str, str]) -> None:
    (lock / "tcpto6").unlink()

    assert (0, 0) == (programs.main([], environ), programs.ok([], environ))


def test_without_a_table_both_say_so(open_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    environ = {"TOASTER_HOME": str(open_folder)}

    assert (111, 111) == (programs.main([], environ), programs.ok([], environ))
    assert [
        "fatal: unable to open tcpto: file does not exist",
        f"qmail-tcpok: fatal: unable to write {open_folder}/queue/lock/tcpto: file does not exist",
    ] == capsys.readouterr().err.splitlines()
