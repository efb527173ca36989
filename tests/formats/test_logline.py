"""Owns the proof of formats/logline."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.formats.logline import safe_text


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
