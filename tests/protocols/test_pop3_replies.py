"""Owns the tests of the POP3 server's sentences."""

from appliance.protocols import pop3_replies


def test_a_refusal_is_one_line() -> None:
    assert b"-ERR syntax error\r\n" == pop3_replies.refusal(b"syntax error")


def test_every_sentence_is_one_reply_of_at_most_512_bytes() -> None:
    sentences = {
        name: value
        for name, value in vars(pop3_replies).items()
        if isinstance(value, bytes) and name.isupper() and name != "CAPABILITIES"
    }

    for name, wire in sentences.items():
        assert (True, 1, True) == (
            wire.startswith((b"+OK ", b"-ERR ")),
            wire.count(b"\r\n"),
            len(wire) <= 512,
        ), name
