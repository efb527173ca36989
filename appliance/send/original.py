"""Owns the message that a notice is about, read block by block wherever it lies: in the log or in mess/."""

import os
from collections.abc import Iterator

from appliance.formats.header import split_message
from appliance.send.message import Message, Work

BLOCK = 256 * 1024
"""Bytes read at once; a header longer than that is cut there."""


class Original:
    """A message in the queue, as a notice copies it."""

    def __init__(self, work: Work, message: Message) -> None:
        self.size = message.size
        self._work = work
        self._message = message

    def header(self) -> bytes:
        """The header; OSError if the disk does not give it."""
        return split_message(next(self.blocks(), b""))[0]

    def blocks(self) -> Iterator[bytes]:
        """All of it; OSError if the disk does not give it."""
        if self._message.body is not None:  # no larger than a block, or it would lie in mess/
            yield self._work.log.read(self._message.body)
            return
        descriptor = self._work.layout.open_body(self._message.number)
        try:
            while block := os.read(descriptor, BLOCK):
                yield block
        finally:
            os.close(descriptor)
