"""Owns what no record of a dialogue may show: passwords, as clients say them by SMTP, submission and POP3.

    AUTH PLAIN AGpvZQBzZWNyZXQ=     AUTH PLAIN [hidden]     (RFC 4954, RFC 5034)
    AUTH LOGIN, then c2VjcmV0       AUTH LOGIN, then [hidden] for every line until the server has decided
    PASS secret, APOP joe 1f3a      PASS [hidden], APOP [hidden]     (RFC 1939)

All lines are looked at alike, a message's too: what is text is the peers' to say, and one of them could lie.
So a line of a message that begins with `PASS ` is hidden.
"""

import enum
import re

_HIDDEN = b"[hidden]"
_JUDGED = 256  # bytes of a line that has no end yet, when it is judged by what there is
_TOLD = 8  # bytes of a reply that tell what it is
_MECHANISM = re.compile(
    rb"PLAIN|LOGIN|EXTERNAL|ANONYMOUS|XOAUTH2?|OAUTHBEARER|GSSAPI|NTLM|(?:CRAM|DIGEST|SCRAM)-[A-Z0-9-]{1,20}",
    re.IGNORECASE,
)
_ASKS = re.compile(rb"334|\+(?: |\r|$)")
_DECIDES = re.compile(rb"\d\d\d(?!-)|\+OK|-ERR")
_SECRETS = frozenset((b"AUTH", b"PASS", b"APOP"))
_VERBS = _SECRETS | frozenset(
    b"EHLO HELO MAIL RCPT DATA BDAT RSET NOOP QUIT VRFY HELP STARTTLS"
    b" USER STAT LIST RETR DELE TOP UIDL LAST CAPA STLS UTF8".split()
)


class _Login(enum.Enum):
    NONE = enum.auto()
    ASKED = enum.auto()
    """The server may take any line for part of a password."""
    DECIDED = enum.auto()
    """It has said yes or no; a client that did not wait may go on with its password."""


class Withheld:
    """One dialogue: what it hears and says, in the order in which that happens."""

    def __init__(self) -> None:
        self._login = _Login.NONE
        self._line = b""
        self._shows_rest: bool | None = None
        self._reply = b""

    def heard(self, packet: bytes) -> bytes:
        """What may be shown of the client's bytes; a line is kept back until it can be judged."""
        shown = []
        for piece in re.findall(rb"[^\n]*\n|[^\n]+", packet):
            is_whole = piece.endswith(b"\n")
            if self._shows_rest is None:
                self._line += piece
                if is_whole or len(self._line) >= _JUDGED:
                    shown.append(self.rest())
            elif self._shows_rest:
                shown.append(piece)
            elif is_whole:
                shown.append(b"\n")
            if is_whole:
                self._shows_rest = None
        return b"".join(shown)

    def rest(self) -> bytes:
        """What may be shown of the line that is kept back, such as when no more will come."""
        line, self._line = self._line, b""
        if not line:
            return b""
        instead = self._instead_of(line)
        self._shows_rest = instead is None
        if instead is None:
            return line
        return instead + b"\n" if line.endswith(b"\n") else instead

    def said(self, packet: bytes) -> None:
        """Look at the server's bytes, all of which may be shown."""
        for piece in re.findall(rb"[^\n]*\n|[^\n]+", packet):
            self._reply = (self._reply + piece)[:_TOLD]
            if piece.endswith(b"\n"):
                if _ASKS.match(self._reply):
                    self._login = _Login.ASKED
                elif self._login is _Login.ASKED and _DECIDES.match(self._reply):
                    self._login = _Login.DECIDED
                self._reply = b""

    def _instead_of(self, line: bytes) -> bytes | None:
        """What to show in place of a line, None for the line itself."""
        words = line.split(None, 2)
        verb = words[0].upper() if words else b""
        if self._login is _Login.ASKED or (self._login is _Login.DECIDED and verb not in _VERBS):
            return _HIDDEN
        self._login = _Login.NONE
        if not verb and len(line) >= _JUDGED:
            return _HIDDEN  # blanks alone: what comes behind them cannot be judged any more
        if verb not in _SECRETS or len(words) == 1:
            return None
        if verb == b"AUTH" and _MECHANISM.fullmatch(words[1]):
            self._login = _Login.ASKED
            return None if len(words) == 2 else b" ".join((*words[:2], _HIDDEN))
        return verb + b" " + _HIDDEN
