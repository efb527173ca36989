"""Owns the tests of the rest of deliveries, against a small real queue on a Unix socket."""

import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.formats.handin import Order, Word
from appliance.formats.outcome import Report, Temporary, Verdict
from appliance.queue import rest
from appliance.queue.layout import claim, prepare
from appliance.queue.rest import at_rest, stopped
from appliance.system.privileges import acting_as, identity_of
from tests.support.queue_server import QueueServer


@pytest.fixture
def queue() -> Iterator[Path]:
    """A folder that the queue's user may enter."""
    with tempfile.TemporaryDirectory(prefix="toaster-") as name:
        os.chmod(name, 0o755)
        prepare(Path(name) / "queue", identity_of("qmailq"))
        yield Path(name) / "queue"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[QueueServer]:
    server = QueueServer(tmp_path / "q")
    yield server
    server.close()


@pytest.fixture
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time passes by sleeping alone, and nobody sleeps."""
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(time, "sleep", lambda seconds: clock.append(clock.pop() + seconds))


def words(server: QueueServer) -> list[Word]:
    return [request.word for request in server.requests if isinstance(request, Order)]


def test_send_is_asked_until_it_is_still_and_told_the_end(
    server: QueueServer, tmp_path: Path, queue: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([Report(Verdict.TRY_AGAIN, b"2"), Report(Verdict.DONE, b"0")])
    server.answer = lambda number: next(answers, Report(Verdict.DONE, b"so be it"))
    monkeypatch.setattr(rest, "KEEP_S", 0.0)

    with at_rest(tmp_path / "q", queue) as (keep, open_deliveries):
        keep()

    assert 0 == open_deliveries
    assert [Word.PAUSE, Word.PAUSE, Word.STAY, Word.RESUME] == words(server)


@pytest.mark.usefixtures("_no_waiting")
def test_deliveries_that_do_not_end_are_counted_after_a_while(
    server: QueueServer, tmp_path: Path, queue: Path
) -> None:
    def answer(number: int) -> Report:
        is_now = words(server)[-1] is not Word.PAUSE
        return Report(Verdict.DONE if is_now else Verdict.TRY_AGAIN, b"3")

    server.answer = answer

    with at_rest(tmp_path / "q", queue) as (_, open_deliveries):
        pass

    assert (3, Word.PAUSE_NOW, Word.RESUME) == (open_deliveries, *words(server)[-2:])


@pytest.mark.usefixtures("_no_waiting")
def test_deliveries_that_never_rest_are_a_fault(server: QueueServer, tmp_path: Path, queue: Path) -> None:
    server.answer = lambda number: Report(Verdict.TRY_AGAIN, b"1")

    with pytest.raises(Temporary, match="do not come to rest"), at_rest(tmp_path / "q", queue):
        pass

    assert Word.RESUME is words(server)[-1]


def test_a_rest_that_was_not_kept_is_a_fault(server: QueueServer, tmp_path: Path, queue: Path) -> None:
    answers = iter([Report(Verdict.DONE, b"0"), Report(Verdict.NEVER, b"deliveries are not at rest")])
    server.answer = lambda number: next(answers)

    with pytest.raises(Temporary, match="went on before"), at_rest(tmp_path / "q", queue):
        pass


def test_an_error_in_between_lets_deliveries_go_on(server: QueueServer, tmp_path: Path, queue: Path) -> None:
    server.answer = lambda number: Report(Verdict.DONE, b"0")

    with pytest.raises(OSError, match="full"), at_rest(tmp_path / "q", queue):
        raise OSError("full")

    assert [Word.PAUSE, Word.RESUME] == words(server)


def test_without_send_none_can_start_meanwhile(tmp_path: Path, queue: Path) -> None:
    with at_rest(tmp_path / "none", queue) as (keep, open_deliveries):
        keep()
        with pytest.raises(BlockingIOError), acting_as("qmailq"):
            claim(queue)

    assert 0 == open_deliveries


def test_a_send_that_runs_is_told(queue: Path) -> None:
    with stopped(queue), pytest.raises(Temporary, match="send is running"), stopped(queue):
        pass
