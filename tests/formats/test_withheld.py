"""What a record of a dialogue may not show."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.formats.withheld import Withheld

PLAIN = base64.b64encode(b"\0joe\0secret")
USER, SECRET = base64.b64encode(b"joe"), base64.b64encode(b"secret")


def shown(*steps: tuple[str, bytes]) -> bytes:
    """What may be shown of the client's side of a dialogue."""
    withheld, seen = Withheld(), b""
    for side, packet in steps:
        if side == "C":
            seen += withheld.heard(packet)
        else:
            withheld.said(packet)
    return seen + withheld.rest()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"AUTH PLAIN " + PLAIN, b"AUTH PLAIN [hidden]"),
        (b"auth  plain " + PLAIN, b"auth plain [hidden]"),
        (b" AUTH LOGIN " + USER, b"AUTH LOGIN [hidden]"),
        (b"AUTH " + PLAIN, b"AUTH [hidden]"),
        (b"AUTH SCRAM-SHA-256 biwsbj1qb2U=", b"AUTH SCRAM-SHA-256 [hidden]"),
        (b"PASS secret word", b"PASS [hidden]"),
        (b"pass\tsecret", b"PASS [hidden]"),
        (b"APOP joe 1f3a", b"APOP [hidden]"),
        (b"AUTH " + b"x" * 5000, b"AUTH [hidden]"),
    ],
)
@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
def test_a_password_is_not_shown(line: bytes, expected: bytes, end: bytes) -> None:
    assert b"NOOP\r\n" + expected + b"\nQUIT\r\n" == shown(
        ("C", b"NOOP\r\n" + line + end), ("S", b"250 ok\r\n235 ok\r\n"), ("C", b"QUIT\r\n")
    )


@pytest.mark.parametrize(
    "line", [b"AUTH\r\n", b"AUTH LOGIN\r\n", b"PASSIVE x\r\n", b"USER joe\r\n", b"PASS\r\n"]
)
def test_what_is_no_password_is_shown(line: bytes) -> None:
    assert line == shown(("C", line))


def test_lines_that_answer_a_server_are_not_shown() -> None:
    assert b"AUTH LOGIN\r\n[hidden]\n[hidden]\nMAIL FROM:<>\r\n" == shown(
        ("C", b"AUTH LOGIN\r\n"),
        ("S", b"334 VXNlcm5hbWU6\r\n"),
        ("C", USER + b"\r\n"),
        ("S", b"334 UGFzc3dvcmQ6\r\n"),
        ("C", SECRET + b"\r\n"),
        ("S", b"235 ok\r\n"),
        ("C", b"MAIL FROM:<>\r\n"),
    )
    assert b"[hidden]\nSTAT\r\n" == shown(
        ("S", b"+ \r\n"), ("C", PLAIN + b"\r\n"), ("S", b"+OK\r\n"), ("C", b"STAT\r\n")
    )


def test_a_client_that_does_not_wait_hides_nothing_less() -> None:
    lines = b"AUTH LOGIN\r\n" + USER + b"\r\n" + SECRET + b"\r\n"

    assert b"AUTH LOGIN\r\n[hidden]\n[hidden]\n" == shown(("C", lines))
    assert b"AUTH LOGIN\r\n[hidden]\n[hidden]\nEHLO me\r\n" == shown(
        ("C", b"AUTH LOGIN\r\n"),
        ("S", b"538 first STARTTLS\r\n"),
        ("C", USER + b"\r\n" + SECRET + b"\r\n"),
        ("S", b"502 unimplemented\r\n"),
        ("C", b"EHLO me\r\n"),
    )


def test_a_reply_of_several_lines_decides_with_its_last() -> None:
    assert b"AUTH LOGIN\r\n[hidden]\n" == shown(
        ("C", b"AUTH LOGIN\r\n"), ("S", b"250-one\r\n250-two\r\n"), ("C", b"QUIT\r\n")
    )


def test_a_line_is_judged_as_a_whole_however_it_comes() -> None:
    line = b"AUTH PLAIN " + PLAIN + b"\r\n"
    steps = [("C", line[i : i + 1]) for i in range(len(line))]

    assert b"AUTH PLAIN [hidden]\n" == shown(*steps)


def test_a_line_without_end_is_shown_once_it_can_be_judged() -> None:
    withheld = Withheld()

    assert b"" == withheld.heard(b"x" * 200)
    assert b"x" * 300 == withheld.heard(b"x" * 100)
    assert b"x" * 100 == withheld.heard(b"x" * 100)
    assert b"\nPASS [hidden]\n" == withheld.heard(b"\nPASS secret\n")


def test_blanks_without_end_hide_what_is_behind_them() -> None:
    withheld = Withheld()

    assert b"[hidden]\nQUIT\r\n" == withheld.heard(b" " * 300) + withheld.heard(b"PASS secret\nQUIT\r\n")


@given(st.binary(max_size=3000), st.integers(1, 400))
def test_text_without_secrets_is_shown_to_the_byte(text: bytes, size: int) -> None:
    quiet = b"".join(b"x" + line + b"\n" for line in text.split(b"\n")) + b"end"
    packets = [("C", quiet[i : i + size]) for i in range(0, len(quiet), size)]

    assert quiet == shown(*packets)


@given(st.lists(st.tuples(st.sampled_from("CS"), st.binary(max_size=300)), max_size=20), st.integers(0, 20))
def test_no_dialogue_shows_a_line_that_says_a_password(steps: list[tuple[str, bytes]], place: int) -> None:
    secret = b"hunter2-hunter2"
    said = [*steps[:place], ("C", b"\nPASS " + secret + b"\r\n"), *steps[place:]]

    assert secret not in shown(*said)
