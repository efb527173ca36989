"""Lists of mailboxes in mess822's way: names beside addresses, every list readable, round trips."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.formats.mailboxes import (
    Mailbox,
    addresses,
    format_mailbox,
    format_mailboxes,
    join,
    parse_mailboxes,
)

LISTS = st.lists(st.sampled_from(list('ab@.,;:<>()[]"\\ \tö\0')) | st.text(max_size=3), max_size=40)


@pytest.mark.parametrize(
    ("text", "mailboxes"),
    [
        (b"joe", [Mailbox(b"joe@")]),
        (b" joe@h , sue@h", [Mailbox(b"joe@h"), Mailbox(b"sue@h")]),
        (b"joe@h sue@h", [Mailbox(b"joe@h"), Mailbox(b"sue@h")]),
        (b"Joe  Q <joe@h>", [Mailbox(b"joe@h", b"Joe Q")]),
        (b"joe@h (Joe (Q))", [Mailbox(b"joe@h", b"Joe (Q)")]),
        (b"J. Q <joe@h> sue@h", [Mailbox(b"joe@h", b"J. Q"), Mailbox(b"sue@h")]),
        (b'"joe q" . x @ (there) h . test', [Mailbox(b"joe q.x@h.test", b"there")]),
        (b"<@a,@b:joe@c>", [Mailbox(b"joe@c", b"@a@b")]),
        (b"@a:joe@c", [Mailbox(b"joe@c", b"@a")]),
        (b"gang: joe@h, Sue <sue@h>;, kim@h", [
            Mailbox(b"joe@h", b"gang"), Mailbox(b"sue@h", b"Sue"), Mailbox(b"kim@h"),
        ]),
        (b"gang: Joe <joe@h>;", [Mailbox(None, b"gang"), Mailbox(b"joe@h", b"Joe")]),
        (b"nobody: ;", [Mailbox(None, b"nobody")]),
        (b"(note)", [Mailbox(None, b"note")]),
        (b"(note), joe@h", [Mailbox(b"joe@h", b"note")]),
        (b"<>", [Mailbox(b"@")]),
        (b"<joe@h", [Mailbox(b"joe@h")]),
        (b"joe@h>", [Mailbox(b"joe@h")]),
        (b"root@[127.1]", [Mailbox(b"root@[127.1]")]),
        (b",, ;:", []),
    ],
)  # fmt: skip
def test_a_list_is_read(text: bytes, mailboxes: list[Mailbox]) -> None:
    assert mailboxes == parse_mailboxes(text)


@pytest.mark.parametrize(
    ("mailbox", "written"),
    [
        (Mailbox(b"joe@h.test"), b"joe@h.test"),
        (Mailbox(b"joe@"), b"joe"),
        (Mailbox(b"joe@h", b"Joe [Q]"), b'"Joe \\[Q\\]" <joe@h>'),
        (Mailbox(b"joe@h", b""), b'"" <joe@h>'),
        (Mailbox(b"", b"Nobody"), b'"Nobody" <>'),
        (Mailbox(b""), b"<>"),
        (Mailbox(b"@"), b"<>"),
        (Mailbox(b"@h"), b'""@h'),
        (Mailbox(b"a b@h"), b'"a b"@h'),
        (Mailbox(b"a..b@h."), b'"a..b"@"h."'),
        (Mailbox(b"joe@[1.2]"), b"joe@[1.2]"),
        (Mailbox(b"joe@[[]]"), b"joe@[\\[\\]]"),
        (Mailbox(b"j\xf6@h\n"), b'"j\xf6"@"h\\\0"'),
        (Mailbox(None, b"gang"), b'"gang": ;'),
    ],
)
def test_a_mailbox_is_written(mailbox: Mailbox, written: bytes) -> None:
    assert written == format_mailbox(mailbox)


def test_a_list_is_folded_between_mailboxes() -> None:
    first, second, third = (Mailbox(letter * 33 + b"@h") for letter in (b"a", b"b", b"c"))

    field = format_mailboxes(b"To", [first, second, third])

    assert b"To: %s@h, %s@h,\n  %s@h\n" % (b"a" * 33, b"b" * 33, b"c" * 33) == field


@pytest.mark.parametrize(("letters", "lines"), [(35, 1), (36, 2)])
def test_a_line_has_78_columns(letters: int, lines: int) -> None:
    field = format_mailboxes(b"To", [Mailbox(b"a" * letters + b"@"), Mailbox(b"b" * 37 + b"@")])

    assert lines == field.count(b"\n")


def test_several_fields_are_one_list() -> None:
    gang, joe, sue = Mailbox(None, b"gang"), Mailbox(b"joe@h"), Mailbox(b"sue@h", b"Sue")

    assert [joe, sue] == join([[joe], [], [sue]])
    assert [joe._replace(name=b"gang"), gang, sue] == join([[gang], [joe, gang], [sue]])


def test_a_group_of_nobody_has_no_address() -> None:
    assert [b"joe@h"] == addresses([Mailbox(None, b"gang"), Mailbox(b"joe@h", b"Joe")])


@given(LISTS.map("".join))
def test_what_is_written_is_read_as_it_was(text: str) -> None:
    mailboxes = parse_mailboxes(text.encode().replace(b"\n", b""))

    field = format_mailboxes(b"To", mailboxes)

    unfolded = field.removeprefix(b"To:").replace(b"\n", b"")
    assert mailboxes == parse_mailboxes(unfolded)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_list(text: bytes) -> None:
    for mailbox in parse_mailboxes(text):
        assert format_mailbox(mailbox)
        assert mailbox.address is None or b"@" in mailbox.address
