"""Owns the question whose mail it is: users/cdb, then real accounts, then alias (qmail-lspawn(8))."""

import os
from pathlib import Path

from appliance.formats.assign import Assignment, lookup
from appliance.formats.cdb import Cdb
from appliance.formats.outcome import FormatError, Temporary
from appliance.local.getpw import alias_account, find_account
from appliance.system import privileges
from appliance.system.cdb_file import CdbFile

NO_CDB = "Trouble reading users/cdb in qmail-lspawn."
AS_ROOT = "Not allowed to perform deliveries as root."

_LAST = 0xFFFFFFFF
_REMEMBERED = 10_000


class Users:
    """The users of this host; a new users/cdb counts from the next question on."""

    def __init__(self, cdb: Path, alias_home: Path) -> None:
        self._file = CdbFile(cdb)
        self._alias_home = os.fsencode(alias_home)
        self._cdb: Cdb | None = None
        self._known: dict[bytes, Assignment | None] = {}

    def find(self, local: bytes) -> Assignment:
        """Who gets the mail of a local part; Temporary if that cannot be told, or if it is root."""
        try:
            found = self._assigned(local)
        except (OSError, FormatError) as error:
            raise Temporary(NO_CDB) from error
        if found is None:
            found = self._account(local) or alias_account(local, self._alias_home)
        if not privileges.is_root():
            # Without root there is nobody else to become: everything is delivered as ourselves.
            return found._replace(uid=os.geteuid(), gid=os.getegid())
        # The last number means "as it is" to setresuid(2): we would stay root.
        if not 0 < found.uid < _LAST or not found.gid < _LAST:
            raise Temporary(AS_ROOT)
        return found

    def _account(self, local: bytes) -> Assignment | None:
        found = find_account(local)
        if found is not None and not privileges.is_root() and found.uid != os.geteuid():
            return None
        return found

    def _assigned(self, local: bytes) -> Assignment | None:
        cdb = self._file.current()
        if cdb is not self._cdb:
            self._cdb = cdb
            self._known.clear()
        if cdb is None:
            return None
        if local not in self._known:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[local] = lookup(cdb, local)
        return self._known[local]
