"""Owns the tests of look-ups, against a real name server on loopback."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from appliance.formats.dns import Answer, Mx, Server
from appliance.formats.outcome import Verdict
from appliance.net import resolver
from appliance.net.loop import run
from appliance.net.resolver import Resolver, resolver_of
from appliance.system.control import Control
from tests.support.nameserver import HANGUP, REFUSED, SERVFAIL, SILENCE, NameServer, Records
from tests.support.waiting import wait_for

RECORDS: Records = {
    "far.test": {"MX": ["20 b.test", "10 a.test"], "A": ["127.0.0.2", "127.0.0.3"], "AAAA": ["::1"]},
    "alias.test": {"CNAME": ["far.test"]},
    "astray.test": {"CNAME": ["nowhere.test"]},
    "null.test": {"MX": ["0 ."]},
    "2.0.0.127.in-addr.arpa": {"PTR": ["far.test", r"a\000b.test"]},
    "1" + ".0" * 31 + ".ip6.arpa": {"PTR": ["six.test"]},
    "broken.test": SERVFAIL,
    "closed.test": REFUSED,
    "mute.test": SILENCE,
}
PATIENT_S = (20.0,)
HASTY_S = (0.02, 0.02)


def ask(
    servers: list[Server],
    question: Callable[[Resolver], Awaitable[Answer]],
    rounds: tuple[float, ...] = PATIENT_S,
) -> Answer:
    async def answer() -> Answer:
        return await question(Resolver(servers, rounds))

    return run(answer())


@pytest.fixture
def closed() -> Iterator[Server]:
    """One that is not there, and nobody else meanwhile: the port's owner hears only whom he connected to."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.connect(("127.0.0.1", 9))
        yield Server("127.0.0.1", taken.getsockname()[1])


@pytest.mark.parametrize(
    ("question", "records"),
    [
        (lambda r: r.mx(b"far.test"), {Mx(10, b"a.test"), Mx(20, b"b.test")}),
        (lambda r: r.mx(b"FAR.Test."), {Mx(10, b"a.test"), Mx(20, b"b.test")}),
        (lambda r: r.mx(b"null.test"), {Mx(0, b"")}),
        (lambda r: r.a(b"far.test"), {"127.0.0.2", "127.0.0.3"}),
        (lambda r: r.aaaa(b"far.test"), {"::1"}),
        (lambda r: r.a(b"alias.test"), {"127.0.0.2", "127.0.0.3"}),
        (lambda r: r.cname(b"alias.test"), {b"far.test"}),
        (lambda r: r.ptr("127.0.0.2"), {"far.test", r"a\000b.test"}),
        (lambda r: r.ptr("::1"), {"six.test"}),
    ],
)
def test_records_are_found(question: Callable[[Resolver], Awaitable[Answer]], records: set[object]) -> None:
    with NameServer(RECORDS) as names:
        answer = ask([Server("127.0.0.1", names.port)], question)

    assert (Verdict.DONE, records) == (answer.verdict, set(answer.records))


@pytest.mark.parametrize(
    "name",
    [b"nowhere.test", b"astray.test", b"", b"a..b", b".far.test", b"x" * 64 + b".test", b"\xff.test"],
)
def test_a_name_that_is_none_or_has_no_record_is_never_found(name: bytes) -> None:
    with NameServer(RECORDS) as names:
        answer = ask([Server("127.0.0.1", names.port)], lambda r: r.mx(name))

    assert Answer(Verdict.NEVER) == answer


def test_a_name_without_such_a_record_is_never_found() -> None:
    with NameServer(RECORDS) as names:
        assert Verdict.NEVER is ask([Server("127.0.0.1", names.port)], lambda r: r.aaaa(b"null.test")).verdict


def test_a_name_beyond_ascii_is_asked_for_in_its_ascii_form() -> None:
    with NameServer({"xn--bcher-kva.test": {"A": ["127.0.0.2"]}}) as names:
        answer = ask([Server("127.0.0.1", names.port)], lambda r: r.a("bücher.test".encode()))

    assert ("127.0.0.2",) == answer.records


def test_a_backslash_in_a_name_is_a_byte_like_others() -> None:
    with NameServer(RECORDS) as names:
        ask([Server("127.0.0.1", names.port)], lambda r: r.a(rb"far\.test"))

        assert {(r"far\\.test", "A"): 1} == names.questions


@pytest.mark.parametrize("name", [b"broken.test", b"closed.test"])
def test_a_servers_failure_is_temporary_and_not_asked_for_twice(name: bytes) -> None:
    with NameServer(RECORDS) as names:
        answer = ask([Server("127.0.0.1", names.port)], lambda r: r.mx(name))

        assert (Answer(Verdict.TRY_AGAIN), 1) == (answer, names.questions.total())


def test_silence_is_temporary_and_told_apart_after_a_second_round() -> None:
    with NameServer(RECORDS) as names:
        answer = ask([Server("127.0.0.1", names.port)], lambda r: r.mx(b"mute.test"), (0.5, 0.5))

        assert Answer(Verdict.TRY_AGAIN, silent=True) == answer
        wait_for(lambda: 2 == names.questions.total())  # which may be the last to wake up


