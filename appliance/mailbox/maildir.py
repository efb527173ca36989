"""Owns delivery into Maildirs (maildir(5)): unique names, tmp, fsync, new; many messages at once.

    tmp/<name>    written, fsync: a crash leaves a file that nobody reads; it goes after 36 hours
    new/<name>    the same file, renamed without overwriting, then fsync of new: only now it is delivered

Where there is a quota, the name ends with `,S=` and the message's size, so that who counts the mail need not
look at each file.

fsync one by one costs a commit of the journal each. Here all files are written, all are started on their
way to the disk, and then all are synced at once, so 50 messages cost little more than one.
"""

import contextlib
import ctypes
import errno
import os
import socket
import stat
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from appliance.formats.maildirsize import Usage
from appliance.formats.outcome import Permanent, Temporary
from appliance.mailbox import quota
from appliance.mailbox.body import Body, size_of, write_message
from appliance.system.sync import sync_all, write_out

NO_MAILDIR = "Unable to chdir to maildir. (#4.2.1)"
TEMPORARY_ERROR = "Temporary error on maildir delivery. (#4.3.0)"
TMP_LIFETIME_S = 36 * 3600  # maildir(5): what is older in tmp, its writer has forgotten

_NAMES_TRIED = 5
_RENAME_NOREPLACE = 1
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW

_libc = ctypes.CDLL(None, use_errno=True)
_renameat2 = getattr(_libc, "renameat2", None)
if _renameat2 is not None:
    _renameat2.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint]


class MaildirDelivery(NamedTuple):
    """One message for one Maildir: its absolute path, the lines put in front, the body."""

    maildir: bytes
    head: bytes
    body: Body


