"""Placeholders for what differs from run to run, and only for that."""

import time

import pytest

from tests.vectors.normalise import normalise, normalise_log


def now(shape: str) -> str:
    return time.strftime(shape, time.gmtime())


@pytest.mark.parametrize(
    ("placeholders", "text"),
    [
        ("Date: {{DATE}}\n", now("Date: %-d %b %Y %H:%M:%S -0000\n")),
        ("{{DATEGMT}}  #", now("%-d %b %Y %H:%M:%S GMT  #")),
        ("From a {{CTIME}}\n", now("From a %a %b %d %H:%M:%S %Y\n")),
        ("new/{{EPOCH}}.{{PID}}.labhost", f"new/{int(time.time())}.17.labhost"),
        ("Date: {{DATELOCAL}} +0000\n", now("Date: %-d %b %Y %H:%M:%S +0000\n")),
        ("u-{{EPOCH}}.{{PID}}-@h.test-@[]", f"u-{int(time.time())}.17-@h.test-@[]"),
        ("u-{{EPOCH}}.{{PID}}@h.test", f"u-{int(time.time())}.17@h.test"),
        ("<{{PID}}.{{EPOCH}}@h.test>", "<17.1700000000@h.test>"),
        ("250 ok {{EPOCH}} qp {{PID}}", f"250 ok {int(time.time())} qp 17"),
        ("{{LEN}}:Kok {{EPOCH}} qp {{PID}},", f"19:Kok {int(time.time())} qp 17,"),
        ("Received: (qmail {{PID}} invoked", "Received: (qmail 17 invoked"),
        ("<{{DATE14}}.{{PID}}.qmail@h>", "<20260101123456.17.qmail@h>"),
    ],
    ids=[
        "date",
        "date-gmt",
        "ctime",
        "maildir",
        "local",
        "sender",
        "new-sender",
        "message-id",
        "epoch",
        "response",
        "received",
        "date14",
    ],
)
def test_what_is_of_now_gets_a_placeholder(placeholders: str, text: str) -> None:
    assert placeholders.encode() == normalise(text.encode())


@pytest.mark.parametrize(
    "text",
    [b"1 Jan 2020 00:00:00 -0000", b"From old Mon Jan 01 00:00:00 2001", b"1000000001.10.labhost"],
)
def test_what_a_message_brought_stays(text: bytes) -> None:
    assert text == normalise(text)


def test_messages_of_a_log_are_numbered_by_appearance() -> None:
    log = b"new msg 900\ninfo msg 900: bytes 12 from <> qp 5 uid 1\nnew msg 17\nend msg 900\n"

    assert (
        b"new msg {{MSG1}}\ninfo msg {{MSG1}}: bytes {{BYTES}} from <> qp {{PID}} uid 1\n"
        b"new msg {{MSG2}}\nend msg {{MSG1}}\n"
    ) == normalise_log(log)
