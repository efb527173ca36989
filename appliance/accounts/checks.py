"""Owns the decision on a login: what was decided lately, and the seconds that a wrong password costs.

Each question has a thread, which may wait. argon2 takes some 20 ms of a processor, so verifying is done
outside the lock, one at a time for each account, and a decision is kept for minutes: a client that comes
every minute costs a digest. Known and unknown users take the same way and the same time.
"""

import hmac
import secrets
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from appliance.accounts.exchange import Account, Beginning, Question, Salt
from appliance.accounts.hashfiles import HashFiles
from appliance.accounts.limits import Limited, Limits, parse_client
from appliance.accounts.passwords import NOBODYS
from appliance.accounts.proofs import Proofs, could_prove
from appliance.accounts.table import EXTERNAL, Entry, Table
from appliance.formats.outcome import Temporary
from appliance.formats.passwordhash import costs_as
from appliance.system import log

TOO_MANY = Temporary("too many logins at once (#4.3.2)")
MOST_WAITING = 512  # over all accounts: ten seconds of a processor
MOST_WAITING_FOR_ONE = 16
LONGEST_NAME = 320  # of an address; of a longer one, which is nobody's, no more is remembered
KEPT = 16384  # decisions, and accounts with failures

RIGHT_SECONDS, WRONG_SECONDS, FORGIVEN_SECONDS = 300.0, 60.0, 300.0
RIGHT_ELSEWHERE_SECONDS = 60.0  # a program is not asked whether its mind has changed

Verify = Callable[[str, Question], bool]
"""Whether the question's password is that of a hash, or of EXTERNAL; Temporary: it cannot be told."""


class _Decision(NamedTuple):
    is_right: bool
    pause: float
    """Seconds, from when it was asked, until a no is said."""
    until: float = 0.0


class _Tries:
    """What goes on at one account, known or not."""

    __slots__ = ("failures", "last", "turn", "waiting")

    def __init__(self) -> None:
        self.turn = threading.Lock()
        self.waiting = 0
        self.failures = 0
        self.last = 0.0


class _Underway:
    """A decision that is being made, for all who ask the same meanwhile."""

    __slots__ = ("decision", "is_made")

    def __init__(self) -> None:
        self.is_made = threading.Event()
        self.decision: _Decision | Temporary = TOO_MANY


