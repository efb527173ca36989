"""Owns a session of OFMIP, SMTP for clients that write half a header: each message is mended (ofmipd(8)).

Whoever may speak it may send to anywhere. It says what ofmipd of mess822 says, byte for byte.
"""

import itertools
import os
from collections.abc import Mapping

from appliance.formats.mailboxes import Mailbox
from appliance.formats.newheader import Additions, MendedHeader
from appliance.formats.outcome import FormatError
from appliance.formats.received import format_mended
from appliance.receive import replies
from appliance.receive.conversation import Conversation
from appliance.receive.desk import Desk
from appliance.receive.incoming import Incoming, client_of
from appliance.receive.replies import Reply

_EXTENSIONS = [b"PIPELINING", b"8BITMIME"]
_HELP = replies.reply(214, b"qmail home page: http://pobox.com/~djb/qmail.html")
_NO_NAMES = replies.reply(451, b"unable to read cdb (#4.3.0)")
_FROM = frozenset((b"from",))
_numbers = itertools.count(1)


class Ofmip(Conversation):
    """One session: bytes in, replies out."""

    def __init__(self, desk: Desk, environment: Mapping[str, str]) -> None:
        # What a rule says behind RELAYCLIENT= is for smtpd.
        super().__init__(desk, {**environment, "RELAYCLIENT": ""}, mends=True)
        self._author: Mailbox | None = None
        self._header: MendedHeader | None = None

    @property
    def name(self) -> bytes:
        return b"ofmipd.local"

    def say(self, reply: Reply) -> bytes:
        """Without status codes, which are not announced."""
        if reply.plain.startswith(b"250 ok "):
            return replies.OK.plain
        return (_HELP if reply is replies.HELP else reply).plain

    def _extensions(self) -> list[bytes]:
        return _EXTENSIONS

    def _sender(self, address: bytes) -> bytes | Reply:
        sender = self._rewritten(address)
        try:
            self._author = self._desk.policy.mending.author_of(sender)
        except (OSError, FormatError):
            return self._refuse(_NO_NAMES, sender)
        return sender if self._author is None else self._author.address or b""

    def _rewritten(self, address: bytes) -> bytes:
        return self._desk.policy.mending.rewriting.address(address)

    def _begin_message(self) -> Incoming:
        author = self._author or Mailbox(self.session.sender)
        stamp = b"%d.%d" % (next(_numbers), os.getpid())
        mending = self._desk.policy.mending
        additions = Additions(author, int(self._desk.clock()), stamp, mending.id_host)
        ignored = frozenset[bytes]() if self._author is None else _FROM
        self._header = MendedHeader(mending.rewriting, additions, ignored)
        return super()._begin_message()

    def _received_line(self) -> bytes:
        return format_mended(client_of(self._environment), int(self._desk.clock()))

    async def _add(self, block: bytes, last: bool = False) -> Incoming:
        incoming = self._incoming or self._begin_message()
        assert self._header is not None
        try:
            block = self._header.receive(block, last)
        except FormatError as error:
            incoming.refuse(self._refuse(replies.header_fault(str(error)), self.session.sender or b""))
        return await super()._add(block, last)
