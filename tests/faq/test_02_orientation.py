"""Owns question 2.3 of qmail's FAQ, a host that had sendmail: its users, files and programs stay."""

import grp
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from appliance.system.privileges import identity_of
from tests.support.by_hand import Host, Internet, instruct, lies_in, maildir, took
from tests.support.letter import Letter
from tests.support.machine import Machine
from tests.support.waiting import wait_for

MAIL_GROUP = grp.getgrnam("mail").gr_gid
FIRST_UID = 6801
BY_PROGRAM = """control: {defaultdelivery: ["|dot-forward .forward", "|preline procmail"]}\n"""
AS_A_FILE = """control: {defaultdelivery: ["|dot-forward .forward", "/var/mail/$USER"]}\n"""


class Unix:
    """A machine with /etc/passwd, /etc/aliases and /var/mail of its own, and a host that delivers on it."""

    def __init__(self, machine: Machine, host: Host, etc: Path, spool: Path) -> None:
        self.host, self.etc, self.spool = host, etc, spool
        self._machine = machine
        self._number = FIRST_UID

    def user(self, name: str, number: int | None = None) -> Path:
        """The home of a new account; if no number is given, one of its own."""
        self._number += 1
        number = self._number if number is None else number
        home = self.host.site.folder / "homes" / name
        home.mkdir(parents=True)
        os.chown(home, number, number)
        self._machine.account(name, number, home)
        return home

    def box(self, home: Path) -> Path:
        """A user's mbox in /var/mail, empty, as useradd(8) makes it."""
        path = self.spool / home.name
        path.touch(mode=0o660)
        path.chmod(0o660)
        os.chown(path, home.stat().st_uid, MAIL_GROUP)
        return path

    def as_user(self, home: Path, command: str) -> str:
        """What a user's command prints."""
        number = home.stat().st_uid
        switch = f"setpriv --reuid={number} --regid={number} --clear-groups"
        return self.host.shell(f"cd {home} && HOME={home} USER={home.name} {switch} {command}")


@contextmanager
def unix_host(internet: Internet, address: str, folder: Path, more: str) -> Iterator[Unix]:
    machine = Machine(folder)
    etc, spool = machine.etc(), folder / "spool"
    spool.mkdir()
    os.chown(spool, 0, MAIL_GROUP)
    spool.chmod(0o2775)  # as Debian has it
    machine.instead(Path("/var/mail"), spool)
    with internet.host("heaven.af.mil", address, machine.words, more) as host:
        host.shell("echo heaven.af.mil > control/defaulthost")
        # What links do in the image.
        machine.finally_instead(Path("/usr/sbin/sendmail"), host.site.place.home / "bin" / "sendmail")
        machine.account("alias", identity_of("alias").uid, host.site.place.alias)
        yield Unix(machine, host, etc, spool)


@pytest.fixture(scope="module")
def unix(internet: Internet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Unix]:
    with unix_host(internet, "127.0.0.9", tmp_path_factory.mktemp("machine"), AS_A_FILE) as new:
        yield new


def lies_at_the_end_of(box: Path, new: Letter) -> bytes:
    """An mbox, once a letter is the last one in it."""
    return wait_for(lambda: text if box.exists() and new.is_in(text := box.read_bytes()) else None)


def test_q02_3_forward_files(internet: Internet, unix: Unix) -> None:
    joe, sue = unix.user("joe"), unix.user("sue")
    at_joe, at_sue = unix.box(joe), unix.box(sue)
    lies_at_the_end_of(at_joe, unix.host.receive("joe@heaven.af.mil"))

    instruct(joe, ".forward", "sue, joe@far.test", f'"|cat >{joe}/piped"')

    with internet.sink("far.test", "127.0.0.2") as far:
        new = unix.host.receive("joe@heaven.af.mil")
        assert (b"joe@far.test",) == took(far, new)
    assert b"\nDelivered-To: sue@heaven.af.mil\n" in lies_at_the_end_of(at_sue, new)
    wait_for(lambda: (joe / "piped").exists() and new.is_in((joe / "piped").read_bytes()))
    assert new.token.encode() not in at_joe.read_bytes()


def test_q02_3_etc_aliases(unix: Unix) -> None:
    ann, ben = unix.user("ann"), unix.user("ben")
    (unix.etc / "aliases").write_text("# as sendmail had it\nManager: staff\nstaff: ann,\n\tBen\n")

    unix.host.shell("newaliases")
    unix.host.shell("echo '|fastforward -d /etc/aliases.cdb' > alias/.qmail-default")

    for box in (unix.box(ann), unix.box(ben)):
        lies_at_the_end_of(box, unix.host.receive("manager@heaven.af.mil"))
    lies_at_the_end_of(unix.box(ann), unix.host.receive("ann@heaven.af.mil"))
    unix.host.shell("rm alias/.qmail-default")


def test_q02_3_mail_in_a_central_spool(unix: Unix) -> None:
    pat = unix.user("pat")
    box = unix.box(pat)
    before = box.stat()

    lies_at_the_end_of(box, unix.host.receive("pat@heaven.af.mil"))
    text = lies_at_the_end_of(box, unix.host.receive("Pat@heaven.af.mil"))

    assert [b"From stranger@outside.test "] == [text[:27]]
    now = box.stat()
    assert (before.st_uid, before.st_gid, before.st_mode) == (now.st_uid, now.st_gid, now.st_mode)
    told = unix.as_user(pat, "sh -c 'echo x | bsd-mailx'")
    assert '"/var/mail/pat": 2 messages 2 new\n' in told


