"""The accept log's records: round trips, torn tails, and any bytes at all."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.formats.envelope import Envelope
from appliance.formats.outcome import FormatError, Report, Verdict
from appliance.queue import record
from appliance.queue.record import Origin

ORIGIN = Origin(1_000_000_000, 7791, 4242)
ENVELOPE = Envelope(b"s@x.test", (b"alice@example.test", b"bob@example.test"))


def records_of(*payloads: tuple[int, int, bytes], segment: int = 7) -> bytes:
    return b"".join(
        record.format_record(segment, kind, number, payload) for kind, number, payload in payloads
    )


def test_records_come_back_in_their_order() -> None:
    content = records_of((record.MESSAGE, 7, b"abc"), (record.DONE, 7, b""), (record.SETTLED, 9, b""))

    found = [(r.kind, r.number, content[r.start : r.end]) for r in record.read_records(7, content)]

    assert [(record.MESSAGE, 7, b"abc"), (record.DONE, 7, b""), (record.SETTLED, 9, b"")] == found


def test_every_torn_tail_leaves_the_records_before_it() -> None:
    whole = records_of((record.MESSAGE, 7, b"first"))
    content = whole + records_of((record.MESSAGE, 8, b"second"))

    for cut in range(len(whole), len(content)):
        assert [7] == [r.number for r in record.read_records(7, content[:cut])]


def test_a_flipped_bit_ends_the_log_there() -> None:
    content = bytearray(records_of((record.MESSAGE, 7, b"first"), (record.MESSAGE, 8, b"second")))

    for place in range(len(content)):
        content[place] ^= 1
        assert len(list(record.read_records(7, bytes(content)))) < 2
        content[place] ^= 1


def test_a_record_of_another_life_of_the_file_is_none_of_this() -> None:
    assert [] == list(record.read_records(8, records_of((record.DONE, 7, b""), segment=7)))


def test_a_message_tells_its_origin_envelope_and_where_its_body_begins() -> None:
    payload = record.format_message(ORIGIN, ENVELOPE, 5, b"body\n")

    message = record.parse_message(payload)

    assert (ORIGIN, ENVELOPE, 5) == message[:3]
    assert b"body\n" == payload[message.body_offset :]


@pytest.mark.parametrize("payload", [b"", b"x" * 10, record.format_message(ORIGIN, ENVELOPE, 0, b"")[:-1]])
def test_a_short_message_is_refused(payload: bytes) -> None:
    with pytest.raises(FormatError):
        record.parse_message(payload)


reports = st.builds(Report, st.sampled_from([Verdict.DONE, Verdict.NEVER]), st.binary(max_size=50))


@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), reports)))
def test_progress_comes_back_as_it_was_noted(entries: list[tuple[int, Report]]) -> None:
    assert entries == record.parse_progress(record.format_progress(entries))


@given(st.binary())
def test_any_bytes_as_progress_are_parsed_or_refused(payload: bytes) -> None:
    with contextlib.suppress(FormatError):
        record.parse_progress(payload)


@given(st.binary(max_size=300))
def test_any_bytes_as_a_segment_give_no_record_by_chance(content: bytes) -> None:
    assert [] == list(record.read_records(1, content))


@given(st.binary(max_size=300))
def test_any_bytes_as_a_message_are_parsed_or_refused(payload: bytes) -> None:
    with contextlib.suppress(FormatError):
        record.parse_message(payload)


def test_a_temporary_report_is_no_progress() -> None:
    damaged = record.format_progress([(1, Report(Verdict.TRY_AGAIN, b""))])

    with pytest.raises(FormatError, match="damaged"):
        record.parse_progress(damaged)
