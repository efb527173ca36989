"""Owns a run of a crash test: an appliance, clients, daemons killed at random, and the sums afterwards."""

import contextlib
import os
import random
import re
import signal
import time
from pathlib import Path

from appliance.queue import census
from tests.crash.clients import Clients, body_of
from tests.crash.ledger import Kill, Ledger
from tests.crash.sink import MoodySink
from tests.support.site import SMTP, Site, site

CONFIG = """\
version: 1
hostname: mail.example.test
postmaster: postbox@example.test
domains:
  example.test:
    mailboxes:
      alice: {{password: generate}}
      bob: {{password: generate}}
      sender: {{password: generate}}
      postbox: {{password: generate}}
relay:
  clients: [127.0.0.1]
  routes: {{far.test: "127.0.0.1:{port}"}}
"""
PAUSE_S = (0.05, 1.5)
"""Between two kills, drawn anew each time: at times before a daemon is back, at times long after."""
ALL_AT_ONCE = 0.1
"""The share of kills that take every daemon."""
PATIENCE_S = 120.0

_TO = re.compile(rb"^Delivered-To: (?:example\.test-)?(\S+)$", re.MULTILINE)
_NUMBER = re.compile(rb"^Subject: crash (\d+)$", re.MULTILINE)
_FAILED = re.compile(rb"^<(\S+)>:$", re.MULTILINE)


def kill_daemons(running: Site, count: int, draw: random.Random) -> list[Kill]:
    """Kill -9, so many times: one process of one daemon, or all of all."""
    kills: list[Kill] = []
    while len(kills) < count:
        time.sleep(draw.uniform(*PAUSE_S))
        daemons = running.daemons()
        if not daemons:
            continue
        name = draw.choice(sorted(daemons))
        pids = [draw.choice(daemons[name][:1] * 3 + daemons[name])]
        if draw.random() < ALL_AT_ONCE:
            name, pids = "all", [pid for several in daemons.values() for pid in several]
        for pid in pids:
            _signal(pid, signal.SIGKILL)
        kills.append(Kill(time.time(), name))
    return kills


def _signal(pid: int, which: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):  # it may have ended since
        os.kill(pid, which)


def wait_until_empty(running: Site) -> bool:
    """Have everything that waits tried again and again; whether the queue is empty in time."""
    queue, end = running.place.queue, time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        time.sleep(1.5)  # longer than a daemon takes to be back, and to know what ALRM means
        if not census.unsettled(queue) and not list(census.waiting(queue)):
            return True
        for pid in running.daemons().get("send", []):
            _signal(pid, signal.SIGALRM)
    return False


def count_arrivals(ledger: Ledger, running: Site, sink: MoodySink) -> None:
    """Look into every mailbox and through all that the sink has taken."""
    for name in ("alice", "bob"):
        for message in running.maildir(name):
            _count(ledger, _to(message), message)
    for taken in sink.messages:
        for recipient in taken.recipients:
            _count(ledger, recipient.decode().lower(), taken.body.replace(b"\r\n", b"\n"))
    for bounce in running.maildir("sender"):
        sender = _to(bounce)
        ledger.arrived[sender] += 1
        ledger.bounced[sender] |= {address.decode().lower() for address in _FAILED.findall(bounce)}


def _to(message: bytes) -> str:
    found = _TO.search(message)
    return found[1].decode().lower() if found else "(no Delivered-To)"


def _count(ledger: Ledger, address: str, message: bytes) -> None:
    ledger.arrived[address] += 1
    number = _NUMBER.search(message)
    if not number or not message.endswith(body_of(int(number[1]))):
        ledger.damaged.append(address)


def run(count: int, seed: int) -> int:
    """Kill so many times and print the sums; 1 if anything is lost, damaged or twice without a reason."""
    draw, ledger, began = random.Random(seed), Ledger(), time.monotonic()
    with MoodySink() as sink, site(CONFIG.format(port=sink.port)) as running:
        running.up()
        clients = Clients(running.port(SMTP), ledger)
        with clients.at_work():
            kills = kill_daemons(running, count, draw)
        sink.is_kind = True
        is_empty = wait_until_empty(running)
        running.down()
        count_arrivals(ledger, running, sink)
        code = report(ledger, kills, running.log, is_empty)
        print(f"{clients.promised} messages promised, {clients.refused} recipients refused", end=", ")
        print(f"{len(kills)} kills, seed {seed}, {time.monotonic() - began:.0f} s")
        if code:
            kept = Path(f"{running.folder}.log")
            kept.write_text(
                running.log + "".join(f"{kill.when:.3f} killed {kill.daemon}\n" for kill in kills)
            )
            print(f"the log is kept in {kept}")
    return code


def report(ledger: Ledger, kills: list[Kill], log: str, is_empty: bool) -> int:
    """Print the sums of a run; its exit code."""
    lost, damaged = ledger.missing(), ledger.damaged
    duplicates, unexplained = ledger.duplicates(), ledger.unexplained(log, kills)
    count = sum(duplicates.values())
    cut_off = sum(extra for address, extra in duplicates.items() if address not in unexplained)
    bounced = sum(map(len, ledger.bounced.values()))
    print(f"recipients promised = {len(ledger.accepted)}, bounced = {bounced}")
    print(f"lost = {len(lost)}")
    print(f"duplicates = {count} (each one whose delivery report was cut off: {cut_off})")
    for what, addresses in (("lost", lost), ("damaged", damaged), ("twice", unexplained)):
        for address in addresses[:20]:
            print(f"{what}: {address}")
    if not is_empty:
        print("the queue is not empty")
    return 1 if lost or damaged or unexplained or not is_empty else 0
