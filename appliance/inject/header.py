"""Owns the header that qmail-inject makes: fields completed, added and taken away; sender and recipients.

Sentences and order are qmail's (qmail-inject(8), qmail-header(5)). It has no clock and reads no file.
"""

import re
from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

from appliance.formats.address import quote
from appliance.formats.addrlist import Defaults, Rewrite, rewrite_list
from appliance.formats.composed import name_of
from appliance.formats.date822 import format_date, format_message_id
from appliance.formats.outcome import FormatError
from appliance.formats.token822 import Kind, Token, format_tokens, parse_tokens, unquote

_SENDERS = frozenset((b"sender", b"from", b"reply-to", b"return-receipt-to", b"errors-to"))
_RECIPIENTS = frozenset((b"to", b"cc", b"bcc", b"apparently-to"))
_FOLLOWED = frozenset((b"to", b"cc"))
_RESENT_SENDERS = frozenset((b"resent-sender", b"resent-from", b"resent-reply-to"))
_RESENT_RECIPIENTS = frozenset((b"resent-to", b"resent-cc", b"resent-bcc"))
_RESENT = _RESENT_SENDERS | _RESENT_RECIPIENTS | {b"resent-date", b"resent-message-id"}
_DROPPED = frozenset((b"bcc", b"resent-bcc", b"return-path", b"content-length"))
_DELETED_BY = {b"f": b"from", b"i": b"message-id", b"s": b"return-path"}
_NOBODY_SHOWN = b"Cc: recipient list not shown: ;\n"
_FIELD = re.compile(rb"[^\n]*\n(?:[ \t][^\n]*\n)*")
_PLAIN_USER = re.compile(rb"[!#-'*+\-/-9=?A-Z^-~]+(?:\.[!#-'*+\-/-9=?A-Z^-~]+)*")


class Unparsed(Exception):
    """What cannot be understood, told in qmail's words."""

    def __init__(self, sentence: bytes) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class User(NamedTuple):
    """Who writes, by the environment."""

    name: bytes
    host: bytes | None
    sender_name: bytes
    """The envelope's: QMAILSUSER."""
    sender_host: bytes | None
    full_name: bytes | None
    flags: frozenset[bytes]
    """The letters of QMAILINJECT."""

    @classmethod
    def of(cls, environ: Mapping[bytes, bytes]) -> "User":
        """By QMAILUSER and its kin (qmail-inject(8), ENVIRONMENT VARIABLES)."""

        def first(*names: bytes) -> bytes | None:
            return next((environ[name] for name in names if name in environ), None)

        name = first(b"QMAILUSER", b"MAILUSER", b"USER", b"LOGNAME")
        name = b"anonymous" if name is None else name
        letters = environ.get(b"QMAILINJECT", b"")
        return cls(
            name=name,
            host=first(b"QMAILHOST", b"MAILHOST"),
            sender_name=environ.get(b"QMAILSUSER", name),
            sender_host=first(b"QMAILSHOST", b"QMAILHOST", b"MAILHOST"),
            full_name=first(b"QMAILNAME", b"MAILNAME", b"NAME"),
            flags=frozenset(letters[place : place + 1] for place in range(len(letters))),
        )


