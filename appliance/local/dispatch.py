"""Owns what becomes of each frame that lspawn gets: whose mail it is, which worker has it, who is answered.

Everything is handed on or answered in the turn in which it comes. A work has a number of lspawn's own, under
which its worker reports; who asked gets the number that he gave.
"""

import contextlib
import itertools
import os
import socket
import struct
from typing import NamedTuple

from appliance.formats.frame import format_frame
from appliance.formats.outcome import FormatError, Temporary, Verdict
from appliance.local import instructions, nursery
from appliance.local.link import Link
from appliance.local.pool import Message, Part, Pool, Work
from appliance.local.programs import Limits
from appliance.local.switchboard import Switchboard
from appliance.local.users import Users
from appliance.local.worker import NO_MESSAGE
from appliance.protocols import spawn
from appliance.system import privileges
from appliance.system.control import Control, Watch
from appliance.system.place import Place
from appliance.system.privileges import Identity

DEFAULT_DELIVERY = b"./Maildir/"
NO_HOST = b"DSorry, address must include host name. (#5.1.3)\n"
STOPPING = b"ZTemporary failure in qmail-lspawn.\n"

_MOST = (1 << 63) - 1  # what the kernel takes for a limit
_NUMBER = struct.Struct(">I")
_ANSWER = b"A"


class Large(NamedTuple):
    """A message too large for a frame: send's open file."""

    descriptor: int
    size: int


class Asked(NamedTuple):
    """Who waits for a work, under which number, and the kind of frame that he is answered with."""

    link: Link
    number: bytes
    kind: bytes


