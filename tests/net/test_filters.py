"""The programs recordio, fixcrio and argv0."""

import os
import subprocess
import sys

import pytest

from tests.support.sources import CHECKOUT

PATIENCE_S = 60


def ran(*words: str, said: bytes = b"") -> tuple[int, bytes, bytes]:
    """A program's exit code, output and errors; its input is a pipe."""
    done = subprocess.run(
        [sys.executable, "-m", "appliance", *words],
        cwd=CHECKOUT,
        env={"PATH": os.environ["PATH"]},
        input=said,
        capture_output=True,
        timeout=PATIENCE_S,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_recordio_prints_what_a_program_reads_and_says_under_its_number() -> None:
    code, out, err = ran("recordio", "sh", "-c", 'cat; echo "$$"', said=b"in line\r\nmore")

    heard, said = b"in line\r\nmore", out.removeprefix(b"in line\r\nmore")
    process = said.strip()
    assert (0, heard) == (code, out[: len(heard)])
    lines = err.splitlines()
    assert [process + b" < in line\r ", process + b" < more+", process + b" < [EOF]"] == [
        line for line in err.split(b"\n") if b" < " in line
    ]
    assert process + b" > [EOF]" == lines[-1]


def test_recordio_ends_as_its_program() -> None:
    assert 7 == ran("recordio", "sh", "-c", "exit 7")[0]


def test_recordio_passes_on_what_a_program_says_that_does_not_listen() -> None:
    said = ran("recordio", "sh", "-c", "exec <&-; sleep 0.2; echo still", said=b"x\n" * 100000)[1]

    assert b"still\n" == said


def test_recordio_carries_both_ways_at_once() -> None:
    much = b"0123456789\n" * 30000

    assert (0, much) == ran("recordio", "cat", said=much)[:2]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (b"a\nb\r\nc", b"a\r\nb\r\nc"),
        (b"\n\n", b"\r\n\r\n"),
        (b"x" * 255 + b"\r\nend\n", b"x" * 255 + b"\r\nend\r\n"),
        (b"a\r\r\n\r", b"a\r\r\n\r"),
        (b"", b""),
    ],
)
def test_fixcrio_puts_a_cr_before_each_lone_lf(said: bytes, expected: bytes) -> None:
    assert (0, expected, b"") == ran("fixcrio", "cat", said=said)


def test_fixcrio_mends_input_too() -> None:
    assert (0, b"5\r\n") == ran("fixcrio", "sh", "-c", "wc -c", said=b"a\n\n")[:2]


def test_argv0_calls_a_program_by_another_name() -> None:
    assert (0, b"zero one\n", b"") == ran("argv0", "sh", "zero", "-c", 'echo "$0 $1"', "zero", "one")


def test_a_program_dies_of_a_broken_pipe_as_any_other() -> None:
    status = ran("argv0", "grep", "grep", "SigIgn", "/proc/self/status")[1]

    assert 0 == int(status.split()[1], 16) & (1 << 12)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("recordio",), 100, b"recordio: usage: recordio program [ arg ... ]\n"),
        (("argv0", "sh"), 100, b"argv0: usage: argv0 realname program [ arg ... ]\n"),
        (("fixcrio", "no-such"), 111, b"fixcrio: fatal: unable to run no-such: file does not exist\n"),
        (("argv0", "/tmp", "x"), 111, b"argv0: fatal: unable to run /tmp: access denied\n"),
    ],
)
def test_what_cannot_be_run_is_told_of(words: tuple[str, ...], code: int, said: bytes) -> None:
    assert (code, b"", said) == ran(*words)
