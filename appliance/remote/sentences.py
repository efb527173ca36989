"""Owns every sentence that a remote delivery ends with, in the log and in a bounce: qmail-remote's words."""

CONTROL = b"Unable to read control files. (#4.3.0)\n"
READ = b"Unable to read message. (#4.3.0)\n"
USAGE = b"I (qmail-remote) was invoked improperly. (#5.3.5)\n"
NO_HOST_NAME = b"Sorry, address must include host name. (#5.1.3)\n"
BAD_ADDRESS = b"Sorry, an address has bytes that SMTP cannot say. (#5.1.3)\n"
PARTIAL_LINE = b"SMTP cannot transfer messages with partial final lines. (#5.6.2)\n"
NO_SUCH_MESSAGE = b"rspawn was not given that message. (#4.3.0)\n"
CRASHED = b"rspawn's delivery crashed. (#4.3.0)\n"
STOPPING = b"rspawn is stopping. (#4.3.0)\n"

NO_CONNECTION = b"Sorry, I wasn't able to establish an SMTP connection. (#4.4.1)\n"
DNS_FAILED = b"Sorry, I couldn't find any host by that name. (#4.1.2)\n"
DNS_SILENT = b"CNAME lookup failed temporarily. (#4.4.3)\n"
NO_EXCHANGER = b"Sorry, I couldn't find a mail exchanger or IP address. (#5.4.4)\n"
NULL_MX = b"Sorry, that host says that it accepts no mail at all. (#5.1.10)\n"  # RFC 7505
OURSELVES = (
    b"Sorry. Although I'm listed as a best-preference MX or A for that host,\n"
    b"it isn't in my control/locals file, so I don't treat it as local. (#5.4.6)\n"
)


def no_such_host(host: bytes) -> bytes:
    """Of a host name that is in no DNS; what cannot be printed is shown as `?`."""
    return b"Sorry, I couldn't find any host named %b. (#5.1.2)\n" % shown(host)


def shown(name: bytes) -> bytes:
    """A name in print."""
    return bytes(byte if 33 <= byte <= 126 else ord("?") for byte in name)


def died(peer: bytes, *, critical: bool) -> bytes:
    """Of a connection lost; `critical` if the peer may have taken the message."""
    warning = b"Possible duplicate! " if critical else b""
    return b"Connected to %b but connection died. %b(#4.4.2)\n" % (peer, warning)


def greeting_failed(peer: bytes, text: bytes) -> bytes:
    """Of a greeting other than 220."""
    return b"Connected to %b but greeting failed.\n" % peer + _said(text)


def name_rejected(peer: bytes, text: bytes) -> bytes:
    """Of a refused HELO or EHLO."""
    return b"Connected to %b but my name was rejected.\n" % peer + _said(text)


def sender_rejected(peer: bytes, text: bytes) -> bytes:
    """Of a refused MAIL."""
    return b"Connected to %b but sender was rejected.\n" % peer + _said(text)


def recipient_disliked(peer: bytes, text: bytes) -> bytes:
    """Of a refused RCPT."""
    return b"%b does not like recipient.\n" % peer + _said(text)


def giving_up(peer: bytes) -> bytes:
    """Of a message none of whose recipients was accepted."""
    return b"Giving up on %b.\n" % peer


def data_failed(peer: bytes, text: bytes) -> bytes:
    """Of a refused DATA."""
    return b"%b failed on DATA command.\n" % peer + _said(text)


def message_failed(peer: bytes, text: bytes) -> bytes:
    """Of a refused message."""
    return b"%b failed after I sent the message.\n" % peer + _said(text)


def accepted(peer: bytes, text: bytes) -> bytes:
    """Of a message that the peer has taken responsibility for."""
    return b"%b accepted message.\n" % peer + _said(text)


def in_the_clear(host: bytes) -> bytes:
    """Of a host that control/qmtproutes and control/tlshosts contradict each other about."""
    sentence = b"Sorry, %b is to be sent to by QMTP, which has no TLS, and TLS is demanded of it. (#4.3.5)\n"
    return sentence % shown(host)


def no_tls(peer: bytes, host: bytes) -> bytes:
    """Of a host that offers no TLS, though nothing may go to it in the clear."""
    return b"Connected to %b but %b offers no TLS, which is demanded of it. (#4.7.4)\n" % (peer, host)


def tls_failed(peer: bytes, host: bytes, why: str) -> bytes:
    """Of a handshake that failed, or a certificate that is not trusted or not the host's."""
    reason = why.encode("ascii", "replace")
    return b"Connected to %b but TLS with %b failed: %b. (#4.7.5)\n" % (peer, host, reason)


def no_name_of_a_certificate(host: bytes) -> bytes:
    """Of a host whose certificate is to be verified, and whose name no certificate can bear."""
    return b"No certificate can be verified for the name %b. (#4.7.5)\n" % shown(host)


def no_ca(file: bytes) -> bytes:
    """Of a file with CA certificates that qmailr cannot read, or that holds none."""
    return b"Unable to read the CA certificates in %b. (#4.3.0)\n" % shown(file)


def no_login(peer: bytes, host: bytes) -> bytes:
    """Of a smarthost that takes our user by no mechanism that we speak."""
    return b"Connected to %b but smarthost %b offers neither AUTH PLAIN nor LOGIN. (#4.7.4)\n" % (peer, host)


def login_refused(peer: bytes, host: bytes, text: bytes) -> bytes:
    """Of a smarthost that refused our user and password; the mail waits until the owner has mended them."""
    sentence = b"Connected to %b but smarthost %b refused our user and password. (#4.7.8)\n" % (peer, host)
    return sentence + _said(text)


def not_internationalized(peer: bytes) -> bytes:
    """Of an address beyond ASCII that a peer without SMTPUTF8 cannot be told (RFC 6531)."""
    return b"%b does not take addresses beyond ASCII. (#5.6.7)\n" % peer


def _said(text: bytes) -> bytes:
    return b"Remote host said: " + text if text else b""
