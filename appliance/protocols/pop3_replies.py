"""Owns every sentence of the POP3 server: those of qmail-popup and qmail-pop3d, and the later ones.

qmail's trailing blank after +OK stays. The codes in brackets are those of RFC 2449 section 8 and RFC 3206.
"""

OK = b"+OK \r\n"


def refusal(sentence: bytes) -> bytes:
    """The negative reply with that sentence."""
    return b"-ERR " + sentence + b"\r\n"


AUTHORIZATION_FIRST = refusal(b"authorization first")
AUTHORIZATION_FAILED = refusal(b"authorization failed")
ALREADY_DELETED = refusal(b"already deleted")
CANCELLED = refusal(b"authentication cancelled")
CHILD_CRASHED = refusal(b"aack, child crashed")
COUNTED_FROM_1 = refusal(b"messages are counted from 1")
IN_USE = refusal(b"[IN-USE] this mailbox has a session already")
LINE_TOO_LONG = refusal(b"line too long")
NOT_WITH_STLS = refusal(b"no command may come along with STLS")
NOT_THAT_MANY = refusal(b"not that many messages")
NOT_UNLINKED = refusal(b"unable to unlink all deleted messages")
NO_MECHANISM = refusal(b"that mechanism is not offered now")
NO_MAILDIR = refusal(b"this user has no $HOME/Maildir")
POPUP_USAGE = refusal(b"usage: popup hostname subprogram")
STLS_DONE = refusal(b"TLS is active already")
SYNTAX = refusal(b"syntax error")
TOO_MANY_ERRORS = refusal(b"too many errors")
TRY_LATER = refusal(b"[SYS/TEMP] unable to check passwords or open mailboxes now, try again later")
UNABLE_TO_OPEN = refusal(b"unable to open that message")
UNABLE_TO_SCAN = refusal(b"unable to scan $HOME/Maildir")
UNIMPLEMENTED = refusal(b"unimplemented")
USER_FIRST = refusal(b"USER first")
WRONG_PASSWORD = refusal(b"[AUTH] authorization failed")

CAPABILITIES = (
    b"TOP\r\nUIDL\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\nPIPELINING\r\nEXPIRE NEVER\r\nUTF8\r\nUSER\r\n"
)