class Names:
    """The file names of one process: `<seconds>.<unique>.<host>`, never the same twice, nor on two hosts."""

    def __init__(self, host: str | None = None, *, plain: bool = False) -> None:
        """`plain` gives qmail-local's `<seconds>.<pid>.<host>`: for a process that lives for one delivery."""
        host = socket.gethostname() if host is None else host
        self._host = host.replace("/", "\\057").replace(":", "\\072").encode()
        self._plain = plain
        # Two containers that share a volume may have the same host name and the same process ids.
        self._process = b"P%dR%s" % (os.getpid(), os.urandom(4).hex().encode())
        self._count = 0

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        self._count += 1
        seconds, nanoseconds = divmod(time.time_ns(), 1_000_000_000)
        if self._plain and self._count == 1:
            return b"%d.%d.%s" % (seconds, os.getpid(), self._host)
        middle = b"M%06d%sQ%d" % (nanoseconds // 1000, self._process, self._count)
        return b"%d.%s.%s" % (seconds, middle, self._host)


class _Folder:
    """An open Maildir: descriptors of its tmp and new, or why there are none; its quota, if it has one."""

    __slots__ = ("failure", "maildir", "new", "quota", "tmp")

    def __init__(self, path: bytes) -> None:
        self.maildir = self.tmp = self.new = -1
        self.failure: Temporary | None = None
        self.quota: quota.Quota | None = None
        try:
            self.maildir = os.open(path, os.O_PATH | os.O_DIRECTORY)
        except (OSError, ValueError) as error:
            self.failure = _failure(NO_MAILDIR, error)
            return
        try:
            self.tmp = os.open(b"tmp", _FOLDER, dir_fd=self.maildir)
            self.new = os.open(b"new", _FOLDER, dir_fd=self.maildir)
        except OSError as error:
            self.failure = _failure(TEMPORARY_ERROR, error)

    def close(self) -> None:
        for descriptor in (self.maildir, self.tmp, self.new):
            if descriptor >= 0:
                os.close(descriptor)


class _Letter:
    """One delivery under way."""

    __slots__ = ("descriptor", "failure", "folder", "name", "size", "where")

    def __init__(self, folder: _Folder) -> None:
        self.folder = folder
        self.failure: Temporary | Permanent | None = folder.failure
        self.size = 0  # if there is a quota
        self.name = b""
        self.descriptor = -1
        self.where = -1  # the folder in which our file lies, if it lies in one

    def fail(self, error: OSError) -> None:
        """Give up: what was made of the file so far goes, so that no half of a message is ever seen."""
        self.failure = _failure(TEMPORARY_ERROR, error)
        self.close()
        if self.where >= 0:
            with contextlib.suppress(OSError):
                os.unlink(self.name, dir_fd=self.where)

    def close(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


def _failure(sentence: str, cause: Exception) -> Temporary:
    failure = Temporary(sentence)
    failure.__cause__ = cause
    return failure


def deliver(batch: Sequence[MaildirDelivery], names: Iterator[bytes]) -> list[Temporary | Permanent | None]:
    """Deliver the batch; for each None, once it lies in new for good, or why it does not."""
    folders: dict[bytes, _Folder] = {}
    letters: list[_Letter] = []
    try:
        for delivery in batch:
            folder = folders.get(delivery.maildir)
            if folder is None:
                folder = folders[delivery.maildir] = _Folder(delivery.maildir)
                if folder.failure is None:
                    folder.quota = quota.of(folder.maildir)
            letters.append(_Letter(folder))
            if folder.failure is None:
                _write(letters[-1], delivery, names)
        _sync([letter for letter in letters if letter.failure is None])
        for letter in letters:
            if letter.failure is None:
                _publish(letter, names)
        _sync_folders(letters)
        _account([folder for folder in folders.values() if folder.quota is not None], letters)
    finally:
        for letter in letters:
            letter.close()
        for folder in folders.values():
            folder.close()
    return [letter.failure for letter in letters]


def _write(letter: _Letter, delivery: MaildirDelivery, names: Iterator[bytes]) -> None:
    try:
        if letter.folder.quota is not None:
            letter.size = len(delivery.head) + size_of(delivery.body)
            letter.folder.quota.take(letter.size)
        letter.descriptor = _create(letter, names)
        write_message(letter.descriptor, delivery.head, delivery.body)
    except Permanent as refusal:
        letter.failure = refusal
    except OSError as error:
        letter.fail(error)


def _create(letter: _Letter, names: Iterator[bytes]) -> int:
    """O_EXCL: neither a file, nor a symbolic link, nor a FIFO that lies there is ever opened."""
    folder = letter.folder
    for _ in range(_NAMES_TRIED):
        letter.name = next(names)
        try:
            descriptor = os.open(letter.name, _CREATE, 0o600, dir_fd=folder.tmp)
        except FileExistsError:
            continue
        letter.where = folder.tmp
        return descriptor
    raise FileExistsError(errno.EEXIST, "no free name in tmp")


def _sync(letters: list[_Letter]) -> None:
    for letter in letters:
        write_out(letter.descriptor)
    for letter, error in zip(letters, sync_all([letter.descriptor for letter in letters]), strict=True):
        if error is None:
            letter.close()
        else:
            letter.fail(error)


def _publish(letter: _Letter, names: Iterator[bytes]) -> None:
    size = b"" if letter.folder.quota is None else b",S=%d" % letter.size
    name = letter.name + size
    try:
        for _ in range(_NAMES_TRIED):
            try:
                _rename(letter.folder, letter.name, name)
            except FileExistsError:
                name = next(names) + size  # another host delivered under our name: it keeps it
                continue
            letter.name, letter.where = name, letter.folder.new
            return
        raise FileExistsError(errno.EEXIST, "no free name in new")
    except OSError as error:
        letter.fail(error)


def _rename(folder: _Folder, name: bytes, to: bytes) -> None:
    """From tmp to new; FileExistsError if the name is taken there."""
    if _renameat2 is not None:
        if _renameat2(folder.tmp, name, folder.new, to, _RENAME_NOREPLACE) == 0:
            return
        error = ctypes.get_errno()
        if error not in (errno.EINVAL, errno.ENOSYS):  # EINVAL: a file system without the flag, as NFS
            raise OSError(error, os.strerror(error))
    os.link(name, to, src_dir_fd=folder.tmp, dst_dir_fd=folder.new)
    os.unlink(name, dir_fd=folder.tmp)


def _sync_folders(letters: list[_Letter]) -> None:
    folders = list({letter.folder for letter in letters if letter.failure is None})
    for folder, error in zip(folders, sync_all([folder.new for folder in folders]), strict=True):
        if error is None:
            continue
        for letter in letters:
            if letter.folder is folder and letter.failure is None:
                letter.fail(error)


def _account(folders: list[_Folder], letters: list[_Letter]) -> None:
    """One line of maildirsize for all that a batch brought."""
    for folder in folders:
        sizes = [letter.size for letter in letters if letter.folder is folder and letter.failure is None]
        quota.add(folder.maildir, Usage(sum(sizes), len(sizes)))


def clean(maildir: bytes, now: float) -> int:
    """Remove what has lain in tmp for 36 hours; gives the number of files, 0 for what cannot be read."""
    folder = _Folder(maildir)
    try:
        return 0 if folder.failure is not None else _clean(folder.tmp, now - TMP_LIFETIME_S)
    except OSError:
        return 0
    finally:
        folder.close()


def _clean(tmp: int, oldest: float) -> int:
    removed = 0
    for name in os.listdir(tmp):
        with contextlib.suppress(OSError):
            state = os.stat(name, dir_fd=tmp, follow_symlinks=False)
            if max(state.st_atime, state.st_mtime) < oldest and not stat.S_ISDIR(state.st_mode):
                os.unlink(name, dir_fd=tmp)
                removed += 1
    return removed
