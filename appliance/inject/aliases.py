"""Owns the programs newaliases and newinclude: sendmail's /etc/aliases and lists as fastforward reads them.

    newaliases              /etc/aliases becomes /etc/aliases.cdb (newaliases(1))
    newinclude list         an :include: file becomes list.bin (newinclude(1))

TOASTER_ALIASES names another file than /etc/aliases.
"""

from collections.abc import Mapping
from pathlib import Path

from appliance.formats.aliases import compile_aliases, compile_include
from appliance.formats.cdb import make_cdb
from appliance.formats.outcome import Temporary
from appliance.inject.completion import read_completion
from appliance.inject.tables import replace
from appliance.system.endings import ended, usage
from appliance.system.errors import words_of
from appliance.system.place import Place


def newaliases(argv: list[str], environ: Mapping[str, str]) -> int:
    """newaliases(1): 0, 100 or 111."""
    aliases = Place.from_environ(environ).aliases

    def work() -> None:
        completion = read_completion(environ)
        content = make_cdb(compile_aliases(_read(str(aliases)), completion))
        replace(f"{aliases}.tmp", f"{aliases}.cdb", content, by_all=True)

    return ended("newaliases", work)


def newinclude(argv: list[str], environ: Mapping[str, str]) -> int:
    """newinclude(1): 0, 100 or 111."""
    if not argv:
        return usage("newinclude list")

    def work() -> None:
        content = compile_include(_read(argv[0]), read_completion(environ))
        replace(f"{argv[0]}.tmp", f"{argv[0]}.bin", content, by_all=True)

    return ended("newinclude", work)


def _read(name: str) -> bytes:
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise Temporary(f"unable to read {name}: {words_of(error)}") from error