class Sender:
    """A connection of send, and the messages that it has handed over."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.messages: dict[int, Message | Large] = {}


def read_limits(control: Control) -> Limits:
    """What programs of .qmail files may use, by control files, else by default; Temporary."""
    names = ("timeoutprogram", "programoutput", "programprocesses", "programmemory", "programfilesize")
    found = (control.integer(name, int(default)) for name, default in zip(names, Limits(), strict=True))
    return Limits(*(min(limit, _MOST) for limit in found))


class Dispatch:
    """What lspawn knows between two frames."""

    def __init__(self, place: Place, board: Switchboard, workers: nursery.Nursery) -> None:
        self._control = Control(place.control)
        self._board = board
        self._pool = Pool(board, workers, self._tell)
        self._users = Users(place.users / "cdb", place.alias)
        self._asked: dict[int, Asked] = {}
        self._numbers = itertools.count(1)
        self.stopping = False
        self._watch = Watch(self._control)
        self.read_control()

    def read_control(self) -> None:
        """Read what decides whose a recipient is, and what programs may; Temporary, and nothing changed."""
        control = self._control
        rewriter = control.rewriter()
        default_delivery = control.read("defaultdelivery")
        self._pool.limit(read_limits(control))
        self._rewriter = rewriter
        self._default_delivery = DEFAULT_DELIVERY
        if default_delivery is not None:
            self._default_delivery = default_delivery.partition(b"\0")[0].rstrip(b"\n")

    @property
    def busy(self) -> bool:
        """Whether somebody waits for an answer."""
        return bool(self._asked)

    def deadline(self) -> float:
        """When `expire` has something to do, by the monotonic clock."""
        return self._pool.deadline()

    def expire(self, now: float) -> None:
        """End workers that have nothing to do."""
        self._pool.expire(now)

    def close(self) -> None:
        """End the workers; what is open is reported as to be tried again."""
        self._pool.close()
        self._board.flush()

    def admit_sender(self, connection: socket.socket) -> None:
        """Take a connection of send; anybody else is sent away."""
        if not privileges.admits(connection, "qmailq"):
            connection.close()
            return
        sender = Sender(Link(connection, spawn.FRAME_LIMIT))
        self._board.add(
            sender.link,
            lambda kind, payload: self._take(sender, kind, payload),
            lambda: self._forget_all(sender),
        )

    def admit_asker(self, connection: socket.socket) -> None:
        """Take a connection of smtpd; anybody else is sent away."""
        if not privileges.admits(connection, "qmaild"):
            connection.close()
            return
        link = Link(connection, 64 * 1024)
        self._board.add(link, lambda kind, payload: self._answer(link, kind, payload), lambda: None)

    def _take(self, sender: Sender, kind: bytes, payload: bytes) -> None:
        """One frame of send."""
        if kind == spawn.MESSAGE:
            self._take_message(sender, payload)
            return
        frame = spawn.parse_spawn_frame(kind, payload)
        if isinstance(frame, spawn.ForgetFrame):
            self._forget(sender.messages.pop(frame.key, None))
        elif isinstance(frame, spawn.DeliveryFrame):
            self._deliver(sender, frame)
        else:
            raise FormatError("send sends messages and deliveries")

    def _take_message(self, sender: Sender, payload: bytes) -> None:
        """A message in memory goes on as it came, but for its key: two connections may use the same one."""
        frame = spawn.parse_spawn_frame(spawn.MESSAGE, payload)
        assert isinstance(frame, spawn.MessageFrame)
        if frame.body is not None:
            sender.messages[frame.key] = Message(next(self._numbers), payload[8:])
        elif sender.link.descriptors:
            sender.messages[frame.key] = Large(sender.link.descriptors.popleft(), frame.size)
        else:
            raise FormatError("a large message came without its descriptor")

    def _forget_all(self, sender: Sender) -> None:
        for message in sender.messages.values():
            self._forget(message)
        sender.messages.clear()

    def _forget(self, message: Message | Large | None) -> None:
        if isinstance(message, Large):
            os.close(message.descriptor)
        elif message is not None:
            self._pool.forget(message)

    def _deliver(self, sender: Sender, frame: spawn.DeliveryFrame) -> None:
        number = next(self._numbers) & 0xFFFFFFFF
        self._asked[number] = Asked(sender.link, _NUMBER.pack(frame.delivery), spawn.REPORT)
        message = sender.messages.get(frame.key)
        local, at, domain = frame.recipient.rpartition(b"@")
        if self.stopping:
            self._tell(number, STOPPING)
        elif message is None:
            self._tell(number, b"Z" + NO_MESSAGE)
        elif not at:
            self._tell(number, NO_HOST)
        elif not local:
            self._tell(number, b"K")  # qmail-lspawn throws mail for <> and <@host> away
        else:
            self._hand_on(number, (local, domain, frame.sender), message)

    def _hand_on(self, number: int, who: tuple[bytes, bytes, bytes], message: Message | Large | None) -> None:
        """To the worker of the recipient; without a message it is a question."""
        local, domain, sender = who
        try:
            found = self._users.find(local)
        except Temporary as refusal:
            self._tell(number, b"Z" + refusal.sentence.encode() + b"\n")
            return
        instruction = spawn.Instruction(
            found.user, found.home, local, found.dash, found.ext, domain, sender, self._default_delivery
        )
        identity = Identity(found.uid, found.gid)
        if isinstance(message, Message):
            frame = spawn.format_local(spawn.LocalFrame(number, message.key, instruction))
            self._pool.give(Work(identity, number, (Part(frame),), message))
        elif message is None:
            frame = spawn.format_query(spawn.QueryFrame(number, instruction))
            self._pool.give(Work(identity, number, (Part(frame),)))
        else:
            self._pool.give(Work(identity, number, self._large_parts(number, message, instruction)))

    def _large_parts(self, number: int, message: Large, instruction: spawn.Instruction) -> tuple[Part, ...]:
        """An open file of its own for each delivery: programs that share one would share its offset."""
        key = next(self._numbers)
        return (
            Part(spawn.format_message(spawn.MessageFrame(key, message.size, None)), _opened_again(message)),
            Part(spawn.format_local(spawn.LocalFrame(number, key, instruction))),
            Part(spawn.format_forget(spawn.ForgetFrame(key))),
        )

    def _answer(self, link: Link, kind: bytes, payload: bytes) -> None:
        """One question of smtpd: does this address, as the envelope has it, exist?"""
        if kind != spawn.QUERY or len(payload) < _NUMBER.size:
            raise FormatError("smtpd asks for addresses")
        number = next(self._numbers) & 0xFFFFFFFF
        self._asked[number] = Asked(link, payload[:4], _ANSWER)
        if self._watch.has_changed():  # smtpd has noticed, too
            self._read_again()
        route = self._rewriter.rewrite(payload[4:])
        # smtpd asks of no address that it takes for remote: it knows newer files than we do.
        if route.channel == "remote" and self._watch.looks_changed():
            self._read_again()
            route = self._rewriter.rewrite(payload[4:])
        local, _, domain = route.address.rpartition(b"@")
        if route.channel == "remote":
            self._tell(number, b"K")
        elif b"\0" in payload[4:] or not local:
            self._tell(number, Verdict.NEVER.value + instructions.NO_MAILBOX.encode())
        else:
            self._hand_on(number, (local, domain, b""), None)

    def _read_again(self) -> None:
        with contextlib.suppress(Temporary):
            self.read_control()

    def _tell(self, number: int, outcome: bytes) -> None:
        """Pass a worker's word on to who asked; the kind of his answer tells him what it is about."""
        asked = self._asked.pop(number)
        if asked.kind == _ANSWER:
            outcome = outcome.rstrip(b"\n")
        if not asked.link.closed:
            self._board.send(asked.link, format_frame(asked.kind, asked.number + outcome))


def _opened_again(message: Large) -> int:
    try:
        return os.open(f"/proc/self/fd/{message.descriptor}", os.O_RDONLY)
    except OSError:  # not root enough to open what send opened for us: a copy
        copy = os.memfd_create("message", os.MFD_CLOEXEC)
        offset = 0
        while sent := os.sendfile(copy, message.descriptor, offset, message.size - offset):
            offset += sent
        return copy