class Checks:
    """Answers questions about passwords, many at a time."""

    def __init__(
        self,
        verify: Verify,
        proofs: Proofs,
        limits: Limits,
        *,
        has_program: bool = False,
        delay: float = 0.25,
    ) -> None:
        """`delay`: seconds a first wrong password costs; each further one twice as many, up to 16 times.

        `has_program`: whether `verify` has somebody to ask about EXTERNAL.
        """
        self._verify = verify
        self._proofs = proofs
        self._limits = limits
        self._has_program = has_program
        self._delay = delay
        self.lock = threading.Lock()
        """Whoever touches what is remembered, or the limits, or the log, holds it; nobody waits with it."""
        self._tries: OrderedDict[bytes, _Tries] = OrderedDict()
        self._waiting = 0
        # Decisions are kept under a digest that means nothing without this key: memory holds no passwords.
        self._key = secrets.token_bytes(32)
        self._decisions: OrderedDict[bytes, _Decision] = OrderedDict()
        self._underway: dict[bytes, _Underway] = {}
        self._files = HashFiles()
        self._files_seen = -1
        self.replace(Table())

    def replace(self, table: Table) -> None:
        """Take a new table, and the files of hashes that it names."""
        with self.lock:
            self._entries = table.entries
            self._files.watch(table.files)
        # An unknown user's password is verified as most known ones are, and it is wrong whatever comes out.
        hashes = [password.known_hash for entry in table.entries.values() for password in entry.passwords]
        if not self._has_program:
            hashes = [known for known in hashes if known != EXTERNAL]
        self._stored = hashes
        costs = Counter(map(_costs_as, hashes)).most_common(1)
        self._nobodys = next((known for known in hashes if _costs_as(known) == costs[0][0]), NOBODYS)

    @property
    def has_entries(self) -> bool:
        """Whether there is anybody to know."""
        return bool(self._entries)

    def answer(self, question: Question) -> Account | None | Temporary:
        """The account, None for an unknown user or a wrong password, or that it cannot be told now."""
        began = time.monotonic()
        question = question._replace(user=_known_as(question.user))
        if question.mechanism:
            return self._answer_proof(question, began)
        user, password, address = question.user, question.password, parse_client(question.address)
        with self.lock:
            refusal = self._limits.refusal(address, user, password)
            entry = self._entries.get(user)
            hashes = self._hashes(entry, question)
        if refusal is not None:
            time.sleep(self._delay)
            return refusal
        decision = self._decision(question, hashes)
        if isinstance(decision, Temporary):
            return decision
        with self.lock:
            # What waited while the limit was reached learns nothing either.
            refusal = self._limits.refusal(address, user, password)
            if refusal is not None:
                return refusal
            if entry is not None and hashes and decision.is_right:
                self._limits.succeeded(address, user, password)
                return entry.account
            _tell(self._limits.failed(address, user, password))
        time.sleep(max(0.0, began + decision.pause - time.monotonic()))
        return None

    def salt(self, beginning: Beginning) -> Salt:
        """What SCRAM begins with for a user, known or not."""
        question = Question(_known_as(beginning.user), b"", beginning.scope, beginning.address)
        with self.lock:
            stored = self._hashes(self._entries.get(question.user), question)
            self._files.look(time.monotonic())
            if self._files_seen != self._files.changes:
                self._files_seen = self._files.changes
                self._proofs.replace([*self._stored, *self._files.stored()])
            return self._proofs.salt(question.user, stored)

    def _answer_proof(self, question: Question, began: float) -> Account | None | Temporary:
        """The same for who proves that he knows the password: quickly told, so there is nothing to keep."""
        user, address = question.user, parse_client(question.address)
        with self.lock:
            entry = self._entries.get(user)
            stored = self._hashes(entry, question)
        proof = self._proofs.maybe_proof(question, stored)
        pause = 0.0
        with self.lock:
            refusal = self._limits.refusal(address, user, b"" if proof is None else proof.password)
            if refusal is None and entry is not None and proof is not None:
                self._limits.succeeded(address, user, proof.password)
                self._tries_at(user).failures = 0
                return entry.account._replace(signature=proof.signature)
            if refusal is None:
                pause = self._pause_of_wrong_proof(question, stored)
        time.sleep(self._delay if refusal is not None else max(0.0, began + pause - time.monotonic()))
        return refusal

    def _pause_of_wrong_proof(self, question: Question, stored: list[str]) -> float:
        """Count it; gives its seconds. No two are alike, so each counts as another wrong password would.

        Where the account's owner was lately it may be his own device, with an old password: not counted at
        his account; not at all if nothing could be proved: there are clients that try SCRAM before PLAIN.
        """
        user, address = question.user, parse_client(question.address)
        is_his_place = self._limits.is_trusted(address, user)
        if is_his_place and not could_prove(question.mechanism, stored):
            return self._delay
        unlike = secrets.token_bytes(16)
        _tell(self._limits.failed(address, user, unlike, at_account=not is_his_place))
        return self._pause(self._tries_at(user))

    def _hashes(self, entry: Entry | None, question: Question) -> list[str]:
        """The hashes that count for this question, EXTERNAL where a program is to be asked."""
        scope, address = question.scope.decode("latin-1"), parse_client(question.address)
        today = time.strftime("%Y-%m-%d", time.gmtime())
        passwords = entry.passwords if entry is not None else ()
        found = [known.known_hash for known in passwords if known.counts(scope, address, today)]
        if EXTERNAL in found:
            known = self._files.find(question.user, time.monotonic())
            if known is not None or not self._has_program:
                found.remove(EXTERNAL)
                found += [known] if known is not None else []
        return found

    def _decision(self, question: Question, hashes: list[str]) -> _Decision | Temporary:
        told = (question.user, question.password, *(known.encode("latin-1") for known in hashes))
        digest = hmac.digest(self._key, b"\0".join(told), "sha256")
        with self.lock:
            known = self._decisions.get(digest)
            if known is not None and known.until > time.monotonic():
                return known
            underway = self._underway.get(digest)
            if underway is None:
                tries = self._tries_at(question.user)
                if self._waiting >= MOST_WAITING or tries.waiting >= MOST_WAITING_FOR_ONE:
                    return TOO_MANY
                self._waiting += 1
                tries.waiting += 1
                mine = self._underway[digest] = _Underway()
        if underway is not None:
            underway.is_made.wait()
            return underway.decision
        try:
            with tries.turn:
                is_right = self._is_one_of(hashes or [self._nobodys], question)
            with self.lock:
                mine.decision = self._decided(tries, digest, is_right, hashes)
        except Temporary as error:
            mine.decision = error
        finally:
            with self.lock:
                self._waiting -= 1
                tries.waiting -= 1
                del self._underway[digest]
            mine.is_made.set()
        return mine.decision

    def _decided(self, tries: _Tries, digest: bytes, is_right: bool, hashes: list[str]) -> _Decision:
        """Remember a decision; whoever calls holds the lock."""
        now = time.monotonic()
        right_seconds = RIGHT_ELSEWHERE_SECONDS if EXTERNAL in hashes else RIGHT_SECONDS
        seconds = right_seconds if is_right else WRONG_SECONDS
        # A wrong password again, as of a client that nobody minds, costs no more than a first one.
        self._decisions[digest] = _Decision(is_right, self._delay, now + seconds)
        if len(self._decisions) > KEPT:
            self._decisions.popitem(last=False)
        if is_right and hashes:
            tries.failures = 0
            return _Decision(True, 0.0)
        return _Decision(is_right, self._pause(tries))

    def _pause(self, tries: _Tries) -> float:
        """The seconds that one more failure costs."""
        now = time.monotonic()
        tries.failures = tries.failures + 1 if now - tries.last < FORGIVEN_SECONDS else 1
        tries.last = now
        return self._delay * min(1 << (tries.failures - 1), 16)

    def _is_one_of(self, hashes: list[str], question: Question) -> bool:
        return any(self._verify(known, question) for known in hashes)

    def _tries_at(self, user: bytes) -> _Tries:
        tries = self._tries.get(user)
        if tries is None:
            tries = self._tries[user] = _Tries()
            if len(self._tries) > KEPT:
                self._tries.popitem(last=False)
        self._tries.move_to_end(user)
        return tries


def _known_as(user: bytes) -> bytes:
    return user.lower()[: LONGEST_NAME + 1]


def _tell(limited: list[Limited]) -> None:
    for each in limited:
        log.line(f"limited: {each.name} until {each.ends}: too many wrong passwords")


def _costs_as(known_hash: str) -> str:
    return known_hash if known_hash == EXTERNAL else costs_as(known_hash)
