"""Owns the host elsewhere of a crash test, which refuses, defers and leaves at random until it is kind."""

import random

from tests.support.nexthop import LEAVE, USUAL, NextHop

MOODS = {
    "RCPT": {"550 no such user": 0.04, "450 try later": 0.04},
    "MAIL": {"451 not now": 0.02},
    "message": {"451 disk trouble": 0.02, "554 not this one": 0.02},
}


class MoodySink(NextHop):
    """Takes most of what it is given."""

    is_kind = False

    def reply_to(self, said: str) -> str:
        """The usual reply, or one of a mood; raises if it is to leave."""
        if self.is_kind or said not in MOODS:
            return super().reply_to(said)
        dice = random.random()
        for reply, share in MOODS[said].items():
            if dice < share:
                return reply
            dice -= share
        if dice < 0.01:
            self.script[said] = [LEAVE]
        return super().reply_to(said) if said in USUAL else "250 ok"
