"""Owns what control files say of mail that ofmipd mends: how hosts are rewritten, who writes by what name."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from appliance.formats.mailboxes import Mailbox
from appliance.formats.mailnames import find_name
from appliance.formats.rewriting import Rewriting
from appliance.system.cdb_file import CdbFile
from appliance.system.control import Control
from appliance.system.place import Place
from appliance.system.rewriting import read_rewriting

NAMES = "ofmipnames.cdb"


class Mending(NamedTuple):
    """One reading of the control files; the names are those of the moment."""

    rewriting: Rewriting = Rewriting(())
    id_host: bytes = b""
    names: CdbFile | None = None

    @classmethod
    def read(cls, place: Place, environ: Mapping[str, str]) -> "Mending":
        """Read rewrite or defaulthost and its kin, and idhost; Temporary."""
        return cls(*read_rewriting(Control(place.control), environ), CdbFile(place.control / NAMES))

    def named_in(self, path: str) -> "Mending":
        """The same with the names of another file, or with none; OSError, or FormatError for no cdb."""
        names = CdbFile(Path(path).resolve(strict=True)) if path else None
        if names is not None:
            names.current()
        return self._replace(names=names)

    def author_of(self, sender: bytes) -> Mailbox | None:
        """Who writes by that sender; None: as he says. OSError, or FormatError for a damaged cdb."""
        cdb = self.names.current() if self.names is not None else None
        return find_name(cdb, sender) if cdb is not None else None
