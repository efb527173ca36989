"""The program serialqmtp against a QMTP server."""

from tests.support.qmtp_server import Package, QmtpServer
from tests.support.serial_rig import PREFIX, SerialRig


def send(rig: SerialRig, port: int) -> tuple[int, str]:
    client = ("tcpclient", "-RHl0", "--", "127.0.0.1", str(port), "serialqmtp", PREFIX)
    ran = rig.serial(*client)
    return ran.returncode, ran.stderr


def test_packages_go_as_they_are_and_each_has_its_answer(rig: SerialRig) -> None:
    body = b"x" * 300
    for name in ("1", "2", "3"):
        rig.put(name, f"{name}@far.test", body)

    with QmtpServer({b"2@far.test": "Dno"}) as sink:
        code, told = send(rig, sink.port)

    assert [Package(b"s@x.test", (b"%d@far.test" % n,), body) for n in (1, 2, 3)] == sink.packages
    assert (0, []) == (code, rig.left)
    assert "maildirserial: info: new/2 bounced: 127.0.0.1 said: no\n" in told


def test_a_peer_that_does_not_speak_qmtp_fails_no_message(rig: SerialRig) -> None:
    rig.put("1", "joe@far.test")

    for says, reason in (
        (b"220 sink\r\n", "remote protocol violation"),
        (b"4:Xodd,", "remote protocol violation"),
    ):
        with QmtpServer(says=says) as liar:
            code, told = send(rig, liar.port)

        assert (111, ["1"]) == (code, rig.left)
        assert f"serialqmtp: fatal: {reason}\n" in told


def test_an_address_with_a_control_byte_stops_no_other_mail(rig: SerialRig) -> None:
    rig.put("1", "joe@far.test\rx")
    rig.put("2", "sue@far.test")

    with QmtpServer() as sink:
        assert 0 == send(rig, sink.port)[0]

    assert [(b"sue@far.test",)] == [package.recipients for package in sink.packages]
    assert b"the address has the control byte 13 in it" in rig.bounce


def test_it_says_how_it_is_called(rig: SerialRig) -> None:
    ran = rig.run("serialqmtp")

    assert (100, "serialqmtp: usage: serialqmtp prefix\n") == (ran.returncode, ran.stderr)
