"""Owns the proof of formats/logline."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.formats.logline import Facts, Structure, safe_text


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        (
            b"Sorry, no mailbox here by that name. (#5.1.1)\n",
            "Sorry,_no_mailbox_here_by_that_name._(#5.1.1)/",
        ),
        (b"j\xc3\xb6rg@lab.test", "j__rg@lab.test"),
        (b"joe%far.test@mx.lab.test", "joe_far.test@mx.lab.test"),
        (b'q"uo\\te@far.test', 'q"uo\\te@far.test'),
        (b"\0\t\r\x7f", "____"),
        (b"", ""),
    ],
)
def test_text_is_written_as_qmail_send_logs_it(text: bytes, safe: str) -> None:
    assert safe == safe_text(text)


@given(st.binary())
def test_any_bytes_are_one_word(text: bytes) -> None:
    """Whatever the bytes, they are one printable word of the same length."""
    safe = safe_text(text)

    assert len(text) == len(safe)
    assert safe.isprintable()
    assert len(safe.split()) == bool(text)


@pytest.mark.parametrize(
    ("line", "facts"),
    [
        ("new msg 7", {"event": "new", "msg": 7}),
        (
            "info msg 7: bytes 83 from <a> b@x.test> qp 42 uid 7791",
            {"event": "info", "msg": 7, "size": 83, "sender": "a> b@x.test", "qp": 42, "uid": 7791},
        ),
        (
            "starting delivery 3: msg 7 to local bob@x.test",
            {"event": "starting", "delivery": 3, "msg": 7, "channel": "local", "recipient": "bob@x.test"},
        ),
        (
            "delivery 9: deferral: not_now/",
            {"event": "delivery", "delivery": 9, "result": "deferral", "text": "not_now/"},
        ),
        ("login a@x.test from ::1", {"event": "login", "login": "a@x.test", "client": "::1"}),
        (
            "submission a@x.test from ::1: sender <> recipients 2 bytes 83: 250 ok 1 qp 7",
            {"event": "submission", "login": "a@x.test", "client": "::1", "sender": "", "recipients": 2}
            | {"size": 83, "text": "250 ok 1 qp 7"},
        ),
        (
            "status: local 1/10 remote 0/20 exitasap",
            {"event": "status", "local": 1, "local_limit": 10, "remote": 0, "remote_limit": 20}
            | {"text": "exitasap"},
        ),
        ("bounce msg 7 qp 43", {"event": "bounce", "msg": 7, "qp": 43}),
        ("delay msg 7 qp 43", {"event": "delay", "msg": 7, "qp": 43}),
        ("end msg 7", {"event": "end", "msg": 7}),
        ("triple bounce: discarding bounce/7", {"event": "triple bounce", "msg": 7}),
        ("drop msg 7: by uid 0; bounce", {"event": "drop", "msg": 7, "uid": 0, "text": "bounce"}),
        ("hold msg 7: by uid 0", {"event": "hold", "msg": 7, "uid": 0}),
        ("alert: no disk", {"event": "alert", "text": "no disk"}),
        ("status: exiting", {"event": "status", "text": "exiting"}),
        ("login bob", {"event": "line", "text": "login bob"}),
        ("new msg seven", {"event": "line", "text": "new msg seven"}),
        ("", {"event": "line", "text": ""}),
    ],
)
def test_a_line_has_its_facts_by_name(line: str, facts: Facts) -> None:
    assert facts == Structure().facts(line)


def test_the_end_of_a_delivery_tells_whose_it_was() -> None:
    structure = Structure()
    structure.facts("starting delivery 3: msg 7 to remote bob@x.test")
    structure.facts("starting delivery 4: msg 8 to remote carol@x.test")

    ended = structure.facts("delivery 3: success: ok/")

    assert {
        "event": "delivery",
        "delivery": 3,
        "msg": 7,
        "channel": "remote",
        "recipient": "bob@x.test",
        "result": "success",
        "text": "ok/",
    } == ended


@given(st.text())
def test_any_line_is_one_line_of_json_that_has_its_time_and_program(text: str) -> None:
    """Whatever the line says, its other form is one line, and one object with three facts at least."""
    written = Structure().format("2026-11-22T23:35:16.123Z", "send", text)

    assert 1 == len(written.splitlines())
    assert {"time", "program", "event"} <= json.loads(written).keys()
