"""Owns the play of disks that are really full: the queue's, then the mailboxes', each a small one in memory.

Only root may mount them, in a name space that nobody else sees.
"""

import os
import subprocess
import sys
from pathlib import Path

from tests.crash.customer import Customer, is_in_order
from tests.crash.kills import CONFIG
from tests.support.nexthop import NextHop
from tests.support.site import Site, site
from tests.support.sources import CHECKOUT
from tests.support.waiting import wait_for

MEGABYTE = 1024 * 1024
QUEUE_SIZE, MAIL_SIZE = 24, 16
SMALL, LARGE = 200_000, 3_000_000
MOST = 60


def fill(folder: Path) -> Path:
    """Write until nothing more fits."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (MEGABYTE, 4096, 1):
            try:
                while file.write(bytes(size)):
                    pass
            except OSError:
                continue
    return ballast


def play(running: Site, customer: Customer, folder: Path, size: int) -> list[str]:
    """Hand in messages while a disk is full, and when it is not any more; what is wrong."""
    wrong: list[str] = []
    ballast = fill(folder)
    said = [customer.hand_in(60.0, size) for _ in range(MOST)]
    ballast.unlink()
    refused = [one for one in said if one]
    print(f"{folder.name} full: {len(refused)} of {MOST} messages refused, {refused[:1]}", flush=True)
    wrong += [f"refused otherwise: {one}" for one in refused if not one.startswith("4")]
    try:
        wait_for(lambda: not customer.hand_in(5.0, SMALL))
    except AssertionError:
        wrong.append(f"refused although there is room: {customer.hand_in(5.0)}")
    return wrong if is_in_order(running, customer) else [*wrong, "not in order afterwards"]


def main() -> int:
    """Play it all, in a name space of our own; 1 if something is wrong."""
    with NextHop() as sink, site(CONFIG.format(port=sink.port)) as running:
        queue, mail = running.place.queue, running.place.mail
        for folder, size in ((queue, QUEUE_SIZE), (mail, MAIL_SIZE)):
            folder.mkdir(parents=True)
            subprocess.run(
                ["mount", "-t", "tmpfs", "-o", f"size={size}m,mode=755", "disk", folder], check=True
            )
        try:
            running.up()
            customer = Customer(running, sink)
            wrong = play(running, customer, queue, SMALL) + play(running, customer, queue, LARGE)
            wrong += play(running, customer, mail, SMALL)
            running.down()
        finally:
            for folder in (queue, mail):
                subprocess.run(["umount", "-l", folder], check=True)
    print(*wrong, f"full disks = 3, bad = {len(wrong)}", sep="\n", flush=True)
    return 1 if wrong else 0


def run() -> int:
    """Play it in such a name space; 0 without a word of judgement if we may make none."""
    if os.geteuid() != 0 or subprocess.run(["unshare", "-m", "true"], check=False).returncode:
        print("full disks: not played, since only root may mount them")
        return 0
    return subprocess.run(
        ["unshare", "-m", sys.executable, "-m", "tests.crash.full_disk"], cwd=CHECKOUT, check=False
    ).returncode


if __name__ == "__main__":
    sys.exit(main())
