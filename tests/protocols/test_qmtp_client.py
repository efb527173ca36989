"""Owns the tests of the client's side of QMTP, without a network."""

import contextlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.formats.envelope import Envelope
from appliance.formats.netstring import parse_netstrings
from appliance.formats.outcome import FormatError, Report, Verdict
from appliance.protocols.qmtp_client import QmtpClient
from appliance.protocols.response import RESPONSE_LIMIT
from tests.support.feed import three_feedings

TWO = Envelope(b"s@x.test", (b"joe@far.test", b"sue@far.test"))
NO = Report(Verdict.NEVER, b"no\n")
LATER = Report(Verdict.TRY_AGAIN, b"later\n")


def sent(envelope: Envelope = TWO, message: bytes = b"a\n") -> QmtpClient:
    """A client whose package is on its way."""
    client = QmtpClient()
    client.start(envelope, len(message))
    client.body(message)
    client.end()
    return client


def test_a_package_is_the_message_with_its_kind_of_lines_the_sender_and_the_recipients() -> None:
    client = QmtpClient()

    wire = client.start(TWO, 4) + client.body(b"a") + client.body(b"\n\xe9\n") + client.end()

    assert b"5:\na\n\xe9\n,8:s@x.test,32:12:joe@far.test,12:sue@far.test,," == wire


def test_the_empty_sender_and_the_empty_message_are_said_so() -> None:
    client = QmtpClient()

    wire = client.start(Envelope(b"", (b"j",)), 0) + client.end()

    assert b"1:\n,0:,4:1:j,," == wire


def test_each_recipient_has_his_response_however_they_are_cut() -> None:
    def receiving() -> Callable[[bytes], list[Report]]:
        client = sent(TWO._replace(recipients=(b"a", b"b", b"c")))

        def receive(piece: bytes) -> list[Report]:
            before = len(client.responses)
            client.receive(piece)
            return client.responses[before:]

        return receive

    for events in three_feedings(receiving, b"3:Dno,6:Zlater,", b"3:K"):
        assert [NO, LATER] == events


def test_a_package_is_critical_from_its_end_to_its_last_response() -> None:
    client = QmtpClient()
    assert (True, False) == (client.ready, client.critical)
    client.start(TWO, 1)
    assert (False, False) == (client.ready, client.critical)
    client.body(b"\n")
    client.end()
    client.receive(b"1:K,")
    assert (False, True) == (client.ready, client.critical)
    client.receive(b"1:K,")
    assert (True, False) == (client.ready, client.critical)


def test_the_next_package_has_responses_of_its_own() -> None:
    client = sent()
    client.receive(b"1:K,1:K,")

    client.start(Envelope(b"", (b"j",)), 0)
    client.end()
    client.receive(b"3:Dno,")

    assert [NO] == client.responses


@pytest.mark.parametrize("stray", [b"1:K,", b"\n"])
def test_what_follows_the_last_response_costs_the_connection_but_no_response(stray: bytes) -> None:
    client = sent()

    with pytest.raises(FormatError):
        client.receive(b"1:K,1:K," + stray)

    assert [Verdict.DONE] * 2 == [response.verdict for response in client.responses]


def test_the_beginning_of_a_response_that_nobody_asked_for_makes_it_unready() -> None:
    client = QmtpClient()
    client.receive(b"3")
    assert not client.ready


@pytest.mark.parametrize(
    "said", [b"250 ok\r\n", b"2:ok,", b"3:Kok;", b"0:,", b"-1:K,", b"%d:K" % (RESPONSE_LIMIT + 1)]
)
def test_what_is_no_response_is_an_error(said: bytes) -> None:
    with pytest.raises(FormatError):
        sent().receive(said)


def test_a_response_before_the_package_is_sent_is_an_error() -> None:
    client = QmtpClient()
    client.start(TWO, 5)
    with pytest.raises(FormatError):
        client.receive(b"1:K,")


def test_a_message_of_another_size_is_never_ended() -> None:
    client = QmtpClient()
    client.start(TWO, 2)
    with pytest.raises(FormatError, match="shorter"):
        client.end()
    with pytest.raises(FormatError, match="longer"):
        client.body(b"abc")


@pytest.mark.parametrize("address", [b"a\0b@c", b"a\nb@c", b"x" * 1003])
def test_an_address_that_cannot_stand_in_a_queue_is_not_said(address: bytes) -> None:
    client = QmtpClient()
    for envelope in (Envelope(address, (b"j",)), Envelope(b"", (b"j", address))):
        with pytest.raises(FormatError):
            client.start(envelope, 1)
    assert client.ready


ADDRESSES = st.binary(max_size=20).map(lambda text: bytes(byte for byte in text if byte > 31 and byte != 127))


@given(ADDRESSES, st.lists(ADDRESSES), st.binary(max_size=50))
def test_a_server_reads_what_was_meant(sender: bytes, recipients: list[bytes], message: bytes) -> None:
    """Whatever message and addresses are sent, they are the netstrings that come out."""
    client = QmtpClient()

    wire = (
        client.start(Envelope(sender, tuple(recipients)), len(message)) + client.body(message) + client.end()
    )

    body, its_sender, its_recipients = parse_netstrings(wire)
    assert (b"\n" + message, sender) == (body, its_sender)
    assert tuple(recipients) == parse_netstrings(its_recipients)


@given(st.lists(st.binary(max_size=30)))
def test_any_bytes_are_responses_or_this_one_error(pieces: list[bytes]) -> None:
    """Whatever a server says, there are never more responses than recipients; only FormatError is raised."""
    client = sent()
    with contextlib.suppress(FormatError):
        for piece in pieces:
            client.receive(piece)
    assert len(client.responses) <= 2
