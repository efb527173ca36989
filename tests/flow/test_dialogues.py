"""Owns the playing of all dialogues against the container, over its published ports."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import dialogue
from tests.support.certificate import self_signed
from tests.support.container import Container, running
from tests.support.stage import Stage

PLAYED = [path for path in dialogue.dialogues() if not dialogue.read(path).alone]


class InAContainer:
    """A container as the stage wants an appliance."""

    source = ""
    home, mail = "/var/qmail", "/mail"

    def __init__(self, container: Container) -> None:
        self._container = container
        self._is_up = False

    def address(self, listener: str) -> tuple[str, int]:
        return "127.0.0.1", self._container.ports[listener.upper()]

    def apply(self, config: str) -> None:
        (self._container.folder / "config.yaml").write_text(config)
        if self._is_up:
            self._container.run("toaster", "apply")
        else:
            self._container.up()
            self._is_up = True

    def shell(self, command: str, given: bytes = b"", *, owner: bool = False) -> bytes:
        user = ["-u", "5000"] if owner else []
        return self._container.compose_bytes("exec", "-T", *user, "toaster", "sh", "-c", command, given=given)

    @property
    def log(self) -> str:
        return self._container.compose("logs", "--no-color", "--no-log-prefix")


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("dialogues")
    self_signed(folder / "mx.pem", "mx.lab.test")
    with running(folder, "dialogues", start=False) as container:
        container.publish_all()
        new = Stage(InAContainer(container), "/etc/toaster/site/mx.pem")
        new.play(PLAYED)
        yield new


@pytest.mark.parametrize("path", PLAYED, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_dialogue(stage: Stage, path: Path) -> None:
    assert "" == stage.faults[path]


def test_nothing_is_in_the_queue_of_which_no_client_was_told(stage: Stage) -> None:
    assert set() == stage.smuggled()
