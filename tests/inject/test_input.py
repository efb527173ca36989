"""Descriptor 0 that a client left open in us, on real pipes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from appliance.formats.outcome import Temporary
from appliance.inject.input import read_header, read_input
from tests.support.on_descriptor import on_descriptor_0
from tests.support.sources import CHECKOUT

PROGRAM = """\
import os
from appliance.inject.input import close_other_end
close_other_end()
print(os.read(0, 9), os.read(0, 9))
for descriptor in map(int, {others}):
    print(os.fstat(descriptor).st_size)
"""


def test_input_ends_although_its_other_end_was_left_open_in_us() -> None:
    reader, writer = os.pipe()
    other_reader, other_writer = os.pipe()
    os.write(writer, b"message")
    twice = os.dup(writer)
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(others=[other_writer])],
        stdin=reader,
        pass_fds=[writer, twice, other_writer],
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        text=True,
    )
    for descriptor in (reader, writer, twice):
        os.close(descriptor)

    said, _ = process.communicate(timeout=60)
    assert "b'message' b''\n0\n" == said
    for descriptor in (other_reader, other_writer):
        os.close(descriptor)


def test_input_that_is_no_pipe_is_left_alone() -> None:
    with open(__file__, "rb") as own:
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM.format(others=[own.fileno()])],
            stdin=own,
            pass_fds=[own.fileno()],
            cwd=CHECKOUT,
            capture_output=True,
            check=True,
        )
    assert str(os.stat(__file__).st_size).encode() == done.stdout.split()[-1]


def test_input_is_read_whole_or_to_the_end_of_the_header(tmp_path: Path) -> None:
    message = b"a: b\n c\nno field\nd: e\n"

    with on_descriptor_0(tmp_path, message):
        assert message == read_input()
    with on_descriptor_0(tmp_path, message):
        assert b"a: b\n c\n" == read_header()


def test_input_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with on_descriptor_0(tmp_path, None), pytest.raises(Temporary, match="unable to read input: file desc"):
        read_header()
