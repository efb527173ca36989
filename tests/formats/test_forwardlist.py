"""Lists of recipients in sendmail's manner: read from right to left, and completed."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.formats.forwardlist import Completion, Entry, lines_of, read_entries, shown, unreadable
from appliance.formats.outcome import FormatError

COMPLETION = Completion(b"dh", b"dd.test", b"pd.test")


def at(text: bytes) -> Entry:
    return Entry(text, has_at=True)


@pytest.mark.parametrize(
    ("line", "entries"),
    [
        (b"", []),
        (b"joe\n", [Entry(b"joe")]),
        (b"a@x.test, b\r\n", [Entry(b"b"), at(b"a@x.test")]),
        (b"a@x.test b", [Entry(b"b"), at(b"a@x.test")]),
        (b"Kim Q. Public <kim@x> (Kim), sue (Sue)", [Entry(b"sue"), at(b"kim@x")]),
        (b"<@r.test:bob@x>", [at(b"@r.test:bob@x")]),
        (b"<>", [Entry(b"")]),
        (b'"spaced out"@x', [at(b"spaced out@x")]),
        (b'"a@b"', [Entry(b"a@b")]),
        (b"\\joe", [Entry(b"joe")]),
        (b"joe@[192.0.2.1]", [at(b"joe@[192.0.2.1]")]),
        (b"g: a, b;", [Entry(b"b"), Entry(b"a"), Entry(b"g")]),
        (b":include:/x", [Entry(b"/x"), Entry(b"include")]),
        (b"a <b c", [Entry(b"c"), Entry(b"a<b")]),
        (b"(only a remark)", []),
    ],
)
def test_a_line_is_its_entries_from_right_to_left(line: bytes, entries: list[Entry]) -> None:
    assert entries == list(read_entries(line))


@pytest.mark.parametrize(
    ("line", "entries"),
    [
        (b"l: :include:/x/y", [Entry(b"/x/y", is_include=True), Entry(b"l")]),
        (b'a, :include:"a b"', [Entry(b"a b", is_include=True), Entry(b"a")]),
        (b":include:", [Entry(b"", is_include=True)]),
        (b":exclude:x", [Entry(b"x"), Entry(b"exclude")]),
    ],
)
def test_where_lists_may_be_included_they_are_told_from_addresses(line: bytes, entries: list[Entry]) -> None:
    assert entries == list(read_entries(line, includes=True))


def test_what_was_read_before_a_fault_has_been_given() -> None:
    entries = read_entries(b"x> b, a")

    assert [Entry(b"a"), Entry(b"b"), Entry(b"x")] == [next(entries) for _ in range(3)]
    with pytest.raises(FormatError, match="no <"):
        next(entries)


@pytest.mark.parametrize("line", [b'"joe', b"(joe", b"[1", b")"])
def test_a_line_of_no_words_is_refused(line: bytes) -> None:
    with pytest.raises(FormatError):
        list(read_entries(line))


@pytest.mark.parametrize(
    ("entry", "program", "is_file"),
    [
        (Entry(b"|prog a@b"), b"prog a@b", False),
        (at(b"|prog@x"), None, False),
        (Entry(b"/mail/joe"), None, True),
        (at(b"/joe@x"), None, False),
        (Entry(b"joe"), None, False),
        (Entry(b""), None, False),
    ],
)
def test_an_at_makes_an_address_of_anything(entry: Entry, program: bytes | None, is_file: bool) -> None:
    assert (program, is_file) == (entry.program, entry.is_file)


@pytest.mark.parametrize(
    ("entry", "address"),
    [
        (Entry(b"joe"), b"joe@dh.dd.test"),
        (at(b"joe@x.test"), b"joe@x.test"),
        (at(b"joe@x"), b"joe@x.dd.test"),
        (at(b"joe@x+"), b"joe@x.pd.test"),
        (at(b"joe@"), b"joe@.dd.test"),
        (at(b"j.oe@x"), b"j.oe@x.dd.test"),
        (Entry(b"a@b.test"), b"a@b.test@dh.dd.test"),
    ],
)
def test_an_address_is_completed(entry: Entry, address: bytes) -> None:
    assert address == COMPLETION.of(entry)


def test_lines_keep_their_newlines() -> None:
    assert [b"a\r\n", b"\n", b"b\x0c"] == lines_of(b"a\r\n\nb\x0c")
    assert [] == lines_of(b"")


def test_a_line_is_shown_up_to_a_nul_whatever_it_holds() -> None:
    assert "j\udcf6rg" == shown(b"j\xf6rg\0x")
    assert 'unable to parse this line: "a\n' == unreadable(b'"a\n').sentence


@given(st.binary(max_size=60) | st.text('a@,:;<>()"[]\\|/ .+', max_size=40).map(str.encode))
def test_any_line_is_read_or_refused(line: bytes) -> None:
    for includes in (False, True):
        with contextlib.suppress(FormatError):
            for entry in read_entries(line, includes):
                assert b"@" in COMPLETION.of(entry)
