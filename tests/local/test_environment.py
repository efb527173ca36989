"""Owns the check of a delivery's lines and variables."""

from pathlib import Path

import pytest

from appliance.local.environment import delivered_to, lines_of, variables
from tests.support.mailroom import instruction_for

HOME = Path("/home/alice")
NOVEMBER = 1_795_390_516  # Sun Nov 22 23:35:16 2026


def test_a_delivery_has_three_lines() -> None:
    lines = lines_of(instruction_for(HOME), NOVEMBER)

    assert b"From s@x.test Sun Nov 22 23:35:16 2026\n" == lines.from_line
    assert b"Return-Path: <s@x.test>\n" == lines.return_path
    assert b"Delivered-To: alice@h.test\n" == lines.delivered_to


@pytest.mark.parametrize(
    ("sender", "from_line", "return_path"),
    [
        (b"", b"From MAILER-DAEMON ", b"Return-Path: <>\n"),
        (b"#@[]", b"From #@[] ", b"Return-Path: <#@[]>\n"),
        (b'we "ird\t@x.test', b'From we-"ird-@x.test ', b'Return-Path: <"we \\"ird\t"@x.test>\n'),
        (b"a\nb@x.test", b"From a-b@x.test ", b'Return-Path: <"a\\_b"@x.test>\n'),
    ],
)
def test_no_sender_can_begin_another_line(sender: bytes, from_line: bytes, return_path: bytes) -> None:
    lines = lines_of(instruction_for(HOME, sender=sender), 0)

    assert lines.from_line.startswith(from_line)
    assert return_path == lines.return_path


def test_no_recipient_can_begin_another_line() -> None:
    assert b"Delivered-To: a_b@h.test\n" == delivered_to(instruction_for(HOME, local=b"a\nb"))


def test_a_program_learns_all_of_its_delivery() -> None:
    instruction = instruction_for(HOME, "list-sub-Joe=x.test")
    lines = lines_of(instruction, NOVEMBER)

    found = variables(instruction, lines, b"new@x.test", b"Joe=x.test")

    assert found == {
        b"SENDER": b"s@x.test",
        b"NEWSENDER": b"new@x.test",
        b"RECIPIENT": b"alice-list-sub-Joe=x.test@h.test",
        b"USER": b"alice",
        b"HOME": b"/home/alice",
        b"LOCAL": b"alice-list-sub-Joe=x.test",
        b"HOST": b"h.test",
        b"HOST2": b"h",
        b"HOST3": b"h",
        b"HOST4": b"h",
        b"EXT": b"list-sub-Joe=x.test",
        b"EXT2": b"sub-Joe=x.test",
        b"EXT3": b"Joe=x.test",
        b"EXT4": b"",
        b"DEFAULT": b"Joe=x.test",
        b"UFLINE": lines.from_line,
        b"RPLINE": lines.return_path,
        b"DTLINE": lines.delivered_to,
    }


@pytest.mark.parametrize(
    ("host", "parts"),
    [
        (b"a.b.c.d.e.test", [b"a.b.c.d.e", b"a.b.c.d", b"a.b.c"]),
        (b"single", [b"single"] * 3),
        (b".test", [b"", b"", b""]),
    ],
)
def test_the_host_loses_a_label_at_a_time(host: bytes, parts: list[bytes]) -> None:
    instruction = instruction_for(HOME, domain=host)

    found = variables(instruction, lines_of(instruction, 0), b"", None)

    assert [host, *parts] == [found[name] for name in (b"HOST", b"HOST2", b"HOST3", b"HOST4")]
    assert b"DEFAULT" not in found
