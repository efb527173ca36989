"""Owns submission end to end: real mail programs log in over TLS, and send to another host."""

import re
import smtplib
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.certificate import self_signed
from tests.support.clients import Mailbox, run
from tests.support.letter import Letter, letter
from tests.support.nexthop import NextHop, Taken
from tests.support.site import CONFIG, SMTP, SUBMISSION, SUBMISSIONS, Site, site
from tests.support.waiting import wait_for

HOST = "mail.example.test"
TO = "someone@far.test"


class World(NamedTuple):
    site: Site
    sink: NextHop
    pem: Path

    @property
    def ports(self) -> tuple[int, int]:
        return self.site.port(SUBMISSION), self.site.port(SUBMISSIONS)

    def taken(self, new: Letter) -> Taken | None:
        """What the other host got of a letter."""
        return next((one for one in self.sink.messages if new.token.encode() in one.body), None)

    @contextmanager
    def session(
        self, name: str = "alice@example.test", password: str | None = None
    ) -> Iterator[smtplib.SMTP]:
        """A session over TLS that has logged in."""
        trust = ssl.create_default_context(cafile=str(self.pem))
        trust.check_hostname = False
        with smtplib.SMTP_SSL(
            "127.0.0.1", self.ports[1], "laptop.test", timeout=60, context=trust
        ) as session:
            session.login(name, self.site.mailbox(name).password if password is None else password)
            yield session


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with NextHop() as sink, site() as new:
        pem = self_signed(new.folder / "server.pem", HOST)
        pem.chmod(0o644)
        route = f"relay: {{routes: {{far.test: '127.0.0.1:{sink.port}'}}}}\n"
        more = f"tls: {{certificate: {pem}, key: {pem}}}\n{route}"
        config = CONFIG.replace(
            "bob: {password: generate}", "bob: {password: generate, send_as: news@far.test}"
        )
        (new.folder / "config.yaml").write_text(config + more)
        new.up()
        yield World(new, sink, pem)


def mine() -> Letter:
    """A letter of alice's."""
    new = letter()
    return new._replace(content=new.content.replace(b"<sender@outside.test>", b"Alice <alice@example.test>"))


Client = Callable[[World, Mailbox, Letter], None]


def swaks(*options: str, at: int) -> Client:
    def send(world: World, login: Mailbox, new: Letter) -> None:
        who = ["--auth-user", login.user, "--auth-password", login.password, "--from", login.user, "--to", TO]
        where = ["--server", f"127.0.0.1:{world.ports[at]}", *options, "--silent", "1", "--data", "-"]
        run(["swaks", *where, *who], stdin=new.content.removesuffix(b"\n"))

    return send


def curl(*options: str, scheme: str, at: int) -> Client:
    def send(world: World, login: Mailbox, new: Letter) -> None:
        to = ["--connect-to", f"::127.0.0.1:{world.ports[at]}", "--cacert", str(world.pem), *options]
        who = ["--user", f"{login.user}:{login.password}", "--mail-from", login.user, "--mail-rcpt", TO]
        run(["curl", "-sS", f"{scheme}://{HOST}/laptop.test", *to, *who, "-T", "-"], stdin=new.content)

    return send


def msmtp(*options: str, at: int) -> Client:
    def send(world: World, login: Mailbox, new: Letter) -> None:
        trust = ["--tls=on", f"--tls-trust-file={world.pem}", f"--tls-host-override={HOST}"]
        where = ["--host=127.0.0.1", f"--port={world.ports[at]}", *trust, *options]
        who = [f"--user={login.user}", f"--passwordeval=echo {login.password}", f"--from={login.user}"]
        run(["msmtp", *where, *who, "--", TO], stdin=new.content)

    return send


def snail(scheme: str, *settings: str, at: int) -> Client:
    def send(world: World, login: Mailbox, new: Letter) -> None:
        user = login.user.replace("@", "%40")
        mta = f"mta={scheme}://{user}:{login.password}@127.0.0.1:{world.ports[at]}"
        words = ["v15-compat=yes", mta, "tls-verify=ignore", f"from={login.user}", "sendwait", *settings]
        options = [word for setting in words for word in ("-S", setting)]
        run(
            ["s-nail", "-:/", *options, "-s", new.token, TO],
            stdin=b"Hello.\n",
            environ={"HOME": "/nonexistent"},
        )

    return send


CLIENTS: dict[str, Client] = {
    "swaks_plain": swaks("--tls", "--auth", "PLAIN", at=0),
    "swaks_login": swaks("--tls", "--auth", "LOGIN", at=0),
    "swaks_tls_on_connect": swaks("--tls-on-connect", "--auth", "PLAIN", at=1),
    "swaks_pipelining": swaks("--tls", "--pipeline", "--auth", "PLAIN", at=0),
    "curl_smtps": curl(scheme="smtps", at=1),
    "curl_starttls": curl("--ssl-reqd", "--login-options", "AUTH=LOGIN", scheme="smtp", at=0),
    "msmtp_plain": msmtp("--auth=plain", at=0),
    "msmtp_tls": msmtp("--auth=login", "--tls-starttls=off", at=1),
    "snail_submissions": snail("submissions", at=1),
    "snail_starttls": snail("submission", "smtp-use-starttls", "smtp-auth=login", at=0),
}


