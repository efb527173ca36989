"""The kept connection to the queue, against a small real server on a Unix socket."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from appliance.formats.envelope import Envelope
from appliance.formats.handin import Abandon, Begin, End, Piece, Whole
from appliance.formats.outcome import Report, Temporary, Verdict
from appliance.queue.async_client import AsyncQueueClient
from tests.support.queue_server import ACCEPTED, QueueServer, talking_nonsense

ENVELOPE = Envelope(b"s@x.test", (b"alice@example.test",))


@asynccontextmanager
async def connected(path: Path) -> AsyncIterator[AsyncQueueClient]:
    client = AsyncQueueClient(path)
    yield client
    client.close()
    await asyncio.sleep(0)


async def submit(path: Path) -> int:
    async with connected(path) as client:
        return await client.submit(ENVELOPE, b"")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "q"


@pytest.fixture
def server(path: Path) -> Iterator[QueueServer]:
    server = QueueServer(path)
    yield server
    server.close()


def test_no_queue_is_temporary(path: Path) -> None:
    with pytest.raises(Temporary, match="not answering"):
        asyncio.run(submit(path))


def test_a_queue_that_leaves_before_it_answers_is_temporary(server: QueueServer, path: Path) -> None:
    server.answer = lambda number: None

    with pytest.raises(Temporary, match="not answering"):
        asyncio.run(submit(path))


def test_many_messages_share_a_connection_and_get_their_own_answers(server: QueueServer, path: Path) -> None:
    server.answer = lambda number: Report(Verdict.DONE, b"%d" % (1000 + number))

    async def submit_all() -> list[int]:
        async with connected(path) as client:
            return await asyncio.gather(*(client.submit(ENVELOPE, b"%d" % i) for i in range(50)))

    assert list(range(1001, 1051)) == asyncio.run(submit_all())


def test_a_new_connection_follows_a_lost_one(server: QueueServer, path: Path) -> None:
    async def submit_twice() -> int:
        async with connected(path) as client:
            server.answer = lambda number: None
            with pytest.raises(Temporary):
                await client.submit(ENVELOPE, b"first")
            server.answer = lambda number: ACCEPTED
            return await client.submit(ENVELOPE, b"second")

    assert 17 == asyncio.run(submit_twice())


def test_a_large_message_streams_with_room_for_others(server: QueueServer, path: Path) -> None:
    chunk = b"x" * 100_000

    async def stream() -> int:
        async with connected(path) as client:
            handover = await client.open(ENVELOPE)
            for _ in range(30):
                await handover.write(chunk)
            return await handover.close()

    assert 17 == asyncio.run(stream())
    assert 30 * chunk == b"".join(request.chunk for request in server.requests if isinstance(request, Piece))


def test_the_envelope_may_come_behind_a_large_message(server: QueueServer, path: Path) -> None:
    async def stream() -> None:
        async with connected(path) as client:
            handover = await client.open(Envelope(b"", ()))
            await handover.write(b"body")
            await handover.close(ENVELOPE)

    asyncio.run(stream())

    assert End(1, ENVELOPE) == server.requests[-1]


def test_an_abandoned_message_is_taken_back(server: QueueServer, path: Path) -> None:
    async def abandon() -> None:
        async with connected(path) as client:
            handover = await client.open(ENVELOPE)
            await handover.write(b"half")
            handover.abort()
            await client.submit(ENVELOPE, b"next")

    asyncio.run(abandon())

    assert [Begin, Piece, Abandon, Whole] == [type(request) for request in server.requests]


def test_an_answer_that_is_none_ends_the_connection(path: Path) -> None:
    with talking_nonsense(path), pytest.raises(Temporary):
        asyncio.run(submit(path))
