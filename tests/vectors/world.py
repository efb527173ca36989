"""Owns the world of a case: qmail's folders and users, people and homes, our programs in /var/qmail/bin."""

import os
import pwd
import shutil
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import appliance
from appliance.__main__ import write_launchers
from tests.vectors import spaces
from tests.vectors.case import CannotPlay, Case, Json, is_encoded, to_bytes

HOST = "labhost"
HOME = Path("/var/qmail")
SCRATCH = Path("/var/scratch")
BIN = HOME / "bin"
PATH = f"{BIN}:/usr/bin:/bin"

_APP, _LIBRARIES, _PYTHON, _ETC = "/mnt/app", "/mnt/lib", "/mnt/python", "/mnt/etc"
_SYSTEM_USERS = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
_QMAIL_USERS = "".join(
    f"{name}:x:{uid}:{gid}:qmail user:/var/qmail:/bin/true\n"
    for name, uid, gid in (
        ("qmaild", 7791, 2107),
        ("qmaill", 7792, 2107),
        ("qmailp", 7793, 2107),
        ("qmailq", 7794, 2108),
        ("qmailr", 7795, 2108),
        ("qmails", 7796, 2108),
    )
)
_GROUPS = {"root": 0, "nofiles": 2107, "qmail": 2108, "nogroup": 65534}


class Entry(NamedTuple):
    """A file as it lies there."""

    content: bytes
    mode: str
    owner: str


def enter(people: str) -> None:
    """Make this process the first of a world of its own; `people` are the lines of its users."""
    spaces.keep_mounts_private()
    spaces.mount("proc", "/proc", "proc")
    _keep_our_programs()
    for folder in ("/var", "/home"):
        spaces.memory_folder(folder)
    socket.sethostname(HOST)
    spaces.raise_loopback()
    _write_etc(people)
    for path, mode in ((HOME, 0o755), (SCRATCH, 0o1777), (Path("/var/tmp"), 0o1777), (HOME / "run", 0o755)):
        path.mkdir()
        path.chmod(mode)
    _make_homes(people)
    write_launchers(str(BIN), _python(), [_APP, _LIBRARIES], {})
    sys.path.append(_LIBRARIES)
    os.chdir(SCRATCH)
    os.umask(0o022)


def _keep_our_programs() -> None:
    """Let our code be seen where every user may look, wherever the checkout lies."""
    spaces.memory_folder("/mnt")
    for folder in (f"{_APP}/appliance", _LIBRARIES, _PYTHON, _ETC):
        os.makedirs(folder)
    spaces.bind(str(Path(appliance.__file__).parent), f"{_APP}/appliance")
    libraries = next(entry for entry in sys.path if entry.endswith(("site-packages", "dist-packages")))
    spaces.bind(libraries, _LIBRARIES)
    if not sys.base_prefix.startswith("/usr"):
        spaces.bind(sys.base_prefix, _PYTHON)


def _python() -> str:
    if sys.base_prefix.startswith("/usr"):
        return os.path.realpath(sys.executable)
    return f"{_PYTHON}/bin/{Path(os.path.realpath(sys.executable)).name}"


def daemon(name: str, *arguments: str) -> list[str]:
    """The command that runs a process of our table."""
    code = f"import os, sys; sys.path[:0] = {[_APP, _LIBRARIES]}; from appliance.__main__ import run; "
    return [_python(), "-IS", "-c", code + "sys.exit(run(sys.argv[1:], os.environ))", name, *arguments]


def stand_in(path: Path, source: str) -> None:
    """A program of the player's own, in Python, that plays a part in a case."""
    path.write_text(f"#!{_python()} -IS\n{source}")
    path.chmod(0o755)


def _write_etc(people: str) -> None:
    groups = {**_GROUPS, **{name: int(gid) for name, _, _, gid, *_ in _fields(people) if int(gid) > 2108}}
    texts = {
        "passwd": _SYSTEM_USERS + _QMAIL_USERS + people,
        "group": "".join(f"{name}:x:{gid}:\n" for name, gid in groups.items()),
        "resolv.conf": "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n",
        "hosts": "127.0.0.1 localhost\n",
    }
    for name, text in texts.items():
        Path(_ETC, name).write_text(text)
        if Path("/etc", name).exists():
            spaces.bind(f"{_ETC}/{name}", os.path.realpath(f"/etc/{name}"))


