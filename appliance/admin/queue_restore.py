"""Owns `toaster queue restore`: a backup becomes the queue and the mailboxes of a site that is stopped.

Everything is unpacked beside what is there (queue/restore, mail/.restore), checked against the manifest and
synced; then it is moved in. Cut off before, it begins anew; cut off while it moves, the next one moves on.
"""

import os
import shutil
import sys
from pathlib import Path
from typing import IO

import click

from appliance.admin import ground, output
from appliance.admin.archive import Entry, read_archive
from appliance.admin.context import Context
from appliance.admin.mail_files import SIDE, unique
from appliance.formats.outcome import Permanent
from appliance.queue import layout
from appliance.queue.rest import stopped
from appliance.queue.restored import Restored, refuse_filled
from appliance.queue.snapshot import OURS
from appliance.system.place import Place
from appliance.system.privileges import Identity, acting_as, identity_of

KEPT = ".before-restore"
"""What is put behind the name of a file that was there and is another in the backup."""


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True, allow_dash=True))
@click.pass_obj
def restore(context: Context, file: Path) -> None:
    """Put queue and mailboxes of a backup in place, read from FILE, or with - from standard input.

    The site is stopped, its queue is empty. Letters that lie in a mailbox already are not put there twice.
    Each message of the backup's queue is tried when it is due; what its old host delivered later comes again.

    \b
    Example:
        toaster queue restore /backups/mail.tar.gz
        docker compose run --rm -T toaster toaster queue restore - < mail.tar
    """
    place, owner = context.place, ground.mail_owner(context.environ)
    ground.lay_out(place, owner)
    layout.prepare(place.queue, identity_of("qmailq"))
    try:
        with stopped(place.queue):
            if str(file) == "-":
                told = read(place, owner, sys.stdin.buffer)
            else:
                with file.open("rb") as stream:
                    told = read(place, owner, stream)
    except OSError as error:
        raise Permanent(f"the restore has stopped: {error}; mend that, and start it again") from error
    output.say(told, output.GOOD)


def read(place: Place, owner: Identity, stream: IO[bytes]) -> str:
    """Restore from an archive, or end a restore that was cut off; what to tell of it. OSError, Permanent."""
    restored, side = Restored(place.queue), place.mail / SIDE
    if restored.is_whole:
        _move_in(place, owner, restored)
        return "the restore that was cut off is done now; nothing was read"
    with acting_as("qmailq"):
        refuse_filled(place.queue)
        restored.begin()
    with acting_as(owner):
        shutil.rmtree(side, ignore_errors=True)
        side.mkdir(mode=0o700)
    counts = {"queue": 0, "mail": 0}
    for entry in output.progress("unpack", read_archive(stream)):
        top, _, path = entry.name.partition("/")
        if top == "queue" and entry.content is not None:
            with acting_as("qmailq"):
                restored.add(path, entry.time, entry.content, _ours(entry))
        elif top == "mail":
            with acting_as(owner):
                _unpack_mail(side, path, entry)
        if entry.content is not None and top in counts:
            counts[top] += 1
    os.sync()
    with acting_as("qmailq"):
        restored.finish()
    _move_in(place, owner, restored)
    return f"{counts['queue']} files of the queue and {counts['mail']} of the mail folder are restored"


def _ours(entry: Entry) -> dict[str, bytes]:
    return {name: value for name, value in entry.attributes.items() if name.startswith(OURS)}


def _unpack_mail(side: Path, path: str, entry: Entry) -> None:
    parts = path.split("/") if path else []
    if {"", ".", ".."} & set(parts) or "\0" in path:
        raise Permanent(f"the archive holds {entry.name!r}, which is no name in a mail folder")
    target = side.joinpath(*parts)
    if entry.content is None:
        target.mkdir(mode=0o700, parents=True, exist_ok=True)
        return
    with open(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        shutil.copyfileobj(entry.content, file)
    os.utime(target, (entry.time, entry.time))


def _move_in(place: Place, owner: Identity, restored: Restored) -> None:
    side = place.mail / SIDE
    with acting_as(owner):
        if side.exists():
            _move_folder(side, place.mail)
            os.sync()
            shutil.rmtree(side)
    with acting_as("qmailq"):
        restored.put_in_place()


def _move_folder(source: Path, target: Path) -> None:
    target.mkdir(mode=0o700, exist_ok=True)
    names = os.listdir(source)
    is_letters = target.name in ("new", "cur") and (target.parent / "tmp").exists()
    there = _letters(target.parent) if is_letters else set()
    for name in names:
        if (source / name).is_dir():
            _move_folder(source / name, target / name)
        elif unique(name) not in there:
            _move_file(source / name, target / name)


def _letters(maildir: Path) -> set[str]:
    """The unique names of what lies in a Maildir."""
    folders = [maildir / part for part in ("new", "cur") if (maildir / part).exists()]
    return {unique(name) for folder in folders for name in os.listdir(folder)}


def _move_file(source: Path, target: Path) -> None:
    if target.exists() and target.read_bytes() != source.read_bytes():
        target.rename(target.with_name(target.name + KEPT))
    source.rename(target)
