"""Owns question 9.2 of qmail's FAQ: clients that may send to anywhere, from the next connection on."""

import smtplib
from collections.abc import Iterator

import pytest

from tests.support.by_hand import Host, Internet, tcpserver, took
from tests.support.nexthop import NextHop
from tests.support.site import SMTP
from tests.support.waiting import LIMIT_S, until_it_works, wait_for

CLIENT, ANOTHER = "127.1.2.6", "127.0.0.42"
TCP_SMTP = f"""\
{CLIENT}:allow,RELAYCLIENT=""
127.0.0.1:allow,RELAYCLIENT=""
"""
SORRY = b"sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)"


@pytest.fixture
def mx(internet: Internet) -> Iterator[Host]:
    with internet.host("mx.af.mil", "127.0.0.3") as new:
        yield new


def master(mx: Host) -> int:
    """smtpd's process; its workers come and go with crowds."""
    return mx.site.daemons()["smtpd"][0]


def answer(address: str, port: int, client: str) -> tuple[int, bytes]:
    """What a client hears who wants to send to elsewhere; AssertionError while nobody listens."""
    try:
        with smtplib.SMTP(address, port, "client", LIMIT_S, (client, 0)) as session:
            session.helo()
            session.mail("ann@af.mil")
            return session.rcpt("joe@far.test")
    except ConnectionRefusedError as error:
        raise AssertionError(address) from error


def test_q09_2_rules_by_hand_count_from_the_next_connection_on(mx: Host, far: NextHop) -> None:
    port, before = mx.site.port(SMTP), master(mx)
    assert (553, SORRY) == answer(mx.address, port, CLIENT)

    mx.shell(f"cat >rules/tcp.smtp <<'END'\n{TCP_SMTP}END")
    mx.shell("tcprules rules/tcp.smtp.cdb rules/tcp.smtp.tmp < rules/tcp.smtp")
    assert (250, b"ok") == answer(mx.address, port, CLIENT)
    assert (553, SORRY) == answer(mx.address, port, ANOTHER)
    assert (b"joe@far.test",) == took(far, mx.receive("joe@far.test", CLIENT))

    mx.shell(f"sed -i s/{CLIENT}/{ANOTHER}/ rules/tcp.smtp")
    mx.shell("tcprules rules/tcp.smtp.cdb rules/tcp.smtp.tmp < rules/tcp.smtp")
    assert (553, SORRY) == answer(mx.address, port, CLIENT)
    assert (250, b"ok") == answer(mx.address, port, ANOTHER)
    assert before == master(mx)


def test_q09_2_clients_of_config_count_without_a_restart(mx: Host) -> None:
    port, before = mx.site.port(SMTP), master(mx)
    assert (553, SORRY) == answer(mx.address, port, CLIENT)

    with (mx.site.folder / "config.yaml").open("a") as config:
        config.write(f"relay: {{clients: [{CLIENT}]}}\n")
    mx.site.toaster("apply")

    wait_for(lambda: (250, b"ok") == answer(mx.address, port, CLIENT))
    assert (553, SORRY) == answer(mx.address, port, ANOTHER)
    assert before == master(mx)


def test_q09_2_rules_of_tcpserver_count_without_a_restart(mx: Host) -> None:
    compiled = "tcprules tcp.smtp.cdb tcp.smtp.tmp < tcp.smtp"
    mx.shell(f"cat >tcp.smtp <<'END'\n{TCP_SMTP}END\n{compiled}")

    with tcpserver(mx.site, "qmail-smtpd", "tcp.smtp.cdb") as port:
        assert (250, b"ok") == until_it_works(lambda: answer("127.0.0.1", port, CLIENT))
        assert (553, SORRY) == answer("127.0.0.1", port, ANOTHER)
        mx.shell(f"sed -i s/{CLIENT}/{ANOTHER}/ tcp.smtp; {compiled}")
        assert (553, SORRY) == answer("127.0.0.1", port, CLIENT)
        assert (250, b"ok") == answer("127.0.0.1", port, ANOTHER)
