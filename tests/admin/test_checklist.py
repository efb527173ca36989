"""Owns the tests of the checklist."""

import os
from pathlib import Path

import pytest

from appliance.admin import checklist
from appliance.admin.checklist import Login
from appliance.admin.health import asked
from appliance.net.listeners import Listener
from appliance.system.place import Place
from tests.support.processes import run
from tests.support.scripted import scripted

SMTP = Listener("smtp", "127.0.0.1", 2025, False)
POP3 = Listener("pop3", "127.0.0.1", 2110, False)


@pytest.fixture
def environ(tmp_path: Path, run_folder: Path) -> dict[str, str]:
    (tmp_path / "qmail" / "control").mkdir(parents=True)
    (tmp_path / "qmail" / "control" / "me").write_text("mail.example.test\n")
    (run_folder / "started").touch()
    (tmp_path / "state" / "passwords" / "hashed").mkdir(parents=True)
    (tmp_path / "state" / "passwords" / "alice@example.test").write_text("abc-def\n")
    names = {"HOME": "qmail", "STATE": "state", "CONFIG": "config.yaml"}
    places = {f"TOASTER_{name}": str(tmp_path / path) for name, path in names.items()}
    return {**places, "TOASTER_RUN": str(run_folder)}


def listening(environ: dict[str, str], *words: str) -> Place:
    place = Place.from_environ(environ)
    (place.home / "supervisord.conf").write_text(f"[program:x]\ncommand=x {' '.join(words)}\n")
    return place


def test_a_mailbox_is_told_with_its_password_and_the_file_that_keeps_it(environ: dict[str, str]) -> None:
    place = listening(environ, "smtp:127.0.0.1:2025", "pop3:127.0.0.1:2110")

    text = "\n".join(checklist.lines(place, [SMTP, POP3], hides=False))

    assert f"mailbox alice@example.test password abc-def  (kept in {place.state}/passwords/alice@" in text
    assert "127.0.0.1 port 2025" in text
    assert "curl -sS pop3://127.0.0.1:2110/1 --user alice@example.test:abc-def" in text


def test_a_log_is_told_a_new_password_once_and_then_its_file(environ: dict[str, str]) -> None:
    place = listening(environ, "smtp:127.0.0.1:2025", "pop3:127.0.0.1:2110")
    password = place.state / "passwords" / "alice@example.test"

    os.utime(password, (2**31, 2**31))
    new = "\n".join(checklist.lines(place, [SMTP, POP3], hides=True))
    os.utime(password, (1, 1))
    old = "\n".join(checklist.lines(place, [SMTP, POP3], hides=True))

    assert "alice@example.test password abc-def" in new
    assert f"alice@example.test password in {password}" in old
    assert "abc-def" not in old


def test_without_swaks_curl_hands_in_the_first_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    command = checklist.send_command(SMTP, "alice@example.test")

    assert "| curl -sS smtp://127.0.0.1:2025 --mail-from" in command


def test_an_address_of_ipv6_stands_in_brackets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    login = Login("alice@example.test", "abc", Path("/x"))

    send = checklist.send_command(SMTP._replace(host="::1"), login.mailbox)
    fetch = checklist.fetch_command(POP3._replace(host="::1"), login)

    assert " smtp://[::1]:2025 " in send
    assert " pop3://[::1]:2110/1 " in fetch


def test_swaks_hands_it_in_where_it_is_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "swaks").write_text("")
    (tmp_path / "swaks").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert checklist.send_command(SMTP, "alice@example.test").startswith("swaks --server 127.0.0.1:2025 ")


def test_a_password_is_quoted_for_the_shell() -> None:
    command = checklist.fetch_command(POP3, Login("alice@example.test", "it's", Path("/x")))

    assert command.endswith("""--user 'alice@example.test:it'"'"'s'""")


def test_it_waits_until_the_listeners_answer(environ: dict[str, str]) -> None:
    with scripted(b"+OK\r\n", b"+OK\r\n") as port:
        listening(environ, f"pop3:127.0.0.1:{port}")

        ended = run("checklist", environ)

    assert (0, True) == (ended.code, "The appliance is up." in ended.out)


def test_after_the_wait_it_says_what_does_not_answer(environ: dict[str, str]) -> None:
    place = listening(environ, "pop3:127.0.0.1:1")

    faults = checklist.wait(asked(place), 0)

    assert ["pop3 at 127.0.0.1 port 1"] == [fault.partition(": ")[0] for fault in faults]
    assert "Not everything answers" in checklist.title(faults)


def test_a_host_that_refuses_all_mail_is_not_waited_for(environ: dict[str, str]) -> None:
    place = listening(environ, "pop3:127.0.0.1:1")
    (place.run / "refuse").write_text("no volume\n")

    assert 1 == run("checklist", environ).code


def test_what_to_do_next_depends_on_where_it_runs(environ: dict[str, str]) -> None:
    assert "docker compose exec" in checklist.advice({"TOASTER_CONTAINER": "yes"})
    assert "Ctrl-C" in checklist.advice(environ)
