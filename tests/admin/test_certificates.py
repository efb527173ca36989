"""Owns the tests of what the operator is told of certificates."""

import json
import time
from pathlib import Path

import pytest

from appliance.admin import certificates, checklist
from appliance.system.place import Place
from tests.support.certificate import self_signed
from tests.support.command import make_mail_folder, run
from tests.support.configs import SITE, place_in
from tests.support.processes import run as run_process

DAY = 86400


@pytest.fixture
def place(open_folder: Path) -> Place:
    make_mail_folder(open_folder)
    found = place_in(open_folder)
    found.run.mkdir(exist_ok=True)
    return found


def apply(place: Place, *names: str, days: float = 90, code: int = 0) -> None:
    pem = self_signed(place.config.parent / "server.pem", *names, days=days)
    place.config.write_text(f"{SITE}tls: {{certificate: {pem}, key: {pem}}}\n")
    assert code == run(place.config.parent, "apply")


def test_apply_puts_a_certificate_in_use_and_status_tells_of_it(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    apply(place, "mail.example.org", "mx.example.org", days=30.5)
    capsys.readouterr()

    run(place.config.parent, "status")
    told = capsys.readouterr().out
    run(place.config.parent, "status", "--json")
    [found] = json.loads(capsys.readouterr().out)["certificates"]

    assert "\ncertificates\tmail.example.org mx.example.org\tself-signed, 30 days left, until 20" in told
    assert (["mail.example.org", "mx.example.org"], True, 30) == (
        found["names"],
        found["self_signed"],
        found["days_left"],
    )
    assert found["begins"] < time.time() < found["ends"]


def test_a_certificate_that_is_made_here_is_in_use_and_said_to_be_self_signed(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    place.config.write_text(f"{SITE}tls: generate\n")

    assert 0 == run(place.config.parent, "apply")

    assert [("mail.example.org", True)] == [
        (n, t.startswith("self-signed, 36")) for n, t in certificates.rows(place)
    ]
    lines = [line for line in checklist.lines(place, [], hides=False) if line.startswith("certificate")]
    assert [True] == [line.startswith("certificate mail.example.org: self-signed, 36") for line in lines]


def test_a_new_certificate_that_has_expired_is_refused_by_apply(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    apply(place, "mail.example.org")

    apply(place, "mail.example.org", days=-1, code=1)

    assert "expired on" in capsys.readouterr().out
    assert 89 == (certificates.as_json(place) or [])[0]["days_left"]


def test_status_warns_of_the_last_days(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    apply(place, "mail.example.org", days=13.5)
    capsys.readouterr()

    run(place.config.parent, "status")

    assert "the certificate of mail.example.org: self-signed, 13 days left" in capsys.readouterr().out


def test_health_warns_of_the_last_days_and_all_is_well(place: Place, run_folder: Path) -> None:
    apply(place, "mail.example.org", days=-3)
    (place.run / "tls").rename(run_folder / "tls")
    (place.home / "supervisord.conf").unlink()
    (place.home / "supervisord.conf").write_text("[supervisord]\nnodaemon=true\n")

    ended = run_process("health", {"TOASTER_HOME": str(place.home), "TOASTER_RUN": str(run_folder)})

    assert (0, "") == (ended.code, ended.err)
    assert ended.out.startswith("warning: the certificate of mail.example.org: self-signed, expired on ")


def test_without_certificates_nothing_is_told(place: Place) -> None:
    place.config.write_text(SITE)
    run(place.config.parent, "apply")

    assert ([], [], []) == (
        certificates.rows(place),
        certificates.as_json(place),
        list(certificates.doubts(place)),
    )


def test_who_may_not_look_is_told_nothing(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    apply(place, "mail.example.org", days=3)

    def refuse(_: Path) -> bytes:
        raise PermissionError

    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert (None, [], None) == (
        certificates.found(place),
        certificates.rows(place),
        certificates.as_json(place),
    )


def test_where_nothing_has_run_nothing_is_put_in_use(place: Place) -> None:
    place.run.rmdir()

    assert [] == certificates.put_in_use(place)
    assert not place.run.exists()


@pytest.fixture
def renewed(place: Place) -> Place:
    """A place with a certificate in use, whose files have changed since."""
    apply(place, "old.example.org", "mail.example.org")
    self_signed(place.config.parent / "server.pem", "new.example.org", "mail.example.org", days=90.5)
    return place


def take_up(place: Place) -> tuple[int, str]:
    """How the program that takes them up ends, and what it logs."""
    places = {"TOASTER_HOME": str(place.home), "TOASTER_RUN": str(place.run)}
    ended = run_process("certificates", places)
    return ended.code, ended.err


def names(place: Place) -> list[str]:
    return [one.names[0] for one in certificates.found(place) or []]


def test_a_new_pair_is_taken_up_and_told_once(renewed: Place) -> None:
    code, told = take_up(renewed)

    assert (0, ["new.example.org"]) == (code, names(renewed))
    assert " certificates: certificate taken up: new.example.org mail.example.org: self-signed, 90" in told
    assert (0, "") == take_up(renewed)


def test_a_bad_pair_is_refused_and_the_one_before_stays(renewed: Place) -> None:
    (renewed.config.parent / "server.pem").write_text("none\n")

    code, told = take_up(renewed)

    assert (1, ["old.example.org"]) == (code, names(renewed))
    assert " certificates: warning: unable to use certificate " in told
    assert "; the one before stays in use\n" in told


def test_a_certificate_in_its_last_days_or_of_another_name_is_logged(renewed: Place) -> None:
    self_signed(renewed.config.parent / "server.pem", "other.test", days=5.5)

    code, told = take_up(renewed)

    assert 0 == code
    assert "warning: the certificate of other.test: self-signed, 5 days" in told
    assert "warning: no certificate bears the name mail.example.org" in told


def with_own_control(place: Place) -> Path:
    """Put a folder in place of the link into the rendered tree."""
    (place.home / "control").unlink()
    (place.home / "control").mkdir()
    (place.home / "control" / "me").write_text("mail.example.org\n")
    return place.home / "control"


def test_no_servercert_any_more_leaves_the_certificates_in_use(renewed: Place) -> None:
    """Without them the daemons would have to be started anew; listeners are bound, and clients trust them."""
    with_own_control(renewed)

    assert (0, "") == take_up(renewed)
    assert ["old.example.org"] == names(renewed)


def test_a_control_file_that_cannot_be_read_is_told(renewed: Place) -> None:
    (with_own_control(renewed) / "servercert").mkdir()

    code, told = take_up(renewed)

    assert (1, 1) == (code, told.count("warning: ")), told
    assert "Traceback" not in told
