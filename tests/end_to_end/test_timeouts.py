"""Owns hosts that time out end to end: rspawn, as its own user, keeps the table that others see and clear."""

from tests.support import clients
from tests.support.letter import letter
from tests.support.silent import silent
from tests.support.site import CONFIG, SMTP, Site, site
from tests.support.waiting import wait_for


def send(to: Site) -> None:
    clients.swaks(to.port(SMTP), "someone@far.test", letter().content, sender="alice@example.test")


def test_a_host_that_times_out_is_shown_and_forgotten() -> None:
    with silent(("127.0.0.2", 0)) as port:
        control = f'control: {{timeoutconnect: "1", smtproutes: ":127.0.0.2:{port}"}}\n'
        with site(f"{CONFIG}relay: {{clients: [127.0.0.0/8]}}\n{control}") as new:
            new.up()
            send(new)
            wait_for(lambda: "an_SMTP_connection._(#4.4.1)" in new.log)

            shown = new.shell("qmail-tcpto")
            assert shown.startswith("127.0.0.2 timed out ")
            assert shown.endswith(" seconds ago; # recent timeouts: 1\n")
            assert "" == new.shell("qmail-tcpok && qmail-tcpto")

            send(new)
            wait_for(lambda: 2 == new.log.count("an_SMTP_connection._(#4.4.1)"))
            assert shown.partition(" timed")[0] == new.shell("qmail-tcpto").partition(" timed")[0]
            assert "/lock/tcpto" not in new.toaster("queue", "fsck")
