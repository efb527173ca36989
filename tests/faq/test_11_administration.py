"""Owns chapter 11 of qmail's FAQ but for logs and copies: read again, stop, run the queue, rejuvenate.

Each test types what the FAQ's answer says.
"""

import os
import re
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

import pytest

from tests.support import clients
from tests.support.letter import Letter, letter
from tests.support.nexthop import NextHop
from tests.support.ports import free_ports
from tests.support.site import CONFIG, SMTP, Site, site
from tests.support.waiting import until_it_works, wait_for

SINK = "127.0.0.2"
PATIENCE_S = 3.5  # a little more than what a stop of the whole appliance gives open deliveries


class World(NamedTuple):
    """An appliance, and the port to which it sends mail for all other hosts."""

    site: Site
    port: int


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    (port,) = free_ports(1)
    relaying = f'relay: {{clients: [127.0.0.0/8], routes: {{"*": "{SINK}:{port}"}}}}\n'
    with site(CONFIG + relaying) as new:
        new.up()
        yield World(new, port)


def send(site: Site, to: str) -> Letter:
    """A new letter of bob's, sent as soon as it is taken: a daemon may just be starting."""
    new = letter()
    until_it_works(lambda: clients.swaks(site.port(SMTP), to, new.content, sender="bob@example.test"))
    return new


def has(sink: NextHop, new: Letter) -> bool:
    return any(new.token.encode() in message.body for message in sink.messages)


def new_log(site: Site) -> "Log":
    return Log(site, len(site.log))


class Log(NamedTuple):
    """What an appliance logs from now on."""

    site: Site
    start: int

    @property
    def text(self) -> str:
        return self.site.log[self.start :]

    def wait_for(self, words: str) -> None:
        """Until these words stand there."""
        wait_for(lambda: words in self.text)

    def reports(self, to: str) -> list[str]:
        """What became of each delivery to another host: success, deferral, failure, or nothing yet."""
        text, found = self.text, list[str]()
        for start in re.finditer(rf"starting delivery (\d+): msg \d+ to remote {to}\n", text):
            report = re.search(rf" delivery {start[1]}: (\w+): ", text[start.end() :])
            found.append(report[1] if report else "")
        return found


def pid_of(site: Site, service: str) -> int:
    """The process that svstat names once there is one."""
    found = wait_for(lambda: re.search(r": up \(pid (\d+)\) \d+ seconds\n", site.shell(f"svstat {service}")))
    return int(found[1])


def test_q11_1_read_locals_and_virtualdomains_again(world: World) -> None:
    own = world.site
    with NextHop(at=(SINK, world.port)) as sink:
        running = send(own, "eric@far.test")
        wait_for(lambda: has(sink, running))
        own.shell("echo '&alice@example.test' > alias/.qmail-sos")
        own.shell("echo here.test >> control/locals")
        own.shell("echo nowhere.test:example.test-alice >> control/virtualdomains")
        old = [send(own, "sos@here.test"), send(own, "info@nowhere.test")]
        wait_for(lambda: all(has(sink, one) for one in old))

        own.shell("svc -h /service/qmail")

        def arrives(to: str) -> bool:
            """send acts on the signal in its next turn."""
            new = send(own, to)
            wait_for(lambda: own.has("alice", new) or has(sink, new))
            return own.has("alice", new)

        wait_for(lambda: arrives("sos@here.test"))
        assert arrives("info@nowhere.test")


def test_q11_2_stop_safely(world: World) -> None:
    own, heard = world.site, new_log(world.site)
    go_on = threading.Event()
    with NextHop({"message": go_on}, at=(SINK, world.port)) as sink:
        slow = send(own, "slow@far.test")
        assert sink.wait_for_line(b"RCPT TO:<slow@far.test>")
        before = pid_of(own, "/service/qmail")

        own.shell("svc -t /service/qmail")
        heard.wait_for(" exitasap\n")
        meanwhile, began = send(own, "bob@example.test"), time.monotonic()
        wait_for(lambda: time.monotonic() > began + PATIENCE_S)
        assert (before, False, False) == (
            pid_of(own, "/service/qmail"),
            "status: exiting\n" in heard.text,
            own.has("bob", meanwhile),
        )
        go_on.set()
        heard.wait_for("status: exiting\n")

        wait_for(lambda: before != pid_of(own, "/service/qmail"))
        wait_for(lambda: own.has("bob", meanwhile))
        assert 1 == sum(slow.token.encode() in message.body for message in sink.messages)
    assert ["success"] == heard.reports("slow@far.test")


