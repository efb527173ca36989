"""Owns the archive of a backup: a tar stream whose last member tells whether it is whole.

backup.json      {"version": 1, ...}: what it is, of which host and when
queue/...        the files of the queue, as qmail lays them out
mail/...         the files of the mail folder
manifest.json    {"entries": ..., "sha256": ...} of all that comes before it: names, times, contents
"""

import hashlib
import io
import json
import lzma
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import IO, Any, NamedTuple

from appliance.formats.outcome import Permanent

VERSION = 1
HEAD, MANIFEST = "backup.json", "manifest.json"
CUT_OFF = "the archive is cut off: its last member, the manifest, is missing"
DAMAGED = "the archive is damaged: it does not hold what its manifest tells"
NO_ARCHIVE = "this is no backup of toaster"

_NAMES: dict[str, Any] = {"encoding": "utf-8", "errors": "surrogateescape"}
_BROKEN = (EOFError, tarfile.ReadError, zlib.error, lzma.LZMAError)
_SMALL = 1024 * 1024
_ATTRIBUTE = "SCHILY.xattr."  # as other programs write extended attributes into a tar


class Entry(NamedTuple):
    """A member on its way in or out: time in seconds since 1970, content (None: a folder), attributes."""

    name: str
    time: int
    size: int
    content: IO[bytes] | None
    attributes: Mapping[str, bytes] = MappingProxyType({})


class _Sum:
    """Counts entries, and digests their names and times and what is read of their contents."""

    def __init__(self) -> None:
        self.entries = 0
        self._digest = hashlib.sha256()
        self._content: IO[bytes] = io.BytesIO()

    def begin(self, entry: Entry) -> None:
        self.entries += 1
        head = f"{entry.name}\0{entry.time}\0{-1 if entry.content is None else entry.size}\n"
        self._digest.update(head.encode("utf-8", "surrogateescape"))
        for name, value in sorted(entry.attributes.items()):
            self._digest.update(f"{name}={value.hex()}\n".encode())
        self._content = entry.content or io.BytesIO()

    def read(self, size: int = -1) -> bytes:
        """Read on in the content of the entry that was begun."""
        try:
            found = self._content.read(size)
        except _BROKEN as error:
            raise Permanent(CUT_OFF) from error
        self._digest.update(found)
        return found

    def manifest(self) -> dict[str, Any]:
        return {"entries": self.entries, "sha256": self._digest.hexdigest()}


class ArchiveWriter:
    """Writes an archive; only `close` makes it whole."""

    def __init__(self, stream: IO[bytes], head: dict[str, Any]) -> None:
        self._tar = tarfile.TarFile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT, **_NAMES)
        self._sum = _Sum()
        self._write_json(HEAD, {"version": VERSION, **head})

    def add(self, entry: Entry) -> None:
        """Add a member. OSError: it has less to read than its size, or the archive cannot be written."""
        member = tarfile.TarInfo(entry.name)
        member.mtime, member.mode = entry.time, 0o600
        member.pax_headers = {
            _ATTRIBUTE + name: value.decode("utf-8", "surrogateescape")
            for name, value in entry.attributes.items()
        }
        self._sum.begin(entry)
        if entry.content is None:
            member.type, member.mode = tarfile.DIRTYPE, 0o700
            self._tar.addfile(member)
        else:
            member.size = entry.size
            self._tar.addfile(member, self._sum)
        self._tar.members.clear()  # type: ignore[attr-defined]  # or a million would lie in memory

    def _write_json(self, name: str, value: dict[str, Any]) -> None:
        content = json.dumps(value).encode() + b"\n"
        self.add(Entry(name, 0, len(content), io.BytesIO(content)))

    def close(self) -> None:
        """Write the manifest and the end."""
        self._write_json(MANIFEST, self._sum.manifest())
        self._tar.close()


def read_archive(stream: IO[bytes]) -> Iterator[Entry]:
    """The entries of an archive; each one's content must be read before the next is asked for.

    Permanent: it is none, is cut off, or damaged; then nothing of what came may be used.
    """
    try:
        with tarfile.open(fileobj=stream, mode="r|*", **_NAMES) as tar:
            yield from _entries(tar)
    except _BROKEN as error:
        raise Permanent(CUT_OFF if isinstance(error, EOFError) else f"{NO_ARCHIVE}, or cut off") from error


def _entries(tar: tarfile.TarFile) -> Iterator[Entry]:
    total = _Sum()
    while (member := tar.next()) is not None:
        tar.members.clear()  # type: ignore[attr-defined]
        if not (member.isfile() or member.isdir()):
            raise Permanent(f"{NO_ARCHIVE}: {member.name!r} is neither a file nor a folder")
        content = tar.extractfile(member) if member.isfile() else None
        attributes = {
            name.removeprefix(_ATTRIBUTE): value.encode("utf-8", "surrogateescape")
            for name, value in member.pax_headers.items()
            if name.startswith(_ATTRIBUTE)
        }
        entry = Entry(member.name, int(member.mtime), member.size, content, attributes)
        if total.entries == 0:
            _check_head(entry)
        if entry.name == MANIFEST:
            if content is None or json.loads(content.read(_SMALL)) != total.manifest():
                raise Permanent(DAMAGED)
            return
        total.begin(entry)
        yield entry._replace(content=total if content else None)  # type: ignore[arg-type]
        while total.read(_SMALL):
            pass
    raise Permanent(CUT_OFF)


def _check_head(entry: Entry) -> None:
    if entry.name != HEAD or entry.content is None:
        raise Permanent(NO_ARCHIVE)
