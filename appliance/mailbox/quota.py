"""Owns the quota of a Maildir (Maildir++): its file maildirsize obeyed, brought up to date, made anew.

    Maildir/maildirsize    the limits and what is used; without the file there is no limit

The recipient's own process reads the limits where the mail lies, and so does a Dovecot on the same folder.
Nobody locks, so two who deliver at a time may go beyond the limit by what they have in hand. When the mailbox
seems full the mail is counted anew, unless it was counted within 15 minutes and nothing came or went since.
"""

import contextlib
import os
import stat
import time
from collections.abc import Iterator

from appliance.formats.maildirsize import (
    LONGEST,
    Limits,
    Usage,
    format_maildirsize,
    format_usage,
    is_trashed,
    parse_maildirsize,
    size_in_name,
)
from appliance.formats.outcome import Permanent
from appliance.system.files import write_all

OVER_QUOTA = "The recipient's mailbox is full: it has no room for this message. (#5.2.2)"
TOO_LARGE = "The recipient's mailbox never takes a message this large: it exceeds the whole quota. (#5.2.2)"

_FILE = b"maildirsize"
_TRASH = b".Trash"  # what lies there is on its way out and does not count
_FRESH_S = 15 * 60
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
_APPEND = os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK


class Quota:
    """The quota of one Maildir, while messages are delivered into it."""

    def __init__(self, maildir: int, limits: Limits, used: Usage | None, is_fresh: bool) -> None:
        self.limits = limits
        self._maildir = maildir
        self._used = used
        self._is_fresh = is_fresh  # counting again would find the same
        self._taken = Usage()

    def take(self, size: int) -> None:
        """Make room for a message of so many bytes; Permanent, for its sender to read, if there is none."""
        wanted = Usage(size, 1)
        if wanted.exceeds(self.limits):
            raise Permanent(TOO_LARGE)
        if self._with(wanted).exceeds(self.limits):
            if not self._is_fresh:
                self._count()
            if self._with(wanted).exceeds(self.limits):
                raise Permanent(OVER_QUOTA)
        self._taken = self._taken.plus(wanted)

    @property
    def percent(self) -> int | None:
        """How much of it is used, nothing counted for the question; None without limits or a count."""
        if self._used is None or self.limits == Limits():
            return None
        return self._used.percent(self.limits)

    def _with(self, wanted: Usage) -> Usage:
        used = self._count() if self._used is None else self._used
        return used.plus(self._taken).plus(wanted)

    def _count(self) -> Usage:
        """What is taken lies in tmp still and is not seen."""
        try:
            self._used = recount(self._maildir, self.limits)
        except OSError:
            self._used = self._used or Usage()
        self._is_fresh = True
        return self._used


def of(maildir: int) -> Quota | None:
    """The quota of an open Maildir, None if it has none; one that cannot be read holds no mail up."""
    try:
        descriptor = os.open(_FILE, _READ, dir_fd=maildir)
    except OSError:
        return None
    with contextlib.suppress(OSError), open(descriptor, "rb", buffering=0) as file:
        state = os.fstat(descriptor)
        if stat.S_ISREG(state.st_mode):
            limits, used, lines = parse_maildirsize(file.read(LONGEST) or b"")
            is_fresh = used is not None and lines == 1 and time.time() - state.st_mtime < _FRESH_S
            return Quota(maildir, limits, used, is_fresh)
    return None


def add(maildir: int, usage: Usage) -> None:
    """Say what came into an open Maildir, or went, if somebody counts there."""
    if usage == Usage():
        return
    with contextlib.suppress(OSError):  # the next count mends it
        descriptor = os.open(_FILE, _APPEND, dir_fd=maildir)
        try:
            os.write(descriptor, format_usage(usage))
        finally:
            os.close(descriptor)


def check_room(path: bytes) -> None:
    """Permanent if the Maildir has no room for the smallest message."""
    if not os.path.lexists(os.path.join(path, _FILE)):
        return
    with contextlib.suppress(OSError), opened(path) as maildir:
        found = of(maildir)
        if found is not None:
            found.take(1)


def set_limits(path: bytes, limits: Limits | None) -> None:
    """Let a Maildir have these limits; None takes its quota away. OSError if that cannot be."""
    with opened(path) as maildir:
        if limits is None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(_FILE, dir_fd=maildir)
            return
        found = of(maildir)
        if found is None or found.limits != limits:
            recount(maildir, limits, must_write=True)


@contextlib.contextmanager
def opened(path: bytes) -> Iterator[int]:
    """The descriptor of a Maildir, as `of` and `add` want it; OSError."""
    maildir = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield maildir
    finally:
        os.close(maildir)


# -- counting anew -------------------------------------------------------------------------------


def recount(maildir: int, limits: Limits, *, must_write: bool = False) -> Usage:
    """Count what lies in an open Maildir and its subfolders, and make maildirsize anew; OSError.

    If mail came or went meanwhile the file stays as it is: others add a line for it, which would count twice.
    """
    parts = _parts(maildir)
    before = _changed(maildir, parts)
    used = Usage()
    for part in parts:
        used = used.plus(_used_in(maildir, part))
    if must_write or before == _changed(maildir, parts):
        _write(maildir, format_maildirsize(limits, used))
    return used


def _parts(maildir: int) -> list[bytes]:
    """new and cur, of the Maildir and of what an IMAP server made in it: `.Sent/cur`."""
    descriptor = os.open(b".", _FOLDER, dir_fd=maildir)  # ours may be one that cannot be read from
    try:
        names = [os.fsencode(name) for name in os.listdir(descriptor)]
    finally:
        os.close(descriptor)
    folders = [b"", *(name + b"/" for name in names if name.startswith(b".") and name != _TRASH)]
    return [folder + part for folder in folders for part in (b"new", b"cur")]


def _changed(maildir: int, parts: list[bytes]) -> list[int]:
    times = []
    for part in parts:
        with contextlib.suppress(OSError):
            times.append(os.stat(part, dir_fd=maildir, follow_symlinks=False).st_mtime_ns)
    return times


def _used_in(maildir: int, part: bytes) -> Usage:
    size = messages = 0
    try:
        folder = os.open(part, _FOLDER, dir_fd=maildir)
    except (FileNotFoundError, NotADirectoryError):
        return Usage()
    try:
        for name in map(os.fsencode, os.listdir(folder)):
            if name.startswith(b".") or is_trashed(name):
                continue
            with contextlib.suppress(FileNotFoundError):
                told = size_in_name(name)
                size += os.stat(name, dir_fd=folder, follow_symlinks=False).st_size if told is None else told
                messages += 1
    finally:
        os.close(folder)
    return Usage(size, messages)


def _write(maildir: int, content: bytes) -> None:
    """By a file in tmp: who adds a line meanwhile adds it to the old or to the new one."""
    new = b"tmp/maildirsize.%d.%s" % (os.getpid(), os.urandom(8).hex().encode())
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=maildir)
    try:
        write_all(descriptor, content)
        os.fsync(descriptor)  # the limits must not be lost in a crash
        os.rename(new, _FILE, src_dir_fd=maildir, dst_dir_fd=maildir)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(new, dir_fd=maildir)
        raise
    finally:
        os.close(descriptor)
