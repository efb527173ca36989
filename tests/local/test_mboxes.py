"""Owns the check of waiting for the lock of an mbox."""

import math
import os
import time
from pathlib import Path

import pytest

from appliance.formats.outcome import Temporary
from appliance.local.mboxes import Mboxes
from appliance.mailbox.body import Stored
from appliance.mailbox.mbox import LOCK_PATIENCE_S, LOCKED, MboxDelivery, open_box, try_lock


class Box:
    """An mbox, and what became of the deliveries into it."""

    def __init__(self, path: Path) -> None:
        self.delivery = MboxDelivery(bytes(path), b"./box", b"From x\n", b"", b"text\n")
        self.path = path
        self.ended: list[None | Temporary] = []


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path / "box")


def test_a_delivery_is_made_at_the_next_turn(box: Box) -> None:
    mboxes = Mboxes()
    mboxes.start(box.delivery, box.ended.append)
    deadline = mboxes.deadline()

    mboxes.expire(time.monotonic())

    assert (0.0, [None], math.inf) == (deadline, box.ended, mboxes.deadline())
    assert b"From x\ntext\n\n" == box.path.read_bytes()


def test_a_locked_mbox_is_tried_again_and_others_do_not_wait(box: Box, tmp_path: Path) -> None:
    mboxes, free = Mboxes(), Box(tmp_path / "free")
    holder = open_box(box.delivery)
    assert try_lock(holder)
    mboxes.start(box.delivery, box.ended.append)
    mboxes.start(free.delivery, free.ended.append)

    mboxes.expire(time.monotonic())
    assert ([], [None]) == (box.ended, free.ended)
    assert mboxes.deadline() < time.monotonic() + 1

    os.close(holder)
    mboxes.expire(time.monotonic())
    assert [None] == box.ended


def test_a_lock_that_is_never_free_defers_after_30_seconds(box: Box) -> None:
    mboxes = Mboxes()
    holder = open_box(box.delivery)
    try_lock(holder)
    mboxes.start(box.delivery, box.ended.append)

    mboxes.expire(time.monotonic() + LOCK_PATIENCE_S - 1)
    assert [] == box.ended
    mboxes.expire(time.monotonic() + LOCK_PATIENCE_S + 1)
    os.close(holder)

    assert [LOCKED] == [ended and ended.sentence for ended in box.ended]
    assert b"" == box.path.read_bytes()


def test_a_write_that_fails_is_told_and_leaves_nothing(box: Box) -> None:
    mboxes = Mboxes()
    mboxes.start(box.delivery._replace(body=Stored(9999, 10)), box.ended.append)  # a file that went away

    mboxes.expire(time.monotonic())

    assert ["Unable to write ./box: file descriptor not open. (#4.3.0)"] == [
        ended and ended.sentence for ended in box.ended
    ]
    assert b"" == box.path.read_bytes()
