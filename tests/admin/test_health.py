"""Owns the tests of the health check."""

from pathlib import Path

import pytest

from appliance.admin import health
from appliance.net.listeners import Listener
from appliance.system.place import Place
from tests.support.processes import run
from tests.support.scripted import scripted

SMTP = (
    b"220 mail.example.test ESMTP\r\n",
    b"250 mail.example.test\r\n",
    b"250 ok\r\n",
    b"250 ok\r\n",
    b"221 bye\r\n",
)
POP3 = (b"+OK <1.2@mail.example.test>\r\n", b"+OK\r\n")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "control").mkdir()
    (tmp_path / "control" / "me").write_text("mail.example.test\n")
    return tmp_path


def with_listeners(home: Path, *words: str) -> dict[str, str]:
    (home / "supervisord.conf").write_text(
        f"[supervisord]\nnodaemon=true\n[program:smtpd]\ncommand=python -m x {' '.join(words)}\n"
    )
    return {"TOASTER_HOME": str(home)}


def test_all_is_well_if_smtp_takes_mail_and_pop3_answers(home: Path) -> None:
    with scripted(*SMTP) as smtp, scripted(*POP3) as pop3:
        environ = with_listeners(home, f"smtp:0.0.0.0:{smtp}", f"pop3:0.0.0.0:{pop3}")

        assert 0 == run("health", environ).code


def test_a_postmaster_who_is_refused_is_a_fault(home: Path) -> None:
    refusal = b"451 this host keeps no mail (#4.3.0)\r\n"
    with scripted(*SMTP[:3], refusal, b"221 bye\r\n") as smtp:
        ended = run("health", with_listeners(home, f"smtp:127.0.0.1:{smtp}"))

    assert 1 == ended.code
    assert "this host keeps no mail" in ended.err


def test_each_listener_that_does_not_answer_is_named(home: Path) -> None:
    with scripted(b"-ERR not now\r\n") as pop3:
        environ = with_listeners(home, "smtp:127.0.0.1:1", f"pop3:127.0.0.1:{pop3}")
        ended = run("health", environ)

    assert 1 == ended.code
    assert ["smtp", "pop3"] == [line.partition(" ")[0] for line in ended.err.splitlines()]


def test_a_listener_that_begins_with_tls_is_left_to_its_twin(home: Path) -> None:
    with_listeners(home, "pop3s:0.0.0.0:1:tls")

    assert [] == list(health.faults(health.asked(Place.from_environ({"TOASTER_HOME": str(home)}))))


def test_an_address_of_any_interface_is_reached_on_loopback(home: Path) -> None:
    with_listeners(home, "smtp:0.0.0.0:25", "pop3s:[::]:995:tls")

    found = health.listeners(home / "supervisord.conf")

    assert [Listener("smtp", "127.0.0.1", 25, False), Listener("pop3s", "::1", 995, True)] == found


def test_a_place_where_nothing_is_rendered_is_not_well(tmp_path: Path) -> None:
    assert 1 == run("health", {"TOASTER_HOME": str(tmp_path)}).code
