"""Owns who may not try passwords for a while: addresses and accounts with too many different wrong ones.

A client with an old password says the same one again and again: only passwords that differ count. Of a tried
password a short digest is kept, under a random key. Who was right with a password may use that one always,
so a stranger who guesses, even from the same address, locks nobody out. An IPv6 client is its /64.
"""

import hmac
import ipaddress
import json
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Collection
from typing import NamedTuple

from appliance.accounts.table import Address
from appliance.formats.outcome import Temporary

WINDOW_SECONDS, LIMITED_SECONDS, TRUSTED_SECONDS = 3600.0, 3600.0, 7 * 86400.0
MOST_FROM_ADDRESS, MOST_AT_ACCOUNT = 20, 30  # different wrong passwords within the window
TRUSTED_TIMES = (
    10  # so many times as many from an address where somebody logged in lately: others live there too
)
KEPT = 4096  # addresses, accounts
KEPT_TRUSTED = 16384
KEPT_MARKS = 8

REFUSED = Temporary("too many wrong passwords, try again later (#4.7.0)")
_MARK = 4  # bytes: as many as tell passwords apart, as few as help nobody who steals them


class Limited(NamedTuple):
    """An address or an account that may not try, until when (seconds since 1970)."""

    name: str
    until: float

    @property
    def ends(self) -> str:
        """The same end as text."""
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.until))


class _Tried:
    __slots__ = ("began", "marks", "until")

    def __init__(self, began: float, marks: Collection[str] = (), until: float = 0.0) -> None:
        self.began = began
        self.marks = set(marks)
        self.until = until


class _Trusted:
    """When a client was right last, and the digests of its right passwords: a household has several devices.

    Known from before a restart it has none, and may say what it likes until it is wrong.
    """

    __slots__ = ("is_open", "last", "marks")

    def __init__(self, last: float, is_open: bool = False, marks: Collection[bytes] = ()) -> None:
        self.last = last
        self.is_open = is_open
        self.marks = marks


def parse_client(text: bytes) -> Address | None:
    """The address of a client, one of IPv4 also if it is written as IPv6; None if it is not told."""
    try:
        found = ipaddress.ip_address(text.decode("ascii").partition("%")[0])
    except ValueError:
        return None
    return found.ipv4_mapped or found if isinstance(found, ipaddress.IPv6Address) else found


def client_name(address: Address | None) -> str:
    """What failures are counted by: the address, or of IPv6 its /64, which is one customer's."""
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, 64), strict=False))
    return "" if address is None else str(address)


