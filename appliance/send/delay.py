"""Owns the notice that a message still waits: one a message, if control/delaynotice asks for it."""

from collections.abc import Iterator

from appliance.formats.qsbmf import format_failure
from appliance.send import bounce
from appliance.send.acceptance import Accepted
from appliance.send.message import Message, Work
from appliance.send.notices import Notices
from appliance.send.schedule import CHANNEL_NAMES
from appliance.system.log import line


class Delay:
    """Tells senders of delays."""

    def __init__(self, work: Work, notices: Notices) -> None:
        self._work = work
        self._notices = notices

    def look(self, message: Message) -> None:
        """After a try of a settled message: tell its sender if it is late and he has not been told."""
        work, number = self._work, message.number
        after = work.settings.delay_notice
        if not after or work.now < message.birth + after:
            return
        # The mark is on the disk first: a crash in between costs a notice, and nobody hears twice.
        if not work.layout.mark_told(number):
            return

        def then(accepted: Accepted | None) -> None:
            if accepted is None:
                work.layout.unmark_told(number)
            else:
                line(f"delay msg {number} qp {accepted.origin.pid}")

        try:
            waiting = b"".join(self._waiting(number))
            notice = bounce.delay(work, message, waiting)
            if notice is not None:
                self._notices.offer(notice, then)
        except (OSError, ValueError) as error:
            line(f"warning: unable to tell of the delay of msg {number}: {error}")
            work.layout.unmark_told(number)

    def _waiting(self, number: int) -> Iterator[bytes]:
        """A paragraph for each recipient who waits, with what the last try on his channel was told."""
        settings, layout = self._work.settings, self._work.layout
        for channel in CHANNEL_NAMES:
            deferral = layout.deferral(channel, number)
            for recipient in layout.recipients(channel, number):
                name = settings.rewriter.without_prefix(recipient.address)
                if not recipient.done and name not in settings.copy_recipients:
                    yield format_failure(name, deferral.text if deferral else b"")
