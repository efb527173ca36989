"""Owns a Maildir as POP3 sees it: locked, listed once at login, read part by part, changed at QUIT only.

Everything is reached from the Maildir's own descriptor and no symbolic link is followed below it, so that
nothing that somebody puts into a mailbox leads out of it. What may take long yields a BREATH now and then, so
that others have their turn.
"""

import contextlib
import errno
import fcntl
import os
import re
import stat
from collections.abc import Generator, Iterable, Iterator
from operator import attrgetter
from typing import NamedTuple

from appliance.formats.maildirsize import Usage, is_trashed
from appliance.mailbox import quota
from appliance.protocols import pop3_replies as replies
from appliance.system import late

BATCH = 256  # files looked at, deleted or moved between two turns of the others
BREATH = b""
PART = 65536
TMP_SECONDS = 129600  # maildir(5): what was not used for 36 hours in tmp is left over

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# O_NONBLOCK: a fifo in new/ must not stop everybody's mail.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_UNIQUE_ID = re.compile(rb"[!-~]{1,70}")  # RFC 1939 section 7


class Refused(Exception):
    """A maildrop or message that cannot be had; `wire` is the reply."""

    def __init__(self, wire: bytes) -> None:
        super().__init__(wire)
        self.wire = wire


class Message(NamedTuple):
    """One file: `new` or `cur`, its name there, its size, when it was delivered (seconds since 1970)."""

    folder: str
    name: str
    size: int
    time: int = 0

    @property
    def unique_id(self) -> bytes:
        """The name without its flags: the same when the file moves from new to cur or gets others."""
        base = os.fsencode(base_of(self.name))
        if _UNIQUE_ID.fullmatch(base):
            return base
        # Loaded only for a name that no Maildir's writer makes: OpenSSL is a megabyte for each process.
        digest: str = late.load("hashlib:sha256")(base).hexdigest()
        return digest.encode()


def base_of(name: str) -> str:
    """A file's name without `:2,` and flags."""
    return name.partition(":")[0]


