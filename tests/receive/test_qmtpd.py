"""Owns the tests of qmtpd and qmqpd as processes: real sockets, slow and rude peers, signals."""

import asyncio
import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from appliance.formats.handin import LARGE
from appliance.net import tcpserver
from appliance.net.tcpserver import Connection, Listener
from appliance.receive.packages import Qmtp
from appliance.receive.policy import Policy
from appliance.receive.qmtpd import Peer, Worker
from tests.support.packages import letters, qmqp, qmtp
from tests.support.smtp_rig import Queue, place_of
from tests.support.smtpd_rig import SmtpdRig, smtpd
from tests.support.sources import CHECKOUT
from tests.support.waiting import until, wait_for

SMALL = qmtp(b"\nbody\n", b"a@y.test", b"joe@lab.test")


@pytest.fixture(scope="module")
def rig() -> Iterator[SmtpdRig]:
    with smtpd({}, listeners=("qmtp:127.0.0.1:0",), daemon="qmtpd") as new:
        yield new


@contextlib.contextmanager
def connected(rig: SmtpdRig) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", rig.port), 60) as peer:
        yield peer


def heard(peer: socket.socket) -> bytes:
    """All that is said until the other side closes; a reset is an end, too."""
    pieces = []
    with contextlib.suppress(ConnectionError):
        while received := peer.recv(65536):
            pieces.append(received)
    return b"".join(pieces)


def ask(rig: SmtpdRig, wire: bytes) -> bytes:
    """The answers to one peer, who says all he has to say and closes his side."""
    with connected(rig) as peer:
        with contextlib.suppress(OSError):  # ENOTCONN, too: it was sent away
            peer.sendall(wire)
            peer.shutdown(socket.SHUT_WR)
        return heard(peer)


def test_packages_of_one_connection_are_answered_in_order(rig: SmtpdRig) -> None:
    refused = qmtp(b"\n", b"a@y.test", b"x@far.test", b"missing@lab.test")

    assert "KDDK" == letters(ask(rig, SMALL + refused + SMALL))
    assert rig.messages[-1].body.startswith(
        b"Received: from unknown (127.0.0.1)\n  by mx.lab.test with QMTP; "
    )


def test_a_package_may_come_byte_by_byte(rig: SmtpdRig) -> None:
    with connected(rig) as peer:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for position in range(len(SMALL)):
            peer.sendall(SMALL[position : position + 1])
        assert b":Kok " in peer.recv(100)


def test_a_large_message_arrives_whole(rig: SmtpdRig) -> None:
    text = b"y" * 20_000_000

    assert "K" == letters(ask(rig, qmtp(b"\n" + text, b"a@y.test", b"joe@lab.test")))

    assert rig.messages[-1].body.endswith(b"\n" + text)
    assert (b"a@y.test", (b"joe@lab.test",)) == rig.messages[-1].envelope


def test_memory_does_not_grow_with_the_message(rig: SmtpdRig) -> None:
    ask(rig, SMALL)
    before = peak_of(rig)

    with connected(rig) as peer:
        peer.sendall(b"150000001:\n")
        for _ in range(150):
            peer.sendall(b"z" * 1_000_000)
        peer.shutdown(socket.SHUT_WR)  # it goes without an envelope: nothing is handed in
        assert b"" == heard(peer)

    assert peak_of(rig) - before < 16_000_000


