"""Owns the main job end to end: from config.yaml to mail in a Maildir and out by POP3."""

import smtplib
from pathlib import Path

import pytest

from tests.support import clients
from tests.support.clients import with_token
from tests.support.letter import Letter, letter
from tests.support.site import SMTP, Site
from tests.support.waiting import wait_for


def send(site: Site, to: str) -> Letter:
    new = letter()
    clients.swaks(site.port(SMTP), to, new.content)
    return new


def arrived(site: Site, name: str, new: Letter, domain: str = "example.test") -> bytes:
    """The one message in a Maildir that has the letter's word."""
    (message,) = wait_for(lambda: with_token(site.maildir(name, domain), new.token))
    return message


def test_three_clients_fetch_the_bytes_that_lie_in_the_maildir(shared: Site, tmp_path: Path) -> None:
    new, mailbox = send(shared, "alice@example.test"), shared.mailbox()

    lying = arrived(shared, "alice", new)
    (by_curl,) = with_token(clients.curl(mailbox), new.token)
    (by_fetchmail,) = with_token(clients.fetchmail(mailbox, tmp_path / "fetchmail"), new.token)
    (by_mpop,) = with_token(clients.mpop(mailbox, tmp_path / "mpop"), new.token)

    assert new.is_in(lying)
    # As with qmail an empty line comes before the dot that ends a message.
    assert {lying + b"\n"} == {by_curl, by_fetchmail, by_mpop}


def test_a_delivered_message_names_its_way_in_the_order_of_qmail(shared: Site) -> None:
    new = send(shared, "alice@example.test")

    fields = [line.partition(b":")[0] for line in arrived(shared, "alice", new).splitlines()[:6]]

    assert [b"Return-Path", b"Delivered-To", b"Received", b"Received"] == [f for f in fields if f.istitle()][
        :4
    ]


@pytest.mark.parametrize(
    ("to", "name", "domain"),
    [
        ("ALICE@Example.Test", "alice", "example.test"),
        ("alice-books@example.test", "alice", "example.test"),
        ("sales@example.test", "alice", "example.test"),
        ("info@example.test", "alice", "example.test"),
        ("info@example.test", "bob", "example.test"),
        ("carol@example.test", "carol", "example.test"),
        ("carol@example.test", "bob", "example.test"),
        ("bob@example.net", "bob", "example.test"),
        ("whoever@catch.test", "dora", "catch.test"),
        ("postmaster@example.test", "alice", "example.test"),
        ("postmaster@mail.example.test", "alice", "example.test"),
    ],
)
def test_an_address_leads_to_its_mailbox(shared: Site, to: str, name: str, domain: str) -> None:
    new = send(shared, to)

    assert new.is_in(arrived(shared, name, new, domain))


@pytest.mark.parametrize("to", ["nobody@example.test", "alice@elsewhere.test", "alicex@example.test"])
def test_a_recipient_who_does_not_exist_is_refused_at_rcpt(shared: Site, to: str) -> None:
    with smtplib.SMTP("127.0.0.1", shared.port(SMTP), "client.test", 60) as session:
        session.ehlo()
        session.mail("sender@outside.test")
        code, _ = session.rcpt(to)

    assert code in (550, 553)


def test_a_wrong_password_is_refused(shared: Site) -> None:
    mailbox = shared.mailbox()._replace(password="wrong")

    with pytest.raises(AssertionError, match="denied|incorrect|67"):
        clients.curl(mailbox)


def test_a_mailbox_with_no_password_lets_nobody_in(shared: Site) -> None:
    mailbox = shared.mailbox()._replace(user="carol@example.test")

    with pytest.raises(AssertionError, match="denied|incorrect|67"):
        clients.curl(mailbox)


def test_a_thousand_messages_from_twenty_sessions_arrive_once_each(shared: Site) -> None:
    token = letter().token
    clients.smtp_source(shared.port(SMTP), "bob@example.test", 1000, 20, token)

    arrived = wait_for(lambda: found if len(found := at_bob(shared, token)) >= 1000 else [], 60)
    assert 1000 == len(arrived)


def at_bob(site: Site, token: str) -> list[bytes]:
    """What has come of it; what earlier tests sent may come meanwhile."""
    return clients.with_token(site.maildir("bob"), token)
