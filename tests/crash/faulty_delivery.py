"""Owns the play of lspawn and its workers on a disk that fails: every kind of delivery, one fault in them."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from appliance.formats.assign import compile_assign
from tests.crash.errors import Injector
from tests.crash.launcher import Launcher
from tests.crash.prefixes import MEMORY
from tests.crash.spawning import LARGE, SMALL, Spawning
from tests.support.mailroom import SOMEBODY, QueueEnd, make_maildir, own, queue_end

DOT_QMAIL = {"box": "./box\n", "fwd": "&joe@far.test\n", "prog": "|cat >> printed\n"}
ALICE, BOX, FORWARD, PROGRAM = "alice@h.test", "alice-box@h.test", "alice-fwd@h.test", "alice-prog@h.test"


class Delivering(Spawning):
    """An lspawn with a user who has a Maildir, an mbox, a forward and a program."""

    plan = (
        (SMALL, [ALICE]),
        (LARGE, [ALICE]),
        (SMALL, [ALICE, ALICE, ALICE]),
        (SMALL, [BOX, FORWARD, PROGRAM]),
    )

    def __init__(self, launcher: Launcher, home: Path, injector: Injector, queue: QueueEnd) -> None:
        super().__init__(launcher, "lspawn", home, injector)
        self._queue = queue
        for name in ("control", "users", "alias"):
            (home / name).mkdir()
        (home / "control" / "me").write_text("h.test\n")
        make_maildir(home / "alice" / "Maildir")
        for name, text in DOT_QMAIL.items():
            (home / "alice" / f".qmail-{name}").write_text(text)
        (home / "alice").chmod(0o700)
        own(home / "alice", SOMEBODY)
        uid, gid = SOMEBODY if os.geteuid() == 0 else (os.geteuid(), os.getegid())
        alice = f"alice:{uid}:{gid}:{home}/alice"
        lines = f"=alice:{alice}:::\n+alice-:{alice}:-::\n.\n"
        (home / "users" / "cdb").write_bytes(compile_assign(lines.encode()))

    def complaints(self) -> Iterator[str]:
        """What is wrong after all."""
        yield from super().complaints()
        alice = self.home / "alice"
        yield from self.wrong([path.read_bytes() for path in (alice / "Maildir" / "new").iterdir()], ALICE)
        box = (alice / "box").read_bytes() if (alice / "box").exists() else b""
        # As with qmail-local a half stays in an mbox that is read-only before it can be cut off.
        yield from self.wrong(box.split(b"From ")[1:], BOX, may_be_torn=self.injector.lasts)
        yield from self.wrong([body for _, body in self._queue.taken], FORWARD)


@contextmanager
def delivering(launcher: Launcher, injector_of: Callable[[str], Injector]) -> Iterator[Delivering]:
    """A home in memory with an lspawn that has not been started."""
    name = tempfile.mkdtemp(dir=MEMORY if MEMORY.is_dir() else None)
    home = Path(name)
    try:
        home.chmod(0o755)
        (home / "run").mkdir()
        with queue_end(home / "run" / "queue.sock") as queue:
            running = Delivering(launcher, home, injector_of(name), queue)
            try:
                yield running
            finally:
                running.close()
    finally:
        shutil.rmtree(name)
