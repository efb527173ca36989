"""Owns a Dovecot on the same Maildirs: it sees our mail, we see its, and both go by one quota."""

import imaplib
import math
import poplib
import smtplib
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.admin.ground import mail_owner
from appliance.formats.maildirsize import Usage, parse_maildirsize
from tests.support.clients import Mailbox
from tests.support.dovecot import Dovecot, dovecot, is_known
from tests.support.letter import letter
from tests.support.site import SMTP, Site, site
from tests.support.waiting import until_it_works, wait_for

pytestmark = pytest.mark.skipif(not is_known(), reason="no Dovecot 2.3 here; `make peers` installs Debian's")

CONFIG = """\
version: 1
hostname: mail.example.test
postmaster: post@example.test
limits: {quota: 20K}
domains:
  example.test:
    mailboxes:
      post: {password: generate, quota: 0}
      ann: {password: generate, quota: 0}
      ben: {password: generate, quota: 0}
      gus: {password: generate, quota: 0}
      cid: {password: generate}
      dan: {password: generate}
      eve: {password: generate, quota: 1M}
      fay: {password: generate}
"""


@pytest.fixture(scope="module")
def own() -> Iterator[Site]:
    with site(CONFIG) as new:
        new.up()
        yield new


@pytest.fixture(scope="module")
def other(own: Site) -> Iterator[Dovecot]:
    with dovecot(own.place.mail, mail_owner(own.environ)) as new:
        yield new


def address(name: str) -> str:
    return f"{name}@example.test"


def maildir(own: Site, name: str) -> Path:
    return own.place.mail / "example.test" / name / "Maildir"


def used(own: Site, name: str) -> Usage | None:
    return parse_maildirsize((maildir(own, name) / "maildirsize").read_bytes()).used


