"""Owns the tests of the passwords file."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.accounts.exchange import Account
from appliance.accounts.passwords import NOBODYS
from appliance.accounts.table import Entry, format_entry, parse_entry, parse_table
from appliance.formats.outcome import FormatError

ALICE = Entry(Account(b"Alice@Example.test", 5000, 5001, b"/mail/example.test/alice", b"Maildir"), NOBODYS)
HASH = NOBODYS.encode()


def test_an_entry_is_written_and_read() -> None:
    assert ALICE == parse_entry(format_entry(ALICE))


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (b"alice", "1 fields"),
        (b"alice:x:1:2:/h:M", "no kind known"),
        (b":" + HASH + b":1:2:/h:M", "no name"),
        (b"a\0:" + HASH + b":1:2:/h:M", "NUL"),
        (b"a:" + HASH + b":0:2:/h:M", "above 0"),
        (b"a:" + HASH + b":1:0:/h:M", "above 0"),
        (b"a:" + HASH + b":1:x:/h:M", "above 0"),
        (b"a:" + HASH + b":1:4294967295:/h:M", "above 0"),
        (b"a:" + HASH + b":" + b"1" * 5000 + b":2:/h:M", "above 0"),
        (b"a:" + HASH + b":1:2:h:M", "absolute"),
        (b"a:" + HASH + b":1:2:/h:", "absolute"),
    ],
)
def test_a_line_that_is_no_entry_is_said_so_without_its_hash(line: bytes, fault: str) -> None:
    with pytest.raises(FormatError) as caught:
        parse_entry(line)

    assert (True, False) == (fault in str(caught.value), "argon2" in str(caught.value))


def test_a_faulty_line_leaves_the_others_in_force() -> None:
    entries, faults = parse_table(b"# accounts\n\nbob:x\r\n" + format_entry(ALICE))

    assert ({b"alice@example.test": ALICE}, 1) == (entries, len(faults))
    assert faults[0].startswith("line 3: ")


@given(st.binary() | st.lists(st.sampled_from([b"a", b":", b"1", HASH, b"/"])).map(b"".join))
def test_any_file_is_a_table(content: bytes) -> None:
    """Whatever the file, each line is an entry, a fault, or says nothing."""
    entries, faults = parse_table(content)

    assert len(entries) + len(faults) <= content.count(b"\n") + 1
