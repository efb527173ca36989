"""Owns the rules of a listener in memory: tcp.<name>.cdb read whole, and what it says about an address."""

import contextlib
from pathlib import Path

from appliance.formats import tcprules
from appliance.formats.cdb import Cdb
from appliance.formats.outcome import FormatError, Temporary
from appliance.formats.tcprules import Rule
from appliance.system.cdb_file import stamp

LISTED_ONLY = frozenset({"qmqp", "ofmip"})
"""Listeners for those alone whom a rule allows: who connects there may send to anywhere."""

_ALLOW = Rule(True, {}, "")
_DENY = Rule(False, {}, "")
_KEPT = 4096  # answers kept: the peers that come often are few


class Rules:
    """One cdb file as it was when it was read; a new file is a new object."""

    def __init__(self, path: Path, *, listed_only: bool = False) -> None:
        """Read the file; Temporary if it is missing or no cdb. `listed_only`: who is in no rule is denied."""
        self._path = path
        self._unlisted = _DENY if listed_only else _ALLOW
        try:
            self._seen = stamp(path)
            self._cdb = Cdb(path.read_bytes())
            tcprules.lookup(self._cdb, "192.0.2.1")  # a file cut short is found now, not at a connection
        except OSError as error:
            raise Temporary(f"unable to read {path}: {error.strerror}") from error
        except FormatError as error:
            raise Temporary(f"unable to read {path}: {error}") from error
        self._known: dict[tuple[str | None, ...], Rule] = {}
        self.asks_host = self.asks_user = False
        with contextlib.suppress(FormatError):  # who meets the damage is denied
            self.asks_host, self.asks_user = tcprules.asks_names(self._cdb)

    def changed(self) -> bool:
        """Whether another file lies in its place since it was read, or since this was last asked."""
        try:
            now = stamp(self._path)
        except OSError:
            return False
        before, self._seen = self._seen, now
        return now != before

    def of(self, address: str, host: str | None = None, user: str | None = None) -> Rule:
        """What the rules say about a peer, with the names that they ask for; a damaged file denies."""
        known = (address, host, user)
        rule = self._known.get(known)
        if rule is None:
            if len(self._known) >= _KEPT:
                self._known.clear()
            try:
                rule = tcprules.lookup(self._cdb, *known) or self._unlisted
            except FormatError:
                rule = _DENY
            self._known[known] = rule
        return rule
