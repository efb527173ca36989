"""Owns the way of a notice into the queue: by the log if it is small, else in blocks through its own file."""

import contextlib
from collections.abc import Callable, Iterator

from appliance.formats.handin import LARGE
from appliance.queue.layout import Layout
from appliance.send.acceptance import Acceptance, Accepted, Then
from appliance.send.bounce import Notice
from appliance.send.disk import Disk
from appliance.system.log import line


class Notices:
    """Hands notices in, none of them ever whole in memory if it is large."""

    def __init__(self, layout: Layout, acceptance: Acceptance, disk: Disk) -> None:
        self.accept: Callable[[Accepted], None] = lambda accepted: None
        """Takes up a notice that was promised."""
        self._layout = layout
        self._acceptance = acceptance
        self._disk = disk

    def offer(self, notice: Notice, then: Then) -> None:
        """Hand in a notice; OSError if the original cannot be read, None for `then` if the disk refuses."""

        def told(accepted: Accepted | None) -> None:
            then(accepted)
            if accepted is not None:
                self.accept(accepted)

        size = len(notice.before) + (notice.original.size if notice.original else 0) + len(notice.after)
        if size > LARGE:
            self._offer_large(notice, size, told)
        else:
            self._acceptance.offer(notice.origin, notice.envelope, b"".join(_blocks(notice)), told)

    def _offer_large(self, notice: Notice, size: int, then: Then) -> None:
        number, layout = self._acceptance.next_number(), self._layout

        def written(error: OSError | None) -> None:
            if error is not None:
                line(f"alert: unable to write mess/{number}: {error.strerror} (#4.3.0)")
                then(None)
                return
            self._acceptance.offer_large(number, notice.origin, notice.envelope, size, promised)

        def promised(accepted: Accepted | None) -> None:
            if accepted is None:
                with contextlib.suppress(OSError):
                    layout.path("mess", number).unlink()
            then(accepted)

        # Meanwhile the message that it is about stays as it is: without a pass nothing settles it.
        self._disk.do(lambda: layout.write_body(number, _blocks(notice)), written)


def _blocks(notice: Notice) -> Iterator[bytes]:
    yield notice.before
    if notice.original is not None:
        yield from notice.original.blocks()
    yield notice.after
