"""Owns the programs of .qmail files: `sh -c` in a session of its own, what it prints, when it must end.

A program has the message on descriptor 0, at its first byte and not to be changed, and writes to us on 1 and
2; it gets no other descriptor. What is left when the shell has ended is killed, also what left its session.
Programs of many deliveries run side by side; nothing here waits. A program yields the processor to the
daemons, and is the first to go when memory runs out.
"""

import contextlib
import fcntl
import math
import os
import resource
import selectors
import signal
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

from appliance.formats.outcome import Temporary
from appliance.local import strays
from appliance.mailbox.body import Body, Stored
from appliance.system.errors import words_of
from appliance.system.files import write_all

CRASHED = "Aack, child crashed. (#4.3.0)"
TOO_LONG = "Program ran longer than it may and was stopped. (#4.3.0)"
TOO_MUCH = "Program printed more than it may and was stopped. (#4.3.0)"
TOO_MANY = "Program started more processes than it may and was stopped. (#4.3.0)"

PIPE_PATIENCE_S = 5.0
"""Seconds that what a shell left running may go on writing to us."""

_SHELL = b"/bin/sh"
_READ = 64 * 1024
_SWEEP_S = 0.05
_COUNT_S = 0.2
_NICER = 5
_CROWD = 10
_FIRST_TO_GO = b"1000"
_SEALS = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL
_AS_DEFAULT = (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGCHLD)


class Limits(NamedTuple):
    """What a program may use before it is stopped; no memory or file size given means any."""

    seconds: float = 600.0
    output: int = 16 << 20
    """Bytes that it prints."""
    processes: int = 100
    """At a time, the shell among them."""
    memory: int = 0
    """Bytes of address space of each process."""
    file_size: int = 0
    """Bytes of each file that it writes."""


class Order(NamedTuple):
    """A program to be run: the shell's text, folder, environment and message, and what it may use."""

    command: bytes
    home: bytes
    environment: Mapping[bytes, bytes]
    body: Body
    limits: Limits


Said = Callable[[bytes], None]
"""Called with what a program prints, as it comes."""
Ended = Callable[[int | Temporary], None]
"""Called with the exit code, or with why there is none."""


class _Program:
    """A shell that runs, or has ended while its output is still open; `ended` is None once all is told."""

    def __init__(self, pid: int, output: int, order: Order, said: Said, ended: Ended) -> None:
        self.pid = pid
        self.watch = os.pidfd_open(pid)
        self.output = output
        self.printed = 0
        self.limits = order.limits
        self.deadline = time.monotonic() + order.limits.seconds
        self.said = said
        self.ended: Ended | None = ended


class Programs:
    """The programs that run now."""

    def __init__(self, selector: selectors.BaseSelector) -> None:
        self._selector = selector
        self._running: dict[int, _Program] = {}
        self._next_look = self._next_count = math.inf
        self._spared = frozenset(strays.children(os.getpid()))
        strays.adopt_orphans(True)

    def __len__(self) -> int:
        return len(self._running)

    def start(self, order: Order, said: Said, ended: Ended) -> None:
        """Start a program; `said` gets what it prints, `ended` its exit code. Temporary if it cannot."""
        try:
            reader, writer = os.pipe()
        except OSError as error:
            raise _cannot_run(error) from error
        os.set_blocking(reader, False)
        try:
            program = self._begin(order, (reader, writer), said, ended)
        except Temporary:
            os.close(reader)
            raise
        finally:
            os.close(writer)
        self._running[program.pid] = program
        self._next_count = min(self._next_count, time.monotonic() + _COUNT_S)
        self._selector.register(reader, selectors.EVENT_READ, lambda: self._read(program))
        self._selector.register(program.watch, selectors.EVENT_READ, lambda: self._shell_ended(program))

    def _begin(self, order: Order, pipe: tuple[int, int], said: Said, ended: Ended) -> _Program:
        reader, writer = pipe
        pid = spawn(order, writer, writer)
        _confine(pid, order.limits)
        try:
            return _Program(pid, reader, order, said, ended)
        except OSError as error:  # no descriptor is free to watch it by
            _kill_session(pid)
            self._next_look = 0.0
            raise _cannot_run(error) from error

    def deadline(self) -> float:
        """When `expire` has something to do, by the monotonic clock."""
        return min(
            [self._next_look, self._next_count, *(program.deadline for program in self._running.values())]
        )

    @property
    def running(self) -> int:
        """How many there are."""
        return len(self._running)

    def expire(self, now: float) -> None:
        """Stop what runs too long, and what programs that have ended left behind."""
        for program in [program for program in self._running.values() if program.deadline <= now]:
            if program.watch < 0:
                self._finish(program)
            else:
                self._stop(program, Temporary(TOO_LONG))
        if self._next_count <= now:
            self._count()
            self._next_count = now + _COUNT_S if self._running else math.inf
            self._next_look = now
        if self._next_look <= now:
            self._next_look = now + _SWEEP_S if self._sweep() else math.inf

    def stop(self) -> None:
        """Kill all of them; nobody is told."""
        strays.end_all(self._ours)

    def _count(self) -> None:
        """Stop what has too many processes."""
        for program in list(self._running.values()):
            members = sum(len(strays.family(root)) for root in self._roots(program))
            if members > program.limits.processes and program.ended is not None:
                self._stop(program, Temporary(TOO_MANY))

    def _sweep(self) -> int:
        """Kill and reap what belongs to none of the running shells; gives how many there were."""
        left = strays.end_all(self._strays)
        for child in self._strays() if left else ():
            with contextlib.suppress(ChildProcessError):
                os.waitpid(child, os.WNOHANG)
        return left

    def _ours(self) -> list[int]:
        return [child for child in strays.children(os.getpid()) if child not in self._spared]

    def _strays(self) -> list[int]:
        """Our children that belong to none of the running shells."""
        return [child for child in self._ours() if _session_of(child) not in self._running]

    def _roots(self, program: _Program) -> list[int]:
        """The shell, and what it has left to us as an orphan and is still of its session."""
        return [child for child in self._ours() if _session_of(child) == program.pid]

    def _read(self, program: _Program) -> None:
        try:
            text = os.read(program.output, _READ)
        except BlockingIOError:
            return
        if text:
            program.said(text)
            program.printed += len(text)
            if program.printed > program.limits.output:
                self._stop(program, Temporary(TOO_MUCH))
            return
        self._forget_output(program)
        if program.watch < 0:
            self._finish(program)

    def _shell_ended(self, program: _Program) -> None:
        """The shell is a zombie from here on: its number stays taken until its session is killed."""
        self._selector.unregister(program.watch)
        os.close(program.watch)
        program.watch = -1
        if program.ended is None:
            self._reap(program)
        elif program.output < 0:
            self._finish(program)
        else:
            program.deadline = min(program.deadline, time.monotonic() + PIPE_PATIENCE_S)

    def _finish(self, program: _Program) -> None:
        """The shell has ended, and nobody writes to us any more or may do so any longer."""
        _kill_session(program.pid)
        self._forget_output(program)
        status = self._reap(program)
        if program.ended is not None:
            program.ended(os.WEXITSTATUS(status) if os.WIFEXITED(status) else Temporary(CRASHED))

    def _stop(self, program: _Program, failure: Temporary) -> None:
        """A limit is reached: the delivery ends now, the shell as soon as the kernel lets it go."""
        strays.end_all(partial(self._roots, program))
        self._forget_output(program)
        ended, program.ended, program.deadline = program.ended, None, math.inf
        if program.watch < 0:
            self._reap(program)
        if ended is not None:
            ended(failure)

    def _forget_output(self, program: _Program) -> None:
        if program.output >= 0:
            self._selector.unregister(program.output)
            os.close(program.output)
            program.output = -1

    def _reap(self, program: _Program) -> int:
        del self._running[program.pid]
        self._next_look = 0.0
        return os.waitpid(program.pid, 0)[1]


