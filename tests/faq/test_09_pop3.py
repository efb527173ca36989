"""Owns question 9.5 of qmail's FAQ: qmail-pop3d by hand, and any program with checkpassword's interface."""

import poplib
import ssl
import sys
from functools import partial

import pytest

from tests.support import clients
from tests.support.by_hand import tcpserver
from tests.support.certificate import self_signed
from tests.support.clients import Mailbox
from tests.support.letter import letter
from tests.support.pop3_rig import deliver
from tests.support.site import CONFIG, POP3, POP3S, site
from tests.support.waiting import LIMIT_S, until_it_works

ANOTHER = f"""\
#!{sys.executable} -IS
import os, sys
user, password, stamp, rest = os.read(3, 513).split(b"\\0")
if (user, password) != (b"zed@example.test", b"known elsewhere"):
    sys.exit(1)
os.execv(sys.argv[1], sys.argv[1:])
"""


def test_q09_5_qmail_pop3d() -> None:
    config = CONFIG.replace("      bob:", "      zed: {password: external}\n      bob:")
    with site() as own:
        another = own.folder / "another"
        another.write_text(ANOTHER)
        another.chmod(0o755)
        (own.folder / "config.yaml").write_text(f"{config}logins: {{program: {another}}}\n")
        own.up()
        alice = own.mailbox()
        zed = Mailbox(own.port(POP3), "zed@example.test", "known elsewhere")
        for name, new in (("alice", letter()), ("zed", letter())):
            deliver(own.place.mail / "example.test" / name / "Maildir", "1.a", new.content)

        # The daemons ask authd, and authd the other program.
        assert 1 == len(clients.curl(zed))

        # By hand, as the FAQ writes it: our checkpassword asks authd, too.
        line = "qmail-popup mail.example.test checkpassword qmail-pop3d Maildir"
        with tcpserver(own, line) as port:
            for mailbox in (alice, zed):
                there = mailbox._replace(port=port)
                assert 1 == until_it_works(partial(count, there))
                with pytest.raises(poplib.error_proto, match="-ERR authorization failed"):
                    count(there._replace(password="wrong"))


def test_q09_5_with_tls_nobody_steals_passwords() -> None:
    with site() as own:
        pem = self_signed(own.folder / "pem", "mail.example.test")
        with (own.folder / "config.yaml").open("a") as config:
            config.write(f"tls: {{certificate: {pem}, key: {pem}}}\n")
        own.up()
        alice, new = own.mailbox(), letter()
        deliver(own.place.mail / "example.test" / "alice" / "Maildir", "1.a", new.content)
        trusting = ssl.create_default_context(cafile=str(pem))
        trusting.check_hostname = False  # the certificate's name is in no DNS here

        upgraded = poplib.POP3("127.0.0.1", own.port(POP3), LIMIT_S)
        upgraded.stls(trusting)
        implicit = poplib.POP3_SSL("127.0.0.1", own.port(POP3S), timeout=LIMIT_S, context=trusting)
        for client in (upgraded, implicit):
            client.user(alice.user)
            client.pass_(alice.password)
            assert 1 == client.stat()[0]
            assert new.is_in(b"\n".join(client.retr(1)[1]))
            client.quit()


def count(mailbox: Mailbox) -> int:
    """How many messages a client sees; AssertionError while nobody listens."""
    try:
        client = poplib.POP3("127.0.0.1", mailbox.port, LIMIT_S)
    except ConnectionRefusedError as error:
        raise AssertionError(mailbox.port) from error
    try:
        client.user(mailbox.user)
        client.pass_(mailbox.password)
        return client.stat()[0]
    finally:
        client.close()
