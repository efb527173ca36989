"""Owns the rest that a backup asks for: deliveries pause until the queue's files tell all that send knows.

    asked    no delivery starts; what is open reports; mail is accepted as ever
    still    nobody is being delivered to locally and nothing is on its way to the disk: no mark, no end of
             a message. Reports that come now (of remote deliveries, which are not waited for) are kept

So what lies in mailboxes is marked in the queue and nothing else is, as long as it is still. Who asked must
say within LEASE_S that it is still wanted, or deliveries go on by themselves.
"""

from collections.abc import Callable

from appliance.formats.handin import Word
from appliance.formats.outcome import Report, Verdict
from appliance.send.channel import Channel
from appliance.send.disk import Disk
from appliance.send.message import Work
from appliance.system.log import line

LEASE_S = 15
"""Seconds after which a rest ends that nobody asks for again."""

_GOES_ON = Report(Verdict.NEVER, b"deliveries are not at rest")


class Stillness:
    """Brings deliveries to rest and sets them going again."""

    def __init__(self, work: Work, local: Channel, disk: Disk) -> None:
        self._work = work
        self._local = local
        self._disk = disk
        self._until = 0
        self._at_once = False
        self._kept: list[Callable[[], None]] = []
        self.is_asked = False
        """Whether no delivery may start."""
        self.is_still = False
        """Whether nothing may change what the queue's files tell."""

    def act(self, word: Word) -> Report:
        """Do what is ordered. A pause is done when it is still; its text is the number of open deliveries."""
        if word in (Word.PAUSE, Word.PAUSE_NOW):
            self.is_asked = True
            self._at_once = self._at_once or word is Word.PAUSE_NOW
        elif not self.is_still:
            return _GOES_ON
        elif word is Word.RESUME:
            self.end()
            return Report(Verdict.DONE, b"deliveries go on")
        self._until = self._work.now + LEASE_S
        return Report(Verdict.DONE if self.is_still else Verdict.TRY_AGAIN, b"%d" % len(self._local.open))

    def hear(self, act: Callable[[], None]) -> None:
        """Act on a report, or keep it until deliveries go on."""
        if self.is_still:
            self._kept.append(act)
        else:
            act()

    def look(self) -> None:
        """At the end of a turn of the loop, when all that was noted is written: may it be still now?"""
        if not self.is_asked:
            return
        if self._work.now >= self._until:
            line("warning: deliveries go on, since nobody asks any more that they pause")
            self.end()
        elif not self.is_still and self._disk.is_idle and (self._at_once or not self._local.open):
            self.is_still = True

    def end(self) -> None:
        """Let deliveries go on."""
        self.is_asked = self.is_still = self._at_once = False
        kept, self._kept = self._kept, []
        for act in kept:
            act()
