"""Owns the folders of mailboxes: made before mail can arrive, as their owner, whole or not at all.

    /mail/example.org/alice/Maildir/{tmp,new,cur}
    /mail/example.org/alice/.qmail-default         ./Maildir/: alice-anything arrives; hers to edit or remove

Root may not write in folders of others (the container's root cannot), so a child process becomes the owner.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

from appliance.formats.autoturn import MAILBOX
from appliance.formats.outcome import Temporary
from appliance.site.addresses import Name
from appliance.site.deliveries import home_of
from appliance.site.model import Site
from appliance.system import files
from appliance.system.place import Place
from appliance.system.privileges import Identity, become_identity, is_root

_MAILDIR = ("tmp", "new", "cur")
_LARGEST = 2**24  # of what a child may have to say


def names(site: Site) -> Iterator[tuple[Name, bool]]:
    """The mailboxes that have a folder, those of waiting mail, too; and whether mail is forwarded besides."""
    for domain, found in site.domains.items():
        for local, mailbox in found.mailboxes.items():
            if mailbox.has_home:
                yield Name(domain, local), mailbox.forward is not None
        if found.autoturn is not None:
            yield Name(domain, MAILBOX), False


def create(site: Site, place: Place, owner: Identity) -> None:
    """Make the folders that are missing; Temporary with a sentence for the operator if that cannot be."""
    homes = []
    for name, is_forwarded in names(site):
        extensions = f"&{name.local}@{name.domain}\n" if is_forwarded else "./Maildir/\n"
        homes.append((Path(home_of(place, name)), extensions.encode()))
    told = as_owner(owner, lambda: _make_all(homes))
    if told:
        advice = f"chown {owner.uid}:{owner.gid} {place.mail}" if is_root() else f"look at {place.mail}"
        raise Temporary(f"unable to make the mailbox {told} as user {owner.uid}; {advice} (#4.3.0)")


def counts(maildirs: Sequence[Path], owner: Identity) -> list[int | None]:
    """How many messages lie in each Maildir of one owner; None where that cannot be told."""
    found: list[int | None] = json.loads(
        as_owner(owner, lambda: json.dumps([_count(path) for path in maildirs]))
    )
    return found


def _make_all(homes: Iterable[tuple[Path, bytes]]) -> str:
    """Empty if all went well, else the folder and what is wrong with it."""
    for home, extensions in homes:
        try:
            home.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not home.exists():
                _make(home, partial(_fill, extensions))
            elif not (home / "Maildir").exists():
                _make(home / "Maildir", _fill_maildir)
        except OSError as error:
            return f"{home}: {error.strerror}"
    return ""


def _make(path: Path, fill: Callable[[Path], None]) -> None:
    """A folder that appears with all that is in it."""
    new = path.with_name(f".new-{path.name}")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(mode=0o700)
    fill(new)
    files.sync_folder(new)
    new.rename(path)
    files.sync_folder(path.parent)


def _fill(extensions: bytes, home: Path) -> None:
    (home / "Maildir").mkdir(mode=0o700)
    _fill_maildir(home / "Maildir")
    files.create(home / ".qmail-default", extensions)


def _fill_maildir(maildir: Path) -> None:
    for name in _MAILDIR:
        (maildir / name).mkdir(mode=0o700)
    files.sync_folder(maildir)


def _count(maildir: Path) -> int | None:
    try:
        return sum(not name.startswith(".") for part in ("new", "cur") for name in os.listdir(maildir / part))
    except OSError:
        return None


def as_owner(owner: Identity, work: Callable[[], str]) -> str:
    """What `work` says, done by a child process that is the owner if we are root."""
    if not is_root():
        return work()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            become_identity(owner)
            files.write_all(writing, work().encode("utf-8", "surrogateescape"))
            code = 0
        finally:
            os._exit(code)
    os.close(writing)
    with open(reading, "rb") as said:
        text = said.read(_LARGEST)
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0:
        raise Temporary(f"unable to work as user {owner.uid}; it may not be a user here (#4.3.0)")
    return text.decode("utf-8", "surrogateescape")