def _fields(people: str) -> Iterator[list[str]]:
    yield from (line.split(":") for line in people.splitlines() if line)


def _make_homes(people: str) -> None:
    """Every home that is listed, but for the two that are recorded as missing and as somebody else's."""
    for name, _, uid, gid, _, home, _ in _fields(people):
        if name != "nohome":
            os.makedirs(home)
            os.chown(home, *((0, 0) if name == "notmine" else (int(uid), int(gid))))


# -- files ---------------------------------------------------------------------------------------


def place_files(case: Case, replace: tuple[bytes, bytes] = (b"", b"")) -> None:
    """Make the case's files, relative to here but for control/; one text may stand for another, as a port."""
    for path, value in case.files.items():
        place(HOME / path if path.startswith("control/") else Path(path), value, replace)


def place(path: Path, value: Json, replace: tuple[bytes, bytes] = (b"", b"")) -> None:
    """Make one file: content, or an object that says more."""
    told = value if isinstance(value, dict) and not is_encoded(value) else {"data": value}
    kind = told.get("type", "file")
    owner = _owner(path, told.get("owner"))
    _make_folder(path.parent, owner)
    if kind == "dir":
        _make_folder(path, owner)
    elif kind == "maildir":
        for folder in (path, path / "cur", path / "new", path / "tmp"):
            _make_folder(folder, owner)
            folder.chmod(0o700)
    elif kind == "symlink":
        path.symlink_to(os.fsdecode(to_bytes(told["to"])))
        os.lchown(path, *owner)
    elif kind == "file":
        content = to_bytes(told.get("data", ""))
        path.write_bytes(content.replace(*replace) if replace[0] else content)
        os.chown(path, *owner)
        path.chmod(0o644)
    else:
        raise CannotPlay(f"a file of type {kind}")
    if "mode" in told and kind != "symlink":
        path.chmod(int(str(told["mode"]), 8))
    if "mtime" in told:
        times = (int(told.get("atime") or told["mtime"]), int(told["mtime"]))
        os.utime(path, times, follow_symlinks=False)


def _make_folder(path: Path, owner: tuple[int, int]) -> None:
    if not path.is_dir():
        _make_folder(path.parent, owner)
        path.mkdir()
        path.chmod(0o755)
        os.chown(path, *owner)


def _owner(path: Path, name: str | None) -> tuple[int, int]:
    if name is not None:
        found = pwd.getpwnam(name)
        return found.pw_uid, found.pw_gid
    if path.is_relative_to(HOME / "alias"):
        return _owner(path, "alias")
    for user in pwd.getpwall():
        if user.pw_uid >= 8000 and path.is_relative_to(user.pw_dir):
            return user.pw_uid, user.pw_gid
    return 0, 0


def look(*folders: Path) -> dict[str, Entry]:
    """Every file below the folders; links and other things are passed over."""
    found = {}
    for folder in folders:
        for parent, _, names in os.walk(folder):
            for name in names:
                path = Path(parent, name)
                if path.is_file() and not path.is_symlink():
                    state = path.stat()
                    owner = pwd.getpwuid(state.st_uid).pw_name
                    found[str(path)] = Entry(path.read_bytes(), f"{state.st_mode & 0o7777:04o}", owner)
    return found


def changes(before: dict[str, Entry], after: dict[str, Entry]) -> dict[str, Json]:
    """What a run made of the files: each that is new or another now, and each that is gone."""
    made: dict[str, Json] = {}
    for path, entry in after.items():
        if before.get(path) != entry:
            made[path] = {"data": entry.content, "mode": entry.mode, "owner": entry.owner}
    made.update({path: {"removed": True} for path in before if path not in after})
    return made


def look_for_folders(*folders: Path) -> dict[str, Json]:
    """Every folder below the folders, as recordings tell of one that is made."""
    found = {}
    for folder in folders:
        for parent, names, _ in os.walk(folder):
            for path in (Path(parent, name) for name in names):
                state = path.stat()
                owner = pwd.getpwuid(state.st_uid).pw_name
                found[f"{path}/"] = {"type": "dir", "mode": f"{state.st_mode & 0o7777:04o}", "owner": owner}
    return found


def empty(folder: Path) -> None:
    """Remove what lies in a folder."""
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