@pytest.mark.parametrize("client", CLIENTS.values(), ids=CLIENTS)
def test_a_mail_program_sends_to_another_host(world: World, client: Client) -> None:
    new = mine()

    client(world, world.site.mailbox(), new)

    taken = wait_for(lambda: world.taken(new))
    assert (b"alice@example.test", (TO.encode(),)) == (taken.sender, taken.recipients)
    received = taken.body.partition(b"\r\nReceived: from ")[2]
    assert re.match(
        rb"\S+( \(HELO \S+\))? \(127\.0\.0\.1\)\r\n  by mail\.example\.test with ESMTPSA; ", received
    )
    assert 1 == taken.body.count(b"\r\nDate: ") == taken.body.lower().count(b"\r\nmessage-id: ")


def test_mail_to_a_mailbox_here_is_completed(world: World) -> None:
    new = mine()._replace(content=b"From: info@example.test\nSubject: bare\n\nHello.\n")

    with world.session() as session:
        session.sendmail("info@example.test", ["bob@example.test"], new.content)

    def arrived() -> list[bytes]:
        return [message for message in world.site.maildir("bob") if b"\nSubject: bare\n" in message]

    (message,) = wait_for(arrived)
    assert re.search(rb"\nDate: [^\n]* -0000\nMessage-ID: <\S+@mail\.example\.test>\nFrom: info@", message)


def test_a_wrong_password_and_no_password_send_nothing(world: World) -> None:
    for name in ("alice@example.test", "nobody@example.test"):
        refused = pytest.raises(smtplib.SMTPAuthenticationError, match="no user here with that password")
        with refused, world.session(name, "wrong"):
            pass
    with smtplib.SMTP("127.0.0.1", world.ports[0], timeout=60) as session:
        assert (530, b"STARTTLS first (#5.7.0)") == session.docmd("MAIL FROM:<alice@example.test>")
    wait_for(lambda: "refused 127.0.0.1 nobody@example.test: 535 " in world.site.log)


@pytest.mark.parametrize(
    ("login", "sender", "author"),
    [
        ("alice@example.test", "bob@example.test", "alice@example.test"),
        ("alice@example.test", "alice@example.test", "bob@example.test"),
        ("alice@example.test", "news@far.test", "alice@example.test"),
        ("bob@example.test", "olds@far.test", "bob@example.test"),
    ],
)
def test_nobody_sends_as_another(world: World, login: str, sender: str, author: str) -> None:
    with world.session(login) as session, pytest.raises(smtplib.SMTPResponseException) as refused:
        session.sendmail(sender, [TO], f"From: {author}\r\nSubject: t\r\n\r\n.\r\n")

    assert 553 == refused.value.smtp_code
    assert f"logged in as {login} and may not" in str(refused.value.smtp_error)


def test_send_as_gives_an_address_elsewhere(world: World) -> None:
    new = letter()

    with world.session("bob@example.test") as session:
        session.sendmail("news@far.test", [TO], new.content.replace(b"sender@outside.test", b"news@far.test"))

    assert b"news@far.test" == wait_for(lambda: world.taken(new)).sender
    told = "submission bob@example.test from 127.0.0.1: sender <news@far.test> recipients 1"
    wait_for(lambda: told in world.site.log)


def test_port_25_knows_no_passwords(world: World) -> None:
    with smtplib.SMTP("127.0.0.1", world.site.port(SMTP), timeout=60) as session:
        session.ehlo()

        assert not session.has_extn("auth")
        assert 502 == session.docmd("AUTH", "PLAIN AAAA")[0]


def test_the_health_check_and_the_checklist_know_of_it(world: World) -> None:
    assert (
        f"{world.ports[0]}"
        in world.site.log.partition("submission, users' mail goes out")[0].splitlines()[-1]
    )
    assert "submission over TLS" in world.site.log


def test_a_days_mail_is_held_to_over_a_restart_and_what_is_too_much_is_told(world: World) -> None:
    def send() -> tuple[int, bytes]:
        with world.session("dora@catch.test") as session:
            said = session.docmd("MAIL FROM:<dora@catch.test>")
            if said[0] == 250:
                session.docmd(f"RCPT TO:<{TO}>")
                session.docmd("DATA")
                said = session.docmd(".")
            return said

    assert 250 == send()[0]
    counted = world.site.place.rates / "dora@catch.test"
    assert time.time() < float(counted.read_text().split()[0]) < time.time() + 87  # a thousandth of a day
    counted.write_text(f"{time.time() + 43200:020.3f} {0:020.3f}\n")  # 499 more were sent

    told = send()
    world.site.signal("smtpd", "TERM")
    wait_for(lambda: world.site.log.count("listening on submissions:") > 1)

    limit = (
        rb"(?:4\.7\.1 )?sorry, dora@catch\.test may send 1000 messages and 5000 recipients a day; .* after .*"
    )
    assert 450 == told[0] == send()[0]
    assert re.fullmatch(limit, told[1])
