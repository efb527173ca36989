"""Owns the tests of the connections to a next hop, with real connections to one on loopback."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from appliance.net.loop import run
from appliance.remote import pool as pool_module
from appliance.remote import reports
from appliance.remote.connection import Connection, open_dialogue
from appliance.remote.message import Message
from appliance.remote.mx import Exchanger, Hosts
from appliance.remote.pool import NextHop, Pool
from appliance.remote.settings import Settings
from appliance.remote.tls import Terms
from tests.support import nexthop

FAR = NextHop(b"far.test", 25, by_route=False)
OTHER = NextHop(b"far.test", 26, by_route=True)
SETTINGS = Settings(b"mx.lab.test", {}, Hosts(frozenset(), False))
FAILURE = reports.try_again(b"nobody there\n")


def play(story: Callable[[nexthop.NextHop], Awaitable[None]]) -> nexthop.NextHop:
    """Run a story with a next hop; everybody must have left it at the end."""

    async def told() -> None:
        await story(sink)
        await asyncio.sleep(0.01)

    with nexthop.NextHop() as sink:
        run(told())
        assert sink.wait_until_left()
    return sink


async def connect(sink: nexthop.NextHop) -> Connection:
    connection = await open_dialogue(Exchanger(0, "127.0.0.1", b""), sink.port, SETTINGS, Terms())
    assert isinstance(connection, Connection)
    return connection


def test_an_idle_connection_is_used_again_for_the_same_next_hop_alone() -> None:
    async def story(sink: nexthop.NextHop) -> None:
        pool = Pool()
        assert await pool.enter(FAR, 2) is None
        connection = await connect(sink)
        pool.leave(FAR, connection)

        assert await pool.enter(OTHER, 2) is None
        assert await pool.enter(FAR, 2) is connection
        pool.leave(FAR, connection)
        pool.leave(OTHER, None)
        pool.close_idle()

    assert [b"EHLO mx.lab.test", b"QUIT"] == play(story).dialogue


def test_who_finds_all_busy_waits_for_his_turn() -> None:
    async def story(sink: nexthop.NextHop) -> None:
        pool = Pool()
        assert await pool.enter(FAR, 1) is None
        waiting = [asyncio.create_task(pool.enter(FAR, 1)) for _ in range(2)]
        await asyncio.sleep(0)
        connection = await connect(sink)

        pool.leave(FAR, connection)
        assert await waiting[0] is connection
        assert not waiting[1].done()
        connection.abort()
        pool.leave(FAR, connection)
        assert await waiting[1] is None  # the right to open another
        pool.leave(FAR, None)
        assert {} == pool._hops

    play(story)


def test_the_last_failure_is_everybodys() -> None:
    async def story(sink: nexthop.NextHop) -> None:
        pool = Pool()
        await pool.enter(FAR, 2)
        await pool.enter(FAR, 2)
        waiting = [asyncio.create_task(pool.enter(FAR, 2)) for _ in range(3)]
        await asyncio.sleep(0)

        pool.fail(FAR, FAILURE)
        await asyncio.sleep(0)
        assert not any(task.done() for task in waiting)
        pool.fail(FAR, FAILURE)

        assert [FAILURE] * 3 == await asyncio.gather(*waiting)
        assert {} == pool._hops

    play(story)


@pytest.mark.parametrize("its_turn_came", [True, False])
def test_who_is_cancelled_takes_nobodys_turn_along(its_turn_came: bool) -> None:
    async def story(sink: nexthop.NextHop) -> None:
        pool = Pool()
        await pool.enter(FAR, 1)
        waiting = [asyncio.create_task(pool.enter(FAR, 1)) for _ in range(2)]
        await asyncio.sleep(0)

        if its_turn_came:
            pool.leave(FAR, None)
            waiting[0].cancel()
        else:
            waiting[0].cancel()
            await asyncio.sleep(0)
            pool.leave(FAR, None)
        await asyncio.sleep(0)

        assert await waiting[1] is None
        pool.leave(FAR, None)
        assert {} == pool._hops

    play(story)


def test_who_is_cancelled_just_when_all_failed_leaves_nothing_behind() -> None:
    async def story(sink: nexthop.NextHop) -> None:
        pool = Pool()
        await pool.enter(FAR, 1)
        waiting = asyncio.create_task(pool.enter(FAR, 1))
        await asyncio.sleep(0)

        pool.fail(FAR, FAILURE)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)

        assert {} == pool._hops

    play(story)


def test_an_idle_connection_is_left_after_a_while() -> None:
    async def story(sink: nexthop.NextHop) -> None:
        pool = Pool(idle_s=0.02)
        await pool.enter(FAR, 1)
        pool.leave(FAR, await connect(sink))
        assert await asyncio.to_thread(sink.wait_until_left)

        assert {} == pool._hops
        assert await pool.enter(FAR, 1) is None

    assert b"QUIT" == play(story).dialogue[-1]


def test_a_connection_that_the_peer_left_while_idle_is_not_used() -> None:
    async def story(sink: nexthop.NextHop) -> None:
        pool = Pool()
        await pool.enter(FAR, 1)
        connection = await connect(sink)
        pool.leave(FAR, connection)
        await asyncio.to_thread(sink.close)
        while not connection.lost:
            await asyncio.sleep(0.01)

        assert await pool.enter(FAR, 1) is None

    play(story)


def test_a_connection_has_only_so_many_transactions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "MOST_TRANSACTIONS", 2)

    async def story(sink: nexthop.NextHop) -> None:
        pool = Pool()
        for _ in range(4):
            turn = await pool.enter(FAR, 1)
            connection = await connect(sink) if turn is None else turn
            assert isinstance(connection, Connection)
            await connection.transact(b"", (b"joe@far.test",), Message(2, b"a\n"))
            pool.leave(FAR, connection)
        pool.close_idle()

    assert 2 == play(story).connections


def test_there_are_only_so_many_idle_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "MOST_IDLE", 1)

    async def story(sink: nexthop.NextHop) -> None:
        pool = Pool()
        for hop in (FAR, OTHER):
            await pool.enter(hop, 1)
            pool.leave(hop, await connect(sink))

        assert [FAR] == [*pool._hops]
        pool.close_idle()

    play(story)
