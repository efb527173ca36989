"""Owns the asking of a program with checkpassword's interface, which runs as whom it must.

    PROGRAM [ARGUMENT ...] /bin/true      (https://cr.yp.to/checkpwd/interface.html)

authd has no rights to give, so a process forked from it while it was still root runs the program. It knows
the program from authd's own command line, and of authd it takes nothing but what is said to the program.
"""

import contextlib
import os
import select
import signal
import socket
from typing import NamedTuple, NoReturn

from appliance.accounts.exchange import Question
from appliance.formats.outcome import Temporary
from appliance.system.privileges import IDENTITIES, become_identity

MOST_BYTES = 512  # that a program reads from descriptor 3
SECONDS = 30.0
RIGHT, WRONG, FAILED = 0, 1, 255

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_GOES_ON = "/bin/true"  # what the program runs if the password is right


class Program(NamedTuple):
    """The way to the process that runs it."""

    channel: socket.socket

    def is_right(self, question: Question) -> bool:
        """Whether the program takes the password; Temporary if it cannot tell. Waits: for a thread."""
        told = b"\0".join((question.user, question.password, b"authd", b""))
        if len(told) > MOST_BYTES:
            return False
        ours, theirs = socket.socketpair()
        try:
            with ours:
                with theirs:
                    socket.send_fds(self.channel, [told + question.address], [theirs.fileno()])
                ours.settimeout(SECONDS + 10)
                verdict = (ours.recv(1) or bytes([FAILED]))[0]
        except OSError:
            verdict = FAILED
        if verdict not in (RIGHT, WRONG):
            how = "did not end well" if verdict == FAILED else f"ended with {verdict}"
            raise Temporary(f"the program that checks passwords {how} (#4.3.0)")
        return verdict == RIGHT


def start(user: str, command: list[str]) -> Program:
    """Fork the process that runs `command` as a user of IDENTITIES; it ends when authd does."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if os.fork() == 0:
        try:
            ours.close()
            _serve(theirs, user, command)
        finally:
            os._exit(0)
    theirs.close()
    return Program(ours)


def _serve(channel: socket.socket, user: str, command: list[str]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those who answer by themselves
    while True:
        told, descriptors, _, _ = socket.recv_fds(channel, 65536, 1)
        if not told:
            return
        if os.fork() == 0:
            channel.close()
            verdict = FAILED
            with contextlib.suppress(OSError):
                verdict = _ask(user, command, told)
            os.write(descriptors[0], bytes([verdict]))
            os._exit(0)
        for descriptor in descriptors:
            os.close(descriptor)


def _ask(user: str, command: list[str], told: bytes) -> int:
    """Run the program once; its exit code, FAILED if it was killed or took too long."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    *fields, address = told.split(b"\0")
    reader, writer = os.pipe()
    os.write(writer, b"\0".join([*fields, b""]))  # it fits into the pipe
    os.close(writer)
    child = os.fork()
    if child == 0:
        _become_program(user, command, reader, address)
    ended = select.select([os.pidfd_open(child)], [], [], SECONDS)[0]
    if not ended:
        os.killpg(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return os.WEXITSTATUS(status) if os.WIFEXITED(status) else FAILED


def _become_program(user: str, command: list[str], reader: int, address: bytes) -> NoReturn:
    try:
        os.setsid()
        nowhere = os.open(os.devnull, os.O_RDWR)
        keep = os.dup(reader) if reader < 3 else reader
        for descriptor in range(3):
            os.dup2(nowhere, descriptor)
        os.dup2(keep, 3)
        os.set_inheritable(3, True)  # it may have been that descriptor already
        os.closerange(4, os.sysconf("SC_OPEN_MAX"))
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        os.chdir("/")
        become_identity(IDENTITIES[user])
        environment = {"PATH": _PATH, "PROTO": "TCP", "TCPREMOTEIP": os.fsdecode(address)}
        os.execvpe(command[0], [*command, _GOES_ON], environment)
    except (OSError, ValueError):
        pass
    os._exit(111)
