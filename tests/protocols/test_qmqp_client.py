"""Owns the tests of the client's side of QMQP, without a network."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.formats.envelope import Envelope
from appliance.formats.netstring import parse_netstrings
from appliance.formats.outcome import FormatError, Report, Verdict
from appliance.protocols.qmqp_client import Answer, enclose
from tests.support.feed import feed


def test_a_package_is_one_netstring_of_netstrings() -> None:
    before, behind = enclose(Envelope(b"a@b.test", (b"c@d.test",)), 14)

    assert (b"40:14:", b",8:a@b.test,8:c@d.test,,") == (before, behind)


@given(st.lists(st.text("abc.@ ").map(str.encode), min_size=1), st.binary(max_size=50))
def test_a_server_reads_what_was_meant(addresses: list[bytes], message: bytes) -> None:
    """Whatever message and addresses are sent, they are the netstrings that come out."""
    before, behind = enclose(Envelope(addresses[0], tuple(addresses[1:])), len(message))

    [package] = parse_netstrings(before + message + behind)
    assert (message, *addresses) == parse_netstrings(package)


@pytest.mark.parametrize("address", [b"a\0b@c", b"a\nb@c", b"x" * 1003])
def test_an_address_that_cannot_stand_in_a_queue_is_not_said(address: bytes) -> None:
    with pytest.raises(FormatError):
        enclose(Envelope(b"", (address,)), 0)


def test_the_answer_is_one_response_however_it_is_cut() -> None:
    def answers(piece: bytes) -> list[Report]:
        report = answer.receive(piece)
        return [] if report is None else [report]

    for pieces in ([b"5:Kokay,"], [bytes([byte]) for byte in b"5:Kokay,"], [b"5:Kokay,junk"]):
        answer = Answer()
        assert [Report(Verdict.DONE, b"okay\n")] == feed(answers, pieces)


@given(st.lists(st.binary(max_size=30)))
def test_any_bytes_are_an_answer_or_this_one_error(pieces: list[bytes]) -> None:
    """Whatever a server says, it is a report, nothing yet, or FormatError."""
    answer = Answer()
    for piece in pieces:
        try:
            if answer.receive(piece) is not None:
                return
        except FormatError:
            return
