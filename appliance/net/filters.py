"""Owns the programs that go in front of another's name: recordio, fixcrio, argv0 (their manual pages).

recordio and fixcrio are the other program's children: a process of its own copies what comes on 0 to the
program, and what the program says to 1. recordio prints both, fixcrio puts a CR before every lone LF.
"""

import contextlib
import os
import re
import select
import signal
from collections.abc import Callable, Mapping
from typing import NoReturn

from appliance.formats.recorded import format_end, format_packet
from appliance.system.endings import fatal, usage
from appliance.system.errors import words_of

_BLOCK = 256
_LONE_LF = re.compile(rb"(?<!\r)\n")

Filter = Callable[[bytes], bytes]
"""What becomes of a packet; the empty one is the end."""


def recordio(argv: list[str], environ: Mapping[str, str]) -> int:
    """recordio program: run it, and print all that it reads and says."""
    process = str(os.getpid())  # the program's

    def recording(direction: str) -> Filter:
        def record(packet: bytes) -> bytes:
            lines = format_packet(process, direction, packet) if packet else [format_end(process, direction)]
            with contextlib.suppress(OSError):  # nobody reads it
                for line in lines:
                    os.write(2, line + b"\n")
            return packet

        return record

    return _between("recordio", argv, environ, (recording("<"), recording(">")))


def fixcrio(argv: list[str], environ: Mapping[str, str]) -> int:
    """fixcrio program: run it with a CR before every LF that has none."""
    return _between("fixcrio", argv, environ, (_fixing_cr(), _fixing_cr()))


def argv0(argv: list[str], environ: Mapping[str, str]) -> int:
    """argv0 realname name [ arg ... ]: become the program realname, which is called by the name."""
    if len(argv) < 2:
        return usage("argv0 realname program [ arg ... ]")
    return _become("argv0", argv[0], argv[1:], environ)


def _fixing_cr() -> Filter:
    had_cr = False

    def fix(packet: bytes) -> bytes:
        nonlocal had_cr
        whole = b"\r" + packet if had_cr else packet
        fixed = _LONE_LF.sub(b"\r\n", whole)[had_cr:]
        had_cr = packet.endswith(b"\r")
        return fixed

    return fix


def _between(name: str, argv: list[str], environ: Mapping[str, str], filters: tuple[Filter, Filter]) -> int:
    """Become the program, its descriptors 0 and 1 pipes to a child that carries and filters."""
    if not argv:
        return usage(f"{name} program [ arg ... ]")
    doing = "create pipe"
    try:
        to_program, from_program = os.pipe(), os.pipe()
        doing = "fork"
        if os.fork() == 0:
            os.close(to_program[0])
            os.close(from_program[1])
            _carry(to_program[1], from_program[0], filters)
        doing = "move descriptors"
        os.dup2(to_program[0], 0)
        os.dup2(from_program[1], 1)
    except OSError as error:
        return fatal(name, 111, f"unable to {doing}: {words_of(error)}")
    return _become(name, argv[0], argv, environ)


def _carry(to_program: int, from_program: int, filters: tuple[Filter, Filter]) -> NoReturn:
    """Copy 0 to the program, and the program to 1, until it has said all; neither way waits for the other."""
    ways = {0: (to_program, filters[0]), from_program: (1, filters[1])}
    waiting: dict[int, bytes] = {}  # by where it goes
    poll = select.poll()
    for source in ways:
        poll.register(source, select.POLLIN)
    while True:
        ready = {descriptor for descriptor, _ in poll.poll()}
        for source, (target, change) in ways.items():
            if target in waiting and target in ready:
                waiting[target] = waiting[target][_written(target, waiting[target]) :]
                if not waiting[target]:
                    del waiting[target]
                    poll.unregister(target)
                    poll.register(source, select.POLLIN)
            elif source in ready:
                packet = change(_read(source))
                poll.unregister(source)
                if packet:
                    waiting[target] = packet
                    poll.register(target, select.POLLOUT)
                elif source == from_program:
                    os._exit(0)
                else:
                    os.close(target)


def _read(source: int) -> bytes:
    try:
        return os.read(source, _BLOCK)
    except OSError:
        return b""


def _written(target: int, content: bytes) -> int:
    """How much of it is out; all of it, for good, where nobody reads any more."""
    try:
        return os.write(target, content)
    except OSError:
        if target == 1:
            os._exit(0)
        return len(content)


def _become(name: str, path: str, argv: list[str], environ: Mapping[str, str]) -> int:
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python has them ignored
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execvpe(path, argv, environ)
    except (OSError, ValueError) as error:  # ValueError: a program without a name
        reason = words_of(error) if isinstance(error, OSError) else "file does not exist"
        return fatal(name, 111, f"unable to run {path}: {reason}")
