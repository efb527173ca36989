"""Owns chapter 8 of qmail's FAQ, what users' files order: each test types what the answer says."""

from collections.abc import Iterator

import pytest

from tests.support.by_hand import Host, Internet, instruct, lies_in
from tests.support.waiting import wait_for


@pytest.fixture(scope="module")
def internet() -> Iterator[Internet]:
    with Internet() as new:
        yield new


@pytest.fixture(scope="module")
def pokey(internet: Internet) -> Iterator[Host]:
    with internet.host("pokey.af.mil", "127.0.0.3") as new:
        new.shell("echo pokey.af.mil >> control/locals")
        new.shell("echo pokey.af.mil >> control/rcpthosts")
        new.shell("echo pokey.af.mil > control/defaulthost")
        new.shell("svc -h /service/qmail")
        yield new


def test_q08_3_forward_files(pokey: Host) -> None:
    joe, sue = pokey.user("joe"), pokey.user("sue")
    instruct(joe, ".qmail", "|dot-forward .forward", "./Maildir/")

    lies_in(joe / "Maildir", pokey.receive("joe@pokey.af.mil"))  # no .forward, and all is as before

    instruct(joe, ".forward", "# to Sue, to a program, and to myself", f'sue, "|cat >{joe}/piped"', "\\joe")
    both = pokey.receive("joe@pokey.af.mil")
    assert b"Delivered-To: joe@pokey.af.mil\n" in lies_in(sue / "Maildir", both)
    lies_in(joe / "Maildir", both)
    piped = wait_for(lambda: (joe / "piped").read_bytes() if (joe / "piped").exists() else None)
    assert piped.startswith(b"From stranger@outside.test ")
    assert both.is_in(piped)

    instruct(joe, ".forward", "sue@pokey.af.mil")
    only_sue = pokey.receive("joe@pokey.af.mil")
    lies_in(sue / "Maildir", only_sue)
    assert [] == [one for one in (joe / "Maildir" / "new").iterdir() if only_sue.is_in(one.read_bytes())]

    admin = pokey.site.place.mail / "pokey.af.mil.test" / "admin"  # a mailbox of config.yaml
    instruct(admin, ".qmail", "|dot-forward .forward", "./Maildir/")
    instruct(admin, ".forward", "\\admin, sue@pokey.af.mil")
    both = pokey.receive("admin@pokey.af.mil.test")
    lies_in(sue / "Maildir", both)
    lies_in(admin / "Maildir", both)


def test_q08_4_etc_aliases(pokey: Host) -> None:
    boss, kim, list_owner = pokey.user("boss"), pokey.user("kim"), pokey.user("listowner")
    folder = pokey.site.folder / "etc"
    folder.mkdir()
    (folder / "members").write_text("kim, boss (the boss)\n# nobody@nowhere.test\n")
    (folder / "aliases").write_text(
        "# as sendmail had it\n"
        "Manager: staff\n"
        "staff: boss,\n"
        "       Kim <kim@pokey.af.mil>\n"
        f"workers: :include:{folder}/members\n"
        "owner-workers: listowner\n"
    )

    pokey.shell(f"TOASTER_ALIASES={folder}/aliases newaliases && newinclude {folder}/members")
    pokey.shell(f"echo '|fastforward -d {folder}/aliases.cdb' > alias/.qmail-default")

    for to in ("manager@pokey.af.mil", "Workers@pokey.af.mil"):
        both = pokey.receive(to)
        for home in (boss, kim):
            lies_in(home / "Maildir", both)
    assert b"Return-Path: <owner-workers@pokey.af.mil>\n" in lies_in(kim / "Maildir", both)
    lies_in(list_owner / "Maildir", pokey.receive("owner-workers@pokey.af.mil"))

    since = len(pokey.site.log)
    pokey.receive("nobody-known@pokey.af.mil")
    pokey.wait_for_log("no_mailbox_here_by_that_name", since)