def test_q11_2_down_stays_down_until_up(world: World) -> None:
    own, heard = world.site, new_log(world.site)
    go_on = threading.Event()
    with NextHop({"message": go_on}, at=(SINK, world.port)) as sink:
        slow = send(own, "late@far.test")
        assert sink.wait_for_line(b"RCPT TO:<late@far.test>")

        own.shell("svc -d /service/qmail")
        wait_for(lambda: ", want down\n" in own.shell("svstat /service/qmail"))
        heard.wait_for(" exitasap\n")
        go_on.set()
        heard.wait_for("status: exiting\n")
        wait_for(
            lambda: re.search(
                r": down ([2-9]|\d\d+) seconds, normally up\n", own.shell("svstat /service/qmail")
            )
        )
        with pytest.raises(AssertionError, match="451|4.3.0"):
            clients.swaks(own.port(SMTP), "bob@example.test", letter().content)

        assert "send" not in own.daemons()
        own.shell("svc -u /service/qmail")
        new = send(own, "bob@example.test")
        wait_for(lambda: own.has("bob", new))
        assert has(sink, slow)


def test_q11_2_term_to_the_process_itself(world: World) -> None:
    heard, before = new_log(world.site), pid_of(world.site, "/service/qmail")

    os.kill(before, signal.SIGTERM)

    heard.wait_for("status: exiting\n")
    wait_for(lambda: before != pid_of(world.site, "/service/qmail"))


def test_q11_3_run_the_queue_now(world: World) -> None:
    own, heard = world.site, new_log(world.site)
    new = send(own, "kim@far.test")
    wait_for(lambda: heard.reports("kim@far.test") == ["deferral"])

    with NextHop(at=(SINK, world.port)) as sink:
        own.shell("qmail-tcpok")
        own.shell("svc -a /service/qmail")

        wait_for(lambda: has(sink, new))


def test_q11_4_supervision(world: World) -> None:
    own = world.site
    names = ["authd", "lspawn", "pop3d", "popup", "qmail", "rspawn", "smtpd"]
    up = [f"/service/{name}: up" for name in names]
    # One of them may be starting again since another test.
    wait_for(lambda: up == re.findall(r"^\S+: up", own.shell("svstat '/service/*'"), re.MULTILINE))

    for name in names:
        before = pid_of(own, f"/service/{name}")
        with suppress(ProcessLookupError):
            os.kill(before, signal.SIGKILL)
        wait_for(lambda: before != pid_of(own, f"/service/{name}"))  # noqa: B023 - asked at once

    new = send(own, "alice@example.test")
    wait_for(lambda: own.has("alice", new))


def test_q11_6_rejuvenate_a_message(world: World) -> None:
    own, heard = world.site, new_log(world.site)
    old, renewed = send(own, "old@far.test"), send(own, "pat@far.test")
    places = [wait_for(lambda: place_if_it_waits(own, new)) for new in (old, renewed)]  # noqa: B023 - asked at once
    for place in places:
        own.shell(f"touch -d '8 days ago' queue/info/{place}")

    own.shell(f"touch queue/info/{places[1]}")
    own.shell("svc -a /service/qmail")

    wait_for(lambda: heard.reports("old@far.test") == ["deferral", "failure"] and not place_of(own, old))
    wait_for(lambda: heard.reports("pat@far.test") == ["deferral", "deferral"])
    assert places[1] == place_of(own, renewed)
    assert 1 == heard.text.count("/I'm_not_going_to_try_again;")
    wait_for(lambda: any(old.token.encode() in message for message in own.maildir("bob")))


def place_if_it_waits(site: Site, new: Letter) -> str:
    """The same once send has given it its next time; until then it may still set the birth."""
    place = place_of(site, new)
    is_set = place and (site.place.queue / "remote" / place).stat().st_mtime > time.time() + 60
    return place if is_set else ""


def place_of(site: Site, new: Letter) -> str:
    """Where a message that waits lies below each folder of the queue, such as 15/26902; empty if nowhere."""
    queue = site.place.queue
    for path in (queue / "info").rglob("*"):
        place = path.relative_to(queue / "info")
        with suppress(FileNotFoundError, IsADirectoryError):
            if new.token.encode() in (queue / "mess" / place).read_bytes():
                return str(place)
    return ""
