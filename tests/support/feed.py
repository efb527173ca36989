"""Owns the three feedings of a parser: the stream whole, byte by byte, and with a tail that must wait."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Event = TypeVar("Event")
Receive = Callable[[bytes], Iterable[Event]]


def three_feedings(make: Callable[[], Receive[Event]], stream: bytes, tail: bytes) -> Iterator[list[Event]]:
    """Yield the events of a fresh parser for each feeding; make gives its receive(bytes) -> events.

    The tail is the beginning of something incomplete, so all three lists must be the same.
    """
    yield list(make()(stream))
    yield feed(make(), (stream[i : i + 1] for i in range(len(stream))))
    yield list(make()(stream + tail))


def feed(receive: Receive[Event], pieces: Iterable[bytes]) -> list[Event]:
    """Give all events that come of the pieces, fed one after the other."""
    return [event for piece in pieces for event in receive(piece)]
