"""Owns the tests of places in a text, and of what is taken out of it before it is read as YAML."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.site import document
from appliance.site.document import Document, cleaned, place_in, tabs, untabbed
from appliance.site.faults import Fault


@pytest.mark.parametrize(("index", "place"), [(0, (1, 1)), (2, (1, 3)), (3, (2, 1)), (5, (2, 3))])
def test_lines_and_columns_count_from_one(index: int, place: tuple[int, int]) -> None:
    assert place == place_in("ab\ncde", index)


def test_clean_text_stays_as_it_is() -> None:
    assert ("key: ü\n", []) == cleaned("key: ü\n".encode())


def test_a_byte_order_mark_is_no_part_of_the_first_key() -> None:
    assert ("key: 1", []) == cleaned(b"\xef\xbb\xbfkey: 1")


def test_bytes_that_are_no_text_are_blamed_where_they_stand() -> None:
    text, faults = cleaned("a: ü\nb: ".encode() + b"\xff\n")

    assert ("", 2, 4) == (text, faults[0].line, faults[0].column)


def test_a_file_without_end_is_not_read() -> None:
    text, faults = cleaned(b"#" * (document.LARGEST + 1))

    assert ("", True) == (text, "at most" in faults[0].text)


def test_control_characters_are_blamed_once_and_taken_out() -> None:
    text, faults = cleaned(b"a: b\0c\nd: \x1b")

    assert "a: bxc\nd: x" == text
    assert [Fault(1, 5, "there is a control character U+0000 (1 more below); take it out")] == faults


def test_tabs_are_blamed_once() -> None:
    faults = tabs("a:\n\tb: 1\n\tc: 2\n")

    assert [
        Fault(2, 1, "there is a tab (1 more lines below have one); write blanks, YAML has no tabs")
    ] == faults


@pytest.mark.parametrize("text", ["a: 1 #\ttab", "#\ttab\n", "a: 1\n"])
def test_a_tab_in_a_comment_is_nobodys_business(text: str) -> None:
    assert [] == tabs(text)


def test_a_tab_is_tried_as_the_indentation_of_the_file() -> None:
    assert "a:\n   b: 1\n   c: 2\n" == untabbed("a:\n   b: 1\n\tc: 2\n")[0]


def test_a_tab_between_words_is_one_blank() -> None:
    assert {"a: 1"} == set(untabbed("a:\t1"))


def test_text_without_tabs_is_tried_once() -> None:
    assert ["a: 1"] == untabbed("a: 1")


@pytest.fixture
def read() -> Document:
    return Document(
        keys={("a",): (1, 1), ("a", "b"): (2, 3)},
        values={(): (1, 1), ("a",): (2, 3), ("a", "b"): (2, 6)},
    )


@pytest.mark.parametrize(
    ("path", "key", "place"),
    [
        (("a", "b"), False, (2, 6)),
        (("a", "b"), True, (2, 3)),
        (("a", "b", 0), False, (2, 6)),
        (("a", "missing"), False, (1, 1)),
        (("a", "missing"), True, (1, 1)),
        (("nowhere",), False, (1, 1)),
    ],
)
def test_a_path_has_the_nearest_place(
    read: Document, path: tuple[str | int, ...], key: bool, place: tuple[int, int]
) -> None:
    assert place == read.place_of(path, key=key)


def test_blame_goes_to_the_place(read: Document) -> None:
    read.blame(("a", "b"), "x; y")

    assert [Fault(2, 6, "x; y")] == read.faults


@given(st.binary())
def test_any_bytes_are_cleaned_or_blamed(content: bytes) -> None:
    """Whatever a file holds, there is text that YAML may see, or a fault."""
    text, faults = cleaned(content)

    assert "\0" not in text
    assert faults or text == content.decode("utf-8-sig")
