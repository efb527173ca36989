"""Owns `toaster queue backup`: queue and mailboxes of one moment, written while mail flows."""

import contextlib
import gzip
import io
import os
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, NamedTuple, cast

import click

from appliance.admin import mail_files, output
from appliance.admin.archive import ArchiveWriter, Entry
from appliance.admin.context import Context
from appliance.admin.mail_files import Folder
from appliance.formats.outcome import Permanent
from appliance.queue.rest import at_rest
from appliance.queue.snapshot import QueueFile, Snapshot
from appliance.system.place import Place
from appliance.system.privileges import acting_as


class Moment(NamedTuple):
    """What there was when deliveries were at rest."""

    snapshot: Snapshot
    folders: list[Folder]
    taken: int
    paused_s: float
    open_deliveries: int

    @property
    def mail(self) -> int:
        """How many files lay in the mail folder."""
        return sum(len(folder.files) for folder in self.folders)


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
@click.pass_obj
def backup(context: Context, file: Path) -> None:
    """Write queue and mailboxes into FILE, or with - to standard output, while mail flows.

    Deliveries pause while it is noted what there is: what was accepted before waits in the backup, or lies
    in a mailbox of it, once. FILE is a tar archive, compressed if its name ends in .gz; it appears when it is
    whole.

    \b
    Example:
        toaster queue backup /backups/mail.tar.gz
        docker compose exec -T toaster toaster queue backup - | zstd > mail.tar.zst
    """
    place = context.place
    if not (place.queue / "info").exists():
        raise Permanent(f"there is no queue in {place.queue}; send makes it when it starts")
    if str(file) == "-" and sys.stdout.isatty():
        raise click.UsageError("a backup is nothing for a terminal; write it to a file, or into a pipe")
    try:
        with _written(file) as stream:
            told = write(place, stream)
    except OSError as error:
        raise Permanent(f"nothing was backed up: {error}") from error
    click.echo(told, err=str(file) == "-")


@contextlib.contextmanager
def _written(file: Path) -> Iterator[IO[bytes]]:
    if str(file) == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    part = file.with_name(f".{file.name}.part")
    try:
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as stream:
            if file.suffix == ".gz":
                with gzip.GzipFile(fileobj=stream, mode="wb", compresslevel=6) as packed:
                    yield cast(IO[bytes], packed)
            else:
                yield stream
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)


def write(place: Place, stream: IO[bytes]) -> str:
    """Write an archive; what to tell of it. OSError; Temporary: deliveries did not rest."""
    snapshot = Snapshot(place.queue)
    with acting_as("qmailq"):
        lock = snapshot.claim()
    try:
        moment = _noted(place, snapshot)
        writer = ArchiveWriter(stream, {"host": os.uname().nodename, "time": moment.taken})
        for entry in _entries(place, moment):
            writer.add(entry)
        writer.close()
    finally:
        with acting_as("qmailq"):
            snapshot.clear()
        os.close(lock)
    return "".join(_told(moment))


def _noted(place: Place, snapshot: Snapshot) -> Moment:
    began = time.monotonic()
    with at_rest(place.socket("queue"), place.queue) as (keep, open_deliveries):
        taken = int(time.time())
        with acting_as("qmailq"):
            snapshot.take(keep)
        folders = list(mail_files.listed(place.mail, keep))
        return Moment(snapshot, folders, taken, time.monotonic() - began, open_deliveries)


def _entries(place: Place, moment: Moment) -> Iterator[Entry]:
    files = output.progress("queue", moment.snapshot.files(), 4 * moment.snapshot.messages)
    for file in files:
        yield from _entry(file)
    yield from output.progress("mail", _mail(place, moment.folders), moment.mail)


def _entry(file: QueueFile) -> Iterator[Entry]:
    name = f"queue/{file.path}"
    if isinstance(file.content, bytes):
        yield Entry(name, file.time, len(file.content), io.BytesIO(file.content), file.attributes)
        return
    with file.content.open("rb") as content:
        yield Entry(name, file.time, os.fstat(content.fileno()).st_size, content)


def _mail(place: Place, folders: Iterable[Folder]) -> Iterator[Entry]:
    for folder in folders:
        yield Entry(_name(place, folder.path), 0, 0, None)
        for file in mail_files.opened(folder):
            yield Entry(_name(place, file.path), file.time, file.size, file.content)


def _name(place: Place, path: Path) -> str:
    return f"mail/{path.relative_to(place.mail)}".removesuffix("/.")


def _told(moment: Moment) -> Iterator[str]:
    yield f"{moment.snapshot.messages} messages of the queue and {moment.mail} files of the mail folder"
    yield f" are backed up; deliveries paused for {moment.paused_s:.1f} s"
    if moment.open_deliveries:
        yield f"; {moment.open_deliveries} local deliveries did not end: after a restore they are made again"
