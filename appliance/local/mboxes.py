"""Owns the deliveries into mboxes that wait for their turn or for a lock; nothing here blocks."""

import math
import os
import time
from collections.abc import Callable

from appliance.formats.outcome import Temporary
from appliance.mailbox import mbox

Ended = Callable[[None | Temporary], None]
"""Called with None, or with why the message is not in the mbox."""

_PAUSE_S = 0.05


class _Waiting:
    """A delivery whose mbox may be locked by somebody else."""

    def __init__(self, delivery: mbox.MboxDelivery, ended: Ended) -> None:
        self.delivery = delivery
        self.descriptor = mbox.open_box(delivery)
        self.patience = time.monotonic() + mbox.LOCK_PATIENCE_S
        self.ended = ended


class Mboxes:
    """The deliveries into mboxes that are not done."""

    def __init__(self) -> None:
        self._new: list[_Waiting] = []
        self._locked: list[_Waiting] = []

    def start(self, delivery: mbox.MboxDelivery, ended: Ended) -> None:
        """Deliver at the next `expire`; Temporary if the mbox cannot be opened."""
        self._new.append(_Waiting(delivery, ended))

    def deadline(self) -> float:
        """When `expire` has something to do, by the monotonic clock."""
        if self._new:
            return 0.0
        return time.monotonic() + _PAUSE_S if self._locked else math.inf

    def expire(self, now: float) -> None:
        """Deliver where the lock is free; give up where it was not for 30 seconds."""
        waiting = self._locked + self._new
        self._locked, self._new = [], []
        for one in waiting:
            if mbox.try_lock(one.descriptor):
                self._append(one)
            elif one.patience <= now:
                os.close(one.descriptor)
                one.ended(Temporary(mbox.LOCKED))
            else:
                self._locked.append(one)

    def _append(self, one: _Waiting) -> None:
        failure = None
        try:
            mbox.append(one.descriptor, one.delivery)
        except Temporary as refusal:
            failure = refusal
        finally:
            os.close(one.descriptor)  # the lock goes with it
        one.ended(failure)
