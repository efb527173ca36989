"""Owns a change of config.yaml while the appliance runs: sessions go on, new mailboxes receive."""

import contextlib
import poplib
import smtplib
import sys
import time
from collections.abc import Iterator
from functools import partial

import pytest

from tests.support import clients
from tests.support.clients import Mailbox
from tests.support.hashes import HASHES
from tests.support.letter import letter
from tests.support.site import CONFIG, POP3, SMTP, Site, site
from tests.support.waiting import until_it_works, wait_for

WITH_ZOE = CONFIG.replace("      bob:", "      zoe: {password: generate}\n      bob:")


@pytest.fixture
def own() -> Iterator[Site]:
    with site() as new:
        new.up()
        yield new


def test_a_session_goes_on_while_a_new_mailbox_is_applied_and_receives(own: Site) -> None:
    new = letter()
    with smtplib.SMTP("127.0.0.1", own.port(SMTP), "client.test", 60) as session:
        session.ehlo()
        session.mail("sender@outside.test")
        before, _ = session.rcpt("zoe@example.test")
        session.rcpt("alice@example.test")

        (own.folder / "config.yaml").write_text(WITH_ZOE)
        own.toaster("apply")
        after = wait_for(lambda: knows_zoe(session), 60)
        code, _ = session.data(new.content.replace(b"\n", b"\r\n"))

    assert (550, True, 250) == (before, after, code)
    for name in ("alice", "zoe"):
        wait_for(partial(own.has, name, new))


def knows_zoe(session: smtplib.SMTP) -> bool:
    """Whether she may receive; asked without a pause, a session would be over after a hundred refusals."""
    time.sleep(0.6)
    return session.rcpt("zoe@example.test")[0] == 250


def test_a_faulty_config_changes_nothing_and_mail_goes_on(own: Site) -> None:
    (own.folder / "config.yaml").write_text(CONFIG + "domainz: {}\n")

    told = own.toaster("apply", code=1)
    new = letter()
    clients.swaks(own.port(SMTP), "bob@example.test", new.content)

    assert "domainz" in told
    wait_for(lambda: own.has("bob", new))


def test_the_command_tells_how_it_goes(own: Site) -> None:
    status = until_it_works(lambda: own.toaster("status"))

    assert all(name in status for name in ("smtpd", "send", "lspawn", "rspawn", "authd", "popup", "pop3d"))
    assert "alice" in own.toaster("route", "sales@example.test")
    assert "hostname" in own.toaster("schema")


def test_tls_is_taken_up_although_no_port_changes(own: Site) -> None:
    closed = "listen: {submission: null, submissions: null, pop3s: null}\n"

    for tls, is_offered in (("", False), ("tls: generate\n", True), ("", False)):
        (own.folder / "config.yaml").write_text(CONFIG + closed + tls)
        own.toaster("apply")

        wait_for(partial(offers_tls, own, is_offered), 60)


def offers_tls(own: Site, expected: bool) -> bool:
    """Whether SMTP and POP3 offer TLS, or not, as it is expected."""
    try:
        with (
            smtplib.SMTP("127.0.0.1", own.port(SMTP), "client.test", 60) as smtp,
            contextlib.closing(poplib.POP3("127.0.0.1", own.port(POP3), 60)) as pop3,
        ):
            smtp.ehlo()
            return expected == smtp.has_extn("starttls") == ("STLS" in pop3.capa())
    except (OSError, smtplib.SMTPServerDisconnected, poplib.error_proto):
        return False  # they are being started anew


def test_passwords_are_applied_wherever_they_are_known(own: Site) -> None:
    program, files = own.folder / "check", own.folder / "passwd"
    program.write_text(
        f"#!{sys.executable} -IS\nimport os, sys\nos.read(3, 513)\nos.execv(sys.argv[1], sys.argv[1:])\n"
    )
    program.chmod(0o755)
    files.write_text("")
    line = own.toaster("passwd", "--app", "phone", "--scope", "pop3").splitlines()
    app = next(text for text in line if text.startswith("phone: "))
    made = next(text.rpartition(" ")[2] for text in line if text.startswith("The password"))
    boxes = f"      ann: {{app_passwords: {{{app}}}}}\n      eve: {{password: external}}\n      bob:"

    (own.folder / "config.yaml").write_text(
        CONFIG.replace("      bob:", boxes) + f"logins: {{files: [{files}]}}\n"
    )
    own.toaster("apply")
    until_it_works(lambda: clients.curl(Mailbox(own.port(POP3), "ann@example.test", made)))
    files.write_text(f"eve@example.test:{HASHES['yescrypt']}\n")
    until_it_works(lambda: clients.curl(Mailbox(own.port(POP3), "eve@example.test", "secret")))

    (own.folder / "config.yaml").write_text(
        CONFIG.replace("      bob:", boxes) + f"logins: {{program: {program}}}\n"
    )
    own.toaster("apply")
    until_it_works(lambda: clients.curl(Mailbox(own.port(POP3), "eve@example.test", "whatever")))
