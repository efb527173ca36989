"""Owns how programs end: what they print, or a sentence on standard error; and the exit code."""

import os
import sys
from collections.abc import Callable

from appliance.formats.outcome import Permanent, Temporary
from appliance.system.errors import words_of
from appliance.system.files import write_all


def ended(program: str, work: Callable[[], int | None]) -> int:
    """Let a program do its work; its exit code, if need be with the reason said."""
    try:
        return work() or 0
    except (Temporary, Permanent) as refusal:
        return refused(program, refusal)


def put(output: bytes) -> None:
    """Write to standard output; Temporary."""
    try:
        write_all(1, output)
    except OSError as error:
        raise Temporary(f"unable to write output: {words_of(error)}") from error


def usage(words: str) -> int:
    """Say how a program is called; its exit code."""
    say(os.fsencode(f"{words.partition(' ')[0]}: usage: {words}\n"))
    return 100


def refused(program: str, refusal: Temporary | Permanent) -> int:
    """Say what a program was refused, unless others have said it; its exit code."""
    code = 111 if isinstance(refusal, Temporary) else 100
    return fatal(program, code, refusal.sentence) if refusal.sentence else code


def fatal(program: str, code: int, sentence: str) -> int:
    """Say why a program ends with that exit code."""
    say(os.fsencode(f"{program}: fatal: {sentence}\n"))
    return code


def say(words: bytes) -> None:
    """Write to standard error, in order with what a child writes there."""
    sys.stderr.flush()
    sys.stderr.buffer.write(words)
    sys.stderr.flush()
