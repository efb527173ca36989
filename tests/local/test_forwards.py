"""Owns the check of forwards on their way into the queue."""

import os
import selectors
import threading
import time
from pathlib import Path

import pytest

from appliance.formats.envelope import Envelope
from appliance.formats.outcome import Permanent, Report, Temporary, Verdict
from appliance.local.delivery import Forwarding
from appliance.local.forwards import THREADS, Forwards, forward
from appliance.mailbox.body import Body, Stored
from appliance.queue.client import QueueClient
from tests.support.mailroom import BODY, QueueEnd

ENVELOPE = Envelope(b"s@x.test", (b"bob@x.test", b"carol"))
HEAD = b"Delivered-To: alice@h.test\n"


@pytest.fixture
def client(tmp_path: Path) -> QueueClient:
    return QueueClient(tmp_path / "queue.sock")


def forwarding(body: Body = BODY) -> Forwarding:
    return Forwarding(ENVELOPE, HEAD, body)


def test_a_forward_is_queued_behind_its_delivered_to_line(queue: QueueEnd, client: QueueClient) -> None:
    assert 17 == forward(forwarding(), client)

    assert [(ENVELOPE, HEAD + BODY)] == queue.taken


def test_a_large_message_is_forwarded_from_its_file(
    queue: QueueEnd, client: QueueClient, tmp_path: Path
) -> None:
    text = os.urandom(1 << 20)
    (tmp_path / "body").write_bytes(text)
    descriptor = os.open(tmp_path / "body", os.O_RDONLY)

    forward(forwarding(Stored(descriptor, len(text))), client)
    os.close(descriptor)

    assert [(ENVELOPE, HEAD + text)] == queue.taken


@pytest.mark.parametrize(("verdict", "kind"), [(Verdict.TRY_AGAIN, Temporary), (Verdict.NEVER, Permanent)])
def test_a_refusal_says_what_could_not_be_done(
    queue: QueueEnd, client: QueueClient, verdict: Verdict, kind: type[Temporary | Permanent]
) -> None:
    queue.report = Report(verdict, b"qq words (#4.3.0)")

    with pytest.raises(kind, match=r"^Unable to forward message: qq words \(#4\.3\.0\)\.$"):
        forward(forwarding(), client)


@pytest.mark.parametrize("address", [b"two\x01words@x.test", b"a" * 1100])
def test_an_address_that_no_queue_takes_bounces(queue: QueueEnd, client: QueueClient, address: bytes) -> None:
    forwarding = Forwarding(Envelope(b"s@x.test", (address,)), HEAD, BODY)

    with pytest.raises(Permanent, match=r"^Unable to forward message: the address .* \(#5\.1\.3\)\.$"):
        forward(forwarding, client)
    assert not queue.taken


def run(forwards: Forwards, selector: selectors.BaseSelector, bodies: list[Body]) -> list[object]:
    outcomes: list[object] = []
    for body in bodies:
        forwards.start(forwarding(body), outcomes.append)
    end = time.monotonic() + 60
    while len(outcomes) < len(bodies) and time.monotonic() < end:
        for key, _ in selector.select(0.1):
            key.data()
    return outcomes


def test_many_forwards_wait_side_by_side(queue: QueueEnd, client: QueueClient) -> None:
    with selectors.DefaultSelector() as selector:
        forwards = Forwards(selector, client)
        bodies: list[Body] = [b"%d" % number for number in range(3 * THREADS)]

        assert [17] * len(bodies) == run(forwards, selector, bodies)

    assert {HEAD + body for body in bodies if isinstance(body, bytes)} == {body for _, body in queue.taken}


def test_a_queue_that_is_not_there_defers(client: QueueClient) -> None:
    with selectors.DefaultSelector() as selector:
        (outcome,) = run(Forwards(selector, client), selector, [BODY])

    assert isinstance(outcome, Temporary)
    assert outcome.sentence.startswith("Unable to forward message: the queue is not answering")


def test_a_message_that_cannot_be_read_defers(queue: QueueEnd, client: QueueClient) -> None:
    with selectors.DefaultSelector() as selector:
        (outcome,) = run(Forwards(selector, client), selector, [Stored(9999, 10)])

    assert isinstance(outcome, Temporary)
    assert "Unable to forward message: Bad file descriptor (#4.3.0)." == outcome.sentence


def test_without_a_free_process_a_forward_is_tried_later(
    queue: QueueEnd, client: QueueClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: object) -> None:
        raise RuntimeError("can't start new thread")

    with selectors.DefaultSelector() as selector:
        forwards = Forwards(selector, client)
        with monkeypatch.context() as context:
            context.setattr(threading.Thread, "start", full)
            with pytest.raises(
                Temporary, match=r"Unable to forward message: no process is free \(#4.3.0\)\."
            ):
                forwards.start(forwarding(), lambda outcome: None)

        ended: list[int | Temporary | Permanent] = []
        forwards.start(forwarding(), ended.append)
        for key, _ in selector.select(60):
            key.data()

    assert [17] == ended
