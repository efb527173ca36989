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
