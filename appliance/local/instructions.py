"""Owns the way to a delivery's instructions: the home, the .qmail files in it, whether they may be trusted.

    home there, not writable by the world, not sticky      chmod +t holds mail while the user edits
    .qmail + dash + extension, then -default from the longest
    the file not writable by the world

The order is qmail-local's; a refusal is its sentence. The working folder is the home from `enter_home` on.
"""

import os
import stat
from typing import NamedTuple

from appliance.formats import dotqmail
from appliance.formats.outcome import Permanent, Temporary
from appliance.protocols.spawn import Instruction
from appliance.system.errors import may_pass, words_of

HOME_WRITABLE = "Uh-oh: home directory is writable. (#4.7.0)"
STICKY = "Home directory is sticky: user is editing his .qmail file. (#4.2.1)"
FILE_WRITABLE = "Uh-oh: .qmail file is writable. (#4.7.0)"
NO_MAILBOX = "Sorry, no mailbox here by that name. (#5.1.1)"

_WORLD_WRITABLE = stat.S_IWOTH  # conf-patrn 002


class Found(NamedTuple):
    """What a delivery is to do; `default` is the variable DEFAULT that the file's name brings."""

    orders: tuple[dotqmail.Instruction, ...]
    default: bytes | None


def enter_home(home: bytes) -> bool:
    """Go to the home; gives whether it is sticky. Temporary if it is missing or writable by the world."""
    try:
        if not home.startswith(b"/"):
            raise FileNotFoundError(2, "a home begins with a slash")
        os.chdir(home)
        mode = os.stat(b".").st_mode
    except OSError as error:
        raise Temporary(f"Unable to switch to {_text(home)}: {words_of(error)}. (#4.3.0)") from error
    if mode & _WORLD_WRITABLE:
        raise Temporary(HOME_WRITABLE)
    return bool(mode & stat.S_ISVTX)


def find(instruction: Instruction) -> Found:
    """The orders for a recipient, in his home; Permanent if nobody has this name, Temporary if untold."""
    default = dotqmail.default_of(instruction.user, instruction.default_delivery)
    for candidate in dotqmail.candidates(instruction.dash, instruction.extension):
        descriptor = _open(candidate.name)
        if descriptor is not None:
            content, executable = _read(descriptor, candidate.name)
            orders = dotqmail.parse_dotqmail(content, executable, default)
            return Found(orders, candidate.default)
    if instruction.dash:
        raise Permanent(NO_MAILBOX)
    return Found(dotqmail.parse_dotqmail(b"", False, default), None)


def forward_sender(instruction: Instruction) -> bytes:
    """The sender of forwards, in the recipient's home: its -owner gets the bounces, if there is one."""
    owner, owner_default = dotqmail.owner_names(instruction.dash, instruction.extension)
    exists = _exists(owner)
    return dotqmail.forward_sender(
        instruction.sender, instruction.local, instruction.domain, exists, exists and _exists(owner_default)
    )


def _open(name: bytes) -> int | None:
    """None for what counts as absent: a folder or another thing that is no file as well."""
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NONBLOCK)
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            return descriptor
        os.close(descriptor)
    except PermissionError as error:
        raise _unable(name, error) from error
    except OSError as error:
        if may_pass(error):
            raise _unable(name, error) from error
    return None


def _read(descriptor: int, name: bytes) -> tuple[bytes, bool]:
    try:
        with open(descriptor, "rb", buffering=0) as file:
            mode = os.fstat(descriptor).st_mode
            if mode & _WORLD_WRITABLE:
                raise Temporary(FILE_WRITABLE)
            return file.read(), bool(mode & stat.S_IXUSR)
    except OSError as error:
        raise Temporary(f"Unable to read {_text(name)}: {words_of(error)}. (#4.3.0)") from error


def _exists(name: bytes) -> bool:
    try:
        os.stat(name)
    except OSError as error:
        if may_pass(error):
            raise _unable(name, error) from error
        return False
    return True


def _unable(name: bytes, error: OSError) -> Temporary:
    return Temporary(f"Unable to open {_text(name)}: {words_of(error)}. (#4.3.0)")


def _text(path: bytes) -> str:
    return path.decode("utf-8", "surrogateescape")
