"""Owns the tests of POP3 with the clients that people use: each fetches the same bytes."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.clients import Mailbox, curl, fetchmail, mpop, run
from tests.support.pop3_rig import Pop3Rig, deliver, pop3_rig

USER, PASSWORD = "alice@example.test", "secret"
MESSAGES = [
    b"Subject: one\nFrom: a@x.test\nTo: alice@example.test\nMessage-ID: <1@x.test>\n\n.\n..\n.dot\nbody\n",
    b"Subject: two\nFrom: a@x.test\nTo: alice@example.test\nMessage-ID: <2@x.test>\n\n"
    + b"line of text\n" * 9000,
    b"Subject: drei\nFrom: a@x.test\nTo: alice@example.test\nMessage-ID: <3@x.test>\n\n\xc3\xa4\xff\n\n\n",
]
Fetch = Callable[[Mailbox, Path], list[bytes]]


def by_curl(mailbox: Mailbox, folder: Path) -> list[bytes]:
    return curl(mailbox)


def by_curl_in_one_connection(mailbox: Mailbox, folder: Path) -> list[bytes]:
    url = f"pop3://127.0.0.1:{mailbox.port}/"
    folder.mkdir()
    wanted = [part for n in "123" for part in (url + n, "-o", str(folder / n))]
    run(["curl", "-sS", "--user", f"{mailbox.user}:{mailbox.password}", *wanted])
    return [(folder / n).read_bytes().replace(b"\r\n", b"\n") for n in "123"]


@pytest.fixture
def rig() -> Iterator[Pop3Rig]:
    with pop3_rig() as rig:
        maildir = rig.add(USER, PASSWORD)
        for number, message in enumerate(MESSAGES, 1):
            deliver(maildir, f"100000000{number}.{number}.h", message, 1_000_000_000 + number)
        rig.start()
        yield rig


def without_additions(message: bytes) -> bytes:
    """Without the fields that a client puts in front, and without the empty lines at the end."""
    return message[message.index(b"Subject: ") :].rstrip(b"\n")


@pytest.mark.parametrize("fetch", [by_curl, by_curl_in_one_connection, fetchmail, mpop])
def test_the_bytes_of_every_message_arrive(fetch: Fetch, rig: Pop3Rig, tmp_path: Path) -> None:
    fetched = fetch(Mailbox(rig.port, USER, PASSWORD), tmp_path / "fetched")

    expected = sorted(without_additions(message) for message in MESSAGES)
    assert expected == sorted(without_additions(message) for message in fetched)


def test_curl_gets_exactly_what_is_stored_and_the_empty_line_of_qmail(rig: Pop3Rig) -> None:
    assert [message + b"\n" for message in MESSAGES] == curl(Mailbox(rig.port, USER, PASSWORD))


def test_fetchmail_that_keeps_nothing_empties_the_mailbox(rig: Pop3Rig, tmp_path: Path) -> None:
    settings = tmp_path / "fetchmailrc"
    settings.write_text(
        f"poll 127.0.0.1 service {rig.port} protocol POP3 auth password\n"
        f"  user '{USER}' password '{PASSWORD}' sslproto '' no keep fetchall mda 'cat >/dev/null'\n"
    )
    settings.chmod(0o600)
    once = ["--nodetach", "--pidfile", str(tmp_path / "pid")]
    run(["fetchmail", "-f", str(settings), *once], environ={"FETCHMAILHOME": str(tmp_path)})

    assert [] == list((rig.folder / "mail/example.test/alice/Maildir").glob("*/*"))
