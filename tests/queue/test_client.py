"""The way into the queue, against a small real server on a Unix socket."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.formats.envelope import Envelope
from appliance.formats.handin import Begin, End, Order, Piece, Whole, Word
from appliance.formats.outcome import Permanent, Report, Temporary, Verdict
from appliance.queue.client import NOT_ANSWERING, QueueClient, order, orders, queue_of
from appliance.queue.program import QueueProgram
from tests.support.queue_server import QueueServer, talking_nonsense

ENVELOPE = Envelope(b"s@x.test", (b"alice@example.test",))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "q"


@pytest.fixture
def server(path: Path) -> Iterator[QueueServer]:
    server = QueueServer(path)
    yield server
    server.close()


def test_a_message_is_handed_in_whole(server: QueueServer, path: Path) -> None:
    assert 17 == QueueClient(path).submit(ENVELOPE, b"body\n")
    assert [Whole(1, ENVELOPE, b"body\n")] == server.requests


def test_a_large_message_is_handed_in_in_pieces(server: QueueServer, path: Path) -> None:
    body = bytes(range(256)) * 2000

    assert 17 == QueueClient(path).submit(ENVELOPE, body)

    assert Begin(1, ENVELOPE) == server.requests[0]
    assert body == b"".join(request.chunk for request in server.requests if isinstance(request, Piece))
    assert End(1) == server.requests[-1]


def test_a_refusal_is_temporary_or_permanent_with_its_sentence(server: QueueServer, path: Path) -> None:
    server.answer = lambda number: Report(Verdict.TRY_AGAIN, b"no room (#4.3.0)")
    with pytest.raises(Temporary, match="no room"):
        QueueClient(path).submit(ENVELOPE, b"")

    server.answer = lambda number: Report(Verdict.NEVER, b"no message (#5.3.0)")
    with pytest.raises(Permanent, match="no message"):
        QueueClient(path).submit(ENVELOPE, b"")


def test_no_queue_is_temporary(path: Path) -> None:
    with pytest.raises(Temporary, match=NOT_ANSWERING.replace("(", r"\(").replace(")", r"\)")):
        QueueClient(path).submit(ENVELOPE, b"")


def test_a_queue_that_leaves_before_it_answers_is_temporary(server: QueueServer, path: Path) -> None:
    server.answer = lambda number: None

    with pytest.raises(Temporary, match="not answering"):
        QueueClient(path).submit(ENVELOPE, b"")


def test_an_answer_that_is_none_is_temporary(path: Path) -> None:
    with talking_nonsense(path), pytest.raises(Temporary):
        QueueClient(path).submit(ENVELOPE, b"")


def test_a_program_in_the_environment_is_the_queue(path: Path) -> None:
    assert isinstance(queue_of(path, {}), QueueClient)
    assert isinstance(queue_of(path, {"QMAILQUEUE": ""}), QueueClient)
    assert isinstance(queue_of(path, {"QMAILQUEUE": "/bin/true"}), QueueProgram)


def test_an_address_that_could_be_read_as_two_is_refused_for_good(server: QueueServer, path: Path) -> None:
    with pytest.raises(Permanent, match="control byte"):
        QueueClient(path).submit(Envelope(b"", (b"a\0Tb@x.test",)), b"")
    with pytest.raises(Permanent, match="control byte"):
        QueueProgram("/bin/true").submit(Envelope(b"a\n", ()), b"")

    assert [] == server.requests


def test_an_order_is_answered_with_a_sentence(server: QueueServer, path: Path) -> None:
    server.answer = lambda number: Report(Verdict.NEVER, b"no such message waits")

    assert Report(Verdict.NEVER, b"no such message waits") == order(path, Word.DROP, 17)
    assert [Order(1, Word.DROP, 17)] == server.requests


def test_an_order_that_nobody_answers_is_temporary(path: Path) -> None:
    with pytest.raises(Temporary, match="not answering"):
        order(path, Word.RETRY, 17)


def test_the_same_is_ordered_about_many_messages_on_one_connection(server: QueueServer, path: Path) -> None:
    answers = (Report(Verdict.DONE, b"%d" % count) for count in range(250))
    server.answer = lambda number: next(answers)

    reports = list(orders(path, Word.HOLD, range(17, 267)))

    assert [b"%d" % count for count in range(250)] == [report.text for report in reports]
    assert [Order(1, Word.HOLD, number) for number in range(17, 267)] == server.requests
