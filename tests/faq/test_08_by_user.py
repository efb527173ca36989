"""Owns chapter 8 of qmail's FAQ but for sendmail's files: each test types what the answer says."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.system.privileges import identity_of
from tests.support.by_hand import Host, Internet, instruct, lies_in, maildir, took
from tests.support.machine import Machine
from tests.support.nexthop import NextHop
from tests.support.waiting import wait_for

FIRST_UID = 6701


@pytest.fixture(scope="module")
def pokey(internet: Internet) -> Iterator[Host]:
    with internet.host("pokey.af.mil", "127.0.0.3") as new:
        yield new


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    return Machine(tmp_path_factory.mktemp("machine"))


@pytest.fixture(scope="module")
def zippy(internet: Internet, machine: Machine) -> Iterator[Host]:
    """A host with accounts of its own."""
    with internet.host("zippy.af.mil", "127.0.0.7", machine.words) as new:
        yield new


def test_q08_1_a_mailing_list(internet: Internet, pokey: Host) -> None:
    me, fred = pokey.user("me"), pokey.user("fred")
    instruct(me, ".qmail-sos", "fred@pokey.af.mil", "eric@far.test", "pat@gone.test")
    pokey.shell(f"touch {me}/.qmail-sos-owner")
    internet.know("gone.test", A=["127.0.0.8"])
    with (
        internet.sink("far.test", "127.0.0.2") as sink,
        NextHop({"RCPT": "550 no such user"}, at=("127.0.0.8", internet.port)),
    ):
        new = pokey.receive("me-sos@pokey.af.mil")

        text = lies_in(fred / "Maildir", new)
        assert b"\nReturn-Path: <me-sos-owner@pokey.af.mil>\n" in b"\n" + text
        assert (b"eric@far.test",) == took(sink, new)
        assert [b"me-sos-owner@pokey.af.mil"] == [message.sender for message in sink.messages]
        bounce = lies_in(me / "Maildir", new)
        assert b"\nDelivered-To: me-sos-owner@pokey.af.mil\n" in b"\n" + bounce
        assert b"\n<pat@gone.test>:\n" in bounce


def test_q08_1_each_subscriber_bounces_to_an_address_of_his_own(internet: Internet, pokey: Host) -> None:
    ann = pokey.user("ann")
    instruct(ann, ".qmail-sos", "eric@far.test", "pat@far.test")
    pokey.shell(f"touch {ann}/.qmail-sos-owner {ann}/.qmail-sos-owner-default")
    with internet.sink("far.test", "127.0.0.2") as sink:
        pokey.receive("ann-sos@pokey.af.mil")

        wait_for(lambda: len(sink.messages) == 2)
        senders = {message.recipients: message.sender for message in sink.messages}
    assert {
        (b"eric@far.test",): b"ann-sos-owner-eric=far.test@pokey.af.mil",
        (b"pat@far.test",): b"ann-sos-owner-pat=far.test@pokey.af.mil",
    } == senders
    lies_in(ann / "Maildir", pokey.receive("ann-sos-owner-pat=far.test@pokey.af.mil"))


def test_q08_2_dots_in_aliases(pokey: Host) -> None:
    bach = pokey.user("js")
    pokey.shell("echo js@pokey.af.mil > alias/.qmail-P.D.Q.Bach")
    wait_for(lambda: pokey.refuses("P.D.Q.Bach@pokey.af.mil"))

    pokey.shell("mv alias/.qmail-P.D.Q.Bach alias/.qmail-p:d:q:bach")

    for name in ("P.D.Q.Bach", "p.d.q.bach", "P.d.Q.BACH"):
        text = lies_in(bach / "Maildir", pokey.receive(f"{name}@pokey.af.mil"))
        assert f"Delivered-To: {name}@pokey.af.mil\n".encode() in text


def test_q08_5_mail_waits_while_a_home_is_away(internet: Internet) -> None:
    with internet.host("nfs.af.mil", "127.0.0.9") as nfs:
        joe, users = nfs.user("joe"), nfs.site.place.users
        alias = f"alias:x:{identity_of('alias').uid}:2107::{nfs.site.place.alias}:/bin/sh\n"
        mine = f"joe:x:{joe.stat().st_uid}:{joe.stat().st_gid}::{joe}:/bin/sh\n"
        (users / "passwd").write_text(alias + mine)

        nfs.shell("qmail-pw2u -h < users/passwd > users/assign")
        nfs.shell("qmail-newu")

        lies_in(joe / "Maildir", nfs.receive("joe@nfs.af.mil"))
        away = joe.rename(joe.with_name("away"))
        since = len(nfs.site.log)
        new = nfs.send("joe@nfs.af.mil")
        nfs.wait_for_log("deferral: ", since)
        stopped = nfs.shell("! qmail-pw2u -h < users/passwd 2>&1 >users/assign.new")
        assert f"qmail-pw2u: fatal: unable to stat {joe}\n" == stopped

        away.rename(joe)
        nfs.shell("svc -a /service/qmail")

        lies_in(joe / "Maildir", new)


def test_q08_6_whose_address_it_is_by_the_owner_of_a_home(machine: Machine, zippy: Host) -> None:
    home = zippy.site.folder / "homes" / "www"
    home.mkdir(parents=True)
    os.chown(home, FIRST_UID, FIRST_UID)
    machine.account("www", FIRST_UID, home)
    boss = zippy.user("boss")
    zippy.shell("echo boss@zippy.af.mil > alias/.qmail-www")
    lies_in(maildir(home, "Maildir"), zippy.receive("www@zippy.af.mil"))

    zippy.shell(f"chown root {home}")

    lies_in(boss / "Maildir", zippy.receive("www@zippy.af.mil"))


def test_q08_6_whose_address_it_is_by_users_assign(pokey: Host) -> None:
    pokey.user("web")
    boss = pokey.user("boss")
    theirs, mine = (
        f"={name}:boss:{boss.stat().st_uid}:{boss.stat().st_gid}:{boss}:::" for name in ("boss", "web")
    )

    pokey.shell(f"sed -i 's|^=web:.*|{mine}|; s|^=boss:.*|{theirs}|' users/assign")
    pokey.shell("qmail-newu")

    lies_in(boss / "Maildir", pokey.receive("web@pokey.af.mil"))


def test_q08_7_procmail(machine: Machine, zippy: Host) -> None:
    joe = zippy.user("joe")
    machine.account("joe", joe.stat().st_uid, joe)
    urgent = maildir(joe, "urgent")
    rules = ("DEFAULT=$HOME/Maildir/", "MAILDIR=$HOME", ":0", "* ^Subject: .*urgent", "urgent/")
    instruct(joe, ".procmailrc", *rules)

    instruct(joe, ".qmail", "| preline procmail")

    as_ever = zippy.write("USER=boss qmail-inject joe@zippy.af.mil", "Subject: lunch")
    hurried = zippy.write("USER=boss qmail-inject joe@zippy.af.mil", "Subject: an urgent matter")
    text = lies_in(urgent, hurried)
    assert b"\nDelivered-To: joe@zippy.af.mil\n" in text
    lies_in(joe / "Maildir", as_ever)


def test_q08_7_procmail_out_of_a_forward_file(machine: Machine, zippy: Host) -> None:
    """What a user of sendmail had in .forward, in procmail's own words, goes on by dot-forward."""
    ida = zippy.user("ida")
    machine.account("ida", ida.stat().st_uid, ida)
    instruct(ida, ".procmailrc", "DEFAULT=$HOME/Maildir/")
    instruct(ida, ".forward", "\"|IFS=' ' && exec procmail -f- || exit 75 #ida\"")

    instruct(ida, ".qmail", "|dot-forward .forward", "./elsewhere/")

    lies_in(ida / "Maildir", zippy.receive("ida@zippy.af.mil"))


