"""Owns the end of a message: done and forgotten, bounced, or kept for later since the disk refused."""

from collections import deque
from collections.abc import Callable

from appliance.send import bounce
from appliance.send.acceptance import Accepted
from appliance.send.bounce import Notice
from appliance.send.message import Message, Work
from appliance.send.notices import Notices
from appliance.system.log import line

SYSTEM_TROUBLE_S = 123
"""Seconds after which work is tried again that the disk refused (qmail-send.c, SLEEP_SYSFAIL)."""


class Ending:
    """Ends messages on which nothing is left to try."""

    def __init__(self, work: Work, notices: Notices) -> None:
        self._work = work
        self._notices = notices
        self._postponed: deque[tuple[int, Callable[[], None]]] = deque()

    def finish(self, message: Message) -> None:
        """Send the bounce, if there is something to tell, and forget the message."""
        work = self._work
        notices: list[Notice] = []
        try:
            failures = b"".join(message.failures)
            if message.is_settled:
                failures = work.layout.failures(message.number)
            if failures:
                notices = bounce.bounces(work, message, failures)
        except OSError as error:
            self._bounce_later(message, error, lambda: self.finish(message))
            return
        if failures and not notices:
            line(f"triple bounce: discarding bounce/{message.number}")
        self._bounce(message, notices)

    def finish_waiting(self, number: int) -> None:
        """End a message on the disk that has no channel left (a crash came before its end)."""
        layout = self._work.layout
        sender, birth = layout.sender_and_birth(number)
        message = Message(number, birth, sender, layout.path("mess", number).stat().st_size)
        self._work.messages[number] = message
        self.finish(message)

    def _bounce(self, message: Message, notices: list[Notice]) -> None:
        """Hand the notices in one after the other; when the last is a promise, the message ends."""
        if not notices:
            self._end(message)
            return

        def then(accepted: Accepted | None) -> None:
            if accepted is None:
                self.postpone(lambda: self._bounce(message, notices))
                return
            line(f"bounce msg {message.number} qp {accepted.origin.pid}")
            self._bounce(message, notices[1:])

        try:
            self._notices.offer(notices[0], then)
        except OSError as error:
            self._bounce_later(message, error, lambda: self._bounce(message, notices))

    def _bounce_later(self, message: Message, error: OSError, again: Callable[[], None]) -> None:
        line(f"alert: unable to bounce msg {message.number}: {error.strerror}; will try again later")
        self.postpone(again)

    def _end(self, message: Message) -> None:
        try:
            if message.body is None or message.is_half_settled:
                self._work.layout.remove(message.number)
        except OSError as error:
            # A later start would take up what lies there.
            line(f"alert: unable to remove msg {message.number}: {error.strerror}; will try again later")
            self.postpone(lambda: self._end(message))
            return
        line(f"end msg {message.number}")
        if message.segment is not None:
            self._work.log.note_done(message.number, message.segment)
        self._work.messages.pop(message.number, None)

    def postpone(self, again: Callable[[], None]) -> None:
        """Call `again` when the disk has had time to recover."""
        self._postponed.append((self._work.now + SYSTEM_TROUBLE_S, again))

    def retry_postponed(self) -> None:
        """Call what was postponed and is due."""
        while self._postponed and self._postponed[0][0] <= self._work.now:
            self._postponed.popleft()[1]()

    def next_due(self) -> int | None:
        """When the first that was postponed is due, seconds since 1970."""
        return self._postponed[0][0] if self._postponed else None
