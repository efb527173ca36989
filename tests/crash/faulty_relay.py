"""Owns the play of rspawn on a disk that fails: messages to a next hop, one fault in them."""

import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.crash.errors import Injector
from tests.crash.launcher import Launcher
from tests.crash.prefixes import MEMORY
from tests.crash.spawning import LARGE, SMALL, Spawning
from tests.support.nexthop import NextHop

JOE, ANN = "joe@far.test", "ann@far.test"


class Relaying(Spawning):
    """An rspawn with one next hop."""

    ends = (111, -signal.SIGABRT)  # libuv's own end, without a descriptor for its pipe
    plan = ((SMALL, [JOE]), (LARGE, [JOE]), (SMALL, [JOE, ANN]))

    def __init__(self, launcher: Launcher, home: Path, injector: Injector, sink: NextHop) -> None:
        super().__init__(launcher, "rspawn", home, injector)
        self.daemon.constants = {"appliance.remote.rspawn.REREAD_S": 0.05}
        self._sink = sink
        for name in ("control", "run", "queue"):
            (home / name).mkdir()
        (home / "control" / "me").write_text("h.test\n")
        (home / "control" / "smtproutes").write_text(f"far.test:127.0.0.1:{sink.port}\n")

    def complaints(self) -> Iterator[str]:
        """What is wrong after all."""
        yield from super().complaints()
        for name in (JOE, ANN):
            taken = [one for one in self._sink.messages if name.encode() in one.recipients]
            yield from self.wrong([one.body.replace(b"\r\n", b"\n") for one in taken], name)


@contextmanager
def relaying(launcher: Launcher, injector_of: Callable[[str], Injector]) -> Iterator[Relaying]:
    """A home in memory with an rspawn that has not been started."""
    name = tempfile.mkdtemp(dir=MEMORY if MEMORY.is_dir() else None)
    home = Path(name)
    try:
        home.chmod(0o755)
        with NextHop() as sink:
            running = Relaying(launcher, home, injector_of(name), sink)
            try:
                yield running
            finally:
                running.close()
    finally:
        shutil.rmtree(name)
