"""Owns qmail's queue on the disk, in which waiting messages lie: mess, info, local, remote, bounce.

    mess/<n mod 23>/<n>     the message
    info/<n mod 23>/<n>     F sender \\0; its modification time is the message's birth
    local/…  remote/…       T recipient \\0 …; T becomes D in place when a recipient is done; the
                            modification time is the next try, once send has stopped
    bounce/<n>              what failed so far, as text for the bounce
    todo/<n>.log            the accept log (log.py)
    hold/<n mod 23>/<n>     empty: the message is not tried as long as it is there

A message waits in qmail's own layout, so `ls`, `cat` and `touch queue/info/15/26902` work as ever.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from appliance.formats import envelope
from appliance.formats.envelope import Recipient
from appliance.system import files
from appliance.system.privileges import Identity

SPLIT = 23
CHANNELS = ("local", "remote")
_FLAT = ("bounce", "todo", "intd", "pid", "lock")
_SPLIT_FOLDERS = ("mess", "info", *CHANNELS, "hold")
_WHY = "user.toaster.why"  # xattr(7) of a channel's file, so that it ends with the file and adds none
_LONGEST_WHY = 500
_TOLD = "user.toaster.told"  # xattr of info/


class Deferral(NamedTuple):
    """How often the recipients of a channel were tried, and what was heard last."""

    tries: int
    text: bytes


class Settlement(NamedTuple):
    """A message on its way from the log into the layout; `body` is None if mess/ holds it already."""

    number: int
    birth: int
    sender: bytes
    body: bytes | None
    channels: dict[str, bytes]
    failures: bytes


def prepare(queue: Path, identity: Identity) -> None:
    """Make the queue's top folder, if it is missing, and give it to send's user."""
    queue.mkdir(mode=0o750, parents=True, exist_ok=True)
    status = queue.stat()
    if (status.st_uid, status.st_gid) != identity:
        os.chown(queue, *identity)


def claim(queue: Path) -> int:
    """Be the only send on this queue as long as the descriptor is open; BlockingIOError if another one is.

    The lock is that of qmail-send, so that one of qmail's own and ours never work on one queue. The
    caller acts as send's user: root without its capabilities may not write in his folder.
    """
    folder = queue / "lock"
    folder.mkdir(mode=0o700, exist_ok=True)
    mutex = os.open(folder / "sendmutex", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(mutex, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(mutex)
        raise
    return mutex


class Layout:
    """The queue folder of one appliance; only send writes in it."""

    def __init__(self, queue: Path) -> None:
        self.queue = queue

    def lay_out(self) -> None:
        """Make the folders that are missing."""
        for name in (*_FLAT, *_SPLIT_FOLDERS):
            (self.queue / name).mkdir(mode=0o700, exist_ok=True)
        for name in _SPLIT_FOLDERS:
            for part in range(SPLIT):
                (self.queue / name / str(part)).mkdir(mode=0o700, exist_ok=True)

    def path(self, name: str, number: int) -> Path:
        """Where a message's file of that kind lies."""
        if name == "bounce":
            return self.queue / name / str(number)
        return self.queue / name / str(number % SPLIT) / str(number)

    # -- settling --------------------------------------------------------------------------------

    def settle(self, messages: Iterable[Settlement]) -> None:
        """Write messages into the layout, all or none of each, and make them last.

        The order matters to a crash in between: until the log says `settled`, what lies here gives way to
        the next settling, a channel that has ended meanwhile too. OSError: nothing of it counts.
        """
        folders: set[Path] = set()
        for message in messages:
            for name in (*CHANNELS, "bounce", "info", *(["mess"] if message.body is not None else [])):
                self.path(name, message.number).unlink(missing_ok=True)
            for path, content in self._files_of(message):
                files.create(path, content)
                folders.add(path.parent)
            self._set_time("info", message.number, message.birth)
        for folder in folders:
            files.sync_folder(folder)

    def _files_of(self, message: Settlement) -> Iterator[tuple[Path, bytes]]:
        if message.body is not None:
            yield self.path("mess", message.number), message.body
        if message.failures:
            yield self.path("bounce", message.number), message.failures
        for channel, content in message.channels.items():
            yield self.path(channel, message.number), content
        yield self.path("info", message.number), envelope.format_info(message.sender)

    # -- large messages --------------------------------------------------------------------------

    def create_body(self, number: int) -> int:
        """A descriptor for the body of a large message that is coming in."""
        path = self.path("mess", number)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)

    def sync_body(self, number: int, descriptor: int) -> None:
        """Make a body that has come in whole last."""
        os.fsync(descriptor)
        files.sync_folder(self.path("mess", number).parent)

    def write_body(self, number: int, blocks: Iterable[bytes]) -> None:
        """Write a large message block by block and make it last; OSError: nothing of it is left."""
        descriptor = self.create_body(number)
        try:
            for block in blocks:
                files.write_all(descriptor, block)
            self.sync_body(number, descriptor)
        except OSError:
            with contextlib.suppress(OSError):
                self.path("mess", number).unlink()
            raise
        finally:
            os.close(descriptor)

    def open_body(self, number: int) -> int:
        """A descriptor to read the body from."""
        return os.open(self.path("mess", number), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)

    # -- waiting messages ------------------------------------------------------------------------

    def sender_and_birth(self, number: int) -> tuple[bytes, int]:
        """Who sent a waiting message and when it came in (seconds since 1970)."""
        path = self.path("info", number)
        return envelope.parse_info(path.read_bytes()), int(path.stat().st_mtime)

    def may_wait(self, number: int) -> bool:
        """Whether a message is in the layout, or the disk does not tell."""
        try:
            return self.path("info", number).exists()
        except OSError:
            return True

    def recipients(self, channel: str, number: int) -> list[Recipient]:
        """The recipients on a channel; none if the channel is finished."""
        try:
            return envelope.parse_channel(self.path(channel, number).read_bytes())
        except FileNotFoundError:
            return []

    def mark_done(self, channel: str, number: int, offset: int) -> None:
        """Write D over the T of one recipient."""
        descriptor = os.open(self.path(channel, number), os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.pwrite(descriptor, envelope.DONE, offset)
        finally:
            os.close(descriptor)

    def finish_channel(self, channel: str, number: int) -> None:
        """Forget a channel on which no recipient waits."""
        self.path(channel, number).unlink(missing_ok=True)

    def has_channel(self, channel: str, number: int) -> bool:
        """Whether recipients wait on that channel."""
        return self.path(channel, number).exists()

    def add_failure(self, number: int, text: bytes) -> None:
        """Add to what the bounce will say and make it last: the D that follows may be on the disk at once."""
        path = self.path("bounce", number)
        is_new = not path.exists()
        report = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            size = os.fstat(report).st_size
            try:
                files.write_all(report, text)
                os.fsync(report)
                if is_new:
                    files.sync_folder(path.parent)
            except OSError:
                # It is added once more, and not behind a text of which the disk may have a half.
                with contextlib.suppress(OSError):
                    path.unlink() if is_new else os.ftruncate(report, size)
                raise
        finally:
            os.close(report)

    def failures(self, number: int) -> bytes:
        """What the bounce will say so far."""
        try:
            return self.path("bounce", number).read_bytes()
        except FileNotFoundError:
            return b""

    def remove(self, number: int) -> None:
        """Forget a message. info goes before mess, so that no info is ever without its message."""
        for name in (*CHANNELS, "bounce", "info", "mess", "hold"):
            self.path(name, number).unlink(missing_ok=True)

    # -- held messages ---------------------------------------------------------------------------

    def hold(self, number: int) -> None:
        """Let a message not be tried until it is released; who ordered it makes it last (sync_holds)."""
        self.path("hold", number).touch(0o600)

    def sync_holds(self, numbers: Iterable[int]) -> None:
        """Make it last that these messages are held, or are no more."""
        for part in {number % SPLIT for number in numbers}:
            files.sync_folder(self.queue / "hold" / str(part))

    def is_held(self, number: int) -> bool:
        """Whether a message is held."""
        return self.path("hold", number).exists()

    def release(self, number: int) -> None:
        """Hold a message no more."""
        self.path("hold", number).unlink(missing_ok=True)

    # -- tries -----------------------------------------------------------------------------------

    def set_next_try(self, channel: str, number: int, when: int) -> None:
        """Keep a channel's next try over a restart, in its file's modification time."""
        with contextlib.suppress(OSError):
            self._set_time(channel, number, when)

    def note_deferral(self, channel: str, number: int, text: bytes) -> None:
        """Keep what a try was told, for whoever asks; a file system without attributes keeps nothing."""
        before = self.deferral(channel, number)
        tries = before.tries + 1 if before else 1
        with contextlib.suppress(OSError):
            os.setxattr(self.path(channel, number), _WHY, b"%d %b" % (tries, text[:_LONGEST_WHY]))

    def deferral(self, channel: str, number: int) -> Deferral | None:
        """What the last try was told; None if that is not known."""
        try:
            tries, _, text = os.getxattr(self.path(channel, number), _WHY).partition(b" ")
            return Deferral(int(tries), text)
        except (OSError, ValueError):
            return None

    def mark_told(self, number: int) -> bool:
        """Mark that the sender heard of the delay; False if it is marked, or cannot be."""
        try:
            os.setxattr(self.path("info", number), _TOLD, b"1", os.XATTR_CREATE)
        except OSError:
            return False
        return True

    def unmark_told(self, number: int) -> None:
        """Forget that the sender heard of the delay: he did not, after all."""
        with contextlib.suppress(OSError):
            os.removexattr(self.path("info", number), _TOLD)

    def _set_time(self, name: str, number: int, when: int) -> None:
        os.utime(self.path(name, number), (when, when))

    # -- looking over all ------------------------------------------------------------------------

    def waiting(self, channel: str, part: int) -> Iterator[tuple[int, int]]:
        """Number and next try (seconds since 1970) of what waits in one part of a channel."""
        with os.scandir(self._folder(channel, part)) as entries:
            for entry in entries:
                if _is_number(entry.name, part):
                    try:
                        when = int(entry.stat(follow_symlinks=False).st_mtime)
                    except FileNotFoundError:
                        continue  # it has ended while we read
                    yield int(entry.name), when

    def numbers(self, name: str, part: int) -> set[int]:
        """The numbers of the messages that have a file of that kind in one part of the queue."""
        return {int(found) for found in os.listdir(self._folder(name, part)) if _is_number(found, part)}

    def handed_in(self) -> list[int]:
        """The messages in todo/ that a real qmail's qmail-queue left there."""
        return sorted(int(path.name) for path in (self.queue / "todo").iterdir() if path.name.isdecimal())

    def strangers(self, part: int) -> Iterator[Path]:
        """What lies in one part and is no message's file: left alone, but worth a word."""
        for name in _SPLIT_FOLDERS:
            folder = self._folder(name, part)
            yield from (folder / found for found in os.listdir(folder) if not _is_number(found, part))

    def _folder(self, name: str, part: int) -> Path:
        return self.queue / name / str(part)


def _is_number(name: str, part: int) -> bool:
    return name.isdecimal() and name.isascii() and int(name) % SPLIT == part
