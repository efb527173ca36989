"""Owns the proof of formats/cdb: the bytes of cdb_make, and look-ups that damaged bytes cannot mislead."""

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.formats.cdb import Cdb, cdb_hash, make_cdb
from appliance.formats.outcome import FormatError

PAIRS = st.lists(st.tuples(st.binary(max_size=8), st.binary(max_size=8)), max_size=30)


def test_an_empty_cdb_is_a_header_that_points_behind_itself() -> None:
    assert struct.pack("<II", 2048, 0) * 256 == make_cdb([])
    assert list(Cdb(make_cdb([]))) == []
    assert Cdb(make_cdb([])).get(b"x") is None


def test_the_hash_is_djb_s() -> None:
    assert cdb_hash(b"") == 5381
    assert cdb_hash(b"a") == 5381 * 33 ^ ord("a")
    assert cdb_hash(b"one") == 193420161


def test_a_record_lies_where_cdb_make_puts_it() -> None:
    h = cdb_hash(b"one")

    cdb = make_cdb([(b"one", b"Hello")])

    table = 2048 + 8 + 3 + 5
    assert cdb[2048:table] == struct.pack("<II", 3, 5) + b"oneHello"
    assert struct.unpack_from("<II", cdb, h % 256 * 8) == (table, 2)
    assert struct.unpack_from("<II", cdb, table + (h >> 8) % 2 * 8) == (h, 2048)
    assert len(cdb) == table + 16


def test_the_first_of_equal_keys_is_found_first() -> None:
    cdb = Cdb(make_cdb([(b"a", b"1"), (b"b", b"2"), (b"a", b"3"), (b"a", b"")]))

    assert cdb.get(b"a") == b"1"
    assert [b"1", b"3", b""] == list(cdb.find_all(b"a"))
    assert cdb.get(b"c") is None


def test_a_cdb_shorter_than_its_header_is_refused() -> None:
    for length in 0, 1, 2047:
        with pytest.raises(FormatError, match="shorter"):
            Cdb(make_cdb([])[:length])


def test_a_table_beyond_the_end_is_refused() -> None:
    cdb = make_cdb([(b"one", b"Hello")])
    with pytest.raises(FormatError, match="table"):
        Cdb(cdb[:-8]).get(b"one")


def test_a_record_beyond_the_end_is_refused() -> None:
    cdb = bytearray(make_cdb([(b"one", b"Hello")]))
    struct.pack_into("<II", cdb, 2048, 3, 500)
    with pytest.raises(FormatError, match="record"):
        Cdb(bytes(cdb)).get(b"one")
    with pytest.raises(FormatError, match="record"):
        list(Cdb(bytes(cdb)))


def test_a_record_that_is_pointed_at_beyond_the_end_is_refused() -> None:
    cdb = bytearray(make_cdb([(b"one", b"Hello")]))
    for slot in 0, 1:
        struct.pack_into("<II", cdb, 2048 + 16 + slot * 8, cdb_hash(b"one"), 0xFFFFFFF0)
    with pytest.raises(FormatError, match="position"):
        Cdb(bytes(cdb)).get(b"one")


def test_a_table_without_an_empty_slot_ends_the_search() -> None:
    cdb = bytearray(make_cdb([(b"one", b"Hello")]))
    for slot in 0, 1:
        struct.pack_into("<II", cdb, 2048 + 16 + slot * 8, cdb_hash(b"one") ^ 0x100, 2048)

    assert Cdb(bytes(cdb)).get(b"one") is None


def test_an_equal_hash_is_not_yet_an_equal_key() -> None:
    cdb = make_cdb([(b"one", b"Hello")]).replace(b"one", b"two")

    assert Cdb(cdb).get(b"one") is None


@given(PAIRS)
def test_what_is_written_is_read_back(pairs: list[tuple[bytes, bytes]]) -> None:
    cdb = Cdb(make_cdb(pairs))

    assert pairs == list(cdb)
    for key, _ in pairs:
        assert [record for other, record in pairs if other == key] == list(cdb.find_all(key))


@given(PAIRS, st.binary(max_size=8), st.data())
def test_damaged_bytes_give_an_answer_or_one_error(
    pairs: list[tuple[bytes, bytes]], key: bytes, data: st.DataObject
) -> None:
    """Whatever bytes are changed or missing, a look-up ends with data, None or FormatError."""
    cdb = bytearray(make_cdb([*pairs, (key, b"x")]))
    h = cdb_hash(key)
    aims = [h % 256 * 8, h % 256 * 8 + 4, 0, *range(2048, len(cdb) - 3)]
    for aim in data.draw(st.lists(st.sampled_from(aims), max_size=3)):
        struct.pack_into("<I", cdb, aim, data.draw(st.integers(0, 2**32 - 1)))

    with contextlib.suppress(FormatError):
        broken = Cdb(bytes(cdb[: data.draw(st.integers(0, len(cdb)))]))
        broken.get(key)
        list(broken)
