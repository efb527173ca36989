"""Owns the play of failing disks and full tables of descriptors: each fault once, then the sums.

Every system call that a script makes fails once with each error that it may give, and from each on which a
disk may be full, read-only or dead the disk stays so until the script's end.
"""

import os
import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager
from functools import partial
from multiprocessing import get_context
from typing import NamedTuple, Protocol

from appliance.queue import census, layout
from tests.crash.daemon import Daemon
from tests.crash.errors import Fault, Injector, faults_of
from tests.crash.faulty_delivery import delivering
from tests.crash.faulty_relay import relaying
from tests.crash.faulty_send import SPLIT, sending
from tests.crash.launcher import Launcher


class Script(Protocol):
    """A daemon that is put through everything it does."""

    daemon: Daemon
    injector: Injector

    def play(self) -> None:
        """What may meet a fault."""

    def finish(self) -> None:
        """What must work once the fault is gone."""

    def complaints(self) -> Iterator[str]:
        """What is wrong after all."""


class Part(NamedTuple):
    """A daemon, its script in a folder of its own, and which files of the folder are watched."""

    name: str
    script: Callable[[Launcher, Callable[[str], Injector]], AbstractContextManager[Script]]
    folder: str = ""


PARTS = (Part("send", sending, "/queue"), Part("lspawn", delivering), Part("rspawn", relaying))


def faults_in(part: Part, launcher: Launcher) -> list[Fault]:
    """Play the script without a fault: the faults that it can meet."""
    with part.script(launcher, lambda name: Injector(name + part.folder)) as running:
        running.play()
        calls = len(running.injector.calls)
        running.finish()
        assert not list(running.complaints()), list(running.complaints())
        return faults_of(running.injector.calls[:calls])


def play(part: Part, launcher: Launcher, fault: Fault) -> list[str]:
    """Play it with one: what is wrong afterwards, each with the call that failed first."""
    with part.script(launcher, lambda name: Injector(name + part.folder, fault)) as running:
        try:
            running.play()
            running.finish()
            complaints = list(running.complaints())
        except AssertionError as error:
            complaints = [str(error)]
        failed = running.injector.failed
        where = f"{failed[0][1].name} {failed[0][1].path}" if failed else "never"
        log = [running.daemon.log] if complaints else []
        return [f"{part.name}: {fault} ({where}): {complaint}" for complaint in complaints] + log


def run(seed: int, share: float = 1.0) -> int:
    """Play every fault, or a share of them, and print the sums; 1 if one is not good."""
    played = bad = 0
    began, draw = time.monotonic(), random.Random(seed)
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn"), _prepare) as pool:
        for part in PARTS:
            faults = pool.submit(_faults_in, part).result()
            chosen = sorted(draw.sample(faults, round(len(faults) * share)))
            print(f"{part.name}: {len(faults)} faults, {len(chosen)} of them are played", flush=True)
            for count, complaints in enumerate(pool.map(partial(_play, part), chosen), 1):
                played, bad = played + 1, bad + bool(complaints)
                print(*complaints, sep="\n", end="\n" if complaints else "", flush=True)
                if count % 250 == 0:
                    print(f"{part.name}: {count} played, bad {bad}", flush=True)
    print(f"faults = {played}, bad = {bad} ({time.monotonic() - began:.0f} s)")
    return 1 if bad else 0


_launchers: list[Launcher] = []
"""One in each process of the pool; it ends with the process."""


def _prepare() -> None:
    for module in (layout, census):
        module.SPLIT = SPLIT  # type: ignore[attr-defined]
    _launchers.append(Launcher())


def _faults_in(part: Part) -> list[Fault]:
    return faults_in(part, _launchers[0])


def _play(part: Part, fault: Fault) -> list[str]:
    return play(part, _launchers[0], fault)
