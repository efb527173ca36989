"""Owns the tests of the daemons' event loop."""

import asyncio

from appliance.net import loop


async def name_of_the_loop() -> str:
    return type(asyncio.get_running_loop()).__module__


def test_a_coroutine_runs_on_uvloop_to_its_end() -> None:
    assert loop.run(name_of_the_loop()).startswith("uvloop")
