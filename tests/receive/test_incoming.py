"""Owns the tests of a message on its way into the queue."""

import asyncio

import pytest

from appliance.formats.envelope import Envelope
from appliance.formats.handin import LARGE
from appliance.receive import replies
from appliance.receive.incoming import Incoming
from appliance.receive.replies import Reply
from tests.support.smtp_rig import Queue


def hand_in(queue: Queue, *blocks: bytes, sender: bytes = b"a@y.test") -> Reply:
    async def story() -> Reply:
        incoming = Incoming(queue, Envelope(sender, (b"joe@lab.test",)), b"Received\n")
        for block in blocks:
            await incoming.add(block)
        return await incoming.close(17)

    return asyncio.run(story())


@pytest.mark.parametrize("count", [1, 3, 30])
def test_a_message_arrives_whole_be_it_small_or_large(count: int) -> None:
    queue = Queue()

    assert replies.accepted(17, 1) == hand_in(queue, *[b"x" * (LARGE // 5)] * count)

    assert [b"Received\n" + b"x" * (LARGE // 5) * count] == [message.body for message in queue.messages]


@pytest.mark.parametrize(
    ("sender", "answer"),
    [
        (b"full", b"451 qq write error or disk full (#4.3.0)\r\n"),
        (b"never", b"554 mail server permanently rejected message (#5.3.0)\r\n"),
    ],
)
@pytest.mark.parametrize("count", [1, 30])
def test_the_queues_refusal_is_the_answer(sender: bytes, answer: bytes, count: int) -> None:
    assert answer == hand_in(Queue(), *[b"x" * (LARGE // 5)] * count, sender=sender).plain


def test_a_refusal_on_the_way_is_told_at_the_end() -> None:
    queue = Queue()

    answer = hand_in(queue, *[b"x" * (LARGE // 5)] * 30, sender=b"breaks")

    assert (b"451 qq write error or disk full (#4.3.0)\r\n", 1, []) == (
        answer.plain,
        queue.aborted,
        queue.messages,
    )


def test_what_is_refused_is_not_handed_in() -> None:
    async def story() -> Reply:
        incoming = Incoming(queue, Envelope(b"", (b"joe@lab.test",)), b"Received\n")
        await incoming.add(b"x" * LARGE)
        incoming.refuse(replies.TOO_LARGE)
        await incoming.add(b"x" * LARGE)
        return await incoming.close(17)

    queue = Queue()

    assert replies.TOO_LARGE == asyncio.run(story())
    assert (1, []) == (queue.aborted, queue.messages)


@pytest.mark.parametrize("count", [1, 30])
def test_the_envelope_may_come_behind_the_text(count: int) -> None:
    async def story() -> Reply:
        incoming = Incoming(queue, Envelope(b"", ()), b"Received\n")
        for _ in range(count):
            await incoming.add(b"x" * (LARGE // 5))
        return await incoming.close(17, envelope)

    queue, envelope = Queue(), Envelope(b"a@y.test", (b"joe@lab.test",))

    assert replies.accepted(17, 1) == asyncio.run(story())
    assert [envelope] == [message.envelope for message in queue.messages]
