"""Owns the tests of the server's side of QMTP and QMQP, without a network."""

from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.formats.envelope import Envelope
from appliance.formats.outcome import FormatError
from appliance.protocols.packages import (
    End,
    Event,
    QmqpServer,
    QmtpServer,
    Recipient,
    Sender,
    Text,
    TooLarge,
)
from appliance.protocols.qmqp_client import enclose
from appliance.protocols.qmtp_client import QmtpClient
from tests.support.feed import three_feedings
from tests.support.packages import qmqp, qmtp

Server = type[QmtpServer] | type[QmqpServer]
ADDRESS = st.binary(max_size=30)
HUGE = b"99999999999999999999:"


def joined(events: list[Event]) -> list[Event]:
    """The events with the text in one piece, for blocks follow the feeding."""
    text = b"".join(event.block for event in events if isinstance(event, Text))
    rest: list[Event] = [event for event in events if not isinstance(event, Text)]
    return [Text(text), *rest]


def fed(server: Server, wire: bytes) -> list[Event]:
    return joined([*server().receive(wire)])


@pytest.mark.parametrize(
    ("server", "wire", "text"),
    [
        (QmtpServer, qmtp(b"\na\r\nb", b"s@x", b"j@y", b""), b"a\r\nb"),
        (QmtpServer, qmtp(b"\ra\r\nb\rc\r\r\n\r", b"s@x", b"j@y", b""), b"a\nb\rc\r\n\r"),
        (QmqpServer, qmqp(b"\ra\r\nb", b"s@x", b"j@y", b""), b"\ra\r\nb"),
    ],
)
def test_a_package_comes_apart_however_it_is_cut(server: Server, wire: bytes, text: bytes) -> None:
    expected = [Text(text), Sender(b"s@x"), Recipient(b"j@y"), Recipient(b""), End()]

    for events in three_feedings(lambda: server().receive, wire, tail=b"1"):
        assert expected == joined(events)


def test_packages_of_qmtp_follow_each_other() -> None:
    wire = qmtp(b"\n", b"", b"j@y") + qmtp(b"\nb", b"s@x")

    for events in three_feedings(lambda: QmtpServer().receive, wire, tail=b"0"):
        assert [Sender(b""), Recipient(b"j@y"), End(), Sender(b"s@x"), End()] == [
            event for event in events if not isinstance(event, Text)
        ]


def test_behind_the_package_of_qmqp_nothing_is_read() -> None:
    server = QmqpServer()

    events = [*server.receive(qmqp(b"a", b"s", b"j") + b"garbage"), *server.receive(b"x" * 1000)]

    assert [Text(b"a"), Sender(b"s"), Recipient(b"j"), End()] == events
    assert (True, False) == (server.ended, server.pending)


@pytest.mark.parametrize("server", [QmtpServer, QmqpServer])
def test_a_package_is_pending_from_its_first_byte_to_its_last(server: Server) -> None:
    wire = {QmtpServer: qmtp(b"\na", b"s", b"j"), QmqpServer: qmqp(b"a", b"s", b"j")}[server]
    new = server()
    assert not new.pending

    for position in range(len(wire) - 1):
        list(new.receive(wire[position : position + 1]))
        assert new.pending

    assert [End()] == list(new.receive(wire[-1:]))
    assert not new.pending


def test_a_long_message_is_not_kept() -> None:
    server = QmtpServer()
    assert [] == list(server.receive(b"1000001:\n"))

    for _ in range(10):
        assert [Text(b"x" * 100_000)] == list(server.receive(b"x" * 100_000))

    assert not server._held


@pytest.mark.parametrize("size", [1000, 100_000])
def test_an_address_that_is_too_long_is_passed_over(size: int) -> None:
    long, longest = b"x" * size, b"y" * 999
    expected = [Text(b"a"), Sender(None), Recipient(longest), Recipient(None), End()]

    assert expected == fed(QmtpServer, qmtp(b"\na", long, longest, long))
    assert expected == fed(QmqpServer, qmqp(b"a", long, longest, long))


def test_what_an_address_may_be_is_not_asked_here() -> None:
    odd = b"a\0b\n@\xff"

    assert [Text(b"a"), Sender(odd), Recipient(odd), End()] == fed(QmtpServer, qmtp(b"\na", odd, odd))


def test_leading_zeros_are_forgiven() -> None:
    expected = [Text(b"a"), Sender(b"s"), Recipient(b"j"), End()]

    assert expected == fed(QmtpServer, b"002:\na,01:s,0005:01:j,,")
    assert expected == fed(QmqpServer, b"0013:1:a,1:s,01:j,,")


@pytest.mark.parametrize("server", [QmtpServer, QmqpServer])
@pytest.mark.parametrize("wire", [HUGE, HUGE[:-1], b"9" * 1000, b"9999999999x", b"2000000001:"])
def test_a_length_beyond_all_reason_is_too_large(server: Server, wire: bytes) -> None:
    with pytest.raises(TooLarge):
        fed(server, wire)


