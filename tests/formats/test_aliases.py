"""sendmail's /etc/aliases and :include: files as fastforward's tables and lists."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.formats.aliases import compile_aliases, compile_include
from appliance.formats.cdb import make_cdb
from appliance.formats.forwardlist import Completion
from appliance.formats.outcome import Permanent, Temporary

COMPLETION = Completion(b"dh", b"dd.test", b"pd.test")
LONG = b"x" * 801


def aliases(text: bytes) -> list[tuple[bytes, bytes]]:
    return list(compile_aliases(text, COMPLETION))


@pytest.mark.parametrize(
    ("text", "records"),
    [
        (b"", []),
        (b"Root: joe, sue@x.test\n", [(b":root@", b"&sue@x.test\0&joe@dh.dd.test\0")]),
        (b"root joe\n", [(b":root@", b"&joe@dh.dd.test\0")]),
        (b"a: b@x.t,\n c@x.t\n\n\td@x.t\n", [(b":a@", b"&d@x.t\0&c@x.t\0&b@x.t\0")]),
        (b"# a: b,\n c\nd: e@x.t\n", [(b":d@", b"&e@x.t\0")]),
        (b"a@h.test: b@x.t\n@h.test: c@x.t\n", [(b":a@h.test", b"&b@x.t\0"), (b":@h.test", b"&c@x.t\0")]),
        (b'p: "|cat >x", b@x.t, |echo\n', [(b":p@", b"!echo\0!cat >x\0&b@x.t\0")]),
        (b"l: :include:/x, :include:y\n", [(b":l@", b"./y.bin\0/x.bin\0")]),
        (
            b"owner-List: boss@x.t\n",
            [(b"?list@", b"owner-List@dh.dd.test"), (b":owner-list@", b"&boss@x.t\0")],
        ),
        (b"Owner-l: boss@x.t\n", [(b":owner-l@", b"&boss@x.t\0")]),
        (b"a: b@x.t\nlast: c@x.t", [(b":a@", b"&b@x.t\0")]),
        (b"\r\n(remark)\na: b@x.t\r\n", [(b":a@", b"&b@x.t\0")]),
    ],
)
def test_aliases_become_records(text: bytes, records: list[tuple[bytes, bytes]]) -> None:
    assert records == aliases(text)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b"a:\n", "unable to parse this line: a:\n"),
        (b'a: "b\n c\n', 'unable to parse this line: a: "b\n c\n'),
        (b"a@: b@x.t\n", "unable to parse this line: a@: b@x.t\n"),
        (b"|prog\n", "unable to parse this line: |prog\n"),
        (b"a: <>\n", "empty recipient addresses not permitted"),
        (b"a: :include:\n", "empty :include: filenames not permitted"),
        (b"a: :include:\0\n", "NUL not permitted in :include: filenames"),
        (b"a: b\0@x.t\n", "NUL not permitted in recipient addresses"),
        (b"a: |b\0\n", "NUL not permitted in program names"),
        (b"a: /var/mail/a\n", "file delivery /var/mail/a not supported"),
    ],
)
def test_a_fault_refuses_all_aliases(text: bytes, sentence: str) -> None:
    with pytest.raises(Temporary) as refusal:
        aliases(b"ok: a@x.t\n" + text)
    assert sentence == refusal.value.sentence


def test_a_long_address_never_becomes_an_alias() -> None:
    with pytest.raises(Permanent, match="over 800"):
        aliases(b"a: " + LONG + b"@x.t\n")


@pytest.mark.parametrize(
    ("text", "orders"),
    [
        (b"", b""),
        (b"a@x.t, b\n# c\n\nd@e", b"&b@dh.dd.test\0&a@x.t\0&d@e.dd.test\0"),
        (b":include:/x/y\n:include:z\n", b"/x/y\0./z\0"),
        (b"<>\n", b""),
    ],
)
def test_an_include_file_becomes_a_list(text: bytes, orders: bytes) -> None:
    assert orders == compile_include(text, COMPLETION)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b'"a\n', 'unable to parse this line: "a\n'),
        (b"/mail/a\n", "file delivery /mail/a not supported"),
        (b"|prog\n", "program delivery |prog not supported"),
        (b":include:\n", "empty :include: filenames not permitted"),
        (b":include:a\\\n", "newlines not permitted in :include: filenames"),
        (b"a\\\n@x.t\n", "newlines not permitted in recipient addresses"),
        (b"a\0@x.t\n", "NUL not permitted in recipient addresses"),
        (b"a@x.t\\ \n", "spaces and tabs not permitted at ends of addresses"),
        (LONG, "addresses must be under 800 bytes"),
    ],
)
def test_a_fault_refuses_the_whole_list(text: bytes, sentence: str) -> None:
    with pytest.raises(Temporary) as refusal:
        compile_include(text, COMPLETION)
    assert sentence == refusal.value.sentence


@given(st.binary(max_size=80) | st.text('ab@,:;<>()"\\|/ .\n\t#', max_size=60).map(str.encode))
def test_any_file_becomes_a_table_or_is_refused(text: bytes) -> None:
    with contextlib.suppress(Temporary, Permanent):
        make_cdb(compile_aliases(text, COMPLETION))
    with contextlib.suppress(Temporary):
        compile_include(text, COMPLETION)
