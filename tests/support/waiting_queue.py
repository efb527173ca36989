"""Owns a queue with messages that wait, written by layout and log as send would."""

from pathlib import Path

from appliance.formats.envelope import Envelope
from appliance.queue.layout import Layout, Settlement
from appliance.queue.log import Log
from appliance.queue.record import Origin
from tests.support.configs import place_in

BIRTH = 1_000_000_000
BODY = b"Subject: t\n\nb\x1b[2J\n"
CHANNELS = {"local": b"Da@example.test\0Tb@example.test\0", "remote": b"Tc@Far.test\0"}


def queue_in(folder: Path) -> Layout:
    """An empty queue."""
    queue = place_in(folder).queue
    queue.mkdir(parents=True)
    layout = Layout(queue)
    layout.lay_out()
    return layout


def wait(layout: Layout, number: int, channels: dict[str, bytes] = CHANNELS, failures: bytes = b"") -> None:
    """Let a message wait since BIRTH; its channels are due a hundred seconds later."""
    layout.settle([Settlement(number, BIRTH, b"s@x.test", BODY, channels, failures)])
    for channel in channels:
        layout.set_next_try(channel, number, BIRTH + 100)


def arrive(layout: Layout, number: int) -> Log:
    """Let a message be on its first way."""
    log = Log(layout.queue / "todo")
    log.append_message(number, Origin(BIRTH, 2, 3), Envelope(b"", (b"d@example.test",)), b"Subject: u\n\nc\n")
    log.commit()
    return log