def test_a_server_that_is_not_there_is_temporary_at_once(closed: Server) -> None:
    assert Answer(Verdict.TRY_AGAIN) == ask([closed], lambda r: r.mx(b"far.test"))


def test_the_next_server_is_asked_where_one_fails(closed: Server) -> None:
    with (
        NameServer({"far.test": SERVFAIL}) as bad,
        NameServer({"far.test": SILENCE}) as mute,
        NameServer(RECORDS) as good,
    ):
        servers = [closed, *(Server("127.0.0.1", one.port) for one in (bad, mute, good))]
        answer = ask(servers, lambda r: r.aaaa(b"far.test"), (0.2, 5.0))

    assert ("::1",) == answer.records


def test_a_question_has_an_end_whatever_the_number_of_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolver, "LONGEST_S", 0.03)
    with NameServer(RECORDS) as names:
        answer = ask([Server("127.0.0.1", names.port)] * 50, lambda r: r.mx(b"mute.test"), HASTY_S)

    assert Answer(Verdict.TRY_AGAIN, silent=True) == answer


def test_an_answer_that_does_not_fit_comes_over_tcp() -> None:
    many = [f"127.1.{i // 250}.{i % 250}" for i in range(200)]
    with NameServer({"many.test": {"A": many}}) as names:
        answer = ask([Server("127.0.0.1", names.port)], lambda r: r.a(b"many.test"))

    assert set(many) == set(answer.records)


def test_a_server_that_says_nothing_over_tcp_is_temporary() -> None:
    with NameServer({"far.test": HANGUP}) as names:
        assert Answer(Verdict.TRY_AGAIN) == ask([Server("127.0.0.1", names.port)], lambda r: r.a(b"far.test"))


def test_noise_and_answers_to_other_questions_are_passed_over() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as noisy, NameServer(RECORDS) as names:
        noisy.bind(("127.0.0.1", 0))
        noisy.settimeout(60)

        async def answer() -> Answer:
            asking = asyncio.create_task(
                Resolver([Server("127.0.0.1", noisy.getsockname()[1])], PATIENT_S).a(b"far.test")
            )
            query, peer = await asyncio.to_thread(noisy.recvfrom, 4096)
            other = query[:2] + query[2:].replace(b"\x03far", b"\x03fax")
            for wire in (b"noise", names._respond(other, by_tcp=False), b"\0\0" + query[2:]):
                noisy.sendto(wire, peer)
            noisy.sendto(names._respond(query, by_tcp=False), peer)
            return await asking

        assert {"127.0.0.2", "127.0.0.3"} == set(run(answer()).records)


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_answers_are_kept_for_their_time_and_a_failure_is_not() -> None:
    clock = Clock()
    with NameServer(RECORDS) as names:

        async def ask_often() -> None:
            asking = Resolver([Server("127.0.0.1", names.port)], PATIENT_S, clock)
            for _ in range(3):
                await asking.mx(b"far.test")
                await asking.mx(b"Far.test.")
                await asking.mx(b"nowhere.test")
                await asking.mx(b"broken.test")
                clock.now += 50

        run(ask_often())

        expected = {("far.test", "MX"): 2, ("nowhere.test", "MX"): 2, ("broken.test", "MX"): 3}
        assert expected == names.questions


def test_one_question_is_asked_once_for_all_who_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    with NameServer(RECORDS) as names:

        async def ask_at_once() -> list[Answer]:
            asking = Resolver([Server("127.0.0.1", names.port)], PATIENT_S)
            first = asyncio.create_task(asking.a(b"far.test"))
            await asyncio.sleep(0)
            others = [asyncio.create_task(asking.a(b"far.test")) for _ in range(3)]
            await asyncio.sleep(0)
            first.cancel()
            return await asyncio.gather(*others)

        answers = run(ask_at_once())

        assert ({Verdict.DONE}, 1) == ({answer.verdict for answer in answers}, names.questions.total())


def test_the_oldest_answers_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolver, "_KEPT", 2)
    with NameServer(RECORDS) as names:

        async def ask_three() -> None:
            asking = Resolver([Server("127.0.0.1", names.port)], PATIENT_S)
            for name in (
                b"far.test",
                b"alias.test",
                b"far.test",
                b"nowhere.test",
                b"far.test",
                b"alias.test",
            ):
                await asking.a(name)

        run(ask_three())

        assert (1, 2) == (names.questions["far.test", "A"], names.questions["alias.test", "A"])


def test_servers_come_from_the_environment_then_control_then_resolv_conf(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolver, "RESOLV_CONF", tmp_path / "resolv.conf")
    control = Control(tmp_path)
    assert [Server("127.0.0.1", 53)] == resolver_of(control, {})._servers

    (tmp_path / "resolv.conf").write_text("# nameserver 1.1.1.1\nsearch x\nnameserver\nnameserver 9.9.9.9\n")
    assert [Server("9.9.9.9", 53)] == resolver_of(control, {})._servers

    (tmp_path / "nameserver").write_text("192.0.2.1\n192.0.2.2:54\n")
    assert [Server("192.0.2.1", 53), Server("192.0.2.2", 54)] == resolver_of(control, {})._servers

    forced = resolver_of(control, {"TOASTER_NAMESERVER": "127.0.0.1:5353"})
    assert [Server("127.0.0.1", 5353)] == forced._servers
