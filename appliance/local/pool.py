"""Owns lspawn's workers: one a user or several, fed with frames, ended when idle, never more than so many.

A user's next worker starts when all that he has are busy: with mailboxes of one user, as config.yaml makes
them, one process would deliver all mail on one processor.

How many processes a user may have is bound for good, so new limits for programs make new workers.

A worker's death is the end of its socket: what it had not reported is to be tried again, and nothing else
happens. A message is given to a worker once, before its first delivery there.
"""

import math
import os
import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from appliance.formats.frame import format_frame
from appliance.formats.outcome import FormatError, Verdict
from appliance.local.link import Link
from appliance.local.nursery import Nursery
from appliance.local.programs import Limits
from appliance.local.switchboard import Switchboard
from appliance.protocols import spawn
from appliance.system import log
from appliance.system.privileges import Identity

MOST_WORKERS = 50
BUSY = 25
"""Deliveries open in a worker from which on its user gets another: fewer are one good batch."""
MOST_OF_A_USER = max(1, min(os.cpu_count() or 1, 4))
IDLE_S = 60.0
CRASHED = Verdict.TRY_AGAIN.value + b"qmail-local crashed. (#4.3.0)\n"
NO_WORKER = Verdict.TRY_AGAIN.value + b"Temporary failure in qmail-lspawn.\n"

Told = Callable[[int, bytes], None]
"""Called with a work's number and what became of it: the letter of the verdict and the text."""


class Message:
    """A message in memory, and the workers that have it."""

    def __init__(self, key: int, content: bytes) -> None:
        """`content` is what a message frame has behind its key."""
        self.key = key
        self.frame = format_frame(spawn.MESSAGE, key.to_bytes(8, "big") + content)
        self.forgotten = False
        self.holders: set[Member] = set()


class Part(NamedTuple):
    """A frame, and the descriptor that goes with it."""

    frame: bytes
    descriptor: int | None = None


class Work(NamedTuple):
    """One delivery or one question: what its worker is sent, behind the message if there is one."""

    identity: Identity
    number: int
    parts: tuple[Part, ...]
    message: Message | None = None


class Member:
    """One worker, as lspawn sees it."""

    def __init__(self, identity: Identity, link: Link) -> None:
        self.identity = identity
        self.link = link
        self.open: set[int] = set()
        self.messages: set[Message] = set()
        self.idle_since = math.inf
        self.is_dismissed = False


class Pool:
    """The workers that live now, and the work for which there is none yet."""

    def __init__(self, board: Switchboard, nursery: Nursery, told: Told) -> None:
        self._board = board
        self._nursery = nursery
        self._told = told
        self._members: set[Member] = set()
        self._of: dict[Identity, list[Member]] = {}
        self._waiting: deque[Work] = deque()
        self._limits = Limits()

    def limit(self, limits: Limits) -> None:
        """What programs of all work given from now on may use; who has other limits ends when he is done."""
        if limits == self._limits:
            return
        self._limits = limits
        self._of.clear()
        for member in self._members:
            member.is_dismissed = True
            if not member.open:
                member.idle_since = -math.inf

    def give(self, work: Work) -> None:
        """Have it done; `told` is called when it is, which may be at once if no worker can be made."""
        try:
            member = self._member_for(work.identity)
        except OSError as error:
            log.line(f"alert: unable to start a worker: {error.strerror}")
            self._told(work.number, NO_WORKER)
            return
        if member is None:
            self._waiting.append(work)
        else:
            self._feed(member, work)

    def forget(self, message: Message) -> None:
        """No more deliveries of this message will come."""
        message.forgotten = True
        for member in message.holders:
            self._forget(member, message)
        message.holders.clear()

    def deadline(self) -> float:
        """When `expire` has something to do, by the monotonic clock."""
        return min((member.idle_since for member in self._members), default=math.inf) + IDLE_S

    def expire(self, now: float) -> None:
        """End the workers that have been idle for a minute, or are dismissed and done."""
        for member in list(self._members):
            if member.idle_since + IDLE_S <= now:
                self._board.drop(member.link)

    def close(self) -> None:
        """End all workers; what they had open, or was waiting, is reported as to be tried again."""
        waiting, self._waiting = self._waiting, deque()
        for work in waiting:
            self._told(work.number, CRASHED)
        for member in list(self._members):
            self._board.drop(member.link)

    def _member_for(self, identity: Identity) -> Member | None:
        """None if there are too many workers and all are busy."""
        members = self._of.get(identity, ())
        if not members:
            return self._start(identity) if self._has_room() else None
        for member in members:  # the first ones first: their batches are full, and the last can be idle
            if len(member.open) < BUSY:
                return member
        least = min(members, key=lambda member: len(member.open))
        if len(members) >= MOST_OF_A_USER or len(self._members) >= MOST_WORKERS:
            return least
        try:
            return self._start(identity)
        except OSError:
            return least  # no room for another process: those who are there do it

    def _has_room(self) -> bool:
        """Whether one more worker may start, if need be in place of one that has nothing to do."""
        while len(self._members) >= MOST_WORKERS:
            idlest = min(self._members, key=lambda member: member.idle_since)
            if idlest.open:
                return False
            self._board.drop(idlest.link)
        return True

    def _start(self, identity: Identity) -> Member:
        member = Member(identity, Link(self._nursery.ask(identity, self._limits), spawn.FRAME_LIMIT))
        self._members.add(member)
        self._of.setdefault(identity, []).append(member)
        self._board.add(
            member.link,
            lambda kind, payload: self._receive(member, kind, payload),
            lambda: self._ended(member),
        )
        return member

    def _feed(self, member: Member, work: Work) -> None:
        member.open.add(work.number)
        member.idle_since = math.inf
        message = work.message
        if message is not None and message not in member.messages:
            self._board.send(member.link, message.frame)
            member.messages.add(message)
            message.holders.add(member)
        for part in work.parts:
            self._board.send(member.link, part.frame, part.descriptor)
        if message is not None and message.forgotten:
            message.holders.discard(member)
            self._forget(member, message)

    def _forget(self, member: Member, message: Message) -> None:
        member.messages.discard(message)
        self._board.send(member.link, spawn.format_forget(spawn.ForgetFrame(message.key)))

    def _receive(self, member: Member, kind: bytes, payload: bytes) -> None:
        number = int.from_bytes(payload[:4], "big")
        if kind != spawn.REPORT or number not in member.open:
            raise FormatError("a worker reports what it was given, and nothing else")
        member.open.discard(number)
        if not member.open:
            member.idle_since = -math.inf if member.is_dismissed else time.monotonic()
        self._told(number, payload[4:])
        if self._waiting and not member.open:
            self._serve_waiting()

    def _ended(self, member: Member) -> None:
        self._members.discard(member)
        if not member.is_dismissed:
            self._of[member.identity].remove(member)
            if not self._of[member.identity]:
                del self._of[member.identity]
        for message in member.messages:
            message.holders.discard(member)
        if member.open:
            uid, count = member.identity.uid, len(member.open)
            log.line(f"warning: worker of uid {uid} ended with {count} open deliveries")
        for number in member.open:
            self._told(number, CRASHED)
        self._serve_waiting()

    def _serve_waiting(self) -> None:
        waiting, self._waiting = self._waiting, deque()
        for work in waiting:
            self.give(work)
