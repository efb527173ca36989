"""Owns the proof of system/memory, in a process of its own: what malloc is told cannot be taken back."""

import subprocess
import sys

_TOLD = """
import ctypes, re
from appliance.system import memory

def resident():
    return int(re.search(r"VmRSS:\\s+(\\d+)", open("/proc/self/status").read())[1]) * 1024

BLOCK = 20 << 20
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]

def rise():
    before, block = resident(), libc.malloc(BLOCK)
    ctypes.memset(ctypes.c_void_p(block), 1, BLOCK)
    libc.free(block)
    return resident() - before

memory.have_one_heap()
unkept = rise()
memory.keep(32 << 20)
kept = rise()
memory.give_back()
print(unkept < BLOCK / 2, kept > BLOCK / 2, resident() < BLOCK + (BLOCK >> 1))
"""


def test_a_block_is_kept_for_the_next_and_given_back_when_told() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _TOLD], capture_output=True, text=True, check=True, timeout=60
    )
    assert "True True True" == done.stdout.strip()
