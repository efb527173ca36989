"""Owns question 9.4 of qmail's FAQ: mail that is kept for a host until it is there."""

import smtplib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.by_hand import Host, Internet, instruct, lies_in, took
from tests.support.certificate import self_signed
from tests.support.letter import Letter
from tests.support.nexthop import NextHop
from tests.support.site import SMTP, SUBMISSION
from tests.support.waiting import LIMIT_S, wait_for

DIALS_IN, ANOTHER, ELSEWHERE = "127.0.0.9", "127.0.0.10", "127.0.0.11"
DOMAINS = f"""\
  ppp.test: {{{{autoturn: "{DIALS_IN}:{{port}}"}}}}
  sub.ppp.test: {{{{autoturn: "{DIALS_IN}:{{port}}"}}}}
  away.test: {{{{autoturn: {{{{host: "{ANOTHER}:{{port}}", logins: [admin@isp.test.test]}}}}}}}}
"""


def test_q09_4_mail_is_kept_for_a_host_that_dials_in() -> None:
    with Internet() as internet, internet.host("isp.test", "127.0.0.8") as isp:
        turn = isp.user("turn")
        instruct(turn, ".qmail-ppp-default", "./Maildir/")
        isp.shell("echo ppp.test:turn-ppp >> control/virtualdomains")
        isp.shell("echo ppp.test >> control/rcpthosts; svc -h /service/qmail")
        new = isp.receive("joe@ppp.test")
        assert b"Delivered-To: turn-ppp-joe@ppp.test\n" in lies_in(turn / "Maildir", new)
        sending = f"maildirsmtp {turn}/Maildir turn-ppp- 127.0.0.9 isp.test"
        each_minute = f"TOASTER_SMTP_PORT={internet.port} setlock -nx {turn}/seriallock {sending}"

        assert "away" in isp.shell(f"{each_minute} 2>/dev/null || echo away")
        assert 1 == len([*(turn / "Maildir" / "new").iterdir()])

        with internet.sink("ppp.test", "127.0.0.9") as sink:
            assert "succeeded: 127.0.0.9" in isp.shell(f"{each_minute} 2>&1")

            assert (b"joe@ppp.test",) == took(sink, new)
        assert [] == [*(turn / "Maildir" / "new").iterdir()]


@pytest.fixture(scope="module")
def isp(internet: Internet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """Set up by config.yaml alone."""
    pem = self_signed(tmp_path_factory.mktemp("tls") / "pem", "isp.test")
    more = f"{DOMAINS.format(port=internet.port)}tls: {{certificate: {pem}, key: {pem}}}\n"
    with internet.host("isp.test", "127.0.0.8", more=more) as new:
        yield new


def waiting(isp: Host, domain: str) -> Path:
    """The Maildir in which a domain's mail waits."""
    return isp.site.place.mail / domain / "autoturn" / "Maildir"


def keep(isp: Host, *recipients: str) -> list[Letter]:
    """Letters that wait for their host."""
    letters = [isp.receive(recipient) for recipient in recipients]
    for recipient, new in zip(recipients, letters, strict=True):
        domain = recipient.partition("@")[2]
        assert f"Delivered-To: {domain}-{recipient}\n".encode() in lies_in(waiting(isp, domain), new)
    return letters


def is_empty(isp: Host, domain: str) -> bool:
    return not [*(waiting(isp, domain) / "new").iterdir()]


@contextmanager
def session(isp: Host, client: str, port: int = SMTP) -> Iterator[smtplib.SMTP]:
    with smtplib.SMTP(isp.address, isp.site.port(port), "ppp.test", LIMIT_S, (client, 0)) as new:
        new.ehlo()
        yield new


def test_q09_4_autoturn_sends_when_the_host_connects(isp: Host, internet: Internet) -> None:
    first, second = keep(isp, "joe@ppp.test", "postmaster@ppp.test")
    with session(isp, ELSEWHERE):
        pass

    with internet.sink("ppp.test", DIALS_IN) as sink:
        assert not is_empty(isp, "ppp.test")
        with session(isp, DIALS_IN) as client:  # says nothing of ETRN
            client.sendmail("joe@ppp.test", "admin@isp.test.test", b"Subject: what the host has itself\r\n")

            assert (b"joe@ppp.test",) == took(sink, first)
            assert (b"postmaster@ppp.test",) == took(sink, second)
        wait_for(lambda: is_empty(isp, "ppp.test"))
        assert 2 == len(sink.messages)


def test_q09_4_etrn_sends_for_a_host_that_asks(isp: Host, internet: Internet) -> None:
    with session(isp, DIALS_IN) as client:
        assert client.has_extn("etrn")
        assert 251 == client.docmd("ETRN", "sub.ppp.test")[0]
    (new,) = keep(isp, "ann@sub.ppp.test")

    answered = threading.Event()
    slow = NextHop({"greet": answered}, at=(DIALS_IN, internet.port))
    with slow as sink, session(isp, DIALS_IN) as client:
        started = b"2.0.0 ok, 1 pending messages for sub.ppp.test started"
        assert (253, started) == client.docmd("ETRN", "sub.ppp.test")
        answered.set()
        assert (b"ann@sub.ppp.test",) == took(sink, new)
        wait_for(lambda: is_empty(isp, "sub.ppp.test"))
        assert 251 == client.docmd("ETRN", "@sub.ppp.test")[0]
        assert 1 == sum(new.token.encode() in message.body for message in sink.messages)


def test_q09_4_etrn_is_for_the_host_alone_or_for_who_logs_in(isp: Host, internet: Internet) -> None:
    (new,) = keep(isp, "ann@away.test")
    password = isp.site.mailbox("admin@isp.test.test").password

    with internet.sink("away.test", ANOTHER) as sink:
        for client in (DIALS_IN, ELSEWHERE):
            with session(isp, client) as stranger:
                assert 459 == stranger.docmd("ETRN", "away.test")[0]
                assert 459 == stranger.docmd("ETRN", "isp.test.test")[0]
                assert 501 == stranger.docmd("ETRN")[0]
        assert not is_empty(isp, "away.test")
        with session(isp, ELSEWHERE, SUBMISSION) as owner:
            owner.starttls()
            owner.login("admin@isp.test.test", password)
            assert 253 == owner.docmd("ETRN", "away.test")[0]
            assert (b"ann@away.test",) == took(sink, new)
        wait_for(lambda: is_empty(isp, "away.test"))
