"""Owns the play of a loss of power: after each write of send a new send starts on what the disk may hold.

A scripted life of messages is recorded once. Each beginning of the recording, with and without what was not
synced, is laid into a fresh folder, and whatever a caller was promised by then must be delivered from it.
"""

import os
import random
import signal
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest

from appliance.protocols.spawn import DeliveryFrame, MessageFrame
from appliance.queue import census
from appliance.queue import log as queue_log
from appliance.system import log
from tests.crash.recording import Disk, Recording, disks_after, lay
from tests.support.queue_rig import DONE, LATER, NEVER, FakeSpawn, Rig

REPORTS = {"K": DONE, "Z": LATER, "D": NEVER}
LIVES = (
    {"a1@example.test": "K"},
    {"a2@example.test": "K", "b2@example.test": "K", "c2@far.test": "ZK"},
    {"a3@example.test": "D", "b3@example.test": "K"},
    {"a4@far.test": "ZD"},
    {"a5@example.test": "ZD", "b5@example.test": "ZZK", "c5@far.test": "D"},
    {"a6@example.test": "ZK", "b6@far.test": "D"},
    {"a7@far.test": "ZZD", "b7@far.test": "ZD", "c7@example.test": "K"},
)
"""Messages: what each try of a recipient ends with (done, later, never). The sixth is a large one."""
LARGE = 6
MEMORY = Path("/dev/shm")
"""Where a replay lies, if there is such a place: nothing of it has to last."""
SEGMENT = 4096
"""Bytes of a segment of the log, so that several are begun, retired and written over."""


class Copy(NamedTuple):
    """A delivery as a spawn sees it."""

    sender: str
    recipient: str
    body: bytes


def body_of(number: int) -> bytes:
    """The message of a number."""
    return b"Subject: %d\n\n%b.\n" % (number, b"%d\n" % number * (150_000 if number == LARGE else 20))


def sender_of(number: int) -> str:
    """A sender for each message, so that its bounce is known by its recipient."""
    return f"s{number}@sender.test"


def number_of(address: str) -> int:
    """The message of a sender or recipient."""
    return int(address.partition("@")[0][1:])


def live(folder: Path) -> Recording:
    """Play the lives of all messages, with a restart amid them, and record them."""
    rig = Rig(folder)
    recording = Recording(folder / "queue")
    with recording.running():
        for number, recipients in enumerate(LIVES, 1):
            rig.hand_in(*recipients, sender=sender_of(number), body=body_of(number))
            recording.note("promised", str(number))
            if number % 3 == 0:
                _answer(rig, recording, turns=2)
            if number == 5:
                rig.turn()
                rig.restart()
        _answer(rig, recording)
    rig.close()
    return recording


def _answer(rig: Rig, recording: Recording, turns: int = 0) -> None:
    """Report on deliveries as their lives say, for some turns or until the queue is empty."""
    end = time.monotonic() + 60
    while turns or not _is_empty(rig):
        assert time.monotonic() < end, "send does not come to rest"
        turns -= bool(turns)
        signal.raise_signal(signal.SIGALRM)
        rig.turn()
        for spawn in (rig.local, rig.remote):
            for frame in spawn.unanswered:
                recipient = frame.recipient.decode()
                plan = next((life[recipient] for life in LIVES if recipient in life), "K")
                tries = sum(about == recipient for _, _, about in recording.notes)
                letter = plan[min(tries, len(plan) - 1)]
                recording.note(letter, recipient)
                spawn.answer(REPORTS[letter])


def _is_empty(rig: Rig) -> bool:
    return not census.unsettled(rig.place.queue) and not census.count(rig.place.queue, "mess")


def deliver_all(disk: Disk, folder: Path) -> list[Copy]:
    """Start a send on a queue and let every delivery succeed; what was delivered."""
    lay(disk, folder / "queue")
    rig = Rig(folder)
    try:
        idle, end = 0, time.monotonic() + 60
        while idle < 2:
            assert time.monotonic() < end, "send does not come to rest"
            signal.raise_signal(signal.SIGALRM)
            turns = iter(range(3))
            rig.turn(lambda turns=turns: next(turns, None) is None)  # type: ignore[misc]
            before = len(rig.local.unanswered) + len(rig.remote.unanswered)
            for spawn in (rig.local, rig.remote):
                spawn.answer(*[DONE] * len(spawn.unanswered))
            # What waits to be handed over together is no rest yet, nor is a bounce that is being written.
            held_back = any(channel.backlog for channel in rig.send._channels)
            idle = 0 if before or held_back or not rig.send._disk.is_idle else idle + 1
        return copies_of(rig.local) + copies_of(rig.remote)
    finally:
        rig.close()


def copies_of(spawn: FakeSpawn) -> list[Copy]:
    """What a spawn was given to deliver."""
    bodies: dict[int, bytes] = {}
    copies, descriptors = [], iter(spawn.descriptors)
    for frame in spawn.frames:
        if isinstance(frame, MessageFrame):
            body = frame.body
            bodies[frame.key] = os.pread(next(descriptors), frame.size, 0) if body is None else body
        elif isinstance(frame, DeliveryFrame):
            copies.append(Copy(frame.sender.decode(), frame.recipient.decode(), bodies[frame.key]))
    return copies


def faults(recording: Recording, count: int, copies: list[Copy]) -> list[str]:
    """What is missing, half there or there twice of what was promised within so many steps."""
    promised = {int(number) for number in recording.known(count, "promised")}
    done, never = recording.known(count, "K"), recording.known(count, "D")
    found = [f"{copy.recipient} gets a half" for copy in copies if not _is_whole(copy)]
    there = Counter(copy.recipient for copy in copies)
    # A sender may be told twice: the bounce is promised before the end of its message is noted.
    senders = {sender_of(number) for number in promised}
    found += [f"{name} gets it twice" for name, times in there.items() if times > 1 and name not in senders]
    for number in sorted(promised):
        sender = sender_of(number)
        told = b"".join(copy.body for copy in copies if copy.recipient == sender)
        for recipient in LIVES[number - 1]:
            is_told = recipient in never and (sender in done or b"<%b>:" % recipient.encode() in told)
            if recipient not in done and not there[recipient] and not is_told:
                found.append(f"{recipient} gets nothing")
    return found


def _is_whole(copy: Copy) -> bool:
    number = number_of(copy.recipient)
    known = copy.recipient == sender_of(number) or copy.recipient in LIVES[number - 1]
    return known and copy.body.startswith(b"Received: (qmail") and copy.body.endswith(b"\n" + body_of(number))


def run(seed: int) -> int:
    """Play every prefix and print the sums; 1 if one is not good."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(queue_log, "SEGMENT_LIMIT", SEGMENT)
        patch.setattr(log, "flush", log._log.waiting.clear)  # nobody reads a log of a thousand sends
        return _play(random.Random(seed))


def _play(draw: random.Random) -> int:
    with tempfile.TemporaryDirectory() as name:
        recording = live(Path(name))
    print(f"{len(recording.steps)} steps recorded, of {len(LIVES)} messages")
    bad = played = 0
    known: dict[int, list[Copy]] = {}
    for count in range(len(recording.steps) + 1):
        for way, disk in disks_after(recording.steps[:count], draw).items():
            key = hash(frozenset(disk.items()))
            if key not in known:
                with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as name:
                    known[key] = deliver_all(disk, Path(name))
            played += 1
            for fault in faults(recording, count, known[key]):
                bad += 1
                print(f"after {count} steps, lost {way}: {fault}")
    print(f"prefixes = {played} ({len(known)} different disks), bad = {bad}")
    return 1 if bad else 0
