"""Owns the playing of all dialogues against all daemons in a folder, over their sockets."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.system.privileges import is_root
from tests.support import dialogue
from tests.support.certificate import self_signed
from tests.support.site import POP3, POP3S, QMQP, QMTP, SMTP, SUBMISSION, SUBMISSIONS, Site, site
from tests.support.stage import Stage

pytestmark = pytest.mark.timeout(600)  # the first one waits until all are played

PORTS = {
    "smtp": SMTP,
    "submission": SUBMISSION,
    "submissions": SUBMISSIONS,
    "pop3": POP3,
    "pop3s": POP3S,
    "qmtp": QMTP,
    "qmqp": QMQP,
}
PLAYED = [path for path in dialogue.dialogues() if not dialogue.read(path).alone]


class InAFolder:
    """A site as the stage wants an appliance."""

    source = "127.0.0.2"  # the health check comes from 127.0.0.1

    def __init__(self, own: Site) -> None:
        self._site = own
        self.home, self.mail = str(own.place.home), str(own.place.mail)

    def address(self, listener: str) -> tuple[str, int]:
        return "127.0.0.1", self._site.port(PORTS[listener])

    def apply(self, config: str) -> None:
        (self._site.folder / "config.yaml").write_text(config)
        if self._site.running is None:
            self._site.up()
        else:
            self._site.toaster("apply")

    def shell(self, command: str, given: bytes = b"", *, owner: bool = False) -> bytes:
        path = f"{self.home}/bin:{self._site.environ['PATH']}"
        return subprocess.run(
            ["sh", "-c", command],
            env={**self._site.environ, "PATH": path},
            input=given,
            capture_output=True,
            check=True,
            timeout=120,
            user=5000 if owner and is_root() else None,
        ).stdout

    @property
    def log(self) -> str:
        return self._site.log


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with site() as own:
        certificate = self_signed(own.folder / "mx.pem", "mx.lab.test")
        if is_root():
            shutil.chown(certificate, "root")
        new = Stage(InAFolder(own), str(certificate))
        new.play(PLAYED)
        yield new


@pytest.mark.parametrize("path", PLAYED, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_dialogue(stage: Stage, path: Path) -> None:
    assert "" == stage.faults[path]


def test_nothing_is_in_the_queue_of_which_no_client_was_told(stage: Stage) -> None:
    assert set() == stage.smuggled()
