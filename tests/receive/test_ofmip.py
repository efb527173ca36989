"""Owns the tests of ofmipd's session in memory: what it says, and what becomes of messages."""

import re
from pathlib import Path

import pytest

from appliance.formats.cdb import make_cdb
from appliance.formats.mailnames import compile_names
from appliance.receive.mending import NAMES
from appliance.receive.ofmip import Ofmip
from tests.support.smtp_rig import ENVIRONMENT, Memory

CONTROL = {
    "defaulthost": "dh\n",
    "defaultdomain": "dd.test\n",
    "plusdomain": "pd.test\n",
    "idhost": "id.test\n",
}
JOE = b"joe@far.dd.test:Joe Shmoe:J.Shmoe@sun.test:\n"
MAIL = (b"MAIL FROM:<joe@far>\r\n", b"RCPT TO:<sue@far>\r\n", b"DATA\r\n")
DATE = b"22 Nov 2026 23:27:52 -0000"


def ofmip(folder: Path, names: bytes = b"", **environment: str) -> Memory:
    wire = Memory(folder, CONTROL)
    (folder / "control" / NAMES).write_bytes(make_cdb(compile_names(names)))
    wire.conversation = Ofmip(wire.desk, ENVIRONMENT | environment)
    return wire


def send(wire: Memory, text: bytes, *envelope: bytes) -> bytes:
    """The body that is queued, without its Received line, which no test but one looks at."""
    assert wire.ask(*(envelope or MAIL), text + b"\r\n.\r\n").endswith(b"354 go ahead\r\n250 ok\r\n")
    received, _, body = wire.queue.messages[-1].body.partition(b"\n")
    assert received.startswith(b"Received: (ofmipd ")
    return body


def test_it_says_what_ofmipd_says(tmp_path: Path) -> None:
    wire = ofmip(tmp_path)

    said = wire.ask(
        b"EHLO c\r\n", b"RCPT TO:<a>\r\n", *MAIL, b".\r\n", b"HELO c\r\n", b"RSET\r\n", b"NOOP\r\n"
    )
    assert (
        b"220 ofmipd.local ESMTP\r\n250-ofmipd.local\r\n250-PIPELINING\r\n250 8BITMIME\r\n"
        b"503 MAIL first (#5.5.1)\r\n250 ok\r\n250 ok\r\n354 go ahead\r\n250 ok\r\n"
        b"250 ofmipd.local\r\n250 flushed\r\n250 ok\r\n"
    ) == said
    wire.unheard = b""
    assert (
        b"214 qmail home page: http://pobox.com/~djb/qmail.html\r\n"
        b"252 send some mail, i'll try my best\r\n502 unimplemented (#5.5.1)\r\n221 ofmipd.local\r\n"
    ) == wire.ask(b"HELP\r\n", b"VRFY a\r\n", b"STARTTLS\r\n", b"QUIT\r\n")


def test_a_message_is_mended_and_goes_to_anywhere(tmp_path: Path) -> None:
    wire = ofmip(tmp_path, RELAYCLIENT="@fixme")

    body = send(wire, b"To: a, b@h+\nFrom: joe\nBcc: z\nSubject: s\n\nbody")

    (message,) = wire.queue.messages
    assert (b"joe@far.dd.test", (b"sue@far.dd.test",)) == message.envelope
    identity = re.search(rb"Message-ID: (<20261122232752\.\d+\.\d+\.qmail@id\.test>)\n", body)
    assert identity is not None
    assert (
        b"Date: " + DATE + b"\nMessage-ID: " + identity[1] + b"\n"
        b"From: joe@dh.dd.test\nTo: a@dh.dd.test, b@h.pd.test\nSubject: s\n\nbody\n"
    ) == body


def test_each_message_has_an_id_of_its_own(tmp_path: Path) -> None:
    wire = ofmip(tmp_path)

    first, second = (send(wire, b"To: a\r\nDate: 1 Jan 98 0:00 EST\r\n") for _ in range(2))

    assert b"\nMessage-ID: <19980101000000." in first
    assert first != second


def test_the_received_line_says_who_the_client_is(tmp_path: Path) -> None:
    wire = ofmip(tmp_path, TCPREMOTEINFO="a (b)@c\\d")
    wire.ask(*MAIL, b".\r\n")

    assert wire.queue.messages[0].body.startswith(b"Received: (ofmipd a??b??c?d@192.0.2.7); " + DATE + b"\n")


def test_names_say_who_writes_by_a_sender(tmp_path: Path) -> None:
    wire = ofmip(tmp_path, JOE)

    body = send(wire, b"From: wrong\r\nTo: a\r\n")
    assert b'\nFrom: "Joe Shmoe" <J.Shmoe@sun.test>\n' in body
    assert b"wrong" not in body
    assert b"J.Shmoe@sun.test" == wire.queue.messages[0].envelope.sender

    assert b"\nFrom: ann@far.dd.test\n" in send(wire, b"To: a\r\n", b"MAIL FROM:<ann@far>\r\n", *MAIL[1:])
    assert b"\nFrom: <>\n" in send(wire, b"To: a\r\n", b"MAIL FROM:<>\r\n", *MAIL[1:])


def test_damaged_names_put_a_client_off(tmp_path: Path) -> None:
    wire = ofmip(tmp_path, JOE)
    (tmp_path / "control" / NAMES).write_bytes(b"no cdb")

    assert wire.ask(MAIL[0]).endswith(b"\r\n451 unable to read cdb (#4.3.0)\r\n")


def test_mail_that_cannot_be_taken_is_refused(tmp_path: Path) -> None:
    wire = ofmip(tmp_path)

    # Where a mailbox of this host is missing, and where the queue is full.
    assert b"550 sorry" in wire.ask(b"MAIL FROM:<full@y.test>\r\n", b"RCPT TO:<missing@lab.test>\r\n")
    assert b"451 qq write error" in wire.ask(b"RCPT TO:<a@x.test>\r\n", b"DATA\r\n", b".\r\n")
    endless = b"X: " + b"y" * 300_000 + b"\r\n.\r\n"
    assert b"554 sorry, I cannot read your message" in wire.ask(*MAIL, endless)
    assert [] == wire.queue.messages


@pytest.mark.parametrize("size", [10, 400_000])
def test_a_text_of_any_size_goes_through_as_it_is(tmp_path: Path, size: int) -> None:
    wire = ofmip(tmp_path)

    assert send(wire, b"To: a\r\n\r\n" + b"z" * size).endswith(b"\n\n" + b"z" * size + b"\n")
