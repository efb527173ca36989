"""The first Received line, as qmail-queue writes it."""

import pytest

from appliance.queue.record import Origin
from appliance.send.stamp import stamp


@pytest.mark.parametrize(
    ("uid", "words"),
    [(7791, b"from network"), (7790, b"by alias"), (7796, b"for bounce"), (1000, b"by uid 1000")],
)
def test_the_line_tells_who_handed_the_message_in(uid: int, words: bytes) -> None:
    expected = b"Received: (qmail 42 invoked " + words + b"); 9 Sep 2001 01:46:40 -0000\n"

    assert expected == stamp(Origin(1_000_000_000, uid, 42))
