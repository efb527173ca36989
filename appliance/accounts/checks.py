"""Owns the decision on a password: table, what was decided lately, and the seconds that a wrong one costs.

argon2 takes some 20 ms of a processor, so verifying is done in threads (argon2 lets go of the interpreter's
lock), one at a time for each account, and a decision is kept for minutes: a client that comes every minute
costs a digest. Known and unknown users take the same way and the same time.
"""

import asyncio
import hashlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import NamedTuple

from appliance.accounts.exchange import Account, Question
from appliance.accounts.passwords import NOBODYS, verify
from appliance.accounts.table import Entry
from appliance.formats.outcome import Temporary

TOO_MANY = Temporary("too many logins at once (#4.3.2)")
MOST_WAITING = 512  # over all accounts: ten seconds of a processor
MOST_WAITING_FOR_ONE = 16
KEPT = 16384  # decisions, and accounts with failures

RIGHT_SECONDS, WRONG_SECONDS, FORGIVEN_SECONDS = 300.0, 60.0, 300.0


class _Decision(NamedTuple):
    account: Account | None
    until: float


@dataclass(slots=True)
class _Tries:
    """What goes on at one account, known or not."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: int = 0
    failures: int = 0
    last: float = 0.0


class Checks:
    """Answers questions about passwords."""

    def __init__(self, pool: Executor, entries: Mapping[bytes, Entry], delay: float = 0.25) -> None:
        """`delay`: seconds a first wrong password costs; each further one twice as many, up to 16 times."""
        self._pool = pool
        self._delay = delay
        self._loop = asyncio.get_running_loop()
        self._tries: OrderedDict[bytes, _Tries] = OrderedDict()
        self._waiting = 0
        self.replace(entries)

    def replace(self, entries: Mapping[bytes, Entry]) -> None:
        """Take a new table; nothing that was decided by the old one counts any more."""
        self._entries = entries
        self._decisions: OrderedDict[bytes, _Decision] = OrderedDict()
        self._underway: dict[bytes, asyncio.Task[Account | None]] = {}
        # Decisions are kept under a digest that means nothing without this key: memory holds no passwords.
        self._key = secrets.token_bytes(32)

    @property
    def has_entries(self) -> bool:
        """Whether there is anybody to know."""
        return bool(self._entries)

    async def answer(self, question: Question) -> Account | None | Temporary:
        """The account, None for an unknown user or a wrong password, or that it cannot be told now."""
        user = question.user.lower()
        digest = hmac.digest(self._key, user + b"\0" + question.password, hashlib.sha256)
        known = self._decisions.get(digest)
        if known is not None and known.until > self._loop.time():
            if known.account is None:
                await asyncio.sleep(self._delay)  # a wrong password again, as of a client that nobody minds
            return known.account
        underway = self._underway.get(digest)
        if underway is None:
            tries = self._tries_at(user)
            if self._waiting >= MOST_WAITING or tries.waiting >= MOST_WAITING_FOR_ONE:
                return TOO_MANY
            self._waiting += 1
            tries.waiting += 1
            underway = self._loop.create_task(self._decide(tries, user, question.password, digest))
            self._underway[digest] = underway
        return await asyncio.shield(underway)

    async def _decide(self, tries: _Tries, user: bytes, password: bytes, digest: bytes) -> Account | None:
        entries, decisions, all_underway = self._entries, self._decisions, self._underway
        try:
            async with tries.lock:
                account = await self._verify(entries.get(user), password)
        finally:
            self._waiting -= 1
            tries.waiting -= 1
            all_underway.pop(digest, None)
        now = self._loop.time()
        decisions[digest] = _Decision(account, now + (RIGHT_SECONDS if account else WRONG_SECONDS))
        if len(decisions) > KEPT:
            decisions.popitem(last=False)
        if account is not None:
            tries.failures = 0
            return account
        tries.failures = tries.failures + 1 if now - tries.last < FORGIVEN_SECONDS else 1
        tries.last = now
        await asyncio.sleep(self._delay * min(1 << (tries.failures - 1), 16))
        return None

    async def _verify(self, entry: Entry | None, password: bytes) -> Account | None:
        known_hash = NOBODYS if entry is None else entry.password_hash
        is_right = await self._loop.run_in_executor(self._pool, verify, known_hash, password)
        return entry.account if entry is not None and is_right else None

    def _tries_at(self, user: bytes) -> _Tries:
        tries = self._tries.get(user)
        if tries is None:
            tries = self._tries[user] = _Tries()
            if len(self._tries) > KEPT:
                self._tries.popitem(last=False)
        self._tries.move_to_end(user)
        return tries
