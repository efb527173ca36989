"""Some of the faults of `make crash FAULTS=1`, spread over each daemon's script, and the judges of calls."""

from collections.abc import Iterator

import pytest

from appliance.queue import census, layout
from tests.crash.door import Call
from tests.crash.errors import EIO, EMFILE, ENOSPC, EROFS, Fault, Injector, errors_of, faults_of, is_met
from tests.crash.faults import PARTS, Part, faults_in, play
from tests.crash.faulty_send import SPLIT
from tests.crash.launcher import Launcher

PLAYED = {"send": 20, "lspawn": 12, "rspawn": 8}
READ, CREATE = Call("openat", "/q/a"), Call("openat", "/q/a", 0o101)


@pytest.fixture(scope="module")
def launcher() -> Iterator[Launcher]:
    with Launcher() as started, pytest.MonkeyPatch.context() as patch:
        for module in (layout, census):
            patch.setattr(module, "SPLIT", SPLIT)
        if not started.has_door:
            pytest.skip("this kernel does not let us answer system calls (seccomp, Linux 5.5)")
        yield started


@pytest.mark.parametrize("part", PARTS, ids=[part.name for part in PARTS])
def test_a_daemon_outlives_faults_and_loses_nothing(launcher: Launcher, part: Part) -> None:
    faults = faults_in(part, launcher)

    for fault in faults[:: len(faults) // PLAYED[part.name]]:
        assert [] == play(part, launcher, fault)


def test_a_call_gets_the_errors_that_it_may_give() -> None:
    assert (EIO, EMFILE) == errors_of(READ)
    assert {ENOSPC, EIO, EROFS, EMFILE} == set(errors_of(CREATE))
    assert not is_met(READ, EROFS)
    assert is_met(CREATE, ENOSPC)
    assert not is_met(Call("fsync", "/q/a"), ENOSPC)
    assert is_met(READ, EIO)
    assert not is_met(Call("socket", ""), EIO)


def test_a_fault_meets_the_first_call_that_can_give_it_and_no_other() -> None:
    injector = Injector("/q", Fault(2, ENOSPC, False))

    assert [0, 0, ENOSPC, 0] == [injector(call) for call in (CREATE, READ, CREATE, CREATE)]
    assert 0 == injector(Call("openat", "/elsewhere"))


def test_a_full_disk_stays_full_until_the_fault_is_gone() -> None:
    injector = Injector("/q", Fault(1, ENOSPC, True))

    assert [ENOSPC, 0, ENOSPC] == [injector(call) for call in (CREATE, READ, CREATE)]
    injector.is_over = True
    assert 0 == injector(CREATE)


def test_what_is_looked_at_again_and_again_fails_thrice_at_most() -> None:
    assert 6 == len(faults_of([READ] * 10))


def test_a_file_that_is_synced_again_after_a_failure_is_told() -> None:
    injector = Injector("/q", Fault(1, EIO, False))
    for name in ("fsync", "fsync"):
        injector(Call(name, "/q/a"))
    assert ["/q/a"] == injector.synced_again()

    mended = Injector("/q", Fault(1, EIO, False))
    for name in ("fsync", "ftruncate", "fsync"):
        mended(Call(name, "/q/a"))
    assert [] == mended.synced_again()