def test_inner_lengths_are_held_against_the_same_limits() -> None:
    for wire in (b"1:\n," + HUGE, b"1:\n,0:," + HUGE, b"1:\n,0:,99:" + HUGE, b"1:\n,0:,16777217:"):
        with pytest.raises(TooLarge):
            fed(QmtpServer, wire)
    with pytest.raises(TooLarge):
        fed(QmqpServer, b"99:" + HUGE)


@pytest.mark.parametrize(
    "wire",
    [
        *(b"x:", b"-1:", b"+1:", b" 1:", b":", b"\0", b"1\n", b"0x1:", b"1e3:", b"\xb2:", b"0" * 21, b"0:,"),
        *(b"12:XSubject: t\n,", b"2:\nab", b"1:\n,1:ab", b"1:\n,x", b"1:\n,:", b"1:\n,0:,0:."),
        *(b"1:\n,0:,5:9:abc,,", b"1:\n,0:,2:0:,,", b"1:\n,0:,1:1", b"1:\n,0:,3:1:a,", b"1:\n,0:,4:1:ab,"),
    ],
)
def test_what_is_no_package_of_qmtp_is_refused_at_once(wire: bytes) -> None:
    with pytest.raises(FormatError):
        fed(QmtpServer, wire)


@pytest.mark.parametrize(
    "wire",
    [
        *(b"x:", b":", b" 5:", b"0:,", b"1:1", b"7:10:abc,,", b"5:48:17:Subject: t\n", b"5:2:m\n,,"),
        *(b"9:1:m,1:s,,.", b"8:1:m,1:s,.", b"4:1:mx", b"6:1:m,1:", b"12:1:m,1:s,1:jj,"),
    ],
)
def test_what_is_no_package_of_qmqp_is_refused_at_once(wire: bytes) -> None:
    with pytest.raises(FormatError):
        fed(QmqpServer, wire)


def test_after_a_fault_nothing_more_comes() -> None:
    server = QmtpServer()
    with pytest.raises(FormatError):
        list(server.receive(b"x"))

    assert [] == list(server.receive(qmtp(b"\na", b"s", b"j")))
    assert (True, False) == (server.ended, server.pending)


@given(st.binary(max_size=200), ADDRESS, st.lists(ADDRESS, max_size=5), st.integers(1, 300))
def test_what_is_said_comes_out_again(text: bytes, sender: bytes, recipients: list[bytes], cut: int) -> None:
    expected = [Text(text), Sender(sender), *map(Recipient, recipients), End()]

    for server, wire in (
        (QmtpServer(), qmtp(b"\n" + text, sender, *recipients)),
        (QmqpServer(), qmqp(text, sender, *recipients)),
    ):
        events = [*server.receive(wire[:cut]), *server.receive(wire[cut:])]
        assert expected == joined(events)


@given(st.binary(max_size=100), st.integers(1, 100))
def test_cr_lf_is_lf_wherever_it_is_cut(text: bytes, cut: int) -> None:
    server, wire = QmtpServer(), qmtp(b"\r" + text, b"", b"j")

    events = joined([*server.receive(wire[:cut]), *server.receive(wire[cut:])])

    assert Text(text.replace(b"\r\n", b"\n")) == events[0]


@pytest.mark.parametrize("server", [QmtpServer, QmqpServer])
def test_any_bytes_are_events_or_a_format_error(server: Server) -> None:
    @given(st.lists(st.binary(max_size=20) | st.sampled_from([b"3:", b"1:\n,", b"0:,", b",", b"99999999"])))
    def try_them(pieces: list[bytes]) -> None:
        assert outcome(server, pieces) == outcome(server, [b"".join(pieces)])

    try_them()


def outcome(server: Server, pieces: list[bytes]) -> tuple[list[Event], type[Exception] | None]:
    """What came of the pieces, and how it ended."""
    events: list[Event] = []
    new = server()
    try:
        for piece in pieces:
            for event in new.receive(piece):
                events.append(event)  # noqa: PERF402 - what came before a fault counts
    except FormatError as error:
        return joined(events), type(error)
    return joined(events), None


def clients_wires() -> Iterator[tuple[Server, Callable[[Envelope, bytes], bytes]]]:
    def by_qmtp(envelope: Envelope, text: bytes) -> bytes:
        client = QmtpClient()
        return client.start(envelope, len(text)) + client.body(text) + client.end()

    def by_qmqp(envelope: Envelope, text: bytes) -> bytes:
        before, behind = enclose(envelope, len(text))
        return before + text + behind

    yield QmtpServer, by_qmtp
    yield QmqpServer, by_qmqp


def test_our_own_clients_are_understood() -> None:
    envelope = Envelope(b"s@x.test", (b"joe@far.test", b"sue@far.test"))

    for server, wire in clients_wires():
        assert [
            Text(b"a\r\n\xe9"),
            Sender(envelope.sender),
            *map(Recipient, envelope.recipients),
            End(),
        ] == fed(server, wire(envelope, b"a\r\n\xe9"))
