"""Owns the end of a message: done and forgotten, bounced, or kept for later since the disk refused."""

from collections import deque
from collections.abc import Callable

from appliance.send import bounce
from appliance.send.acceptance import Acceptance, Accepted
from appliance.send.message import Message, Work
from appliance.system.log import line

SYSTEM_TROUBLE_S = 123
"""Seconds after which work is tried again that the disk refused (qmail-send.c, SLEEP_SYSFAIL)."""


class Ending:
    """Ends messages on which nothing is left to try."""

    def __init__(self, work: Work, acceptance: Acceptance) -> None:
        self.accept: Callable[[Accepted], None] = lambda accepted: None
        """Takes up a bounce that was promised."""
        self._work = work
        self._acceptance = acceptance
        self._postponed: deque[tuple[int, Callable[[], None]]] = deque()

    def finish(self, message: Message) -> None:
        """Send the bounce, if there is something to tell, and forget the message."""
        try:
            failures = b"".join(message.failures)
            if message.is_settled:
                failures = self._work.layout.failures(message.number)
            if failures:
                self._bounce(message, failures)
                return
        except OSError as error:
            line(f"alert: unable to bounce msg {message.number}: {error.strerror}; will try again later")
            self.postpone(lambda: self.finish(message))
            return
        self._end(message)

    def finish_waiting(self, number: int) -> None:
        """End a message on the disk that has no channel left (a crash came before its end)."""
        layout = self._work.layout
        sender, birth = layout.sender_and_birth(number)
        message = Message(number, birth, sender, layout.path("mess", number).stat().st_size)
        self._work.messages[number] = message
        self.finish(message)

    def _bounce(self, message: Message, failures: bytes) -> None:
        work = self._work
        notice = bounce.compose(work.settings, work.now, message.sender, failures, self._original(message))
        if notice is None:
            line(f"triple bounce: discarding bounce/{message.number}")
            self._end(message)
            return

        def then(accepted: Accepted | None) -> None:
            if accepted is None:
                self.postpone(lambda: self.finish(message))
                return
            line(f"bounce msg {message.number} qp {accepted.origin.pid}")
            self._end(message)
            self.accept(accepted)

        self._acceptance.offer(notice.origin, notice.envelope, notice.body, then)

    def _original(self, message: Message) -> bytes:
        if message.body is not None:
            return self._work.log.read(message.body)
        return self._work.layout.path("mess", message.number).read_bytes()

    def _end(self, message: Message) -> None:
        line(f"end msg {message.number}")
        if message.segment is not None:
            self._work.log.note_done(message.number, message.segment)
        try:
            if message.body is None:
                self._work.layout.remove(message.number)
        except OSError as error:
            line(f"warning: unable to remove msg {message.number} from the queue: {error.strerror}")
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
