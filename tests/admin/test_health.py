"""Owns the tests of the health check."""

import socket
import threading
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
def environ(tmp_path: Path, run_folder: Path) -> dict[str, str]:
    (tmp_path / "control").mkdir()
    (tmp_path / "control" / "me").write_text("mail.example.test\n")
    return {"TOASTER_HOME": str(tmp_path), "TOASTER_RUN": str(run_folder)}


def with_listeners(environ: dict[str, str], *words: str) -> dict[str, str]:
    Path(environ["TOASTER_HOME"], "supervisord.conf").write_text(
        f"[supervisord]\nnodaemon=true\n[program:smtpd]\ncommand=python -m x {' '.join(words)}\n"
    )
    return environ


def test_all_is_well_if_smtp_takes_mail_and_pop3_answers(environ: dict[str, str]) -> None:
    with scripted(*SMTP) as smtp, scripted(*POP3) as pop3:
        with_listeners(environ, f"smtp:0.0.0.0:{smtp}", f"pop3:0.0.0.0:{pop3}")

        assert 0 == run("health", environ).code


def test_a_postmaster_who_is_refused_is_a_fault(environ: dict[str, str]) -> None:
    refusal = b"451 this host keeps no mail (#4.3.0)\r\n"
    with scripted(*SMTP[:3], refusal, b"221 bye\r\n") as smtp:
        ended = run("health", with_listeners(environ, f"smtp:127.0.0.1:{smtp}"))

    assert 1 == ended.code
    assert "this host keeps no mail" in ended.err


@pytest.mark.parametrize(
    ("offered", "code"), [(b"250-STARTTLS\r\n250 SIZE 0\r\n", 0), (b"250 SIZE 0\r\n", 1)]
)
def test_submission_is_well_if_users_are_offered_tls(
    environ: dict[str, str], offered: bytes, code: int
) -> None:
    with scripted(SMTP[0], b"250-mail.example.test\r\n" + offered, SMTP[-1]) as submission:
        ended = run("health", with_listeners(environ, f"submission:127.0.0.1:{submission}"))

    assert (code, "" if code == 0 else "no STARTTLS is offered\n") == (
        ended.code,
        ended.err.rpartition(": ")[2],
    )


def test_each_listener_that_does_not_answer_is_named(environ: dict[str, str]) -> None:
    with scripted(b"-ERR not now\r\n") as pop3:
        with_listeners(environ, "smtp:127.0.0.1:1", f"pop3:127.0.0.1:{pop3}")
        ended = run("health", environ)

    assert 1 == ended.code
    assert ["smtp", "pop3"] == [line.partition(" ")[0] for line in ended.err.splitlines()]


def test_qmtp_and_qmqp_are_well_if_they_let_go_in_silence(environ: dict[str, str]) -> None:
    with scripted() as qmtp, scripted(b"220 what\r\n") as qmqp:
        with_listeners(environ, f"qmtp:127.0.0.1:{qmtp}", f"qmqp:127.0.0.1:{qmqp}", "qmtp:127.0.0.1:1")
        ended = run("health", environ)

    assert [
        f"qmqp at 127.0.0.1 port {qmqp}: it speaks without being asked",
        "qmtp at 127.0.0.1 port 1: [Errno 111] Connection refused",
    ] == ended.err.splitlines()


def test_ofmip_is_well_if_it_greets_or_is_not_for_us(environ: dict[str, str]) -> None:
    with scripted(b"220 mail ESMTP\r\n") as greets, scripted() as denies, scripted(b"no\r\n") as strange:
        with_listeners(environ, *(f"ofmip:127.0.0.1:{port}" for port in (greets, denies, strange)))
        ended = run("health", environ)

    assert [f"ofmip at 127.0.0.1 port {strange}: no"] == ended.err.splitlines()


def test_who_sends_the_mail_that_waits_is_asked_if_some_may_wait(
    environ: dict[str, str], run_folder: Path
) -> None:
    with_listeners(environ)
    assert 0 == run("health", environ).code
    Path(environ["TOASTER_HOME"], "control", "autoturn").write_text("ppp.test:192.0.2.9:192.0.2.9\n")

    ended = run("health", environ)

    assert f"autoturn at {run_folder}/autoturn.sock: No such file or directory\n" == ended.err


def test_a_check_from_a_proxys_network_begins_with_a_proxy_header(environ: dict[str, str]) -> None:
    Path(environ["TOASTER_HOME"], "control", "proxynetworks").write_text("127.0.0.0/8\n")
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:
        with_listeners(environ, f"qmtp:127.0.0.1:{listening.getsockname()[1]}")

        def answer() -> None:
            connection, _ = listening.accept()
            with connection:
                heard.append(connection.recv(100))

        answering = threading.Thread(target=answer, daemon=True)
        answering.start()
        ended = run("health", environ)
        answering.join(60)

    assert ([b"PROXY UNKNOWN\r\n"], 0) == (heard, ended.code)


def test_a_listener_that_begins_with_tls_is_left_to_its_twin(environ: dict[str, str]) -> None:
    with_listeners(environ, "pop3s:0.0.0.0:1:tls", "submissions:0.0.0.0:1:tls")

    assert [] == list(health.faults(health.asked(Place.from_environ(environ))))


def test_an_address_of_any_interface_is_reached_on_loopback(environ: dict[str, str]) -> None:
    with_listeners(environ, "smtp:0.0.0.0:25", "pop3s:[::]:995:tls")

    found = health.listeners(Path(environ["TOASTER_HOME"]) / "supervisord.conf")

    assert [Listener("smtp", "127.0.0.1", 25, False), Listener("pop3s", "::1", 995, True)] == found


def test_a_place_where_nothing_is_rendered_is_not_well(tmp_path: Path) -> None:
    assert 1 == run("health", {"TOASTER_HOME": str(tmp_path)}).code


@pytest.mark.parametrize(("file", "name"), [("queue.sock", "send"), ("authd.sock", "authd")])
def test_who_stands_behind_the_listeners_is_asked_as_well(
    environ: dict[str, str], run_folder: Path, file: str, name: str
) -> None:
    with_listeners(environ)
    (run_folder / file).unlink()

    ended = run("health", environ)

    assert (1, f"{name} at {run_folder}/{file}: No such file or directory\n") == (ended.code, ended.err)


def test_what_authd_runs_is_no_listener(environ: dict[str, str]) -> None:
    path = Path(environ["TOASTER_HOME"], "supervisord.conf")
    path.write_text("[program:authd]\ncommand=python -m x authd root /check ldap:host:389 a:1.2.3.4:5\n")

    assert [] == health.listeners(path)
