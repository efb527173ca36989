"""Owns the tests of the daemons' event loop."""

import asyncio
import subprocess
import sys

from appliance.net import loop
from tests.support.sources import CHECKOUT

BUFFERS = """
import asyncio, os, resource
from appliance.net import loop

async def read_a_thousand_times() -> None:
    reader, writer = os.pipe()
    for _ in range(1000):
        os.write(writer, b"250 ok")
        os.read(reader, 256 * 1024)

def faults() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

before = faults()
loop.run(read_a_thousand_times())
print(faults() - before)
"""
"""Prints how many pages the kernel had to give; otherwise it is one or more for each buffer."""


async def name_of_the_loop() -> str:
    return type(asyncio.get_running_loop()).__module__


def test_a_coroutine_runs_on_uvloop_to_its_end() -> None:
    assert loop.run(name_of_the_loop()).startswith("uvloop")


def test_the_buffer_of_a_record_is_not_mapped_anew_for_each() -> None:
    program = [sys.executable, "-c", BUFFERS]
    said = subprocess.run(program, cwd=CHECKOUT, check=True, capture_output=True).stdout

    assert int(said) < 500
