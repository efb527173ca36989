"""Owns one POP3 session over a Maildir: bytes that came in, parts that go out, whichever way they travel.

An empty part means that this takes a while and that others may have their turn.
"""

from collections.abc import Iterator, Sequence

from appliance.pop3.maildrop import Maildrop, Refused
from appliance.protocols import pop3, pop3_message
from appliance.protocols import pop3_replies as replies


class Session:
    """From the password found right to the end; `close` it whatever happens."""

    def __init__(self, maildir: bytes, conduct: pop3.Conduct = pop3.MODERN) -> None:
        self.ended = False
        self.retrieved = 0
        self.deleted = 0
        self.is_updating = False
        """QUIT's deletions are under way: let them come to their end."""
        self._maildir = maildir
        self._conduct = conduct
        self._maildrop: Maildrop | None = None

    def begin(self, now: float) -> Iterator[bytes]:
        """Lock and list the Maildir, then greet; `now` in seconds since 1970 tells what in tmp is old."""
        try:
            self._maildrop = Maildrop(self._maildir)
            yield from self._maildrop.scan(now)
        except Refused as refused:
            self.ended = True
            yield refused.wire
            return
        except OSError:
            self.ended = True
            yield replies.UNABLE_TO_SCAN
            return
        self._transaction = pop3.Transaction(self._maildrop.messages, self._conduct)
        yield replies.OK

    def receive(self, received: bytes) -> Iterator[bytes]:
        """Answer; OSError if a message cannot be read to its end: only the connection's end can tell so."""
        assert self._maildrop is not None, "begin comes first"
        for event in self._transaction.receive(received):
            match event:
                case pop3.Reply(wire):
                    yield wire
                case pop3.Listing(parts):
                    yield from parts
                case pop3.Send():
                    yield from self._send(self._maildrop, event)
                case pop3.Update(deleted):
                    self.ended = True
                    yield from self._update(self._maildrop, deleted)
                case pop3.Close(wire):
                    self.ended = True
                    yield wire

    def close(self) -> None:
        """Give the Maildir back; nothing is deleted but by QUIT."""
        if self._maildrop is not None:
            self._maildrop.close()

    def _send(self, maildrop: Maildrop, event: pop3.Send) -> Iterator[bytes]:
        try:
            parts = maildrop.parts(maildrop.messages[event.place])
        except Refused as refused:
            yield refused.wire
            return
        self.retrieved += 1
        yield replies.OK
        yield from pop3_message.wire(parts, event.lines, mend=self._conduct.extras)

    def _update(self, maildrop: Maildrop, deleted: Sequence[int]) -> Iterator[bytes]:
        self.is_updating = True
        self.deleted = len(deleted)
        yield replies.OK if (yield from maildrop.update(deleted)) else replies.NOT_UNLINKED