class Limits:
    """Counts wrong passwords; nothing here waits, reads or writes."""

    def __init__(self, anybodys: Collection[str] = (), clock: Callable[[], float] = time.time) -> None:
        """`anybodys`: addresses that everybody may seem to come from, never limited; nor is who has none."""
        self.anybodys = anybodys
        self.is_changed = False
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._addresses: OrderedDict[str, _Tried] = OrderedDict()
        self._accounts: OrderedDict[str, _Tried] = OrderedDict()
        self._trusted: OrderedDict[tuple[str, str], _Trusted] = OrderedDict()
        self._good: OrderedDict[str, float] = OrderedDict()  # addresses and when somebody was right there

    def refusal(self, address: Address | None, user: bytes, password: bytes) -> Temporary | None:
        """Why this is not even looked at, if so."""
        client, account, now = client_name(address), _text(user), self._clock()
        tried = (self._addresses.get(client), self._accounts.get(account))
        if all(record is None or record.until <= now for record in tried):
            return None
        trusted = self._trusted.get((client, account))
        if trusted is None or trusted.last + TRUSTED_SECONDS <= now:
            return REFUSED
        return None if trusted.is_open or self._mark(account, password) in trusted.marks else REFUSED

    def is_trusted(self, address: Address | None, user: bytes) -> bool:
        """Whether somebody was right at this account from there lately, and no stranger comes from there."""
        trusted = self._trusted.get((client_name(address), _text(user)))
        is_recent = trusted is not None and trusted.last + TRUSTED_SECONDS > self._clock()
        return is_recent and not self._is_everybody(address)

    def succeeded(self, address: Address | None, user: bytes, password: bytes) -> None:
        """A right password."""
        client, account, now = client_name(address), _text(user), self._clock()
        mark, trusted = self._mark(account, password), self._trusted.get((client, account), _Trusted(0.0))
        if mark in trusted.marks and now - trusted.last < WINDOW_SECONDS:
            return
        others = [other for other in trusted.marks if other != mark][-KEPT_MARKS + 1 :]
        self._trusted[client, account] = _Trusted(now, trusted.is_open, [*others, mark])
        self._trusted.move_to_end((client, account))
        self._good[client] = now
        self._good.move_to_end(client)
        if len(self._trusted) > KEPT_TRUSTED:
            self._trusted.popitem(last=False)
        if len(self._good) > KEPT_TRUSTED:
            self._good.popitem(last=False)
        self.is_changed = True

    def failed(
        self, address: Address | None, user: bytes, password: bytes, *, at_account: bool = True
    ) -> list[Limited]:
        """A wrong password; gives who is limited from now on. `at_account`: it counts there as well."""
        client, account, now = client_name(address), _text(user), self._clock()
        mark = self._mark(account, password)[:_MARK].hex()
        trusted = self._trusted.get((client, account))
        if trusted is not None:
            trusted.is_open = False
        limited = []
        if not self._is_everybody(address):
            most = MOST_FROM_ADDRESS
            if client in self._good and self._good[client] + TRUSTED_SECONDS > now:
                most *= TRUSTED_TIMES
            limited += self._count(self._addresses, client, mark, most)
        if at_account:
            limited += self._count(self._accounts, account, mark, MOST_AT_ACCOUNT)
        return limited

    def limited(self) -> list[Limited]:
        """Who may not try now."""
        now = self._clock()
        records = [*self._addresses.items(), *self._accounts.items()]
        return [Limited(name, record.until) for name, record in records if record.until > now]

    def lift(self, name: str) -> bool:
        """Let an address or account try again; whether it was limited."""
        address = parse_client(name.encode("utf-8", "surrogateescape"))
        name = client_name(address) or name.lower()
        was_limited = name in (found.name for found in self.limited())
        for records in (self._addresses, self._accounts):
            records.pop(name, None)
        self.is_changed |= was_limited
        return was_limited

    def _is_everybody(self, address: Address | None) -> bool:
        return address is None or address.is_loopback or str(address) in self.anybodys

    def _mark(self, account: str, password: bytes) -> bytes:
        return hmac.digest(self._key, account.encode("utf-8", "surrogateescape") + b"\0" + password, "sha256")

    def _count(self, records: OrderedDict[str, _Tried], name: str, mark: str, most: int) -> list[Limited]:
        now = self._clock()
        tried = records.get(name)
        if tried is None or now - tried.began > WINDOW_SECONDS or 0 < tried.until <= now:
            tried = records[name] = _Tried(now)
            if len(records) > KEPT:
                records.popitem(last=False)
        records.move_to_end(name)
        if mark in tried.marks or tried.until:
            return []
        tried.marks.add(mark)
        self.is_changed = True
        if len(tried.marks) < most:
            return []
        tried.until = now + LIMITED_SECONDS
        tried.marks.clear()
        return [Limited(name, tried.until)]

    def dump(self) -> bytes:
        """What is to outlive a restart; of right passwords nothing, not even a digest."""
        self.is_changed = False
        told = {
            "key": self._key.hex(),
            "addresses": {name: [r.began, r.until, *sorted(r.marks)] for name, r in self._addresses.items()},
            "accounts": {name: [r.began, r.until, *sorted(r.marks)] for name, r in self._accounts.items()},
            "trusted": [[*pair, trusted.last] for pair, trusted in self._trusted.items()],
        }
        return json.dumps(told).encode() + b"\n"

    def load(self, content: bytes) -> None:
        """Take up what `dump` gave. ValueError: it is nothing that dump gave, and nothing is taken up."""
        try:
            told = json.loads(content)
            key = bytes.fromhex(told["key"])
            addresses, accounts = (_records(told[kind]) for kind in ("addresses", "accounts"))
            trusted = [(str(client), str(account), float(last)) for client, account, last in told["trusted"]]
        except (AttributeError, KeyError, TypeError, OverflowError, RecursionError) as error:
            raise ValueError(f"not what was written: {error!r}") from None
        self._key, self._addresses, self._accounts = key, addresses, accounts
        for client, account, last in trusted[-KEPT_TRUSTED:]:
            self._trusted[client, account] = _Trusted(last, is_open=True)
            self._good[client] = last


def _records(told: dict[str, list[object]]) -> OrderedDict[str, _Tried]:
    kept = list(told.items())[-KEPT:]
    return OrderedDict(
        (str(name), _Tried(float(str(began)), {str(mark) for mark in marks}, float(str(until))))
        for name, (began, until, *marks) in kept
    )


def _text(user: bytes) -> str:
    return user.lower().decode("utf-8", "surrogateescape")
