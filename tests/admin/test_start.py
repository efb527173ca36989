"""Owns the tests of the start, up to the moment in which supervisor takes over."""

import os
import resource
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from appliance.admin import start
from appliance.net.listeners import Listener
from appliance.system.place import Place
from appliance.system.privileges import identity_of, is_root
from tests.support.configs import HASH
from tests.support.site import CONFIG, POP3, SMTP, Site, site
from tests.support.sources import CHECKOUT

HASHED = CONFIG.replace("alice: {password: generate}", f'alice: {{password: "{HASH}"}}')


@pytest.fixture
def new() -> Iterator[Site]:
    with site() as made:
        yield made


@pytest.fixture(autouse=True)
def _limits() -> Iterator[None]:
    """What a start does to its own process, which here is the tests'."""
    limits, umask = resource.getrlimit(resource.RLIMIT_NOFILE), os.umask(0o022)
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    os.umask(umask)


def started(new: Site, monkeypatch: pytest.MonkeyPatch) -> tuple[int, list[list[str]]]:
    """The exit code, and the command that would have taken over."""
    commands: list[list[str]] = []
    monkeypatch.setattr(os, "execve", lambda path, command, environment: commands.append(command))
    code = 0
    with suppress(AttributeError):
        code = start.main([], new.environ)
    return code, commands


def test_it_ends_as_supervisord_in_the_foreground(new: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    _, commands = started(new, monkeypatch)

    configuration = str(new.place.home / "supervisord.conf")
    assert [[sys.executable, "-m", "supervisor.supervisord", "-n", "-c", configuration]] == commands


def test_it_renders_and_makes_queue_mailboxes_and_the_command(new: Site) -> None:
    start.prepare(new.place, new.environ)

    assert "mail.example.test\n" == (new.place.control / "me").read_text()
    assert (new.place.mail / "example.test" / "alice" / "Maildir" / "new").is_dir()
    assert identity_of("qmailq").uid == new.place.queue.stat().st_uid
    assert stat.S_IXUSR & (new.folder / "toaster").stat().st_mode
    assert stat.S_IXOTH & (new.place.home / "bin" / "qmail-queue").stat().st_mode


def test_a_second_start_renders_the_same_tree(new: Site) -> None:
    current = new.place.state / "rendered" / "current"

    start.prepare(new.place, new.environ)
    first = current.readlink()
    start.prepare(new.place, new.environ)

    assert first == current.readlink()


def test_faults_and_no_earlier_tree_end_the_start(
    new: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (new.folder / "config.yaml").write_text("version: 1\nhostname: mail.example.test\nmailboxes: {}\n")

    code, commands = started(new, monkeypatch)

    told = capsys.readouterr().err
    assert (1, []) == (code, commands)
    assert 1 == told.count("config.yaml:3:1: ")
    assert "there is no earlier one" in told


@pytest.mark.parametrize(
    ("mode", "text", "expected"), [(0o644, HASHED, True), (0o640, HASHED, False), (0o644, CONFIG, False)]
)
def test_it_tells_if_everybody_can_read_the_hashes(
    new: Site, capsys: pytest.CaptureFixture[str], mode: int, text: str, expected: bool
) -> None:
    new.place.config.write_text(text)
    new.place.config.chmod(mode)

    start.prepare(new.place, new.environ)

    assert expected is ("chmod o-r" in capsys.readouterr().err)


def test_faults_leave_the_earlier_tree_in_force(new: Site, capsys: pytest.CaptureFixture[str]) -> None:
    start.prepare(new.place, new.environ)
    (new.folder / "config.yaml").write_text("version: 2\n")
    (new.place.home / "control").unlink()  # a container's home is empty at each start

    start.prepare(new.place, new.environ)

    assert "mail.example.test\n" == (new.place.control / "me").read_text()
    assert "what was in force before stays in force" in capsys.readouterr().err


def test_an_appliance_that_runs_already_ends_the_start(new: Site) -> None:
    new.place.run.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as supervisor:
        supervisor.bind(str(new.place.socket("supervisor")))
        supervisor.listen()

        with pytest.raises(start.Stop, match="running"):
            start.prepare(new.place, new.environ)


def test_a_port_of_another_program_ends_the_start(new: Site) -> None:
    with (
        socket.create_server(("127.0.0.1", new.port(SMTP))),
        socket.create_server(("127.0.0.1", new.port(POP3))),
        pytest.raises(start.Stop, match=f"{new.port(SMTP)}, {new.port(POP3)}"),
    ):
        start.prepare(new.place, new.environ)


def test_an_address_that_is_not_of_this_host_ends_the_start() -> None:
    with pytest.raises(start.Stop, match=r"192\.0\.2\.1"):
        start.check_ports([Listener("smtp", "192.0.2.1", 2025, False)])


@pytest.mark.parametrize("name", ["PUID", "PORT_BASE"])
def test_a_setting_that_is_no_number_ends_the_start(
    new: Site, name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    new.environ[name] = "many"

    code, _ = started(new, monkeypatch)

    if is_root() or name == "PORT_BASE":
        assert (1, True) == (code, f"{name} is 'many'" in capsys.readouterr().err)


def test_a_folder_that_the_daemons_could_not_enter_is_named_with_the_mend(new: Site) -> None:
    new.folder.chmod(0o700)

    if is_root():
        with pytest.raises(start.Stop, match=rf"chmod o\+x {new.folder}"):
            start.prepare(new.place, new.environ)
    else:
        start.prepare(new.place, new.environ)


def test_mail_that_would_be_lost_with_the_container_is_refused(
    new: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    place = new.place
    start.prepare(place, new.environ)
    lost = Place(Path("/"), Path("/"), place.state, place.run, place.config)

    start.refuse_mail_that_would_be_lost(lost, accepts_loss=False, in_container=True)
    refusal = (place.run / "refuse").read_text()
    start.refuse_mail_that_would_be_lost(lost, accepts_loss=True, in_container=True)

    assert "this host keeps no mail: /queue and / are on no volume (#4.3.0)\n" == refusal
    assert "NO MAIL IS TAKEN" in capsys.readouterr().err
    assert not (place.run / "refuse").exists()


def test_each_daemon_may_have_many_descriptors() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)

    start.allow_descriptors()

    assert min(most, 16384) == resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def test_supervisor_can_open_an_output_that_has_no_name() -> None:
    program = "from appliance.admin.start import let_output_be_opened as f; f(); open('/dev/stdout', 'ab')"
    ours, its = socket.socketpair()

    with ours, its:
        subprocess.run(
            [sys.executable, "-c", f"{program}.write(b'written by name')"],
            cwd=CHECKOUT,
            stdout=its.fileno(),
            check=True,
            timeout=60,
        )
        ours.settimeout(60)

        assert ours.recv(100) == b"written by name"


def test_an_output_file_is_appended_to_by_all_who_write(tmp_path: Path) -> None:
    program = (
        "import os; from appliance.admin.start import let_output_be_opened as f; f(); os.write(1, b'two')"
    )

    with (tmp_path / "log").open("wb") as log:
        command = ["sh", "-c", f'printf one >>"$1"; exec "$2" -c "{program}"', "sh", log.name, sys.executable]
        subprocess.run(command, cwd=CHECKOUT, stdout=log, check=True, timeout=60)

    assert (tmp_path / "log").read_bytes() == b"onetwo"
