"""Owns the proof of formats/received: the lines that qmail's stations wrote."""

from hypothesis import given
from hypothesis import strategies as st

from appliance.formats.received import (
    Client,
    format_delivered_to,
    format_invoked,
    format_mended,
    format_received,
    format_return_path,
)

CLIENT = Client(b"192.0.2.7", b"client.example", None, b"client")
EPOCH = 1795390072


def line(client: Client) -> bytes:
    return format_received(client, b"mx.lab.test", b"SMTP", EPOCH)


def test_the_line_of_a_message_from_the_network() -> None:
    assert line(CLIENT) == (
        b"Received: from client.example (HELO client) (192.0.2.7)\n"
        b"  by mx.lab.test with SMTP; 22 Nov 2026 23:27:52 -0000\n"
    )


def test_a_helo_that_says_the_host_s_own_name_is_left_out() -> None:
    for helo in None, b"client.example", b"Client.EXAMPLE":
        assert b"Received: from client.example (192.0.2.7)\n" in line(CLIENT._replace(helo=helo))


def test_a_client_of_whom_nothing_is_known_is_unknown() -> None:
    assert line(Client()).startswith(b"Received: from unknown (unknown)\n  by mx.lab.test with SMTP; ")


def test_an_address_of_ipv6_is_shown_as_a_literal() -> None:
    client = Client(b"2001:db8::7", helo=b"[IPv6:2001:db8::7]", info=b"joe")

    assert line(client).startswith(
        b"Received: from unknown (HELO [IPv6:2001:db8::7]) (joe@[IPv6:2001:db8::7])\n  by "
    )


def test_the_line_of_a_message_that_was_mended() -> None:
    date = b"22 Nov 2026 23:27:52 -0000\n"

    assert b"Received: (ofmipd 192.0.2.7); " + date == format_mended(CLIENT, EPOCH)
    named = Client(b"2001:db8::1", info=b"a (b)@c\\d \xff;_")
    assert b"Received: (ofmipd a??b??c?d??;_@[IPv6:2001:db8::1]); " + date == format_mended(named, EPOCH)


def test_what_comes_from_the_network_is_made_safe() -> None:
    assert b" (HELO a?b?c?????x?) " in line(CLIENT._replace(helo=b'a b<c>\xc3\xa9;"x"'))
    assert b" (HELO ?odd??helo@x) " in line(CLIENT._replace(helo=b"(odd) helo@x"))
    assert b" (ident?user@192.0.2.7)\n" in line(CLIENT._replace(info=b"ident user"))
    assert b" ([127.0.0.1]:25=a/b%c+d-e@192.0.2.7)\n" in line(
        CLIENT._replace(info=b"[127.0.0.1]:25=a/b%c+d-e")
    )


def test_the_first_line_in_the_queue() -> None:
    assert format_invoked(4711, b"from network", EPOCH) == (
        b"Received: (qmail 4711 invoked from network); 22 Nov 2026 23:27:52 -0000\n"
    )


def test_the_lines_of_a_mailbox() -> None:
    assert format_return_path(b"s@x.test") == b"Return-Path: <s@x.test>\n"
    assert format_return_path(b"") == b"Return-Path: <>\n"
    assert format_return_path(b'we "ird@x.test') == b'Return-Path: <"we \\"ird"@x.test>\n'
    assert format_return_path(b"a\nb@x.test") == b'Return-Path: <"a\\_b"@x.test>\n'
    assert format_delivered_to(b"alice@lab.test") == b"Delivered-To: alice@lab.test\n"
    assert format_delivered_to(b"al\nice@lab.test") == b"Delivered-To: al_ice@lab.test\n"


@given(st.binary(), st.binary(), st.binary(), st.binary())
def test_no_client_can_write_a_line_of_his_own(ip: bytes, host: bytes, info: bytes, helo: bytes) -> None:
    """Whatever a client says of himself, the field has two lines."""
    wrote = line(Client(ip, host, info, helo))

    assert wrote.count(b"\n") == 2
    assert wrote.isascii()
