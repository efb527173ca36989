"""Owns the rules of listeners in memory: tcp.<name>.cdb read whole, and what it says about an address."""

from pathlib import Path

from appliance.formats import tcprules
from appliance.formats.cdb import Cdb
from appliance.formats.outcome import FormatError, Temporary
from appliance.formats.tcprules import Rule

_KEPT = 4096  # answers kept; peers that come often are few


class Rules:
    """One cdb file as it was when it was read; a new file is a new object."""

    def __init__(self, path: Path) -> None:
        """Read the file; Temporary if it is missing or no cdb."""
        try:
            self._cdb = Cdb(path.read_bytes())
        except OSError as error:
            raise Temporary(f"unable to read {path}: {error.strerror}") from error
        except FormatError as error:
            raise Temporary(f"unable to read {path}: {error}") from error
        self._known: dict[str, Rule] = {}

    def of(self, address: str) -> Rule:
        """What the rules say about a peer whose name is not known (tcprules(1))."""
        rule = self._known.get(address)
        if rule is None:
            if len(self._known) >= _KEPT:
                self._known.clear()
            rule = self._known[address] = tcprules.find(self._cdb, address)
        return rule