class Maildrop:
    """A Maildir, this session's alone until `close`."""

    def __init__(self, path: bytes) -> None:
        """Open and lock; Refused with the reply if there is no such Maildir or it has a session."""
        self.messages: list[Message] = []
        self._moved: dict[str, tuple[str, str]] | None = None
        self._gone = Usage()
        self._folders: dict[str, int] = {}
        try:
            self._root = os.open(path, _FOLDER)
        except OSError:
            raise Refused(replies.NO_MAILDIR) from None
        try:
            self._lock()
            for name in ("new", "cur"):
                self._folders[name] = os.open(name, _FOLDER, dir_fd=self._root)
        except OSError:
            self.close()
            raise Refused(replies.UNABLE_TO_SCAN) from None
        except Refused:
            self.close()
            raise

    def close(self) -> None:
        """Give the Maildir back."""
        for descriptor in self._folders.values():
            os.close(descriptor)
        self._folders = {}
        if self._root >= 0:
            os.close(self._root)
            self._root = -1

    def _lock(self) -> None:
        # The folder itself is locked: no file to leave behind, and the lock goes when the process does.
        try:
            fcntl.flock(self._root, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Refused(replies.IN_USE) from None
        except OSError as error:
            if error.errno not in (errno.EBADF, errno.EINVAL, errno.ENOLCK, errno.EOPNOTSUPP):
                raise  # NFS locks no folder; better without a lock than without mail

    def scan(self, now: float) -> Iterator[bytes]:
        """Fill `messages`, in order of delivery, and remove what was left in tmp; OSError if it cannot."""
        yield from self._clean_tmp(now)
        found: list[Message] = []
        for folder, descriptor in self._folders.items():
            for number, (name, status) in enumerate(_files(descriptor), 1):
                if stat.S_ISREG(status.st_mode):
                    found.append(Message(folder, name, status.st_size, int(status.st_mtime)))
                if number % BATCH == 0:
                    yield BREATH
        # By time, then by name: two sorts need no pair for each of 100,000.
        found.sort(key=attrgetter("name"))
        found.sort(key=attrgetter("time"))
        self.messages = found

    def _clean_tmp(self, now: float) -> Iterator[bytes]:
        try:
            tmp = os.open("tmp", _FOLDER, dir_fd=self._root)
        except OSError:
            return
        try:
            for number, (name, status) in enumerate(_files(tmp), 1):
                # With the mount option noatime the time of access alone would betray a file just written.
                if max(status.st_atime, status.st_mtime) + TMP_SECONDS < now:
                    with contextlib.suppress(OSError):
                        os.unlink(name, dir_fd=tmp)
                if number % BATCH == 0:
                    yield BREATH
        finally:
            os.close(tmp)

    def parts(self, message: Message) -> Iterator[bytes]:
        """Open a message, then give its bytes; Refused at once if it cannot be opened."""
        descriptor = self._open(message)
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            os.close(descriptor)
            raise Refused(replies.UNABLE_TO_OPEN)
        parts = _parts(descriptor, status.st_size)
        next(parts)  # from here on the descriptor is closed with the iterator, whoever drops it
        return parts

    def _open(self, message: Message) -> int:
        for folder, name in self._names(message):
            try:
                return os.open(name, _FILE, dir_fd=self._folders[folder])
            except FileNotFoundError:
                continue
            except OSError:
                break
        raise Refused(replies.UNABLE_TO_OPEN)

    def _names(self, message: Message) -> Iterator[tuple[str, str]]:
        """Where the message was, then where it is: another reader may have moved it or changed its flags."""
        yield message.folder, message.name
        if self._moved is None:
            listed = ((folder, os.listdir(descriptor)) for folder, descriptor in self._folders.items())
            self._moved = {base_of(name): (folder, name) for folder, names in listed for name in names}
        moved = self._moved.get(base_of(message.name))
        if moved is not None:
            yield moved

    def update(self, deleted: Iterable[int]) -> Generator[bytes, None, bool]:
        """Delete these, move what is left in new to cur; returns whether all of them are gone."""
        self._moved = None  # look again, for what moved since the last look
        well = True
        gone = set(deleted)
        taken = {message.name for message in self.messages if message.folder == "cur"}
        for index, message in enumerate(self.messages):
            if index in gone:
                well = self._delete(message) and well
            elif message.folder == "new":
                self._move(message.name, taken)
            if index % BATCH == BATCH - 1:
                yield BREATH
        quota.add(self._root, self._gone)
        self._gone = Usage()
        return well

    def _delete(self, message: Message) -> bool:
        for folder, name in self._names(message):
            try:
                os.unlink(name, dir_fd=self._folders[folder])
            except FileNotFoundError:
                continue
            except OSError:
                return False
            if not is_trashed(os.fsencode(name)):
                self._gone = self._gone.plus(Usage(-message.size, -1))
            return True
        return True  # somebody else deleted it

    def _move(self, name: str, taken: set[str]) -> None:
        seen = f"{name}:2,"
        if seen in taken:
            return  # rename(2) would put this message in place of the other
        with contextlib.suppress(OSError):  # it stays new, which harms nobody
            os.rename(name, seen, src_dir_fd=self._folders["new"], dst_dir_fd=self._folders["cur"])


def _files(descriptor: int) -> Iterator[tuple[str, os.stat_result]]:
    """Each entry that has no dot in front, with its status; what vanishes meanwhile is passed over."""
    with os.scandir(descriptor) as entries:
        for entry in entries:
            if not entry.name.startswith("."):
                with contextlib.suppress(FileNotFoundError):
                    yield entry.name, entry.stat(follow_symlinks=False)


def _parts(descriptor: int, size: int) -> Generator[bytes, None, None]:
    try:
        yield b""
        while size > 0 and (part := os.read(descriptor, PART)):  # it does not grow, so the end is known
            size -= len(part)
            yield part
    finally:
        os.close(descriptor)
