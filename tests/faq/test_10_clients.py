"""Owns chapter 10 of qmail's FAQ, users' own mail programs: the real ones hand mail in."""

import os
import re
import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.by_hand import Host, Internet, lies_in
from tests.support.letter import Letter
from tests.support.waiting import LIMIT_S

LOCAL_DATE = rb"\nDate: \d{1,2} [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d \+0530\n"
TO = "fred@pokey.af.mil"


@pytest.fixture(scope="module")
def pokey() -> Iterator[Host]:
    with Internet() as internet, internet.host("pokey.af.mil", "127.0.0.3") as new:
        yield new


@pytest.fixture(scope="module")
def fred(pokey: Host) -> Path:
    return pokey.user("fred") / "Maildir"


@pytest.fixture
def home(tmp_path: Path) -> str:
    """What a user's program finds in its environment."""
    return f"HOME={tmp_path} QMAILUSER=joe MAILNAME=Joe MAILHOST=pokey.af.mil"


def test_q10_1_pine(pokey: Host, fred: Path, home: str) -> None:
    header = (f"To: {TO}", "Bcc: sam@pokey.af.mil", "Subject: from pine")
    sam = pokey.user("sam") / "Maildir"

    new = pokey.write(f"{home} sendmail -oem -oi -t", *header, "", ".", "after a dot")

    for folder in (fred, sam):
        text = lies_in(folder, new)
        assert b'\nFrom: "Joe" <joe@pokey.af.mil>\n' in text
        assert b"\n.\nafter a dot\n" in text
        assert b"Bcc" not in text


def test_q10_1_mutt(pokey: Host, fred: Path, home: str, tmp_path: Path) -> None:
    settings = tmp_path / "muttrc"
    settings.write_text(f'set sendmail="{program(pokey, "sendmail")} -oem -oi"\nset sendmail_wait=60\n')

    new = pokey.write(f"{home} mutt -n -F {settings} -s 'from mutt' {TO}")

    text = lies_in(fred, new)
    assert b"\nSubject: from mutt\n" in text
    assert text.startswith(b"Return-Path: <joe@pokey.af.mil>\n")


def test_q10_2_mh(pokey: Host, fred: Path, home: str, tmp_path: Path) -> None:
    (tmp_path / "Mail").mkdir()
    (tmp_path / ".mh_profile").write_text("Path: Mail\npostproc: /usr/lib/mh/spost\n")
    settings = tmp_path / "mts.conf"
    settings.write_text(f"mts: sendmail/pipe\nsendmail: {program(pokey, 'sendmail')}\n")
    draft = tmp_path / "draft"
    command = f"cat >{draft} && {home} MHMTSCONF={settings} /usr/bin/mh/send {draft}"

    new = pokey.write(f"{{ {command}; }}", f"To: {TO}", "From: joe@pokey.af.mil", "Subject: from MH")

    text = lies_in(fred, new)
    assert text.startswith(b"Return-Path: <joe@pokey.af.mil>\n")
    assert b"\nSubject: from MH\n" in text


@pytest.mark.parametrize(
    ("client", "setting"), [("bsd-mailx", "set sendmail={}"), ("s-nail", "set v15-compat mta={}")]
)
def test_q10_3_a_date_of_the_senders_own_zone(
    pokey: Host, fred: Path, home: str, tmp_path: Path, client: str, setting: str
) -> None:
    (tmp_path / ".mailrc").write_text(setting.format(program(pokey, "datemail")) + "\nset sendwait\n")

    new = pokey.write(f"{home} TZ=IST-5:30 MAILRC={tmp_path}/.mailrc {client} -s 'from mailx' {TO}")

    text = lies_in(fred, new)
    assert b"\nSubject: from mailx\n" in text
    assert re.search(LOCAL_DATE, text), text


@pytest.mark.parametrize("words", ["sendmail -oi -t", "datemail -t", "qmail-inject"])
def test_q10_4_a_client_that_leaves_a_pipe_open(pokey: Host, fred: Path, words: str) -> None:
    """dtcm starts sendmail with both ends of the pipe: sendmail's own end would keep it waiting for ever."""
    name, *arguments = words.split()
    said = f"from dtcm {secrets.token_hex(8)}\n".encode()
    reader, writer = os.pipe()
    environ = {**pokey.site.environ, "USER": "joe", "MAILHOST": "pokey.af.mil"}
    with subprocess.Popen(
        [program(pokey, name), *arguments], stdin=reader, pass_fds=[writer], env=environ
    ) as running:
        try:
            os.close(reader)
            os.write(writer, f"To: {TO}\nSubject: {words}\n\n".encode() + said)
            os.close(writer)

            assert 0 == running.wait(LIMIT_S)
        finally:
            running.kill()
    lies_in(fred, Letter(words, said))


def program(host: Host, name: str) -> str:
    """Where a program of qmail's lies."""
    return str(host.site.place.home / "bin" / name)
