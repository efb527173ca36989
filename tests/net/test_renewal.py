"""Owns the tests of taking up certificates that change."""

import os
import time
from pathlib import Path

import pytest

from appliance.net import renewal
from appliance.net.renewal import Renewal
from appliance.system import certificates, keypair, log
from appliance.system.control import Control
from appliance.system.place import Place
from tests.support.certificate import self_signed, split
from tests.support.waiting import wait_for


@pytest.fixture
def place(tmp_path: Path) -> Place:
    found = Place.from_environ({"TOASTER_HOME": str(tmp_path)})
    found.control.mkdir()
    found.run.mkdir()
    (found.control / "me").write_text("mx.test\n")
    (found.control / "servercert").write_text(f"{tmp_path}/live/fullchain.pem\n")
    (found.control / "serverkey").write_text(f"{tmp_path}/live/privkey.pem\n")
    issue(found, "mx.test", "first.test")
    certificates.install(found, keypair.pairs_of(Control(found.control)), time.time())
    log.open("smtpd")
    return found


def issue(place: Place, *names: str, days: float = 90) -> None:
    """Make a pair and have live/ lead to it, as certbot does."""
    folder = place.home / f"archive-{names[-1]}"
    folder.mkdir()
    split(self_signed(folder / "both.pem", *names, days=days), folder)
    live = place.home / "live"
    live.mkdir(exist_ok=True)
    for name in ("fullchain.pem", "privkey.pem"):
        link = live / f"{name}.new"
        link.symlink_to(folder / name)
        link.rename(live / name)


def shown(place: Place) -> list[str]:
    return [certificate.names[-1] for certificate in certificates.in_use(place)]


def test_a_pair_that_has_changed_is_taken_up_once_it_is_at_rest(
    place: Place, capfd: pytest.CaptureFixture[str]
) -> None:
    found = Renewal(place)
    found.look()
    issue(place, "mx.test", "second.test")

    found.look()
    assert ["first.test"] == shown(place)
    found.look()
    assert ["second.test"] == shown(place)

    found.look()
    said = capfd.readouterr().err
    assert 1 == said.count("certificate taken up: mx.test second.test: self-signed, 8")


def test_a_bad_pair_is_told_of_once_and_the_next_good_one_is_taken_up(
    place: Place, capfd: pytest.CaptureFixture[str]
) -> None:
    found = Renewal(place)
    (place.home / "live" / "privkey.pem").unlink()
    for _ in range(5):
        found.look()

    said = capfd.readouterr().err
    assert 1 == said.count("warning: unable to use certificate"), said
    assert "privkey.pem cannot be read: No such file or directory; the one before stays in use" in said
    assert ["first.test"] == shown(place)

    issue(place, "mx.test", "second.test")
    found.look()
    found.look()
    assert ["second.test"] == shown(place)


def test_other_files_in_control_are_taken_up_too(place: Place) -> None:
    found = Renewal(place)
    own = self_signed(place.home / "own.pem", "own.test")
    (place.control / "servercert").write_text(f"{own}\n")
    (place.control / "serverkey").unlink()

    found.look()
    found.look()

    assert ["own.test"] == shown(place)


def test_no_servercert_any_more_leaves_the_certificates_in_use(place: Place) -> None:
    """Without them the daemon would have to be started anew; listeners are bound, and clients trust them."""
    found = Renewal(place)
    (place.control / "servercert").unlink()

    found.look()
    found.look()

    assert ["first.test"] == shown(place)


def test_a_control_file_that_cannot_be_read_now_is_no_end(
    place: Place, capfd: pytest.CaptureFixture[str]
) -> None:
    found = Renewal(place)
    (place.control / "servercert").unlink()
    (place.control / "servercert").mkdir()
    for _ in range(3):
        found.look()
    assert "Traceback" not in capfd.readouterr().err

    (place.control / "servercert").rmdir()
    own = self_signed(place.home / "own.pem", "own.test")
    (place.control / "servercert").write_text(f"{own}\n")
    (place.control / "serverkey").unlink()
    found.look()
    found.look()
    assert ["own.test"] == shown(place)


def test_a_certificate_in_its_last_days_is_told_of_once_a_day(
    place: Place, capfd: pytest.CaptureFixture[str]
) -> None:
    issue(place, "mx.test", "short.test", days=5.5)
    certificates.install(place, keypair.pairs_of(Control(place.control)), time.time())
    found = Renewal(place)
    for _ in range(3):
        found.look()

    assert 1 == capfd.readouterr().err.count(
        "warning: the certificate of mx.test short.test: self-signed, 5 days"
    )


def test_it_is_a_process_that_ends_with_its_daemon(place: Place, tmp_path: Path) -> None:
    daemon = os.fork()
    if daemon == 0:
        renewal.start(place)
        [child] = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
        (tmp_path / "child").write_text(child)
        time.sleep(60)
        os._exit(0)
    written = tmp_path / "child"
    child = wait_for(lambda: written.read_text() if written.exists() else "")
    issue(place, "mx.test", "second.test")
    wait_for(lambda: ["second.test"] == shown(place), 30)

    os.kill(daemon, 9)
    os.waitpid(daemon, 0)

    wait_for(
        lambda: (
            not Path("/proc", child).exists() or "\nState:\tZ" in Path("/proc", child, "status").read_text()
        )
    )
