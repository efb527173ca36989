"""Owns the play of a full table of descriptors: each daemon in turn can open nothing, and then can again."""

import contextlib
import os
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.crash.customer import Customer, is_in_order
from tests.crash.kills import CONFIG
from tests.support.nexthop import NextHop
from tests.support.site import ALWAYS, Site, site
from tests.support.waiting import wait_for

WHILE_S = 1.5
MOST_BUSY = 0.5
"""The share of that time that a daemon may spend on the processor: one that turns idly takes all of it."""
_TICKS = os.sysconf("SC_CLK_TCK")


@contextmanager
def full_table(pids: list[int]) -> Iterator[None]:
    """While it lasts, these processes get no new descriptor."""
    for pid in pids:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has ended since
            taken = {int(name) for name in os.listdir(f"/proc/{pid}/fd")}
            _limit(pid, next(number for number in range(len(taken) + 1) if number not in taken))
    try:
        yield
    finally:
        for pid in pids:
            _limit(pid, None)


def _limit(pid: int, most: int | None) -> None:
    """Let a process have so many descriptors, None: as many as ever. Only its own user may say so."""
    child = os.fork()
    if not child:
        code = 1
        try:
            words = Path(f"/proc/{pid}/status").read_text().split()
            uid, gid = (int(words[words.index(name) + 1]) for name in ("Uid:", "Gid:"))
            if os.geteuid() == 0:
                os.setresgid(gid, gid, gid)
                os.setresuid(uid, uid, uid)
            _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (hard if most is None else most, hard))
            code = 0
        except (FileNotFoundError, ProcessLookupError):
            code = 0  # it has ended since
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0, f"the limit of process {pid} cannot be set"


def seconds_on_processor(pids: list[int]) -> dict[int, float]:
    """Of each process that still lives, user and system."""
    spent: dict[int, float] = {}
    for pid in pids:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            spent[pid] = (int(fields[11]) + int(fields[12])) / _TICKS
    return spent


def play(running: Site, customer: Customer, name: str) -> Iterator[str]:
    """One daemon without descriptors; what is wrong then or afterwards."""
    before = running.daemons()[name]
    began = seconds_on_processor(before)
    with full_table(before):
        end = time.monotonic() + WHILE_S
        while time.monotonic() < end:
            if (said := customer.hand_in(0.5)).startswith("5"):
                yield f"{name}: a message is refused for good: {said}"
            customer.fetch(0.5)
    for pid, seconds in seconds_on_processor(before).items():
        if seconds - began[pid] > MOST_BUSY * WHILE_S:
            yield f"{name}: process {pid} took {seconds - began[pid]:.1f} s of the processor meanwhile"
    try:
        wait_for(lambda: not (customer.hand_in(5.0) or customer.fetch(5.0)))
    except AssertionError:
        yield f"{name}: afterwards: {customer.hand_in(5.0)} {customer.fetch(5.0)}"


def run() -> int:
    """Play every daemon and print the sums; 1 if one is bad."""
    bad = 0
    with NextHop() as sink, site(CONFIG.format(port=sink.port)) as running:
        running.up()
        customer = Customer(running, sink)
        for name in ALWAYS:
            complaints = list(play(running, customer, name))
            bad += bool(complaints)
            print(*complaints, sep="\n", end="\n" if complaints else "", flush=True)
        bad += not is_in_order(running, customer)
        print(f"full tables of descriptors = {len(ALWAYS)}, bad = {bad}", flush=True)
        return 1 if bad else 0
