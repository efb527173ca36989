"""Owns the program fastforward (fastforward(1)): a line of .qmail that forwards by a table of addresses.

    |fastforward [ -nNpPdD ] table.cdb

-n only tells; -p passes on to the rest of .qmail what the table does not know, and ends with 99 for the rest;
-d looks for $DEFAULT@$HOST in place of $RECIPIENT. Commands run as they are found; one message goes to all.
"""

import os
import re
import sys
from collections.abc import Mapping
from getopt import GetoptError, getopt

from appliance.formats.cdb import Cdb
from appliance.formats.envelope import Envelope
from appliance.formats.forwardtable import ORDERS, OWNER, find, parse_orders
from appliance.formats.outcome import FormatError, Permanent, Temporary
from appliance.inject.commands import run_order
from appliance.inject.forward import hand_in
from appliance.system.endings import refused, say
from appliance.system.errors import words_of

USAGE = "fastforward: usage: fastforward [ -nNpP ] data.cdb\n"
UNKNOWN = "Sorry, no mailbox here by that name. (#5.1.1)\n"
_ALL_DONE = 99
_READABLE_BY_ALL = 0o444
_NOBODY = (b"", b"#@[]")
"""Senders that no owner takes the place of."""
_UNSAFE = re.compile(rb"[\x00-\x1f\x80-\xff]")


def main(argv: list[str], environ: Mapping[str, str]) -> int:
    """Forward what is on descriptor 0; 0, 99, 100 or 111."""
    try:
        options, names = getopt(argv, "nNpPdD")
    except GetoptError as error:
        sys.stderr.write(f"fastforward: illegal option -- {error.opt}\n{USAGE}")
        return 100
    if not names:
        sys.stderr.write(USAGE)
        return 100
    given = {option[1].lower(): option[1].islower() for option, _ in options}
    passes_on = given.get("p", False)
    try:
        table = Cdb(_read(names[0]))
        forwarding = _Forwarding(table, environ, only_tells=given.get("n", False))
        if not forwarding.find(_recipient(environ, by_default=given.get("d", False))):
            sys.stderr.write("" if passes_on else UNKNOWN)
            return 0 if passes_on else 100
        forwarding.finish()
    except (Temporary, Permanent) as refusal:
        return refused("fastforward", refusal)
    except FormatError as error:
        return refused("fastforward", Temporary(f"unable to read {names[0]}: {error}"))
    return _ALL_DONE if passes_on else 0


def _read(name: str, *, by_all: bool = False) -> bytes:
    """A file's content; Temporary, also if it must be open to all and is not."""
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NONBLOCK)
        with open(descriptor, "rb") as stream:
            mode = os.fstat(descriptor).st_mode
            if by_all and mode & _READABLE_BY_ALL != _READABLE_BY_ALL:
                raise Temporary(f"{name} is not world-readable")
            return stream.read()
    except OSError as error:
        raise Temporary(f"unable to read {name}: {words_of(error)}") from error


def _recipient(environ: Mapping[str, str], *, by_default: bool) -> bytes:
    """Whom the message is for; Permanent if the environment does not say."""
    if not by_default:
        if "RECIPIENT" not in environ:
            raise Permanent("$RECIPIENT must be set")
        return os.fsencode(environ["RECIPIENT"])
    local = environ.get("DEFAULT", environ.get("EXT"))
    if local is None:
        raise Permanent("$DEFAULT or $EXT must be set")
    if "HOST" not in environ:
        raise Permanent("$HOST must be set")
    return os.fsencode(f"{local}@{environ['HOST']}")


class _Forwarding:
    """Follows a recipient through the table, and what he stands for in turn, each order once."""

    def __init__(self, table: Cdb, environ: Mapping[str, str], *, only_tells: bool) -> None:
        self._table = table
        self._environ = environ
        self._only_tells = only_tells
        self._sender = os.fsencode(environ.get("SENDER", "original envelope sender"))
        self._to_do: list[bytes] = []
        self._done: set[bytes] = set()
        self._recipients: list[bytes] = []  # backwards, as the last order is followed first

    def find(self, address: bytes) -> bool:
        """Follow an address to its ends; whether the table knows it. Temporary, Permanent, FormatError."""
        if self._sender not in _NOBODY:
            owner = find(self._table, OWNER, address, by_part=True)
            self._sender = self._sender if owner is None else owner.partition(b"\0")[0]
        orders = find(self._table, ORDERS, address, by_part=True)
        if orders is None:
            return False
        self._done.add(address)
        self._take(orders)
        while self._to_do:
            order = self._to_do.pop()
            if order not in self._done:
                self._done.add(order)
                self._follow(order)
        return True

    def _take(self, orders: bytes) -> None:
        for order in parse_orders(orders):
            if order[:1] not in b"|!":
                self._to_do.append(order)
            elif self._only_tells:
                say(b"run " + _UNSAFE.sub(b"_", order) + b"\n")
            else:
                run_order(order)

    def _follow(self, order: bytes) -> None:
        if not order.startswith(b"&"):
            content = _read(os.fsdecode(order), by_all=True)
            self._to_do += [each for each in parse_orders(content) if each[:1] not in b"|!"]
            return
        address = order[1:]
        orders = find(self._table, ORDERS, address, by_part=False)
        # A list with an owner gets a message of its own, which has another sender.
        if orders is None or find(self._table, OWNER, address, by_part=False) is not None:
            self._recipients.append(address)
        else:
            self._take(orders)

    def finish(self) -> None:
        """Hand in the message, or tell of it; Temporary, Permanent."""
        recipients = self._recipients[::-1]
        if self._only_tells:
            told = [b"no forwarding"]
            if recipients:
                told = [b"from <%b>" % self._sender, *(b"to <%b>" % each for each in recipients)]
            say(b"".join(_UNSAFE.sub(b"_", line) + b"\n" for line in told))
        elif recipients:
            try:
                number = hand_in(Envelope(self._sender, tuple(recipients)), self._environ)
            except OSError as error:
                raise Temporary(f"unable to read message: {words_of(error)}") from error
            say(b"fastforward: qp %d\n" % number)
