"""Owns SMTP replies as a client reads them: a code, and the text for the log, judged as qmail-remote judges.

    250-first line CR LF
    250 last line CR LF

The first line's code counts (RFC 5321 4.2.1 wants them equal). A fourth byte other than `-` ends the reply.
A first line that begins with no number counts as 5xx, as qmail-remote's arithmetic makes of nearly all such.
"""

from typing import NamedTuple

from appliance.formats.outcome import FormatError, Verdict

TEXT_LIMIT = 5000
"""Bytes of text kept of a reply (qmail-remote's HUGESMTPTEXT); the rest is read and dropped."""
REPLY_LIMIT = 64 * 1024
"""Bytes of one reply; a peer that says more is not answering but flooding."""
NO_CODE = 999


class Reply(NamedTuple):
    """A whole reply: lines joined by newlines, without CR, a NUL shown as `?`."""

    code: int
    text: bytes

    @property
    def verdict(self) -> Verdict:
        """5xx and beyond never, 4xx try again; the rest is consent, also 354 where 250 belongs."""
        if self.code >= 500:
            return Verdict.NEVER
        return Verdict.TRY_AGAIN if self.code >= 400 else Verdict.DONE


class ReplyBuffer:
    """Collects received bytes and gives back the replies that are complete."""

    def __init__(self) -> None:
        self._lines: list[bytes] = []
        self._size = 0
        self._held = b""

    @property
    def pending(self) -> int:
        """Number of bytes held of a reply that is not complete."""
        return self._size + len(self._held)

    def receive(self, received: bytes) -> list[Reply]:
        """The replies that `received` completes; FormatError for one above the limit."""
        *lines, self._held = (self._held + received).split(b"\n")
        replies = []
        for line in lines:
            self._lines.append(line + b"\n")
            self._size += len(line) + 1
            if line[3:4] != b"-" and self._size <= REPLY_LIMIT:
                replies.append(_reply_of(self._lines))
                self._lines = []
                self._size = 0
        if self.pending > REPLY_LIMIT:
            raise FormatError(f"the reply has more than {REPLY_LIMIT} bytes")
        return replies


def _reply_of(lines: list[bytes]) -> Reply:
    code = lines[0][:3]
    text = b"".join(lines).replace(b"\r", b"").replace(b"\0", b"?")
    return Reply(int(code) if code.isdigit() and len(code) == 3 else NO_CODE, text[:TEXT_LIMIT])