def test_q02_3_a_spool_where_each_user_makes_his_own_file(unix: Unix) -> None:
    kim = unix.user("kim")
    new = unix.host.receive("kim@heaven.af.mil")
    unix.host.wait_for_log("Unable_to_open_/var/mail/kim:_access_denied._(#4.2.1)/")

    unix.spool.chmod(0o1777)
    unix.host.shell("svc -a /service/qmail")

    lies_at_the_end_of(unix.spool / "kim", new)
    state = (unix.spool / "kim").stat()
    assert (kim.stat().st_uid, 0o600) == (state.st_uid, state.st_mode & 0o777)
    unix.spool.chmod(0o2775)


def test_q02_3_a_binmail_of_the_system(internet: Internet, tmp_path: Path) -> None:
    """procmail, which may write to the spool for everybody; qmail calls this choice boot/proc+df."""
    with unix_host(internet, "127.0.0.10", tmp_path, BY_PROGRAM) as unix:
        joe, sue = unix.user("joe"), unix.user("sue")
        text = lies_at_the_end_of(unix.spool / "joe", unix.host.receive("joe@heaven.af.mil"))
        assert text.startswith(b"From stranger@outside.test ")
        assert b"\nDelivered-To: joe@heaven.af.mil\n" in text
        state = (unix.spool / "joe").stat()
        assert (joe.stat().st_uid, 0) == (state.st_uid, state.st_mode & 0o007)

        instruct(joe, ".forward", f"\"|IFS=' ' && exec procmail -f- DEFAULT={joe}/mbox || exit 75 #joe\"")
        lies_at_the_end_of(joe / "mbox", unix.host.receive("joe@heaven.af.mil"))
        instruct(joe, ".forward", "sue")
        lies_at_the_end_of(unix.spool / sue.name, unix.host.receive("joe@heaven.af.mil"))


@pytest.mark.parametrize("program", ["/usr/lib/sendmail", "/usr/sbin/sendmail"])
def test_q02_3_sendmail_by_its_place(unix: Unix, program: str) -> None:
    eve = unix.user(f"eve{len(program)}")
    box = unix.box(eve)

    new = unix.host.write(f"USER=god {program} -oi -t", f"To: {eve.name}", "Subject: from a program")

    assert f"\nTo: {eve.name}@heaven.af.mil\n".encode() in lies_at_the_end_of(box, new)
    # What others left may leave the queue in between.
    wait_for(lambda: unix.host.shell("qmail-qread") == unix.host.shell(f"{program} -bp"))


def test_q02_3_a_program_that_knows_sendmails_place(unix: Unix) -> None:
    ned = unix.user("ned")
    box = unix.box(ned)

    unix.as_user(ned, "sh -c 'echo from mailx | bsd-mailx -s hello ned'")

    text = lies_at_the_end_of(box, Letter("", b"from mailx\n"))
    assert text.startswith(b"From ned@heaven.af.mil ")
    assert b"\nSubject: hello\n" in text


def test_q02_3_the_users_of_etc_passwd(unix: Unix) -> None:
    tom, away = unix.user("tom"), unix.user("away")
    unix.user("Big")
    unix.user("toor", 0)
    www = unix.user("www")
    os.chown(www, 0, 0)
    away.rename(away.with_name("gone"))
    boss = unix.box(unix.user("boss"))
    instruct(tom, ".qmail-list", "./Maildir/")
    alias = unix.host.site.place.alias
    (alias / ".qmail-www").write_text("boss\n")

    lies_at_the_end_of(unix.box(tom), unix.host.receive("TOM@heaven.af.mil"))
    lies_in(maildir(tom, "Maildir"), unix.host.receive("tom-list@heaven.af.mil"))
    lies_at_the_end_of(boss, unix.host.receive("www@heaven.af.mil"))
    for nobody in ("Big", "big", "toor", "away", "tom-other", "root-x"):
        assert unix.host.refuses(f"{nobody}@heaven.af.mil"), nobody


def test_q02_3_the_users_of_etc_passwd_in_users_assign(unix: Unix) -> None:
    dan = unix.user("dan")
    box = unix.box(dan)

    unix.host.shell("cp users/assign users/kept")
    unix.host.shell("sed '/^\\.$/d' users/assign > users/append")  # mailboxes of config.yaml
    unix.host.shell("qmail-pw2u < /etc/passwd > users/assign")
    unix.host.shell("qmail-newu")

    lies_at_the_end_of(box, unix.host.receive("dan@heaven.af.mil"))
    dan.rename(dan.with_name("away"))
    since = len(unix.host.site.log)
    new = unix.host.send("dan@heaven.af.mil")
    unix.host.wait_for_log("deferral: Unable_to_switch_to", since)
    dan.with_name("away").rename(dan)
    unix.host.shell("svc -a /service/qmail")
    lies_at_the_end_of(box, new)
    unix.host.shell("mv users/kept users/assign && rm users/append && qmail-newu")  # others add users