def peak_of(rig: SmtpdRig) -> int:
    status = Path(f"/proc/{rig.process.pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found
    return int(found[1]) * 1024


def test_a_message_that_was_begun_and_left_is_none(rig: SmtpdRig) -> None:
    before, abandoned = len(rig.messages), len(rig.abandoned)

    with connected(rig) as peer:
        peer.sendall(b"9000000:\n" + b"x" * LARGE * 2)
    for cut in range(1, len(SMALL)):
        assert b"" == ask(rig, SMALL[:cut])

    wait_for(lambda: len(rig.abandoned) > abandoned)
    assert before == len(rig.messages)


@pytest.mark.parametrize(
    "wire", [b"99999999999999999999:", b"x", b"-1:", b":", b"3:abc,", b"1:\n,0:,5:9:abc,,"]
)
def test_what_is_no_package_ends_the_connection_and_no_other(rig: SmtpdRig, wire: bytes) -> None:
    refused = rig.log.count("refused 127.0.0.1: ")
    with connected(rig) as peer:
        with contextlib.suppress(ConnectionError):  # it was sent away
            peer.sendall(SMALL + wire + b"y" * 5_000_000)
        assert "K" == letters(heard(peer))

    wait_for(lambda: refused < rig.log.count("refused 127.0.0.1: "))
    assert "K" == letters(ask(rig, SMALL))


def test_many_peers_are_answered_while_others_are_slow(rig: SmtpdRig) -> None:
    before = len(rig.messages)
    with contextlib.ExitStack() as stack, ThreadPoolExecutor(8) as pool:
        for _ in range(20):
            stack.enter_context(connected(rig)).sendall(SMALL[:20])

        assert {"KKK"} == {letters(one) for one in pool.map(lambda _: ask(rig, SMALL * 3), range(60))}

    assert before + 180 == len(rig.messages)


def test_a_peer_that_does_not_read_its_answers_holds_up_itself_alone(rig: SmtpdRig) -> None:
    package = qmtp(b"\n", b"", *[b"x@far.test"] * 100_000)
    with connected(rig) as peer:
        talking = threading.Thread(target=talk_on, args=(peer, package))
        talking.start()
        assert "K" == letters(ask(rig, SMALL))
        assert "D" * 300_000 == letters(heard(peer))
        talking.join(60)

    assert not talking.is_alive()


def talk_on(peer: socket.socket, package: bytes) -> None:
    for _ in range(3):
        peer.sendall(package)
    peer.shutdown(socket.SHUT_WR)


def test_a_silent_peer_is_dropped() -> None:
    with (
        smtpd({"timeoutsmtpd": "1\n"}, listeners=("qmtp:127.0.0.1:0",), daemon="qmtpd") as rig,
        connected(rig) as peer,
    ):
        peer.sendall(SMALL[:10])
        assert b"" == heard(peer)
        wait_for(lambda: "timeout 127.0.0.1" in rig.log)


def test_a_control_file_that_was_edited_holds_from_the_next_package_on() -> None:
    with smtpd({}, listeners=("qmtp:127.0.0.1:0",), daemon="qmtpd") as rig, connected(rig) as peer:
        (rig.place.control / "rcpthosts").write_text("other.test\n")

        def is_refused() -> bool:
            peer.sendall(SMALL)
            return letters(peer.recv(200)) == "D"

        wait_for(is_refused)


def test_at_term_a_package_is_finished_and_the_idle_leave() -> None:
    with (
        smtpd({}, listeners=("qmtp:127.0.0.1:0",), daemon="qmtpd") as rig,
        connected(rig) as idle,
        connected(rig) as busy,
    ):
        idle.sendall(SMALL)
        assert "K" == letters(idle.recv(200))
        busy.sendall(SMALL + SMALL[:20])
        assert "K" == letters(busy.recv(200))  # what came with that package was read with it
        rig.process.send_signal(signal.SIGTERM)

        assert b"" == heard(idle)
        busy.sendall(SMALL[20:])
        assert "K" == letters(heard(busy))
        assert 0 == rig.process.wait(60)


@pytest.mark.parametrize(
    ("rules", "answer"), [(b"127.:allow\n", "K"), (b"127.:deny\n:allow\n", ""), (b"192.0.2.:allow\n", "")]
)
def test_qmqp_is_denied_to_whom_no_rule_allows(rules: bytes, answer: str) -> None:
    with smtpd({}, rules=rules, listeners=("qmqp:127.0.0.1:0",), daemon="qmqpd") as rig:
        said = ask(rig, qmqp(b"body\n", b"a@y.test", b"x@far.test") + b"garbage" * 100_000)

        assert answer == letters(said)
        assert [b"x@far.test"] * len(answer) == [message.envelope.recipients[0] for message in rig.messages]


@pytest.mark.parametrize("daemon", ["qmtpd", "qmqpd"])
@pytest.mark.parametrize(
    ("arguments", "me", "code", "sentence"),
    [
        ("qmtp", "mx.test\n", 100, "the listener 'qmtp' is not name:address:port"),
        ("qmtp:127.0.0.1:0:tls", "mx.test\n", 100, "has no TLS"),
        ("qmtp:127.0.0.1:0", "", 111, "smtpgreeting and me are missing"),
        ("qmtp:192.0.2.1:0", "mx.test\n", 111, "unable to listen"),
    ],
)
def test_what_cannot_begin_says_why(daemon: str, arguments: str, me: str, code: int, sentence: str) -> None:
    with tempfile.TemporaryDirectory() as home:
        place_of(Path(home), {"me": me})
        if not me:
            (Path(home) / "control" / "me").unlink()
        Path(home).chmod(0o755)
        done = subprocess.run(
            [sys.executable, "-m", "appliance", daemon, arguments],
            cwd=CHECKOUT,
            env={**os.environ, "TOASTER_HOME": home},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    assert (code, True) == (done.returncode, sentence in done.stderr), done.stderr


def in_this_process(story: Callable[[Peer, socket.socket, float], Awaitable[None]]) -> None:
    """A connection whose clock the story may set: it is given the time at which the connection began."""

    async def within() -> None:
        near, far = socket.socketpair()
        with tempfile.TemporaryDirectory() as folder, far:
            place = place_of(Path(folder), {})
            worker = Worker(place, Policy.read(place), Qmtp)
            connection = Connection(1, Listener("qmtp", "127.0.0.1", 209, False), {"RELAYCLIENT": ""})
            peer = Peer(worker, connection)
            near.setblocking(False)
            far.setblocking(False)
            await worker.loop.connect_accepted_socket(lambda: peer, near)
            await story(peer, far, worker.loop.time())
            if peer._transport is not None:
                peer._transport.abort()
            await until(lambda: not worker.peers)

    tcpserver.run(within())


def test_a_package_that_trickles_is_too_slow_after_its_first_minute() -> None:
    async def story(peer: Peer, far: socket.socket, began: float) -> None:
        far.sendall(b"100000:\n" + b"x" * 512 * 70)
        await until(lambda: peer._package_size >= 512 * 70)
        package_began = peer._package_began
        assert package_began is not None
        peer._heard = package_began + 100  # as if a byte came now and then

        for seconds in (50, 69):
            peer.look(package_began + seconds)
            await asyncio.sleep(0.01)
            assert peer._transport is not None
        peer.look(package_began + 80)
        await until(lambda: peer._transport is None)

    in_this_process(story)


def test_a_connection_has_an_end_even_if_it_is_never_silent() -> None:
    async def story(peer: Peer, far: socket.socket, began: float) -> None:
        peer._heard = began + 7200
        peer.look(began + 7199)
        await asyncio.sleep(0.01)
        assert peer._transport is not None
        peer.look(began + 7201)
        await until(lambda: peer._transport is None)

    in_this_process(story)


def test_a_peer_that_reads_no_answers_is_cut_even_after_a_fault() -> None:
    async def story(peer: Peer, far: socket.socket, began: float) -> None:
        far.sendall(qmtp(b"\n", b"", b"x\0@far.test") + b"no package")
        await until(lambda: peer._session.ended)

        assert peer._transport is not None
        peer.look(began + 400)
        await until(lambda: peer._transport is None)

    in_this_process(story)


def test_a_fault_of_ours_ends_one_connection_and_is_told(capfd: pytest.CaptureFixture[str]) -> None:
    async def story(peer: Peer, far: socket.socket, began: float) -> None:
        peer._worker.desk.queue = Queue()
        far.sendall(qmtp(b"\n", b"fault@y.test", b"x@far.test"))
        await until(lambda: peer._transport is None)

        assert b"" == far.recv(100)

    in_this_process(story)

    assert "fault with unknown: Traceback" in capfd.readouterr().err
