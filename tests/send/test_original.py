"""The message that a notice is about, read wherever it lies."""

from appliance.send.original import BLOCK, Original
from tests.support.queue_rig import Rig


def original_of(rig: Rig, body: bytes) -> Original:
    number = rig.hand_in("alice@example.test", body=body)
    return Original(rig.send._work, rig.send._work.messages[number])


def test_a_small_message_is_read_from_the_log(rig: Rig) -> None:
    original = original_of(rig, b"Subject: t\n\nb\n")

    (content,) = original.blocks()

    assert [] == rig.files("mess")
    assert content.endswith(b"\nSubject: t\n\nb\n")
    assert len(content) == original.size
    assert content.removesuffix(b"\nb\n") == original.header()


def test_a_large_message_is_read_in_blocks(rig: Rig) -> None:
    body = b"Subject: t\n\n" + b"x" * 3 * BLOCK
    original = original_of(rig, body)

    blocks = list(original.blocks())

    assert [BLOCK, BLOCK, BLOCK] == [len(block) for block in blocks[:3]]
    assert b"".join(blocks).endswith(body)
    assert original.header().endswith(b"\nSubject: t\n")


def test_of_an_endless_header_one_block_is_taken(rig: Rig) -> None:
    assert BLOCK == len(original_of(rig, b"X: y\n" * BLOCK).header())
