"""Owns how serialmail's programs end that could not do their work."""

import sys


class Failed(Exception):
    """Why a program ends; the text is its sentence."""


def fatal(program: str, sentence: object) -> int:
    """Say why a program ends; its exit code, 111."""
    sys.stderr.write(f"{program}: fatal: {sentence}\n")
    return 111


def usage(words: str) -> int:
    """Say how a program is called; its exit code, 100."""
    sys.stderr.write(f"{words.partition(' ')[0]}: usage: {words}\n")
    return 100
