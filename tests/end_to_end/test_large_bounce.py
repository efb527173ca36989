"""A message of 20 MB and its bounce pass through every process in pieces."""

import contextlib
import re
from pathlib import Path

from tests.support.clients import swaks
from tests.support.letter import Letter, letter
from tests.support.site import CONFIG, SMTP, Site, descendants, site
from tests.support.waiting import wait_for

MOST_MORE_KB = 16 * 1024
LARGE = "a line of the large message\n" * 750_000


def bounced(own: Site, body: str) -> Letter:
    """A letter of bob's to an address that refuses it, after it has come back whole."""
    new = letter(body)
    swaks(own.port(SMTP), "alice-refuses@example.test", new.content, sender="bob@example.test")
    wait_for(lambda: own.has("bob", new), 60)
    return new


def memory_kb(own: Site, which: str) -> dict[int, int]:
    """How much memory each process has now (VmRSS) or had at most (VmHWM)."""
    assert own.running
    found = {}
    for pid in descendants(own.running.pid):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has ended since
            if size := re.search(rf"{which}:\s+(\d+)", Path(f"/proc/{pid}/status").read_text()):
                found[pid] = int(size[1])
    return found


def test_a_bounce_of_20_megabytes_raises_no_process_by_more_than_16() -> None:
    with site(CONFIG) as own:
        own.up()
        (own.place.mail / "example.test" / "alice" / ".qmail-refuses").write_text("|exit 100\n")
        bounced(own, "small\n")
        before = memory_kb(own, "VmRSS")

        bounced(own, LARGE)

        after = memory_kb(own, "VmHWM")
        more = {pid: after[pid] - size for pid, size in before.items() if pid in after}
        assert len(more) > 6
        assert max(more.values()) < MOST_MORE_KB, more
