"""fastforward's tables and mailing lists: written by hand, made, looked into, printed."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.formats.cdb import Cdb, make_cdb
from appliance.formats.forwardtable import (
    ORDERS,
    OWNER,
    compile_forward,
    compile_list,
    find,
    format_forward,
    format_list,
    parse_orders,
)
from appliance.formats.outcome import FormatError, Permanent, Temporary

WORD = st.binary(min_size=1, max_size=20).map(lambda word: word.replace(b"\0", b"0").lower())


@pytest.mark.parametrize(
    ("text", "records"),
    [
        (b"", []),
        (b"A@h: joe, &sue@x, |run\\ it; ", [(b":a@h", b"&joe\0&sue@x\0|run it\0")]),
        (b"a@h:./l,/m,!c;", [(b":a@h", b"./l\0/m\0!c\0")]),
        (b"l@h: ?Own@h, m; l@h: ?;", [(b"?l@h", b"Own@h"), (b":l@h", b"&m\0"), (b"?l@h", b"")]),
        (b"# c\na@h: # mid\n b@x # tail ; x\n;\n#", [(b":a@h", b"&b@x\0")]),
        (b"a b:c d,,;", [(b":ab", b"&cd\0")]),
        (b"a\\;b: \\#;", [(b":a;b", b"&#\0")]),
        (b"a:;", []),
        (b": x;", [(b":", b"&x\0")]),
        (b"a:b;\\", [(b":a", b"&b\0")]),
    ],
)
def test_what_is_written_by_hand_becomes_records(text: bytes, records: list[tuple[bytes, bytes]]) -> None:
    assert records == list(compile_forward(text))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b"a", "final instruction must end with semicolon"),
        (b"a: b", "final instruction must end with semicolon"),
        (b"a: b: c;", "double colons are not permitted"),
        (b"a;", "commas are not permitted before colons"),
        (b"a, b: c;", "commas are not permitted before colons"),
        (b"a: b\\\0;", "NUL bytes are not permitted"),
        (b"\0", "NUL bytes are not permitted"),
        (b"a: " + b"x" * 801 + b";", "addresses over 800 bytes are not permitted"),
    ],
)
def test_what_is_wrong_is_said(text: bytes, sentence: str) -> None:
    with pytest.raises(Permanent) as refusal:
        list(compile_forward(text))
    assert sentence == refusal.value.sentence


@pytest.mark.parametrize(
    ("address", "found"),
    [
        (b"Joe@H.test", b"exact"),
        (b"sue@h.test", b"host"),
        (b"joe@other", b"user"),
        (b"sue@other", None),
        (b"joe", None),
        (b"a@b@h.test", b"host"),
    ],
)
def test_an_address_comes_before_its_host_and_its_user(address: bytes, found: bytes | None) -> None:
    table = Cdb(make_cdb([(b":joe@", b"user"), (b":@h.test", b"host"), (b":joe@h.test", b"exact")]))

    assert found == find(table, ORDERS, address, by_part=True)
    assert None is find(table, OWNER, address, by_part=True)
    assert (found if found == b"exact" else None) == find(table, ORDERS, address, by_part=False)


def test_what_is_no_order_is_left_out() -> None:
    short, long = b"&" + b"x" * 898, b"&" + b"x" * 899

    assert [b"&a", b"./l", b"|p", b"!q", short] == parse_orders(
        b"\0".join([b"&a", b"", b"=x", b"./l", b"|p", b"!q", long, short, b"&cut"])
    )
    assert [] == parse_orders(b"")


def test_a_table_is_printed_as_it_is_written() -> None:
    records = [(b"?l@h", b"o,w"), (b":a b@h", b"&c;d\0|e \0")]

    assert b"l@h: ?o\\,w;\na\\ b@h:\n, &c\\;d\n, |e\\ \n;\n" == format_forward(records)


@pytest.mark.parametrize("record", [(b"", b""), (b"a", b""), (b":a", b"&b"), (b":a", b"\0"), (b":a", b"=\0")])
def test_what_is_no_table_is_not_printed(record: tuple[bytes, bytes]) -> None:
    with pytest.raises(FormatError):
        format_forward([record])


@given(st.lists(st.tuples(WORD, st.lists(WORD, min_size=1, max_size=3)), max_size=5))
def test_a_printed_table_can_be_read_again(table: list[tuple[bytes, list[bytes]]]) -> None:
    records = [(b":" + target, b"".join(b"&" + order + b"\0" for order in rest)) for target, rest in table]

    assert records == list(compile_forward(format_forward(records)))


def test_a_list_is_an_order_a_line() -> None:
    text = b"# c\n\njoe@x \t\n&sue\n./more\n/m\n|x\nlast"

    assert b"&joe@x\0&sue\0./more\0/m\0&|x\0&last\0" == compile_list(text)
    assert b"&joe@x\n&sue\n./more\n/m\n&|x\n&last\n" == format_list(compile_list(text))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [(b"a\0b\n", "NUL in input"), (b"x" * 801, "addresses must be under 800 bytes")],
)
def test_a_line_that_cannot_be_in_a_list_refuses_it(text: bytes, sentence: str) -> None:
    with pytest.raises(Temporary) as refusal:
        compile_list(text)
    assert sentence == refusal.value.sentence


@pytest.mark.parametrize("content", [b"&a", b"\0", b"|a\0", b"&a\nb\0", b"&" + b"x" * 899 + b"\0"])
def test_what_is_no_list_is_not_printed(content: bytes) -> None:
    with pytest.raises(FormatError):
        format_list(content)


@given(st.binary(max_size=60) | st.text("ab:,;\\#?&./|! \n\0", max_size=40).map(str.encode))
def test_any_bytes_are_read_or_refused(text: bytes) -> None:
    with contextlib.suppress(Permanent):
        make_cdb(compile_forward(text))
    with contextlib.suppress(Temporary):
        compile_list(text)
    for write in (format_list, lambda content: format_forward(Cdb(content))):
        with contextlib.suppress(FormatError):
            write(text)
