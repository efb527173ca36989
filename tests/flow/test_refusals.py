"""Owns what a container refuses: mail that would be lost with it, and a config.yaml with faults."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support import clients
from tests.support.container import Container
from tests.support.letter import letter
from tests.support.ports import free_ports
from tests.support.sources import CHECKOUT
from tests.support.waiting import until_it_works, wait_for

SHIPPED = (CHECKOUT / "config.yaml").read_text()


def docker(*words: str) -> str:
    done = subprocess.run(["docker", *words], capture_output=True, text=True, timeout=60, check=False)
    return done.stdout + done.stderr


@contextmanager
def without_volumes(image: str, folder: Path, port: int) -> Iterator[str]:
    """A container that has a config.yaml and a port, and nothing else; its id."""
    mounts = ["-v", f"{folder}:/etc/toaster/site:ro", "-p", f"127.0.0.1:{port}:25"]
    identity = docker("run", "-d", *mounts, image).strip()
    try:
        yield identity
    finally:
        docker("rm", "-f", identity)


def refusal(port: int) -> str:
    """What swaks says when it is refused; Docker takes a connection before smtpd answers, and drops it."""
    with pytest.raises(AssertionError) as refused:
        clients.swaks(port, "alice@example.test", letter().content)
    return str(refused.value)


@pytest.fixture
def image(container: Container) -> str:
    return docker("inspect", "-f", "{{.Image}}", container.id).strip()


def test_mail_that_would_be_lost_with_the_container_is_refused(image: str, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(SHIPPED)
    (port,) = free_ports(1)

    with without_volumes(image, tmp_path, port) as identity:
        wait_for(lambda: "Not everything answers" in docker("logs", identity))
        wait_for(lambda: "451" in refusal(port))
        told = docker("logs", identity)

    assert "NO MAIL IS TAKEN: this host keeps no mail: /var/qmail/queue and /mail are on no volume" in told


def test_it_is_taken_if_config_yaml_allows_that(image: str, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(f"{SHIPPED}\nallow_ephemeral: true\n")
    (port,) = free_ports(1)

    with without_volumes(image, tmp_path, port):
        until_it_works(lambda: clients.swaks(port, "alice@example.test", letter().content))


def test_a_first_config_with_faults_ends_the_container_with_all_of_them(image: str, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(SHIPPED.replace("hostname:", "hostnam:") + "\ndomain: {}\n")

    told = docker("run", "--rm", "-v", f"{tmp_path}:/etc/toaster/site:ro", image)

    assert all(key in told for key in ("hostnam", "`hostname` is missing", "`domain`", "no earlier one"))


def test_a_later_config_with_faults_leaves_the_last_good_one_in_force(container: Container) -> None:
    config = container.folder / "config.yaml"
    good = config.read_text()
    config.write_text(good + "\ndomain: {}\n")
    try:
        container.compose("restart", "--timeout", "10")
        container.compose("up", "-d", "--wait")
        new = letter()
        clients.swaks(container.ports["SMTP"], "alice@example.test", new.content)
        told = container.compose("logs", "--no-color")
    finally:
        config.write_text(good)

    assert "what was in force before stays in force" in told


def test_a_changed_config_is_applied_in_the_running_container(container: Container) -> None:
    config = container.folder / "config.yaml"
    (container.folder / "new").write_text(
        config.read_text().replace("info: alice", "info: alice\n      boss: alice")
    )
    (container.folder / "new").replace(config)  # as an editor does

    container.run("toaster", "apply")
    new = letter()
    until_it_works(lambda: clients.swaks(container.ports["SMTP"], "boss@example.test", new.content))

    assert wait_for(lambda: any(new.is_in(message) for message in clients.curl(container.mailbox())))
