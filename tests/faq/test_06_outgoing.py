"""Owns chapter 6 of qmail's FAQ, outgoing mail: each test types what the answer says."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.system.privileges import identity_of
from tests.support.by_hand import Host, Internet, instruct, lies_in, took
from tests.support.machine import Machine
from tests.support.nameserver import SILENCE
from tests.support.qmtp_server import QmtpServer
from tests.support.site import site
from tests.support.waiting import wait_for

UUX = '|preline -df /usr/bin/uux - -r -gC -a"${SENDER:-MAILER-DAEMON}" gonzo!rmail "($DEFAULT@$HOST)"'


@pytest.fixture(scope="module")
def af(internet: Internet) -> Iterator[Host]:
    with internet.host("www.af.mil", "127.0.0.6") as new:
        yield new


def test_q06_1_a_queue_for_a_dial_up_link(internet: Internet, af: Host) -> None:
    ppp = af.user("ppp")
    instruct(ppp, ".qmail-out-default", "./Maildir/")
    af.shell("echo :ppp-out >> control/virtualdomains; svc -h /service/qmail")
    new = af.send("someone@far.test")
    assert b"Delivered-To: ppp-out-someone@far.test\n" in lies_in(ppp / "Maildir", new)
    send_all = f"maildirsmtp {ppp}/Maildir ppp-out- 127.0.0.2 www.af.mil"
    away = af.shell(f"TOASTER_SMTP_PORT={internet.port} {send_all} 2>&1 || echo away")
    assert "unable to connect to 127.0.0.2" in away

    with internet.sink("provider.test", "127.0.0.2") as provider:
        af.shell(f"TOASTER_SMTP_PORT={internet.port} setlock -nx {ppp}/seriallock {send_all} 2>&1")

        assert (b"someone@far.test",) == took(provider, new)
    assert [] == [*(ppp / "Maildir" / "new").iterdir()]
    af.shell("sed -i /^:ppp-out/d control/virtualdomains; svc -h /service/qmail")


def test_q06_1_a_queue_for_a_dial_up_link_by_qmtp(af: Host) -> None:
    ppp = af.user("qppp")
    instruct(ppp, ".qmail-out-default", "./Maildir/")
    af.shell("echo queued.test:qppp-out >> control/virtualdomains; svc -h /service/qmail")
    new = af.send("someone@queued.test")
    lies_in(ppp / "Maildir", new)

    with QmtpServer() as provider:
        words = f"setlock -nx {ppp}/seriallock maildirqmtp {ppp}/Maildir qppp-out- 127.0.0.1"
        assert "succeeded" in af.shell(f"TOASTER_QMTP_PORT={provider.port} {words} 2>&1")

        (taken,) = provider.packages
        assert (b"someone@queued.test",) == taken.recipients
    assert [] == [*(ppp / "Maildir" / "new").iterdir()]


def test_q06_2_local_mail_to_another_host(internet: Internet, af: Host) -> None:
    boss = af.user("boss")
    af.shell("echo af.mil >> control/locals; svc -h /service/qmail")
    with internet.sink("pokey.af.mil", "127.0.0.2") as pokey:
        internet.know("af.mil", MX=["10 pokey.af.mil"])
        lies_in(boss / "Maildir", af.send("boss@af.mil"))

        af.shell("sed -i /^af.mil/d control/locals")
        af.shell("svc -h /service/qmail")

        assert (b"boss@af.mil",) == took(pokey, af.send("boss@af.mil"))


def test_q06_3_a_null_client(internet: Internet) -> None:
    with (
        internet.host("zippy.af.mil", "127.0.0.7") as zippy,
        internet.sink("bigbang.af.mil", "127.0.0.2") as bigbang,
    ):
        zippy.user("joe")
        zippy.shell("echo :bigbang.af.mil > control/smtproutes")
        zippy.shell("chmod 644 control/smtproutes")
        zippy.shell("echo > control/locals")
        zippy.shell("svc -d /service/smtpd; svc -h /service/qmail")

        for recipient in ("someone@far.test", "joe@zippy.af.mil", "joe"):
            expected = recipient if "@" in recipient else f"{recipient}@zippy.af.mil"
            assert (expected.encode(),) == took(bigbang, zippy.send(recipient))

        assert 0 == internet.names.questions["far.test", "MX"]
        wait_for(zippy.is_closed)


def test_q06_3_a_null_client_by_config(internet: Internet) -> None:
    config = (
        "version: 1\nhostname: zippy.af.mil\npostmaster: admin@bigbang.af.mil\n"
        "listen: {smtp: null, pop3: null}\n"
        f'relay: {{routes: {{"*": "127.0.0.2:{internet.port}"}}}}\n'
        'control: {locals: ""}\n'
    )
    with site(config) as own, internet.sink("bigbang.af.mil", "127.0.0.2") as bigbang:
        own.up()
        zippy = Host(own, "127.0.0.1")
        for recipient in ("someone@far.test", "joe@zippy.af.mil"):
            assert (recipient.encode(),) == took(bigbang, zippy.send(recipient))
        assert {"smtpd", "popup", "pop3d"}.isdisjoint(own.daemons())
        assert zippy.is_closed()


def test_q06_4_mail_by_uucp(internet: Internet, tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    spool = neighbour(machine, tmp_path, "gonzo")
    with internet.host("zippy.af.mil", "127.0.0.7", machine.words) as zippy:
        joe = zippy.user("joe")
        machine.account("alias", identity_of("alias").uid, zippy.site.place.alias)

        zippy.shell("echo :alias-uucp >> control/virtualdomains")
        zippy.shell("svc -h /service/qmail")
        zippy.shell(f"cat >alias/.qmail-uucp-default <<'END'\n{UUX}\nEND")

        lies_in(joe / "Maildir", zippy.send("joe@zippy.af.mil"))
        for sender, said in (("joe@zippy.af.mil", "joe@zippy.af.mil"), ("", "MAILER-DAEMON")):
            new = zippy.send("Fred.Bloggs@bigbang.af.mil", sender=sender)
            wanted = f" {said} 0 rmail Fred.Bloggs@bigbang.af.mil\n"
            wait_for(lambda: wanted.encode() in b"".join(queued(spool, "C.")))  # noqa: B023 - asked at once
            (text,) = (text for text in queued(spool, "D.") if new.is_in(text))
            assert text.startswith(f"Return-Path: <{sender}>\n".encode())


def neighbour(machine: Machine, folder: Path, name: str) -> Path:
    """The spool of a new system that UUCP knows."""
    for place in ("/etc/uucp", "/var/spool/uucp", "/var/log/uucp"):
        mine = folder / place.replace("/", "-")
        mine.mkdir()
        shutil.chown(mine, "uucp", "uucp")
        machine.instead(Path(place), mine)
    settings = folder / "-etc-uucp"
    (settings / "config").write_text("nodename zippy\n")
    (settings / "sys").write_text(f"system {name}\n")
    return folder / "-var-spool-uucp" / name


def queued(spool: Path, kind: str) -> list[bytes]:
    """What waits for a neighbour: C. his orders, D. what they are about."""
    return [path.read_bytes() for path in (spool / kind).glob("*")]


def test_q06_5_a_name_server_that_is_down(internet: Internet, af: Host) -> None:
    internet.names.records["slow.test"] = SILENCE
    since = len(af.site.log)
    new = af.send("someone@slow.test")
    af.wait_for_log("deferral: CNAME_lookup_failed_temporarily._(#4.4.3)/", since)

    with internet.sink("mx.slow.test", "127.0.0.2") as sink:
        internet.know("slow.test", MX=["10 mx.slow.test"])
        af.shell("svc -a /service/qmail")

        took(sink, new)
