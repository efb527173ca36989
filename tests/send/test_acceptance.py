"""Nobody hears of a promise before the commit, and all hear the same of a failed one."""

from pathlib import Path

import pytest

from appliance.formats.envelope import Envelope
from appliance.queue.log import Log
from appliance.queue.record import Origin
from appliance.send.acceptance import Acceptance, Accepted
from tests.support.failing_files import FailingDisk

ORIGIN = Origin(1_000_000_000, 7791, 42)
ENVELOPE = Envelope(b"s@x.test", (b"alice@example.test",))


def test_nobody_hears_before_the_commit(tmp_path: Path) -> None:
    acceptance, heard = Acceptance(Log(tmp_path)), list[Accepted | None]()

    acceptance.offer(ORIGIN, ENVELOPE, b"one", heard.append)
    acceptance.offer(ORIGIN, ENVELOPE, b"two", heard.append)
    assert [] == heard

    acceptance.commit()
    assert [1, 2] == [accepted.number for accepted in heard if accepted]


def test_numbers_go_on_behind_what_the_queue_holds(tmp_path: Path) -> None:
    acceptance = Acceptance(Log(tmp_path))

    acceptance.skip_to(500)
    acceptance.skip_to(20)

    assert 501 == acceptance.next_number()


def test_a_large_message_is_promised_by_its_envelope(tmp_path: Path) -> None:
    acceptance, heard = Acceptance(Log(tmp_path)), list[Accepted | None]()

    acceptance.offer_large(9, ORIGIN, ENVELOPE, 1_000_000, heard.append)
    acceptance.commit()

    assert heard[0] is not None
    assert (9, 1_000_000, None) == (heard[0].number, heard[0].size, heard[0].body)


def test_a_failed_commit_is_heard_by_all_as_no(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    acceptance, heard = Acceptance(Log(tmp_path)), list[Accepted | None]()
    acceptance.offer(ORIGIN, ENVELOPE, b"one", heard.append)
    acceptance.offer(ORIGIN, ENVELOPE, b"two", heard.append)

    disk = FailingDisk(monkeypatch)
    disk.fail("fdatasync", 1, 5)
    acceptance.commit()

    assert [None, None] == heard


def test_a_log_that_cannot_be_opened_is_heard_as_no(tmp_path: Path) -> None:
    acceptance, heard = Acceptance(Log(tmp_path / "gone")), list[Accepted | None]()

    acceptance.offer(ORIGIN, ENVELOPE, b"one", heard.append)
    acceptance.offer_large(9, ORIGIN, ENVELOPE, 1, heard.append)

    assert [None, None] == heard


def test_every_message_goes_to_those_who_get_copies_but_to_nobody_twice(tmp_path: Path) -> None:
    acceptance, heard = Acceptance(Log(tmp_path)), list[Accepted | None]()
    acceptance.queue_extra = (b"log", b"r@x.test")

    acceptance.offer(ORIGIN, ENVELOPE, b"one", heard.append)
    acceptance.offer_large(9, ORIGIN, Envelope(b"", (b"r@x.test",)), 1_000_000, heard.append)
    acceptance.commit()

    assert [(*ENVELOPE.recipients, b"log", b"r@x.test"), (b"r@x.test", b"log")] == [
        accepted.envelope.recipients for accepted in heard if accepted
    ]
    assert [accepted.envelope for accepted in heard if accepted] == [
        survivor.record.envelope for survivor in Log(tmp_path).replay()
    ]
