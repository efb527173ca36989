"""Owns chapter 8 of qmail's FAQ, what users' files order: each test types what the answer says."""

from collections.abc import Iterator

import pytest

from tests.support.by_hand import Host, Internet, instruct, lies_in
from tests.support.waiting import wait_for


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

    told = pokey.shell(f"cd {joe}; USER=joe dot-forward -n .forward 2>&1 || [ $? = 99 ]")
    assert "forward sue@pokey.af.mil\n" == told

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

    told = pokey.shell(
        f"RECIPIENT=staff@pokey.af.mil SENDER=x@y.test fastforward -n {folder}/aliases.cdb 2>&1"
    )
    assert {"from <x@y.test>", "to <boss@pokey.af.mil>", "to <kim@pokey.af.mil>"} == set(told.splitlines())
    printed = pokey.shell(f"printforward < {folder}/aliases.cdb")
    assert "manager@:\n, &staff@pokey.af.mil\n;\n" in printed
    assert "&boss@pokey.af.mil\n" in pokey.shell(f"printmaillist < {folder}/members.bin")

    since = len(pokey.site.log)
    pokey.receive("nobody-known@pokey.af.mil")
    pokey.wait_for_log("no_mailbox_here_by_that_name", since)
    pokey.shell("rm alias/.qmail-default")


def test_q08_4_majordomos_lists(pokey: Host) -> None:
    """majordomo's list grows by a line, and its own line of Perl makes the list known."""
    lia, max_ = pokey.user("lia"), pokey.user("max")
    folder = pokey.site.folder / "majordomo"
    folder.mkdir()
    (folder / "workers").write_text("lia\n")
    (folder / "aliases").write_text(f"ourlist: :include:{folder}/workers\n")
    pokey.shell(f"TOASTER_ALIASES={folder}/aliases newaliases && newinclude {folder}/workers")
    pokey.shell(f"echo '|fastforward {folder}/aliases.cdb' > alias/.qmail-ourlist")
    lies_in(lia / "Maildir", pokey.receive("ourlist@pokey.af.mil"))

    subscribe = 'system("newinclude", "$listdir/$clean_list");'
    with (folder / "workers").open("a") as workers:
        workers.write("max@pokey.af.mil\n")
    pokey.shell(f'perl -e \'$listdir = "{folder}"; $clean_list = "workers"; {subscribe}\'')

    both = pokey.receive("ourlist@pokey.af.mil")
    for home in (lia, max_):
        lies_in(home / "Maildir", both)


def test_q08_4_tables_without_aliases(pokey: Host) -> None:
    """setforward and setmaillist, for who never had sendmail."""
    una, vic = pokey.user("una"), pokey.user("vic")
    folder = pokey.site.folder / "tables"
    folder.mkdir()
    all_of_them = f"crew@pokey.af.mil: ?captain@pokey.af.mil, {folder}/crew.bin; captain@pokey.af.mil: &una;"
    pokey.shell(
        f"printf '%s\n' una@pokey.af.mil vic@pokey.af.mil | setmaillist {folder}/crew.bin {folder}/tmp"
    )
    pokey.shell(f"chmod 644 {folder}/crew.bin")
    pokey.shell(f"echo '{all_of_them}' | setforward {folder}/table.cdb {folder}/tmp")
    pokey.shell(f"echo '|fastforward -p {folder}/table.cdb' > alias/.qmail-crew")

    both = pokey.receive("crew@pokey.af.mil")

    for home in (una, vic):
        text = lies_in(home / "Maildir", both)
        assert text.startswith(b"Return-Path: <captain@pokey.af.mil>\n")
