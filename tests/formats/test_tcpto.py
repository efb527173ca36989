"""Owns the tests of the table of hosts that time out, with bytes as qmail writes them."""

from hypothesis import given
from hypothesis import strategies as st

from appliance.formats import tcpto
from appliance.formats.tcpto import Record

# 127.0.0.1, two timeouts, the last one 0x5f5e1000 seconds after 1970
RECORDED = bytes([127, 0, 0, 1, 2, 0, 0, 0, 0x00, 0x10, 0x5E, 0x5F, 0, 0, 0, 0])
HOST = Record(bytes([127, 0, 0, 1]), 2, 0x5F5E1000)

numbers = st.integers(0, 2**32 - 1)


def a_record(width: int) -> st.SearchStrategy[Record]:
    return st.builds(Record, st.binary(min_size=width, max_size=width), st.integers(0, 255), numbers, numbers)


def test_a_record_lies_as_qmails() -> None:
    assert RECORDED == tcpto.format_record(HOST)
    assert [HOST] == tcpto.records(RECORDED, 4)


def test_an_empty_table_has_qmails_64_records_and_no_host() -> None:
    assert bytes(1024) == tcpto.empty_table(4)
    assert [] == [*tcpto.format_lines(tcpto.empty_table(16), 16, 1)]


@given(st.sampled_from([4, 16]).flatmap(lambda width: st.lists(a_record(width), max_size=5)))
def test_what_is_formatted_is_read_again(known: list[Record]) -> None:
    table = b"".join(map(tcpto.format_record, known))

    assert known == tcpto.records(table, len(known[0].address) if known else 4)
    for record in known:
        found = tcpto.find(table, record.address)
        assert found is not None
        assert record.address == found[1].address


@given(st.binary(max_size=200), st.sampled_from([4, 16]))
def test_any_bytes_are_a_table(table: bytes, width: int) -> None:
    size = tcpto.record_size(width)

    assert len(table) // size == len(tcpto.records(table, width))
    assert all(line.endswith("\n") for line in tcpto.format_lines(table, width, 0))
    assert 0 == tcpto.place_for(table, width) % size


def test_bytes_that_look_like_an_address_within_another_record_are_none() -> None:
    assert (
        tcpto.find(tcpto.format_record(Record(b"\1\2\3\4", 127, 0x01000000)) + RECORDED[:8], b"\177\0\0\0")
        is None
    )


def test_a_new_record_takes_a_free_place_then_the_end_then_that_of_the_oldest() -> None:
    full = tcpto.format_record(HOST) * 64
    largest = tcpto.format_record(HOST) * (tcpto.MOST_RECORDS - 1)
    oldest = tcpto.format_record(HOST._replace(last=7))

    assert 16 == tcpto.place_for(RECORDED + bytes(16) + RECORDED, 4)
    assert 1024 == tcpto.place_for(full, 4)
    assert len(largest) == tcpto.place_for(largest + oldest, 4)
    assert len(largest) == tcpto.place_for(largest + oldest + RECORDED, 4)


def test_each_host_that_timed_out_has_a_line() -> None:
    known = HOST, HOST._replace(timeouts=0), Record(b"\12\0\0\2", 1, 2**32 - 1)
    table = b"".join(map(tcpto.format_record, known))
    six = tcpto.format_record(Record(bytes([0x20, 1, 0xD, 0xB8, *bytes(11), 1]), 10, 5))

    assert [
        "127.0.0.1 timed out 61 seconds ago; # recent timeouts: 2\n",
        "10.0.0.2 timed out 0 seconds ago; # recent timeouts: 1\n",
    ] == [*tcpto.format_lines(table, 4, HOST.last + 61)]
    assert ["2001:db8::1 timed out 1 seconds ago; # recent timeouts: 10\n"] == [
        *tcpto.format_lines(six, 16, 6)
    ]
