"""Owns the attempts of a program that a `.qmail` file runs: what it reaches that is not its user's.

    |python3 probe.py /var/qmail FORBIDDEN ... >reached      a line for each thing reached, then: done

It imports nothing of ours: whoever runs it may not be able to.
"""

import ctypes
import os
import socket
import sys
import time
from collections.abc import Iterator

_PTRACE_ATTACH = 16
_PATIENCE_S = 30.0
_SECRETS = ("environ", "mem", "maps", "fd", "fdinfo", "map_files", "auxv", "syscall", "stack")


def main(home: str, *forbidden: str) -> None:
    """Try everything; a line for each thing that could be done."""
    reached = [
        *(f"read {path}" for place in forbidden for path in readable(place)),
        *(f"write {path}" for place in forbidden for path in writable(place)),
        *(f"socket {path}" for path in sockets(f"{home}/run")),
        *(f"process {what}" for what in processes()),
        *(f"descriptor {what}" for what in descriptors()),
        *(f"write {path}" for path in writable(home)),
    ]
    print("\n".join([*reached, "done"]))


def readable(folder: str) -> Iterator[str]:
    """Files below a folder, or the file itself, whose first byte can be had."""
    files = [os.path.join(parent, name) for parent, _, names in os.walk(folder) for name in names]
    for path in files or [folder]:
        try:
            first(path)
            yield path
        except OSError:
            pass


def writable(folder: str) -> Iterator[str]:
    """Folders in which a file can be made, files that can be written, names that can be taken away."""
    for parent, _, names in os.walk(folder):
        try:
            path = os.path.join(parent, "made-by-probe")
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY))
            os.unlink(path)
            yield parent
        except OSError:
            pass
        for name in names:
            path = os.path.join(parent, name)
            if os.path.isfile(path) and os.access(path, os.W_OK):
                yield path


def sockets(folder: str) -> list[str]:
    """Sockets whose owner does not hang up on a stranger; a busy one may need a while to do so."""
    names = [name for name in os.listdir(folder) if name.endswith(".sock")]
    found = {name: stranger for name in names if (stranger := connected(f"{folder}/{name}"))}
    end = time.monotonic() + _PATIENCE_S
    while len(found) > 1 and time.monotonic() < end:
        for name in [name for name, stranger in found.items() if has_hung_up(stranger)]:
            found.pop(name).close()
        time.sleep(0.05)
    return sorted(found)


def connected(path: str) -> "socket.socket | None":
    """A connection to a socket, if we may have one."""
    stranger = socket.socket(socket.AF_UNIX)
    try:
        stranger.connect(path)
    except OSError:
        stranger.close()
        return None
    stranger.setblocking(False)
    return stranger


def has_hung_up(stranger: socket.socket) -> bool:
    """Whether the other side has ended a connection without a word."""
    try:
        return not stranger.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return False
    except OSError:
        return True


def processes() -> Iterator[str]:
    """What can be seen or done of the appliance's processes, our worker's memory among them."""
    tracer = ctypes.CDLL(None)
    for pid in (int(name) for name in os.listdir("/proc") if name.isdigit()):
        try:
            words, owner = first(f"/proc/{pid}/cmdline", 10_000), os.stat(f"/proc/{pid}").st_uid
        except OSError:
            continue
        if b"appliance" not in words or owner == os.getuid():  # a worker's folder belongs to root
            continue
        for name in _SECRETS:
            path = f"/proc/{pid}/{name}"
            try:
                if os.listdir(path) if os.path.isdir(path) else first(path):
                    yield path
            except OSError:
                pass
        if not is_ours(pid):
            try:
                os.kill(pid, 0)
                yield f"{pid} gets signals"
            except OSError:
                pass
        if tracer.ptrace(_PTRACE_ATTACH, pid, 0, 0) == 0:
            yield f"{pid} can be traced"


def first(path: str, size: int = 1) -> bytes:
    """The first bytes of a file."""
    with open(path, "rb") as stream:
        return stream.read(size)


def is_ours(pid: int) -> bool:
    """Whether a process is our user's."""
    try:
        return f"\nUid:\t{os.getuid()}\t".encode() in first(f"/proc/{pid}/status", 10_000)
    except OSError:
        return True  # it has ended


def descriptors() -> Iterator[str]:
    """What we have besides the message, which cannot be changed, and the pipe for what we print."""
    for entry in os.listdir("/proc/self/fd"):
        if int(entry) > 2 and os.path.exists(f"/proc/self/fd/{entry}"):  # not that of the listing itself
            yield os.readlink(f"/proc/self/fd/{entry}")
    try:
        os.write(0, b"x")
        yield "the message can be changed"
    except OSError:
        pass


if __name__ == "__main__":
    main(*sys.argv[1:])
