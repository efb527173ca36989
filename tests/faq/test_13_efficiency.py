"""Owns chapter 13 of qmail's FAQ but for hosts that are down: each test types what the answer says."""

import re
import threading
from pathlib import Path

from appliance.queue.layout import SPLIT
from tests.bench import million
from tests.support import clients
from tests.support.by_hand import Internet
from tests.support.letter import letter
from tests.support.nexthop import NextHop
from tests.support.site import SMTP, site
from tests.support.waiting import wait_for

DELIVERIES = 150
"""More than the 120 that qmail is compiled for."""
MESSAGES = 2300


def test_q13_1_more_simultaneous_deliveries() -> None:
    go_on = threading.Event()
    with Internet() as internet, internet.host("busy.test", "127.0.0.8") as busy:
        busy.shell(f"echo {DELIVERIES} > control/concurrencyremote")
        busy.shell("svc -t /service/qmail")
        busy.wait_for_log(f"remote 0/{DELIVERIES}")
        names = [f"host{number}.test" for number in range(DELIVERIES)]
        for name in names:
            internet.know(name, A=["127.0.0.2"])

        with NextHop({"message": go_on}, at=("127.0.0.2", internet.port)) as sink:
            busy.send(*(f"someone@{name}" for name in names))

            wait_for(lambda: sink.dialogue.count(b"DATA") == DELIVERIES, 60)
            busy.wait_for_log(f"remote {DELIVERIES}/{DELIVERIES}")
            limits = [soft_limit(pid) for name in ("send", "rspawn") for pid in busy.site.daemons()[name]]
            go_on.set()
            assert DELIVERIES == len(sink.wait_for_messages(DELIVERIES, 60))
            wait_for(lambda: busy.site.log.count(": success: ") == DELIVERIES, 60)

    assert min(limits) >= 2 * DELIVERIES + 5


def soft_limit(pid: int) -> int:
    """How many descriptors a process may have."""
    found = re.search(r"Max open files +(\d+)", Path(f"/proc/{pid}/limits").read_text())
    assert found
    return int(found[1])


def test_q13_2_a_very_large_queue() -> None:
    with NextHop() as sink, site(million.config(sink.port)) as new:
        new.place.home.mkdir(mode=0o755)
        million.make(new.place.queue, MESSAGES)

        new.up()
        fresh = letter()
        clients.swaks(new.port(SMTP), "alice@example.test", fresh.content)

        wait_for(lambda: new.has("alice", fresh))
        sink.wait_for_messages(1, 60)
        waiting = f"0 on their first way, {MESSAGES - 1} waiting for another try"
        wait_for(lambda: waiting in new.toaster("queue", "list", "--limit", "5"))
        assert f"messages in queue: {MESSAGES - 1}\n" in new.shell("qmail-qstat")
        for name in ("info", "remote"):
            sizes = [len(list((new.place.queue / name / str(part)).iterdir())) for part in range(SPLIT)]
            assert [MESSAGES // SPLIT] * (SPLIT - 1) == sorted(sizes)[1:]
