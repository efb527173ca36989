"""Owns chapter 5 of qmail's FAQ, how outgoing mail looks: each test types what the answer says."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.by_hand import Host, Internet, lies_in, took

MASKED = "USER=god MAILHOST=af.mil MAILUSER=boss MAILNAME='The Boss'"


@pytest.fixture(scope="module")
def heaven(internet: Internet) -> Iterator[Host]:
    with internet.host("heaven.af.mil", "127.0.0.9") as new:
        yield new


@pytest.fixture(scope="module")
def sos(heaven: Host) -> Path:
    """Where the list of heaven.af.mil is read."""
    return heaven.user("sos") / "Maildir"


def test_q05_1_user_masquerading(heaven: Host, sos: Path) -> None:
    text = lies_in(sos, heaven.write(f"{MASKED} qmail-inject sos@heaven.af.mil", "Subject: orders"))

    assert text.startswith(b"Return-Path: <boss@af.mil>\n")
    assert b'\nFrom: "The Boss" <boss@af.mil>\n' in text


def test_q05_1_the_clients_own_from_is_ignored(heaven: Host, sos: Path) -> None:
    own = "From: god@heaven.af.mil"
    kept = lies_in(sos, heaven.write(f"{MASKED} qmail-inject sos@heaven.af.mil", own))
    ignored = lies_in(sos, heaven.write(f"{MASKED} QMAILINJECT=f qmail-inject sos@heaven.af.mil", own))

    assert b"\nFrom: god@heaven.af.mil\n" in kept
    assert b'\nFrom: "The Boss" <boss@af.mil>\n' in ignored
    assert b"god@" not in ignored


def test_q05_2_host_masquerading(internet: Internet) -> None:
    with (
        internet.host("zippy.af.mil", "127.0.0.7") as zippy,
        internet.sink("mx.af.mil", "127.0.0.2") as sink,
    ):
        internet.know("af.mil", MX=["10 mx.af.mil"])

        zippy.shell(f"echo af.mil > {zippy.site.place.control}/defaulthost")
        zippy.shell(f"chmod 644 {zippy.site.place.control}/defaulthost")

        assert (b"fred@af.mil",) == took(sink, zippy.write("USER=joe qmail-inject", "To: fred"))
        (taken,) = sink.messages
    assert b"joe@af.mil" == taken.sender
    header = taken.body.partition(b"\r\n\r\n")[0]
    assert b"\r\nFrom: joe@af.mil\r\nTo: fred@af.mil" in header
    named = {line.partition(b":")[0] for line in header.split(b"\r\n") if b"zippy" in line}
    assert named <= {b"Received", b"Message-ID"}


def test_q05_3_mail_followup_to(heaven: Host, sos: Path) -> None:
    folder = heaven.site.folder
    (folder / ".lists").write_text("sos@heaven.af.mil\n")
    command = f"HOME={folder}; export HOME; USER=joe QMAILMFTFILE=$HOME/.lists qmail-inject"

    listed = lies_in(sos, heaven.write(command, "To: sos@heaven.af.mil"))
    other = lies_in(sos, heaven.write(command, "To: sos@[127.0.0.9]"))

    assert b"\nMail-Followup-To: sos@heaven.af.mil\n" in listed
    assert b"Mail-Followup-To" not in other
