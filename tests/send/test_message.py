"""A message's passes: who is next, and what the channel's file would hold."""

from appliance.queue.log import Segment
from appliance.send.message import Message, Pass


def three(*done: bool) -> Pass:
    attempt = Pass(Message(1, 0, b"s@x.test", 9), 0)
    for place, is_done in enumerate(done):
        attempt.add(b"u%d@x.test" % place, place, is_done)
    return attempt


def test_recipients_that_are_done_are_passed_over() -> None:
    attempt = three(True, False, True, False, True)

    assert [1, 3, None] == [attempt.maybe_next() for _ in range(3)]
    assert attempt.is_over


def test_a_pass_is_not_over_while_a_delivery_is_open() -> None:
    attempt = three(False)
    attempt.maybe_next()
    attempt.open = 1

    assert not attempt.is_over
    assert not attempt.is_done


def test_the_channels_file_has_a_letter_a_recipient() -> None:
    assert b"Tu0@x.test\0Du1@x.test\0" == three(False, True).channel_file()


def test_a_message_without_a_segment_is_settled() -> None:
    message = Message(1, 0, b"", 0)
    assert message.is_settled

    message.segment = Segment.__new__(Segment)
    assert not message.is_settled
