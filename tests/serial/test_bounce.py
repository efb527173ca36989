"""What maildirserial returns, and to whom."""

import os

import pytest

from appliance.formats.envelope import Envelope
from appliance.formats.outcome import Permanent
from appliance.serial.bounce import Office
from appliance.system.place import Place
from tests.support.serial_rig import PREFIX, SerialRig


class Kept:
    """A queue that keeps one message, or refuses it."""

    def __init__(self, refusal: str = "") -> None:
        self.refusal = refusal
        self.got: list[tuple[Envelope, bytes]] = []

    def submit(self, envelope: Envelope, body: bytes) -> int:
        if self.refusal:
            raise Permanent(self.refusal)
        self.got.append((envelope, body))
        return 17


def office(rig: SerialRig, queue: Kept) -> Office:
    new = Office(Place.from_environ({"TOASTER_HOME": str(rig.folder)}), {}, PREFIX.encode())
    new._queue = queue
    return new


@pytest.mark.parametrize(
    ("sender", "envelope"),
    [
        ("s@x.test", Envelope(b"", (b"s@x.test",))),
        ("", Envelope(b"#@[]", (b"postmaster@mx.test",))),
    ],
)
def test_it_goes_to_the_sender_or_if_that_is_nobody_to_the_postmaster(
    rig: SerialRig, sender: str, envelope: Envelope
) -> None:
    queue = Kept()
    path = rig.put("1", "joe@far.test", sender=sender)

    assert office(rig, queue).bounce(os.fsencode(path), b"no\n", is_too_old=False)

    [(got, body)] = queue.got
    assert envelope == got
    assert b"Hi. This is the maildirbounce program at mx.test.\n" in body
    assert body.endswith(b"Return-Path: <%s>\nSubject: t\n\nb\n" % sender.encode())


def test_a_triple_bounce_is_thrown_away(rig: SerialRig, capsys: pytest.CaptureFixture[str]) -> None:
    queue = Kept()
    path = rig.put("1", "joe@far.test", sender="#@[]")

    assert office(rig, queue).bounce(os.fsencode(path), b"no\n", is_too_old=False)

    assert [] == queue.got
    assert capsys.readouterr().err.endswith(": triple bounce\n")


def test_a_message_stays_if_the_queue_refuses_or_nobody_can_read_it(rig: SerialRig) -> None:
    path = rig.put("1", "joe@far.test")
    odd = rig.maildir / "new" / "2"
    odd.write_bytes(b"Subject: t\n\n")

    assert not office(rig, Kept("no")).bounce(os.fsencode(path), b"no\n", is_too_old=False)
    assert not office(rig, Kept()).bounce(os.fsencode(odd), b"no\n", is_too_old=False)
    assert not office(rig, Kept()).bounce(b"/nowhere", b"no\n", is_too_old=False)
