"""Owns the tests of `toaster status`."""

import json
import os
import socket
import time
from pathlib import Path

import pytest

from appliance.admin.status import MailboxCount, Queue, mailboxes_of, ports_of, queue_of, rendered
from appliance.formats.envelope import Envelope
from appliance.queue import record
from appliance.queue.layout import SPLIT
from appliance.queue.record import Origin
from tests.support.command import make_mail_folder, run
from tests.support.configs import SITE, place_in
from tests.support.supervised import supervised


@pytest.fixture
def folder(open_folder: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    make_mail_folder(open_folder)
    (open_folder / "config.yaml").write_text(SITE)
    run(open_folder, "apply")
    capsys.readouterr()
    return open_folder


def test_without_daemons_it_is_a_one(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 1 == run(folder, "status", PORT_BASE="0")

    told = capsys.readouterr().out
    assert "No daemon is running here." in told
    assert "mailboxes\talice@example.org\t0" in told
    assert "in force since " in told


def test_nothing_rendered_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 1 == run(tmp_path, "status")
    assert "Nothing is rendered yet." in capsys.readouterr().out


def test_programs_get_all_of_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(folder, "status", "--json")

    found = json.loads(capsys.readouterr().out)
    assert (False, [], {"arriving": 0, "waiting": 0}) == (found["well"], found["daemons"], found["queue"])
    assert ["smtp", "pop3"] == [port["name"] for port in found["ports"]]


def test_running_daemons_are_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with supervised(place_in(tmp_path), ["send"]):
        code = run(tmp_path, "status")

    told = capsys.readouterr().out
    assert (0, True) == (code, "daemons\tsend\tRUNNING\tpid " in told)


def test_a_port_is_open_if_somebody_listens(folder: Path) -> None:
    place = place_in(folder)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        (place.home / "supervisord.conf").unlink()
        (place.home / "supervisord.conf").write_text(
            f"[program:smtpd]\ncommand=x smtp:127.0.0.1:{port} pop3:[::1]:1\n"
        )

        assert [("smtp", True), ("pop3", False)] == [(p.listener.name, p.is_open) for p in ports_of(place)]


def test_what_waits_and_what_is_in_the_log_is_counted(folder: Path) -> None:
    queue = place_in(folder).queue
    for part in range(SPLIT):
        (queue / "info" / str(part)).mkdir(parents=True)
    (queue / "info" / "0" / "23").write_text("Fx\0")
    (queue / "info" / "1" / "24").write_text("Fx\0")
    (queue / "todo").mkdir()
    message = record.format_message(Origin(1, 2, 3), Envelope(b"a@b", (b"c@d",)), 1, b"x")
    entries = [(record.MESSAGE, 5, message), (record.MESSAGE, 6, message), (record.ENVELOPE, 7, message)]
    ended = [(record.DONE, 5, b""), (record.SETTLED, 7, b"")]
    (queue / "todo" / "5.log").write_bytes(
        b"".join(record.format_record(5, *entry) for entry in entries + ended)
    )
    (queue / "todo" / "8.log").write_bytes(b"")

    assert Queue(1, 2) == queue_of(place_in(folder))


def test_a_queue_that_never_ran_is_empty(tmp_path: Path) -> None:
    assert Queue(0, 0) == queue_of(place_in(tmp_path))


def test_a_queue_that_is_closed_to_us_is_not_told(tmp_path: Path) -> None:
    queue = place_in(tmp_path).queue
    queue.mkdir(parents=True)
    (queue / "todo").write_text("no folder")

    assert Queue(None, None) == queue_of(place_in(tmp_path))


def test_mailboxes_are_counted_by_what_is_rendered(folder: Path) -> None:
    place = place_in(folder)
    (place.mail / "example.org/alice/Maildir/new/1").write_text("x")

    assert [MailboxCount("alice@example.org", 1), MailboxCount("bob@example.org", 0)] == list(
        mailboxes_of(place)
    )


def test_how_full_a_mailbox_is_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = place_in(folder)
    (place.mail / "example.org/alice/Maildir/maildirsize").write_text("1000S\n905 1\n")
    (place.mail / "example.org/bob/Maildir/maildirsize").write_text("0S\n905 1\n")

    run(folder, "status")

    assert [90, None] == [found.percent for found in mailboxes_of(place)]
    told = capsys.readouterr().out.splitlines()
    assert "mailboxes\talice@example.org\t0\t90 % full" in told
    assert "mailboxes\tbob@example.org\t0" in told


def test_a_config_that_was_changed_since_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = place_in(folder)
    before = rendered(place)
    os.utime(place.config, (time.time() + 10,) * 2)

    run(folder, "status")

    assert (False, True) == (
        before and before["config_is_newer"],
        "config.yaml was changed since" in capsys.readouterr().out,
    )


@pytest.mark.parametrize(("age", "told"), [(0, "now"), (59, "59 s"), (7200, "2 h"), (200000, "2 d")])
def test_the_age_of_what_is_in_force_is_told(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, age: int, told: str
) -> None:
    current = (folder / "state/rendered/current").resolve()
    now = int(time.time())
    monkeypatch.setattr(time, "time", lambda: now)
    os.utime(current, (now - age,) * 2)
    os.utime(folder / "config.yaml", (1, 1))

    run(folder, "status")

    assert f"in force since {told}: {current.name}" in capsys.readouterr().out
