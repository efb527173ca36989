"""Owns the proof of formats/assign: qmail-newu's bytes and qmail-lspawn's look-ups."""

import contextlib
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.formats.assign import Assignment, compile_assign, lookup
from appliance.formats.cdb import Cdb, make_cdb
from appliance.formats.outcome import FormatError

PLAIN = (
    b"=joe.shmoe:joe:8001:8001:/home/alice:::\n"
    b"+joe-:joe:8002:8002:/home/bob:-:x-:\n"
    b"+:alias:7790:2107:/var/qmail/alias:-::\n"
    b".\n"
)


def found(text: bytes, local: bytes) -> Assignment | None:
    return lookup(Cdb(compile_assign(text)), local)


def test_the_cdb_has_the_bytes_that_qmail_newu_wrote() -> None:
    digest = hashlib.sha256(compile_assign(PLAIN)).hexdigest()

    assert digest == "06bb1352d2fcfcfcfbae08534f41c4c4b2e42c6fc14cafbd1778f30f0ba39f06"


def test_keys_are_in_lower_case_and_last_letters_are_listed_once() -> None:
    text = b"+ab-:a:1:1:/a:-::\n+cd-:b:2:2:/b:-:x-:\n+EF:c:3:3:/c:=::more:\n*g:d:4:4:/d:::\n.comment\nrubbish"

    assert [
        (b"!ab-", b"a\0001\0001\0/a\0-\0"),
        (b"!cd-", b"b\0002\0002\0/b\0-\0x-"),
        (b"!ef", b"c\0003\0003\0/c\0=\0"),
        (b"!g\0", b"d\0004\0004\0/d\0\0"),
        (b"", b"-F"),
    ] == list(Cdb(compile_assign(text)))


@pytest.mark.parametrize(
    ("local", "user", "ext"),
    [
        (b"joe.shmoe", b"joe", b""),
        (b"Joe.Shmoe", b"joe", b""),
        (b"joe-", b"joe", b"x-"),
        (b"joe-foo", b"joe", b"x-foo"),
        (b"JOE-Foo", b"joe", b"x-Foo"),
        (b"joe", b"alias", b"joe"),
        (b"joe.shmoe-x", b"alias", b"joe.shmoe-x"),
        (b"", b"alias", b""),
    ],
)
def test_the_exact_name_comes_before_the_longest_beginning(local: bytes, user: bytes, ext: bytes) -> None:
    assignment = found(PLAIN, local)

    assert assignment is not None
    assert (user, ext) == (assignment.user, assignment.ext)


def test_an_assignment_has_all_six_fields() -> None:
    assert Assignment(b"joe", 8002, 8002, b"/home/bob", b"-", b"x-foo") == found(PLAIN, b"joe-foo")


def test_the_longest_beginning_wins() -> None:
    text = b"+:o:1:1:/o:-::\n+a:a:2:2:/a:-::\n+a-b:b:3:3:/b:-::\n.\n"

    users = {local: found(text, local) for local in (b"a", b"ab", b"a-b", b"a-bc", b"a-c", b"b")}

    assert {b"a": b"a", b"ab": b"a", b"a-b": b"b", b"a-bc": b"b", b"a-c": b"a", b"b": b"o"} == {
        local: assignment and assignment.user for local, assignment in users.items()
    }


def test_a_name_that_is_not_assigned_is_left_to_the_password_file() -> None:
    assert found(b"+a+:alice:1:1:/a:+::\n.\n", b"a-x") is None
    assert found(b".", b"alice") is None


@pytest.mark.parametrize("uid", [b"x", b"", b"0", b"-5", b"99999999999"])
def test_a_uid_that_is_no_number_is_root_which_delivers_nothing(uid: bytes) -> None:
    assignment = found(b"=a:alice:" + uid + b":8001:/a:::\n.\n", b"a")

    assert assignment is not None
    assert assignment.uid == 0


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b"", "cut short"),
        (b"=a:alice:1:1:/a:::\n", "cut short"),
        (b"=a:alice:1:1:/a:::", "cut short"),
        (b"\n=a:alice:1:1:/a:::\n.\n", "line 1 "),
        (b"# comment\n.\n", "line 1 "),
        (b"=a:alice:1:1:/a:::\n=b:alice:1:1:/a::\n.\n", "line 2 "),
        (b"=a\n.\n", "line 1 "),
        (b":alice:1:1:/a:::\n.\n", "line 1 "),
        (b"=a:ali\0ce:1:1:/a:::\n.\n", "line 1 "),
    ],
)
def test_a_faulty_line_is_named(text: bytes, sentence: str) -> None:
    with pytest.raises(FormatError, match=sentence):
        compile_assign(text)


def test_a_damaged_cdb_is_refused() -> None:
    with pytest.raises(FormatError, match="last letters"):
        lookup(Cdb(make_cdb([])), b"a")
    with pytest.raises(FormatError, match="2 fields"):
        lookup(Cdb(make_cdb([(b"", b""), (b"!a\0", b"alice\0001")])), b"a")


@given(
    st.binary() | st.lists(st.sampled_from([b"=a", b"+a-", b":1", b":", b"\n", b"\n.\n"])).map(b"".join),
    st.binary(),
)
def test_any_text_is_compiled_or_refused_with_one_error(text: bytes, local: bytes) -> None:
    """Whatever stands in users/assign, it makes a cdb that answers for every name, or FormatError."""
    with contextlib.suppress(FormatError):
        found(text, local)