class Header:
    """A header on its way: fields are taken one by one, then it is finished."""

    def __init__(self, user: User, defaults: Defaults, now: int, pid: int) -> None:
        """`now` in seconds since 1970; `pid` makes it unique in this second."""
        self._user = user
        self._defaults = defaults
        self._now = now
        self._pid = pid
        self._sender: bytes | None = None
        self._seen: set[bytes] = set()
        self._fields: list[bytes] = []
        self._to: dict[bool, list[bytes]] = {False: [], True: []}  # by whether the field is a Resent- one
        self._shown: list[bytes] = []
        self._deleted = {name for letter, name in _DELETED_BY.items() if letter in user.flags}

    @property
    def sender(self) -> bytes:
        """The envelope's sender, once the header is finished."""
        return self._sender or b""

    @property
    def recipients(self) -> list[bytes]:
        """Those of the header: of the Resent- fields only, if there is one."""
        return self._to[not self._seen.isdisjoint(_RESENT)]

    def set_sender(self, address: bytes) -> None:
        """Take the sender that was given by name (-f); Unparsed."""
        try:
            self._sender = self._defaults.complete_address(address)
        except FormatError as error:
            raise _unparsed(quote(address)) from error

    def complete_recipient(self, address: bytes) -> bytes:
        """A recipient that was given by name; Unparsed."""
        try:
            return self._defaults.complete_address(address)
        except FormatError as error:
            raise Unparsed(b"unable to parse address: " + address + b"\n") from error

    def return_path(self) -> bytes:
        """The sender as a field, which only who asks for it sees (-n)."""
        return b"Return-Path: <" + quote(self.sender) + b">\n"

    # -- fields that came ------------------------------------------------------------------------

    def take(self, field: bytes) -> None:
        """Take the next field; Unparsed for one of addresses that cannot be read."""
        name = name_of(field)
        if name in self._deleted:
            return
        self._seen.add(name)
        if name in _RECIPIENTS | _RESENT_RECIPIENTS:
            field = self._completed(field, partial(self._note_recipient, name))
        elif name in _SENDERS | _RESENT_SENDERS or name == b"return-path":
            rewrite = self._note_sender if name == b"return-path" else self._defaults.complete
            field = self._completed(field, rewrite)
        if name not in _DROPPED:
            self._fields.append(field)

    def _completed(self, field: bytes, rewrite: Rewrite) -> bytes:
        # Also for recipients, as qmail did to 1.06: notqmail sends the message on to whom it could read so
        # far, which may be nobody.
        try:
            completed = format_tokens(rewrite_list(parse_tokens(field), rewrite))
        except FormatError as error:
            raise _unparsed(field) from error
        if not _FIELD.fullmatch(completed):  # a backslash hid the end of a line, and that now ends the header
            raise _unparsed(field)
        return completed

    def _note_recipient(self, name: bytes, address: list[Token]) -> list[Token]:
        completed = self._defaults.complete(address)
        recipient = unquote(completed)
        self._to[name in _RESENT_RECIPIENTS].append(recipient)
        if name in _FOLLOWED:
            self._shown.append(recipient)
        return completed

    def _note_sender(self, address: list[Token]) -> list[Token]:
        completed = self._defaults.complete(address)
        if self._sender is None:
            self._sender = unquote(completed) + (b"-@[]" if b"r" in self._user.flags else b"")
        return completed

    # -- fields that are added -------------------------------------------------------------------

    def finish(self, id_host: bytes, followed: frozenset[bytes]) -> bytes:
        """The whole header; `followed` are the lists whose mail gets Mail-Followup-To."""
        if self._sender is None:
            self._complete_sender()
        if self._seen.isdisjoint(_RESENT):
            added = self._added(b"", id_host) + [self._followup(followed)]
        else:
            added = [b"Resent-" + field for field in self._added(b"resent-", id_host)]
        return b"".join(added + self._fields)

    def _added(self, prefix: bytes, id_host: bytes) -> list[bytes]:
        fields = []
        if prefix + b"date" not in self._seen:
            fields.append(b"Date: " + format_date(self._now).encode() + b"\n")
        if prefix + b"message-id" not in self._seen:
            fields.append(b"Message-ID: " + format_message_id(self._now, self._pid, id_host) + b"\n")
        if prefix + b"from" not in self._seen:
            fields.append(self._from())
        if self._seen.isdisjoint((prefix + b"to", prefix + b"cc")):
            fields.append(_NOBODY_SHOWN)
        return fields

    def _from(self) -> bytes:
        user = self._user
        word = Kind.ATOM if _PLAIN_USER.fullmatch(user.name) else Kind.QUOTE
        address = _at(Token(word, user.name), user.host)
        if user.full_name is not None:
            if b"c" in user.flags:
                address = [*address, Token(Kind.COMMENT, user.full_name)]
            else:
                name = [Token(Kind.QUOTE, user.full_name), Token(Kind.LEFT)]
                address = [*name, *address, Token(Kind.RIGHT)]
        return self._made(b"From", address, self._defaults.complete)

    def _complete_sender(self) -> None:
        user = self._user
        name = user.sender_name
        if b"m" in user.flags:
            name += b"-%d.%d" % (self._now, self._pid)
        if b"r" in user.flags:
            name += b"-"
        self._made(b"Return-Path", _at(Token(Kind.QUOTE, name), user.sender_host), self._note_sender)

    def _made(self, name: bytes, address: list[Token], rewrite: Rewrite) -> bytes:
        # Written and read again: the environment's words may hold dots, signs or a whole address.
        made = format_tokens([Token(Kind.ATOM, name), Token(Kind.COLON), *address])
        return self._completed(made, rewrite)

    def _followup(self, followed: frozenset[bytes]) -> bytes:
        if b"mail-followup-to" in self._seen or followed.isdisjoint(map(bytes.lower, self._shown)):
            return b""
        return b"Mail-Followup-To: " + b",\n  ".join(map(quote, reversed(self._shown))) + b"\n"


def _at(user: Token, host: bytes | None) -> list[Token]:
    return [user] if host is None else [user, Token(Kind.AT), Token(Kind.ATOM, host)]


def _unparsed(field: bytes) -> Unparsed:
    return Unparsed(b"unable to parse this line:\n" + field)