def text_of(size: int) -> bytes:
    """A message of about so many bytes, as SMTP has it."""
    return b"Subject: large\r\n\r\n" + (b"y" * 70 + b"\r\n") * (size // 72)


def lying(text: bytes) -> int:
    """How many bytes of it lie on the disk, where lines end with LF."""
    return len(text) - text.count(b"\r\n")


def send(own: Site, name: str, *texts: bytes) -> None:
    with smtplib.SMTP("127.0.0.1", own.port(SMTP), "client.test", 60) as session:
        for text in texts:
            session.sendmail(address("post"), [address(name)], text)


def send_and_wait(own: Site, name: str, *texts: bytes) -> None:
    before = len(own.maildir(name))
    send(own, name, *texts)
    wait_for(lambda: len(own.maildir(name)) == before + len(texts))


def wait_until_counted(own: Site, name: str) -> None:
    """Until maildirsize tells of all that lies there: a message is there first."""
    wait_for(lambda: (lie := own.maildir(name)) and Usage(sum(map(len, lie)), len(lie)) == used(own, name))


def letters(count: int) -> list[bytes]:
    return [letter(f"größer {n}\n\n.\n").content.replace(b"\n", b"\r\n") for n in range(count)]


def wired(files: list[bytes]) -> list[bytes]:
    """Messages as a protocol carries them."""
    return sorted(file.replace(b"\n", b"\r\n") for file in files)


def by_imap(session: imaplib.IMAP4) -> list[bytes]:
    session.select(readonly=True)
    _, parts = session.fetch("1:*", "(BODY.PEEK[])")
    return sorted(part[1] for part in parts if isinstance(part, tuple))


def by_pop3(mailbox: Mailbox, *, delete: bool = False) -> dict[bytes, bytes]:
    """All messages by their unique names, in order."""
    session = poplib.POP3("127.0.0.1", mailbox.port, timeout=60)
    try:
        session.user(mailbox.user)
        session.pass_(mailbox.password)
        found = {}
        for line in session.uidl()[1]:
            number, _, name = line.partition(b" ")
            found[name] = b"".join(text + b"\r\n" for text in session.retr(int(number))[1])
            if delete:
                session.dele(int(number))
    finally:
        session.quit()
    return found


def test_dovecot_sees_our_mail_byte_for_byte(own: Site, other: Dovecot) -> None:
    send_and_wait(own, "ann", *letters(3), text_of(100_000))
    ours = wired(own.maildir("ann"))

    with other.imap(address("ann")) as session:
        assert ours == by_imap(session)
    assert ours == sorted(by_pop3(other.mailbox(address("ann"))).values())


def test_our_pop3_knows_messages_again_that_dovecot_moved_and_flagged(own: Site, other: Dovecot) -> None:
    send_and_wait(own, "ben", *letters(3))
    names = [path.name for path in sorted((maildir(own, "ben") / "new").iterdir())]

    with other.imap(address("ben")) as session:
        session.select()
        session.store("1:2", "+FLAGS", r"(\Seen \Answered)")
        session.store("3", "+FLAGS", r"(\Flagged keyword)")

    assert [] == list((maildir(own, "ben") / "new").iterdir())
    assert set(names) == {path.name.partition(":")[0] for path in (maildir(own, "ben") / "cur").iterdir()}
    found = by_pop3(own.mailbox(address("ben")))
    assert set(names) == {name.decode() for name in found}
    assert wired(own.maildir("ben")) == sorted(text.removesuffix(b"\r\n") for text in found.values())


def test_what_dovecot_keeps_in_the_maildir_disturbs_nobody(own: Site, other: Dovecot) -> None:
    with other.imap(address("gus")) as session:
        session.create("Sent")
        session.append("Sent", None, None, text_of(1000))
        session.append("INBOX", None, None, text_of(2000))
        session.subscribe("Sent")
    before = by_pop3(own.mailbox(address("gus")))

    send_and_wait(own, "gus", *letters(1))

    after = by_pop3(own.mailbox(address("gus")))
    kept = {path.name for path in maildir(own, "gus").iterdir()}
    assert {".Sent", "dovecot-uidlist", "subscriptions"} <= kept
    assert text_of(2000) + b"\r\n" in before.values()
    assert (True, 1) == (before.items() <= after.items(), len(after) - len(before))
    status = until_it_works(lambda: own.toaster("status"))  # not before all daemons have started
    assert f"{address('gus')}\t{len(after)}" in status


def test_both_count_in_one_quota(own: Site, other: Dovecot) -> None:
    send_and_wait(own, "cid", text_of(6000))
    wait_until_counted(own, "cid")
    ours = Usage(len(own.maildir("cid")[0]), 1)

    with other.imap(address("cid")) as session:
        session.create("Sent")
        session.append("Sent", None, None, text_of(5000))
        _, (_, told) = session.getquotaroot("INBOX")
    other.doveadm("save", "-u", address("cid"), stdin=text_of(4000))

    sent, saved = lying(text_of(5000)), lying(text_of(4000))
    assert Usage(ours.size + sent + saved, 3) == used(own, "cid")
    assert f"(STORAGE {math.ceil((ours.size + sent) / 1024)} 20)" in str(told)
    assert f"{(ours.size + sent + saved) * 100 // 20480} % full" in until_it_works(
        lambda: own.toaster("status")
    )


def test_neither_goes_beyond_it_and_what_one_deletes_the_other_may_use(own: Site, other: Dovecot) -> None:
    send_and_wait(own, "dan", text_of(12_000))
    wait_until_counted(own, "dan")

    with other.imap(address("dan")) as session:
        refused, told = session.append("INBOX", None, None, text_of(9000))
        assert ("NO", True) == (refused, b"OVERQUOTA" in told[0])
    send(own, "dan", text_of(9000))
    wait_for(lambda: any(b"(#5.2.2)" in bounce for bounce in own.maildir("post")))
    assert 1 == len(own.maildir("dan"))

    with other.imap(address("dan")) as session:
        session.select()
        session.store("1", "+FLAGS", r"(\Deleted)")
        session.expunge()
    assert Usage() == used(own, "dan")
    send_and_wait(own, "dan", text_of(15_000))
    wait_until_counted(own, "dan")

    by_pop3(own.mailbox(address("dan")), delete=True)
    with other.imap(address("dan")) as session:
        assert "OK" == session.append("INBOX", None, None, text_of(15_000))[0]
    assert Usage(lying(text_of(15_000)), 1) == used(own, "dan")


def test_a_full_mailbox_refuses_at_rcpt(own: Site, other: Dovecot) -> None:
    def rcpt() -> bytes:
        with smtplib.SMTP("127.0.0.1", own.port(SMTP), "client.test", 60) as session:
            session.ehlo()
            session.mail("a@outside.test")
            code, text = session.rcpt(address("eve"))
            return b"%d %s" % (code, text)

    assert rcpt().startswith(b"250 ")
    other.doveadm("save", "-u", address("eve"), stdin=text_of(5000))
    (own.folder / "config.yaml").write_text(CONFIG.replace("quota: 1M", "quota: 4K"))
    own.toaster("apply")

    wait_for(lambda: rcpt() == b"552 5.2.2 sorry, that mailbox is full (#5.2.2)")

    by_pop3(own.mailbox(address("eve")), delete=True)
    wait_for(lambda: rcpt().startswith(b"250 "))


def test_no_line_is_lost_while_both_deliver(own: Site, other: Dovecot) -> None:
    count = 20
    before = used(own, "fay") or Usage()
    small = text_of(72)

    def append() -> None:
        with other.imap(address("fay")) as session:
            for _ in range(count):
                session.append("INBOX", None, None, small)

    thread = threading.Thread(target=append)
    thread.start()
    send(own, "fay", *[small] * count)
    thread.join()
    wait_for(lambda: len(own.maildir("fay")) == 2 * count)

    wait_until_counted(own, "fay")
    assert (Usage(), 2 * count) == (before, len(own.maildir("fay")))
