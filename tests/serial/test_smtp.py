"""The program serialsmtp against servers that say what a test tells them."""

import pytest

from tests.support.nexthop import NextHop
from tests.support.scripted import scripted
from tests.support.serial_rig import PREFIX, SerialRig

WELCOME = (b"220 sink\r\n", b"250-sink\r\n250 PIPELINING\r\n")
PLAIN = (b"220 sink\r\n", b"250 sink\r\n")


def send(rig: SerialRig, port: int) -> tuple[int, str]:
    client = ("tcpclient", "-RHl0", "--", "127.0.0.1", str(port), "serialsmtp", PREFIX, "helo.test")
    ran = rig.serial(*client)
    return ran.returncode, ran.stderr


def test_a_whole_maildir_goes_over_one_connection(rig: SerialRig) -> None:
    body = b".\n" + b"x" * 200_000 + b"\n"
    for number in range(3):
        rig.put(str(number), f"user{number}@far.test", body)

    with NextHop() as sink:
        assert 0 == send(rig, sink.port)[0]

        assert [(f"user{number}@far.test".encode(),) for number in range(3)] == [
            message.recipients for message in sink.messages
        ]
        assert all(body == message.body.replace(b"\r\n", b"\n") for message in sink.messages)
    assert [] == rig.left


@pytest.mark.parametrize("replies", [WELCOME, PLAIN])
@pytest.mark.parametrize("refused", ["mail", "rcpt", "data", "text"])
def test_each_refusal_is_one_of_the_message(rig: SerialRig, replies: tuple[bytes, ...], refused: str) -> None:
    rig.put("1", "joe@far.test")
    stages = ["mail", "rcpt", "data", "text"]
    said = [b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n"][: stages.index(refused)] + [b"450 not now\r\n"]
    if replies is WELCOME and refused != "text":
        said += [b"503 no\r\n"] * (3 - len(said))
    if refused == "text":
        said[3:] = [b"" for _ in range(3)] + [b"450 not now\r\n"]  # a line each of the text

    with scripted(*replies, *said, b"") as port:
        code, told = send(rig, port)

    assert 111 == code
    assert (
        "maildirserial: info: new/1 failed temporarily: 127.0.0.1 to: joe@far.test said: 450 not now\n"
        == told
    )


@pytest.mark.parametrize(
    ("replies", "reason"),
    [
        ((b"554 no\r\n", b""), "connected but greeting failed"),
        ((b"220 a\r\n", b"502 no\r\n", b"550 no\r\n", b""), "connected but my name was rejected"),
        ((b"220 a\r\n", b"nonsense\r\n"), "protocol violation"),
        ((b"x" * 70_000,), "protocol violation"),
        ((b"220 a\r\n",), "network read error: end of file"),
    ],
)
def test_a_peer_that_does_not_speak_smtp_is_told_of(
    rig: SerialRig, replies: tuple[bytes, ...], reason: str
) -> None:
    with scripted(*replies) as port:
        ran = rig.run("tcpclient", "-RHl0", "--", "127.0.0.1", str(port), "serialsmtp", PREFIX, "helo.test")

    assert (111, f"serialsmtp: fatal: {reason}\n") == (ran.returncode, ran.stderr)


def test_an_address_with_a_control_byte_is_never_said(rig: SerialRig) -> None:
    rig.put("1", "joe@far.test\rRCPT TO:<sue@far.test>")

    with NextHop() as sink:
        assert 0 == send(rig, sink.port)[0]

        assert 0 == len(sink.messages)
    assert b"the address has the control byte 13 in it" in rig.bounce
