"""Owns the tests of decisions on passwords: right, wrong, kept, slowed, bounded."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import pytest

from appliance.accounts import checks
from appliance.accounts.checks import TOO_MANY, Checks
from appliance.accounts.exchange import Account, Question
from appliance.accounts.passwords import hash_password
from appliance.accounts.table import Entry

ALICE = Account(b"alice@example.test", 5000, 5000, b"/mail/alice", b"Maildir")


@cache
def entry(password: bytes) -> Entry:
    return Entry(ALICE, hash_password(password))


def play(story: Callable[[Checks], Awaitable[Any]], delay: float = 0.0) -> Any:
    """What a story gives that is told with alice and her password, secret."""

    async def tell() -> Any:
        with ThreadPoolExecutor(2) as pool:
            return await story(Checks(pool, {ALICE.name: entry(b"secret")}, delay))

    return asyncio.run(tell())


def test_right_wrong_and_unknown() -> None:
    async def story(asked: Checks) -> list[object]:
        questions = [(b"alice@example.test", b"secret"), (b"alice@example.test", b"no"), (b"zed", b"secret")]
        return [await asked.answer(Question(*question)) for question in questions]

    assert [ALICE, None, None] == play(story)


def test_a_name_is_known_in_any_case_but_a_password_is_not() -> None:
    async def story(asked: Checks) -> list[object]:
        return [await asked.answer(Question(b"Alice@Example.TEST", word)) for word in (b"secret", b"Secret")]

    assert [ALICE, None] == play(story)


def test_a_right_password_is_verified_once_and_then_remembered() -> None:
    async def story(asked: Checks) -> float:
        await asked.answer(Question(ALICE.name, b"secret"))
        begin = time.perf_counter()
        for _ in range(200):
            assert await asked.answer(Question(ALICE.name, b"secret")) == ALICE
        return time.perf_counter() - begin

    assert play(story) < 0.5  # verified each time it would be four seconds


def test_the_same_question_at_the_same_time_is_verified_once() -> None:
    async def story(asked: Checks) -> list[object]:
        return await asyncio.gather(*(asked.answer(Question(ALICE.name, b"secret")) for _ in range(200)))

    assert [ALICE] * 200 == play(story)


def test_a_new_table_forgets_what_was_decided_by_the_old() -> None:
    async def story(asked: Checks) -> list[object]:
        before = await asked.answer(Question(ALICE.name, b"secret"))
        asked.replace({ALICE.name: entry(b"other")})
        after = [await asked.answer(Question(ALICE.name, word)) for word in (b"secret", b"other")]
        asked.replace({})
        return [before, *after, await asked.answer(Question(ALICE.name, b"other"))]

    assert [ALICE, None, ALICE, None] == play(story)


def test_a_decision_by_the_old_table_is_not_remembered_for_the_new() -> None:
    async def story(asked: Checks) -> list[object]:
        under_way = asyncio.ensure_future(asked.answer(Question(ALICE.name, b"secret")))
        await asyncio.sleep(0.001)
        asked.replace({})
        return [await under_way, await asked.answer(Question(ALICE.name, b"secret"))]

    assert [ALICE, None] == play(story)


def test_wrong_passwords_cost_more_and_more_seconds_and_a_right_one_none() -> None:
    async def story(asked: Checks) -> list[float]:
        took = []
        for word in (b"a", b"b", b"c", b"secret"):
            begin = time.perf_counter()
            await asked.answer(Question(ALICE.name, word))
            took.append(time.perf_counter() - begin)
        return took

    first, second, third, right = play(story, 0.1)

    assert (True, True, True, True) == (first >= 0.1, second >= 0.2, third >= 0.4, right < third)


def test_an_unknown_user_is_slowed_alike() -> None:
    async def story(asked: Checks) -> list[float]:
        took = []
        for word in (b"a", b"b", b"b"):
            begin = time.perf_counter()
            await asked.answer(Question(b"zed", word))
            took.append(time.perf_counter() - begin)
        return took

    first, second, again = play(story, 0.05)

    assert (True, True, True) == (first >= 0.05, second >= 0.1, 0.05 <= again < second)


def test_an_unknown_user_takes_as_long_as_a_wrong_password() -> None:
    async def story(asked: Checks) -> list[float]:
        took = []
        for user in (ALICE.name, b"zed"):
            best = 9.0
            for number in range(5):
                begin = time.process_time()
                await asked.answer(Question(user, b"%d" % number))
                best = min(best, time.process_time() - begin)
            took.append(best)
        return took

    known, unknown = play(story)

    assert known / 3 < unknown < known * 3


def test_too_many_tries_at_one_account_are_put_off_and_another_account_is_not() -> None:
    async def story(asked: Checks) -> tuple[int, object]:
        tries = [asyncio.ensure_future(asked.answer(Question(b"zed", b"%d" % n))) for n in range(40)]
        alice = await asked.answer(Question(ALICE.name, b"secret"))
        answers = await asyncio.gather(*tries)
        return answers.count(TOO_MANY), alice

    assert (40 - checks.MOST_WAITING_FOR_ONE, ALICE) == play(story)


def test_the_queue_is_bounded_for_all_accounts_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "MOST_WAITING", 5)

    async def story(asked: Checks) -> list[object]:
        return await asyncio.gather(*(asked.answer(Question(b"%d" % n, b"x")) for n in range(8)))

    assert [None] * 5 + [TOO_MANY] * 3 == play(story)


def test_memory_of_decisions_and_accounts_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "KEPT", 3)

    async def story(asked: Checks) -> tuple[int, int]:
        for number in range(6):
            await asked.answer(Question(b"%d" % number, b"x"))
        return len(asked._decisions), len(asked._tries)

    assert (3, 3) == play(story)
