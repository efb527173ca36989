"""Owns question 4.1 of qmail's FAQ, what to do about troubles: each tool that it names tells something."""

import re
from collections.abc import Iterator

import pytest

from appliance.__main__ import DAEMONS
from tests.support import clients
from tests.support.letter import letter
from tests.support.site import ALWAYS, CONFIG, SMTP, Site, site
from tests.support.waiting import wait_for


@pytest.fixture(scope="module")
def own() -> Iterator[Site]:
    with site() as new:
        new.up()
        yield new


def test_q04_1_the_log_tells_the_way_of_a_message(own: Site) -> None:
    new, since = letter(), len(own.log)
    clients.swaks(own.port(SMTP), "alice@example.test", new.content)

    for line in (
        r"smtpd: tcpserver: ok \d+ mail.example.test:127.0.0.1:\d+ :127.0.0.1::\d+",
        r"send: new msg \d+",
        r"send: info msg \d+: bytes \d+ from <sender@outside.test> qp \d+ uid \d+",
        r"send: starting delivery \d+: msg \d+ to local \S*alice@example.test",
        r"send: delivery \d+: success: did_1\+0\+0/",
        r"send: end msg \d+",
    ):
        told = re.compile(rf"^\S+ {line}$", re.MULTILINE)
        wait_for(lambda: told.search(own.log[since:]))  # noqa: B023 - asked at once


def test_q04_1_an_installation_is_checked(own: Site) -> None:
    assert "config.yaml is right" in own.toaster("check").replace("\n", "")
    own.toaster("queue", "fsck")
    (own.place.queue / "mess" / "0" / "stranger").touch()
    assert "stranger" in own.toaster("queue", "fsck", code=1)
    (own.place.queue / "mess" / "0" / "stranger").unlink()

    with site(CONFIG.replace("sales: alice", "sales: alcie")) as wrong:
        told = wrong.toaster("check", code=1)

    assert "alcie" in told
    assert re.search(r"\b\d+:\d+\b", told), told


def test_q04_1_qmail_showctl_tells_how_the_configuration_is_understood(own: Site) -> None:
    told = own.shell("qmail-showctl")

    assert "mail.example.test" in told
    assert "rcpthosts" in told


def test_q04_1_what_a_forward_file_means_is_told_without_doing_it(own: Site) -> None:
    (own.folder / ".forward").write_text("sue@far.test, \\joe\n")

    told = own.shell(f"USER=joe dot-forward -n {own.folder}/.forward 2>&1")

    assert "forward sue@far.test\n" in told


def test_q04_1_what_a_forwarding_table_means_is_told_without_doing_it(own: Site) -> None:
    table = own.folder / "table.cdb"
    own.shell(f"echo 'staff@example.test: boss@far.test;' | setforward {table} {table}.tmp")

    told = own.shell(f"RECIPIENT=staff@example.test SENDER=x@y.test fastforward -n {table} 2>&1")

    assert {"from <x@y.test>", "to <boss@far.test>"} == set(told.splitlines())


def test_q04_1_ps_names_every_daemon(own: Site) -> None:
    running = own.shell("ps -e -o args")  # another appliance may run on this machine, too

    assert {*ALWAYS} <= {name for name in DAEMONS if re.search(rf"-m appliance {name}( |$)", running, re.M)}


def test_q04_1_recordio_shows_what_flows(own: Site) -> None:
    told = own.shell("printf 'HELO me\\r\\nQUIT\\r\\n' | recordio qmail-smtpd 2>&1 >/dev/null | tr -d '\\r'")

    process = told.split()[0]
    assert f"{process} < HELO me " in told.split("\n")
    assert f"{process} > 250 mail.example.test " in told.split("\n")
    assert f"{process} > [EOF]" in told.split("\n")
