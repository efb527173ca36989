"""Owns the proof of formats/dotqmail: what qmail-local did with .qmail files."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.formats.dotqmail import (
    BLANK,
    FILE_REFUSED,
    PROGRAM_REFUSED,
    Candidate,
    Fault,
    Forward,
    Instruction,
    Maildir,
    Mbox,
    Program,
    candidates,
    default_of,
    forward_sender,
    owner_names,
    parse_dotqmail,
    safe_extension,
)

ALL_KINDS = (
    b"# comment\n./Mailbox\n./Maildir/\n/abs/file\n/abs/dir/\n&bob@x.test\nbob2@x.test\n&bob3\n"
    b"|prog arg  \n| spaced prog\n+list\n+other\n  leading space\n\n&  trailing@x.test  \t\n./with space/ \n"
)


def test_every_kind_of_line_is_an_instruction() -> None:
    assert (
        Mbox(b"./Mailbox"),
        Maildir(b"./Maildir/"),
        Mbox(b"/abs/file"),
        Maildir(b"/abs/dir/"),
        Forward(b"bob@x.test"),
        Forward(b"bob2@x.test"),
        Forward(b"bob3"),
        Program(b"prog arg"),
        Program(b" spaced prog"),
        Forward(b"  leading space"),
        Forward(b"  trailing@x.test"),
        Fault(FILE_REFUSED),
    ) == parse_dotqmail(ALL_KINDS)


@pytest.mark.parametrize(
    ("content", "instructions"),
    [
        (b"|\n", (Program(b""),)),
        (b".\n", (Mbox(b"."),)),
        (b"./Mailbox", (Mbox(b"./Mailbox"),)),
        (b"./Mailbox\r\n&a@x.test\r\n", (Mbox(b"./Mailbox\r"), Forward(b"a@x.test\r"))),
        (b"+something\n&a@x.test\n", (Forward(b"a@x.test"),)),
        (b"+list x\n./Mailbox\n", (Mbox(b"./Mailbox"),)),
        (b"+list\n&a@x.test\n|echo hi\n./b\n", (Forward(b"a@x.test"), Fault(PROGRAM_REFUSED))),
        (b"./Mailbox\n+list\n./b\n", (Mbox(b"./Mailbox"), Fault(FILE_REFUSED))),
        (b"#\n\n./Mailbox\n", (Mbox(b"./Mailbox"),)),
        (b"#\n", ()),
        (b"\n./Mailbox\n", (Fault(BLANK),)),
        (b" \t\n./Mailbox\n", (Fault(BLANK),)),
        (b"./Mail\0box\n", (Mbox(b"./Mail"),)),
        (b"&\n", (Forward(b""),)),
    ],
)
def test_a_file_orders_what_qmail_local_did(content: bytes, instructions: tuple[Instruction, ...]) -> None:
    assert instructions == parse_dotqmail(content)


def test_the_x_bit_allows_forwards_only() -> None:
    assert (Forward(b"a@x.test"), Fault(FILE_REFUSED)) == parse_dotqmail(b"&a@x.test\n./Mailbox\n", True)
    assert (Forward(b"a@x.test"), Fault(PROGRAM_REFUSED)) == parse_dotqmail(b"&a@x.test\n|true\n", True)


def test_an_empty_file_means_the_default_delivery_whatever_its_x_bit() -> None:
    assert (Program(b"preline procmail"),) == parse_dotqmail(b"", False, b"|preline procmail")
    assert (Program(b"p"), Mbox(b"./Mailbox")) == parse_dotqmail(b"", True, b"|p\n./Mailbox")
    assert (Fault(BLANK),) == parse_dotqmail(b"", False, b"")


def test_the_default_delivery_of_a_user_may_name_him_in_a_path() -> None:
    default = b'|dot-forward .forward\n|log "$USER"\n/var/mail/$USER\n./of-$USER/'

    assert b'|dot-forward .forward\n|log "$USER"\n/var/mail/joe\n./of-joe/' == default_of(b"joe", default)
    assert b"./Maildir/" == default_of(b"joe", b"./Maildir/")


@pytest.mark.parametrize(
    ("dash", "ext", "found"),
    [
        (b"", b"", [(b".qmail", None), (b".qmaildefault", b"")]),
        (b"", b"x", [(b".qmailx", None), (b".qmaildefault", b"x")]),
        (b"-", b"", [(b".qmail-", None), (b".qmail-default", b"")]),
        (b"-", b"a", [(b".qmail-a", None), (b".qmail-default", b"a")]),
        (b"-", b"a-", [(b".qmail-a-", None), (b".qmail-a-default", b""), (b".qmail-default", b"a-")]),
        (b"-", b"Foo.Bar", [(b".qmail-foo:bar", None), (b".qmail-default", b"Foo.Bar")]),
        (b"+", b"x", [(b".qmail+x", None), (b".qmail+default", b"x")]),
        (b"-", b"default", [(b".qmail-default", b"default"), (b".qmail-default", b"default")]),
        (
            b"-",
            b"A-b-C",
            [(b".qmail-a-b-c", None), (b".qmail-a-b-default", b"C"), (b".qmail-a-default", b"b-C")]
            + [(b".qmail-default", b"A-b-C")],
        ),
        (
            b"-",
            b"a-Default",
            [
                (b".qmail-a-default", b"Default"),
                (b".qmail-a-default", b"Default"),
                (b".qmail-default", b"a-Default"),
            ],
        ),
    ],
)
def test_files_are_looked_for_from_the_longest_name_on(
    dash: bytes, ext: bytes, found: list[tuple[bytes, bytes | None]]
) -> None:
    assert [Candidate(*each) for each in found] == list(candidates(dash, ext))


def test_an_extension_cannot_lead_out_of_the_home() -> None:
    assert safe_extension(b"../../etc/passwd") == b"::/::/etc/passwd"
    assert all(b".." not in name for name, _ in candidates(b"-", b"x/../../y"))


def test_the_owner_of_a_list_gets_its_bounces() -> None:
    assert (b".qmail-list-owner", b".qmail-list-owner-default") == owner_names(b"-", b"LIST")
    assert (b".qmail-owner", b".qmail-owner-default") == owner_names(b"", b"")


@pytest.mark.parametrize(
    ("sender", "owner", "owner_default", "expected"),
    [
        (b"s@x.test", False, False, b"s@x.test"),
        (b"s@x.test", False, True, b"s@x.test"),
        (b"s@x.test", True, False, b"alice-LIST-owner@h.test"),
        (b"s@x.test", True, True, b"alice-LIST-owner-@h.test-@[]"),
        (b"", True, True, b""),
        (b"#@[]", True, True, b"#@[]"),
    ],
)
def test_forwards_come_from_the_owner_if_there_is_one(
    sender: bytes, owner: bool, owner_default: bool, expected: bytes
) -> None:
    assert expected == forward_sender(sender, b"alice-LIST", b"h.test", owner, owner_default)


@given(
    st.binary()
    | st.lists(st.sampled_from([b"./", b"|", b"&", b"+list", b"\n", b" ", b"a", b"#"])).map(b"".join),
    st.booleans(),
)
def test_any_bytes_are_instructions(content: bytes, executable: bool) -> None:
    """Whatever the file holds, nothing follows a fault, and no path or command has a NUL or a newline."""
    instructions = parse_dotqmail(content, executable)

    assert not any(isinstance(each, Fault) for each in instructions[:-1])
    for each in instructions:
        if not isinstance(each, Fault):
            assert not {0, 10} & set(each[0])


@given(st.sampled_from([b"", b"-", b"-/"]), st.binary(max_size=30))
def test_any_extension_has_files_that_end_with_the_default(dash: bytes, ext: bytes) -> None:
    """Whatever the extension, its parts come back in DEFAULT as they were."""
    for name, default in candidates(dash, ext):
        assert name.startswith(b".qmail" + dash)
        assert default is None or ext.endswith(default)
