"""Owns how programs end that could not do their work: a sentence on standard error, and an exit code."""

import os
import sys

from appliance.formats.outcome import Permanent, Temporary


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