def test_q08_8_a_filter(pokey: Host) -> None:
    pat = pokey.user("pat")
    _program(pokey.site.place.home / "bin" / "filter", 'sed "2i X-Filtered: by $USER" >> mbox')

    instruct(pat, ".qmail", "| preline filter")

    new = pokey.receive("pat@pokey.af.mil")
    wait_for(lambda: new.content in _read(pat / "mbox"))
    text = _read(pat / "mbox")
    lines = text.split(b"\n")
    assert lines[0].startswith(b"From stranger@outside.test ")
    assert [
        b"X-Filtered: by pat",
        b"Return-Path: <stranger@outside.test>",
        b"Delivered-To: pat@pokey.af.mil",
    ] == lines[1:4]


def test_q08_9_unknown_users_to_another_host(internet: Internet, pokey: Host) -> None:
    pokey.user("known")
    with internet.sink("bigbang.af.mil", "127.0.0.2") as bigbang:
        pokey.shell("""echo '| forward "$LOCAL"@bigbang.af.mil' > alias/.qmail-default""")

        for name in ("unknown", "First.Last", "some-one-else", "a;$HOME"):
            shown = f'"{name}"' if ";" in name else name
            new = pokey.send(f"{name}@pokey.af.mil")
            assert (f"{shown}@bigbang.af.mil".encode(),) == took(bigbang, new)
        assert (b"stranger@bigbang.af.mil",) == took(bigbang, pokey.receive("stranger@pokey.af.mil"))
        pokey.receive("known@pokey.af.mil")
    assert not any(message.recipients == (b"known@bigbang.af.mil",) for message in bigbang.messages)
    pokey.shell("rm alias/.qmail-default")  # tests come in any order, and others want strangers refused


def _program(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def _read(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""