def _kill_session(leader: int) -> None:
    # PermissionError: a setuid program; it is the system's, and ends when it likes.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def _session_of(pid: int) -> int:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return 0


def bound_crowd(limits: Limits) -> None:
    """Bound, for this process and all that it will start, how many processes their user may have; for good.

    The kernel counts a user's processes, and only we those of a program. Its bound is wide, and keeps a
    program from filling the machine before we have counted. It stands before a program begins: on a busy
    machine thousands could be there by the time that a bound reached the shell.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NPROC)
    wanted = strays.tasks_of(os.geteuid()) + _CROWD * limits.processes
    bound = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NPROC, (bound, bound))


def _confine(pid: int, limits: Limits) -> None:
    """Bound what a process and all that it starts can use; it may have ended, or be bound closer already."""
    bounds = {resource.RLIMIT_CORE: 0}
    if limits.memory:
        bounds[resource.RLIMIT_AS] = limits.memory
    if limits.file_size:
        bounds[resource.RLIMIT_FSIZE] = limits.file_size
    for which, bound in bounds.items():
        with contextlib.suppress(OSError, ValueError):
            resource.prlimit(pid, which, (bound, bound))
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, pid, os.getpriority(os.PRIO_PROCESS, 0) + _NICER)
    with contextlib.suppress(OSError), open(f"/proc/{pid}/oom_score_adj", "wb", buffering=0) as score:
        score.write(_FIRST_TO_GO)


def spawn(order: Order, output: int, errors: int) -> int:
    """Start the shell, which writes to these descriptors; gives its process id. Temporary if it cannot."""
    message = None
    try:
        message = _message(order.body)
        os.chdir(order.home)
        actions = [
            (os.POSIX_SPAWN_DUP2, message, 0),
            (os.POSIX_SPAWN_DUP2, output, 1),
            (os.POSIX_SPAWN_DUP2, errors, 2),
        ]
        return os.posix_spawn(
            _SHELL,
            [_SHELL, b"-c", order.command],
            order.environment,
            file_actions=actions,
            setsid=True,
            setsigdef=_AS_DEFAULT,
        )
    except (OSError, ValueError) as error:
        raise _cannot_run(error) from error
    finally:
        if message is not None and not isinstance(order.body, Stored):
            os.close(message)


def _cannot_run(error: OSError | ValueError) -> Temporary:
    words = words_of(error) if isinstance(error, OSError) else "invalid argument"
    return Temporary(f"Unable to run /bin/sh: {words}. (#4.3.0)")


def _message(body: Body) -> int:
    """A file at its first byte: each program of a message in memory has one of its own, sealed."""
    if isinstance(body, Stored):
        os.lseek(body.descriptor, 0, os.SEEK_SET)
        return body.descriptor
    message = os.memfd_create("message", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        write_all(message, body)
        fcntl.fcntl(message, fcntl.F_ADD_SEALS, _SEALS)
        os.lseek(message, 0, os.SEEK_SET)
    except OSError:
        os.close(message)
        raise
    return message
