"""Owns chapter 7 of qmail's FAQ, incoming mail by host: each test types what the answer says."""

from collections.abc import Iterator

import pytest

from tests.support.by_hand import Host, Internet, instruct, lies_in, maildir, took
from tests.support.letter import Letter
from tests.support.waiting import wait_for


@pytest.fixture(scope="module")
def pokey(internet: Internet) -> Iterator[Host]:
    with internet.host("pokey.af.mil", "127.0.0.3") as new:
        yield new


def test_q07_1_mail_for_another_host_name(pokey: Host) -> None:
    boss = pokey.user("boss")

    pokey.shell("echo af.mil >> control/locals")
    pokey.shell("echo af.mil >> control/rcpthosts")
    pokey.shell("svc -h /service/qmail")

    lies_in(boss / "Maildir", pokey.receive("boss@af.mil"))


def test_q07_2_a_virtual_domain(pokey: Host) -> None:
    bob = pokey.user("bob")
    info = maildir(bob, "info")
    instruct(bob, ".qmail-default", "./Maildir/")
    instruct(bob, ".qmail-info", "./info/")

    pokey.shell("echo nowhere.mil:bob >> control/virtualdomains")
    pokey.shell("echo nowhere.mil >> control/rcpthosts")
    pokey.shell("svc -h /service/qmail")

    for name in ("root", "postmaster", "who-ever"):
        text = lies_in(bob / "Maildir", pokey.receive(f"{name}@nowhere.mil"))
        assert f"Delivered-To: bob-{name}@nowhere.mil\n".encode() in text
    lies_in(info, pokey.receive("info@nowhere.mil"))


def test_q07_3_several_virtual_domains_for_one_user(pokey: Host) -> None:
    bob = pokey.user("bobby")
    nowhere, everywhere = maildir(bob, "nowhere"), maildir(bob, "everywhere")
    instruct(bob, ".qmail-nowhere-default", "./nowhere/")
    instruct(bob, ".qmail-everywhere-info", "./everywhere/")

    pokey.shell(
        "printf 'nowhere.org:bobby-nowhere\neverywhere.org:bobby-everywhere\n' >> control/virtualdomains"
    )
    pokey.shell("printf 'nowhere.org\neverywhere.org\n' >> control/rcpthosts")
    pokey.shell("svc -h /service/qmail")

    lies_in(nowhere, pokey.receive("info@nowhere.org"))
    lies_in(everywhere, pokey.receive("info@everywhere.org"))
    assert pokey.refuses("other@everywhere.org")


def test_q07_4_a_large_network(internet: Internet) -> None:
    with (
        internet.host("mailhost.movie.edu", "127.0.0.4") as mailhost,
        internet.host("bobshost.movie.edu", "127.0.0.5") as bobshost,
    ):
        bob = bobshost.user("bob")
        mailhost.shell("echo movie.edu:alias-movie >> control/virtualdomains")
        mailhost.shell("echo bob@bobshost.movie.edu > alias/.qmail-movie-bob")
        mailhost.shell("echo movie.edu >> control/rcpthosts")
        mailhost.shell("svc -h /service/qmail")
        internet.know("movie.edu", MX=["10 mailhost.movie.edu"])
        for host in (mailhost, bobshost):
            host.shell("echo movie.edu > control/defaulthost")

        def goes_by_mailhost(new: Letter) -> bool:
            """Until each worker of mailhost's smtpd has read rcpthosts it may come back as a bounce."""
            text = lies_in(bob / "Maildir", new)
            assert b"Delivered-To: bob@bobshost.movie.edu\n" in text
            return b"Delivered-To: alias-movie-bob@movie.edu\n" in text

        assert goes_by_mailhost(mailhost.receive("bob@movie.edu"))
        wait_for(lambda: goes_by_mailhost(bobshost.send("bob@movie.edu", sender="bob@bobshost.movie.edu")))
        assert "Default host name is movie.edu.\n" in bobshost.shell("qmail-showctl")
        text = lies_in(bob / "Maildir", bobshost.write("USER=joe qmail-inject", "To: bob"))
        assert b"\nFrom: joe@movie.edu\nTo: bob@movie.edu\n" in text
        assert text.startswith(b"Return-Path: <joe@movie.edu>\n")


def test_q07_4_many_users_by_fastforward(internet: Internet, pokey: Host) -> None:
    with internet.sink("annshost.movie.edu", "127.0.0.6") as annshost:
        pokey.shell("echo movie.edu:alias-movie >> control/virtualdomains")
        pokey.shell("echo movie.edu >> control/rcpthosts")
        pokey.shell("svc -h /service/qmail")
        table = "ann@movie.edu: ann@annshost.movie.edu; director@movie.edu: ann@movie.edu;"

        pokey.shell(f"echo '{table}' | setforward alias/movie.cdb alias/movie.tmp")
        pokey.shell("echo '|fastforward -d movie.cdb' > alias/.qmail-movie-default")

        for name in ("ann", "Director"):
            assert (b"ann@annshost.movie.edu",) == took(annshost, pokey.receive(f"{name}@movie.edu"))
