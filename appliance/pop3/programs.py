"""Owns qmail-popup and qmail-pop3d as programs on standard input and output, for tcpserver lines of old.

tcpserver 0 110 qmail-popup mail.example.org checkpassword qmail-pop3d Maildir

They behave as their manual pages say, without the extras of the daemons.
"""

import contextlib
import os
import select
import time
from collections.abc import Iterator, Mapping

from appliance.pop3.session import Session
from appliance.protocols import pop3
from appliance.protocols import pop3_replies as replies
from appliance.protocols.sasl_server import Login
from appliance.system.files import write_all

IDLE_SECONDS = 1200  # qmail-popup(8), qmail-pop3d(8)
PASSWORD_DESCRIPTOR = 3  # checkpassword's interface


def pop3d(argv: list[str], environ: Mapping[str, str]) -> int:
    """qmail-pop3d(8): a session over the Maildir that its argument names; 0, but 1 for root."""
    if os.getuid() == 0:
        write_all(2, b"qmail-pop3d invoked as uid 0, terminating\n")
        return 1
    if not argv:
        write_all(1, replies.NO_MAILDIR)
        return 0
    session = Session(os.fsencode(argv[0]), pop3.QMAIL)
    try:
        _write(session.begin(time.time()))
        while not session.ended:
            received = _read(65536)
            if not received:
                break
            _write(session.receive(received))
    except OSError:
        pass  # the peer is gone, or a message cannot be read on: the end of the connection says it all
    finally:
        session.close()
    return 0


def popup(argv: list[str], environ: Mapping[str, str]) -> int:
    """qmail-popup(8): host name, then the program that checks the password and its arguments; always 1."""
    if len(argv) < 2:
        write_all(1, replies.POPUP_USAGE)
        return 1
    stamp = b"<%d.%d@%b>" % (os.getpid(), int(time.time()), os.fsencode(argv[0]))
    state = pop3.Authorization(stamp, pop3.QMAIL)
    try:
        write_all(1, state.greeting)
        # A byte at a time: what comes behind the password is for the program that takes over our input.
        while received := _read(1):
            for event in state.receive(received):
                match event:
                    case pop3.Reply(wire):
                        write_all(1, wire)
                    case pop3.Close(wire):
                        write_all(1, wire)
                        return 1
                    case Login(user, password):
                        write_all(1, _run(argv[1:], b"\0".join((user, password, stamp, b""))))
                        return 1
    except OSError:
        pass
    return 1


def _run(command: list[str], told: bytes) -> bytes:
    """Run a program, tell it user, password and time stamp, wait for its end; the refusal if it refused."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.dup2(reader, PASSWORD_DESCRIPTOR)
            os.set_inheritable(PASSWORD_DESCRIPTOR, True)  # it may have been that descriptor already
            os.closerange(PASSWORD_DESCRIPTOR + 1, os.sysconf("SC_OPEN_MAX"))
            os.execvp(command[0], command)
        except OSError:
            pass
        finally:
            os._exit(1)
    os.close(reader)
    with contextlib.suppress(BrokenPipeError):  # it did not care to listen; its exit code says the rest
        write_all(writer, told)
    os.close(writer)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return replies.CHILD_CRASHED
    return replies.AUTHORIZATION_FAILED if os.WEXITSTATUS(status) else b""


def _read(size: int) -> bytes:
    """What the peer says; nothing at his end, or when he is silent too long."""
    readable, _, _ = select.select([0], [], [], IDLE_SECONDS)
    return os.read(0, size) if readable else b""


def _write(parts: Iterator[bytes]) -> None:
    for part in parts:
        write_all(1, part)
