"""Owns the ground under the daemons: addresses, ports, users, and folders: whose, who enters, which last."""

import contextlib
import ipaddress
import os
import socket
import stat
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from appliance.accounts.passwords import hash_password
from appliance.admin import filesystems
from appliance.admin.filesystems import FORGETFUL, Mount, mount_of
from appliance.site.surroundings import Surroundings
from appliance.system.place import Place
from appliance.system.privileges import Identity, identity_of, is_root

MAIL_OWNER = 5000  # unless PUID and PGID say otherwise


def surroundings(environ: Mapping[str, str]) -> Surroundings:
    """What a rendering depends on here: TOASTER_BIND, PORT_BASE, PUID, PGID. ValueError with a sentence."""
    return Surroundings(
        addresses=_addresses(environ.get("TOASTER_BIND", "")) or any_addresses(),
        port_base=_number(environ, "PORT_BASE", 0, 64540),  # 64540 + 995 is the highest port
        python=sys.executable,
        root=is_root(),
        mail_owner=mail_owner(environ),
        hash_password=hash_password,
    )


def _addresses(text: str) -> tuple[str, ...]:
    try:
        return tuple(str(ipaddress.ip_address(word)) for word in text.split())
    except ValueError as error:
        raise ValueError(f"TOASTER_BIND: {error}; write IP addresses with blanks between them") from None


def any_addresses() -> tuple[str, ...]:
    """All addresses of the host, those of IPv6 only where it has any."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
        probe.bind(("::", 0))
        return ("0.0.0.0", "::")
    return ("0.0.0.0",)


def mail_owner(environ: Mapping[str, str]) -> Identity:
    """Whom the mailboxes belong to: PUID and PGID as root, else ourselves. ValueError: they are no users."""
    if not is_root():
        return Identity(os.geteuid(), os.getegid())
    owner = Identity(_number(environ, "PUID", MAIL_OWNER), _number(environ, "PGID", MAIL_OWNER))
    if 0 in owner:
        raise ValueError(f"PUID and PGID are {owner.uid} and {owner.gid}; mailboxes cannot be root's")
    return owner


def _number(environ: Mapping[str, str], name: str, default: int, highest: int = 2**32 - 2) -> int:
    text = environ.get(name) or str(default)
    if not (text.isascii() and text.isdecimal() and int(text) <= highest):
        raise ValueError(f"{name} is {text!r}; write a number up to {highest}, such as {default}")
    return int(text)


def closed_folders(paths: Iterable[Path]) -> list[Path]:
    """These folders and those above them that a user without rights in them cannot enter."""
    folders = {folder for path in paths for folder in _existing(path.resolve())}
    return sorted(folder for folder in folders if not folder.stat().st_mode & stat.S_IXOTH)


def _existing(path: Path) -> Iterable[Path]:
    return (folder for folder in (path, *path.parents) if folder.is_dir())


def lay_out(place: Place, owner: Identity) -> None:
    """Make the top folders that are missing; a mail folder that is still root's goes to its owner.

    Nothing below a top folder changes its owner: that would take hours on a large volume, and be wrong once.
    """
    for folder in (place.home, place.state, place.run, place.mail):
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    place.rates.mkdir(mode=0o700, exist_ok=True)
    run = place.run.lstat()
    if stat.S_ISLNK(run.st_mode) or run.st_uid != os.geteuid():
        raise PermissionError(f"{place.run} is somebody else's; set TOASTER_RUN to a folder of your own")
    if is_root():
        place.run.chmod(0o755)
        os.chown(place.rates, *identity_of("qmaild"))
        if place.mail.stat().st_uid == 0:
            os.chown(place.mail, *owner)


def forgetful(place: Place, mountinfo: str) -> list[Path]:
    """Which of queue and mail are on no volume, so that they end with the container (proc(5), mountinfo)."""
    mounts = filesystems.mounts(mountinfo)
    return [path for path in (place.queue, place.mail) if _is_forgetful(mount_of(path, mounts))]


def _is_forgetful(mount: Mount) -> bool:
    """A container's root is laid anew with each container, whatever file system it is."""
    return mount.point == Path("/") or mount.kind in FORGETFUL
