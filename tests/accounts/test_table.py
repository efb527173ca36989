"""Owns the tests of the passwords file."""

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.accounts.exchange import Account
from appliance.accounts.passwords import NOBODYS
from appliance.accounts.table import Entry, Password, format_entry, parse_entry, parse_table
from appliance.formats.outcome import FormatError

ALICE = Entry(
    Account(b"Alice@Example.test", 5000, 5001, b"/mail/example.test/alice", b"Maildir"), (Password(NOBODYS),)
)
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
        (b"a:" + HASH + b":1:2:/h:M:label:smtp:2027-01-31", "9 fields"),
        (b"a:" + HASH + b":1:2:/h:M:label:smtp:soon:", "a date"),
        (b"a:" + HASH + b":1:2:/h:M:label:smtp::10.0.0.1/8", "a network"),
        (b"a:" + HASH + b":1:2:h:M", "absolute"),
        (b"a:" + HASH + b":1:2:/h:", "absolute"),
    ],
)
def test_a_line_that_is_no_entry_is_said_so_without_its_hash(line: bytes, fault: str) -> None:
    with pytest.raises(FormatError) as caught:
        parse_entry(line)

    assert (True, False) == (fault in str(caught.value), "argon2" in str(caught.value))


def test_a_faulty_line_leaves_the_others_in_force() -> None:
    table = parse_table(b"# accounts\n\nbob:x\r\n" + format_entry(ALICE))

    assert ({b"alice@example.test": ALICE}, 1) == (table.entries, len(table.faults))
    assert table.faults[0].startswith("line 3: ")


PHONE = Password(
    NOBODYS, "phone", ("smtp", "pop3"), "2027-01-31", (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))
)


def test_an_account_has_several_passwords_in_the_order_of_the_lines() -> None:
    both = ALICE._replace(passwords=(*ALICE.passwords, PHONE))

    assert {b"alice@example.test": both} == parse_table(format_entry(both)).entries


def test_files_of_hashes_are_named() -> None:
    assert ["/run/secrets/passwd", "/etc/more"] == parse_table(b"</run/secrets/passwd\n</etc/more\n").files


def test_a_hash_that_is_elsewhere_is_no_fault() -> None:
    assert "external" == parse_entry(b"a@b.test:external:1:2:/h:M").passwords[0].known_hash


@pytest.mark.parametrize(
    ("scope", "address", "today", "counts"),
    [
        ("smtp", "10.1.2.3", "2027-01-31", True),
        ("pop3", "fd00::1", "2026-01-01", True),
        ("", "10.1.2.3", "2026-01-01", False),
        ("imap", "10.1.2.3", "2026-01-01", False),
        ("smtp", "11.1.2.3", "2026-01-01", False),
        ("smtp", None, "2026-01-01", False),
        ("smtp", "10.1.2.3", "2027-02-01", False),
    ],
)
def test_a_password_counts_for_its_scopes_from_its_networks_until_its_day(
    scope: str, address: str | None, today: str, counts: bool
) -> None:
    assert counts == PHONE.counts(scope, ip_address(address) if address else None, today)


def test_a_password_without_limits_counts_always() -> None:
    assert ALICE.passwords[0].counts("", None, "9999-12-31")


@given(
    st.binary() | st.lists(st.sampled_from([b"a", b":", b"1", HASH, b"/", b"external", b"<"])).map(b"".join)
)
def test_any_file_is_a_table(content: bytes) -> None:
    """Whatever the file, each line is an entry, a fault, or says nothing."""
    table = parse_table(content)

    assert len(table.entries) + len(table.files) + len(table.faults) <= content.count(b"\n") + 1
