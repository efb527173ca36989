"""Owns the tests of smtpd as a process: real sockets, TLS, signals, real clients."""

import asyncio
import contextlib
import os
import re
import signal
import smtplib
import socket
import subprocess
import sys
import tempfile
from base64 import b64encode
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from appliance.net import tcpserver
from appliance.net.tcpserver import Connection, Listener
from appliance.receive.policy import Policy
from appliance.receive.smtpd import Session, Worker
from tests.support import clients
from tests.support.certificate import self_signed
from tests.support.smtp_rig import place_of
from tests.support.smtpd_rig import SmtpdRig, smtpd
from tests.support.sources import CHECKOUT
from tests.support.waiting import until, wait_for
from tests.support.wires import Line, trusting

ENVELOPE = (b"MAIL FROM:<a@y.test>\r\n", b"RCPT TO:<joe@lab.test>\r\n", b"DATA\r\n")


@pytest.fixture(scope="module")
def rig() -> Iterator[SmtpdRig]:
    with smtpd({}) as new:
        yield new


@contextlib.contextmanager
def wire(rig: SmtpdRig, *said: bytes) -> Iterator[Line]:
    """A peer that has heard the greeting, and the answer to each command it said."""
    peer = Line(("127.0.0.1", rig.port))
    with contextlib.closing(peer):
        assert peer.hear().startswith(b"220 ")
        for command in said:
            peer.say(command)
            assert peer.hear()[:1] in (b"2", b"3")
        yield peer


def test_swaks_delivers_a_message_byte_for_byte(rig: SmtpdRig) -> None:
    message = b"Subject: from swaks\n\n.leading dot\n" + b"x" * 2000 + b"\n"

    clients.swaks(rig.port, "joe@lab.test", message)

    assert rig.messages[-1].body.endswith(message)
    assert rig.messages[-1].envelope.recipients == (b"joe@lab.test",)


def test_pipelined_commands_are_answered_in_one_go(rig: SmtpdRig) -> None:
    with wire(rig) as peer:
        peer.say(b"NOOP\r\n" * 50)
        assert b"250 ok\r\n" * 50 == b"".join(peer.hear() for _ in range(50))


def test_what_comes_before_the_end_of_a_half_closed_connection_is_answered(rig: SmtpdRig) -> None:
    with socket.create_connection(("127.0.0.1", rig.port)) as peer, peer.makefile("rb") as lines:
        lines.readline()
        peer.sendall(b"NOOP\r\nQUIT\r\n")
        peer.shutdown(socket.SHUT_WR)

        assert [b"250 ok\r\n", b"221 mx.lab.test\r\n"] == lines.readlines()


def test_a_peer_that_leaves_in_the_midst_leaves_no_message(rig: SmtpdRig) -> None:
    before, abandoned = len(rig.messages), len(rig.abandoned)

    with wire(rig, *ENVELOPE) as small:
        small.say(b"Subject: half a li")
    with wire(rig, *ENVELOPE) as large:
        large.say(b"x" * 1_000_000)

    wait_for(lambda: len(rig.abandoned) == abandoned + 1)
    assert before == len(rig.messages)


def test_a_refused_peer_that_goes_on_sending_hears_why(rig: SmtpdRig) -> None:
    with wire(rig, *ENVELOPE) as peer:
        peer.say(b"bare\nnewline\r\n" + b"x" * 5_000_000)

        assert b"451 See https://cr.yp.to/docs/smtplf.html.\r\n" == peer.hear()


def test_a_large_message_arrives_whole(rig: SmtpdRig) -> None:
    with wire(rig, *ENVELOPE) as peer:
        peer.say((b"y" * 78 + b"\r\n") * 100_000 + b".\r\n")
        assert peer.hear().startswith(b"250 ok ")

    assert rig.messages[-1].body.endswith((b"y" * 78 + b"\n") * 100_000)


def test_talk_before_the_greeting_is_refused(rig: SmtpdRig) -> None:
    rig.process.send_signal(signal.SIGSTOP)
    wait_for(lambda: "\nState:\tT" in Path(f"/proc/{rig.process.pid}/status").read_text())
    with socket.create_connection(("127.0.0.1", rig.port)) as peer, peer.makefile("rb") as lines:
        peer.sendall(b"EHLO too soon\r\n")  # waits in the kernel with its connection
        rig.process.send_signal(signal.SIGCONT)

        assert [b"554 you spoke before my greeting (#5.5.0)\r\n"] == lines.readlines()


def test_a_silent_peer_is_told_and_dropped() -> None:
    with smtpd({"timeoutsmtpd": "1\n"}) as rig, wire(rig) as peer:
        assert b"451 timeout (#4.4.2)\r\n" == peer.hear()
        assert b"" == peer.hear()


def test_a_session_has_an_end() -> None:
    with smtpd({"sessionlimit": "1\n"}) as rig, wire(rig) as peer:
        assert b"421 this session takes too long (#4.4.2)\r\n" == peer.hear()


@contextlib.contextmanager
def encrypting(*listeners: str, **control: str) -> Iterator[SmtpdRig]:
    """smtpd with a certificate."""
    with tempfile.TemporaryDirectory() as folder:
        certificate = self_signed(Path(folder) / "pem", "mx.lab.test")
        files = {"servercert": f"{certificate}\n", **control}
        with smtpd(files, listeners=("smtp:127.0.0.1:0", *listeners)) as rig:
            yield rig


def test_starttls_encrypts_and_forgets_what_was_said() -> None:
    with encrypting() as rig, rig.session() as session:
        session.ehlo()
        session.mail("a@y.test")
        assert 220 == session.starttls(context=trusting())[0]
        assert 503 == session.rcpt("joe@lab.test")[0]
        session.sendmail("a@y.test", ["joe@lab.test"], "Subject: t\r\n\r\nbody\r\n")
        assert 503 == session.docmd("STARTTLS")[0]

    assert b" with ESMTPS; " in rig.messages[-1].body


def test_a_session_is_recorded_in_the_clear_but_for_passwords() -> None:
    secret = b64encode(b"\0joe@lab.test\0secret").decode()
    with encrypting("submission:127.0.0.1:0", recordio="submission\n") as rig:
        with rig.session() as other:
            other.ehlo("unrecorded")
        with smtplib.SMTP("127.0.0.1", rig.ports[1], "me", 60) as session:
            session.starttls(context=trusting())
            session.ehlo()
            session.docmd("AUTH", f"PLAIN {secret}")
            session.sendmail("joe@lab.test", ["ann@y.test"], "Subject: t\r\n\r\nbody\r\n")
        log = wait_for(lambda: rig.log if " > [EOF]" in rig.log else "")

    told = [line.partition("smtpd: ")[2] for line in log.splitlines()]
    mine = [line.partition(" ")[2] for line in told if re.match(r"\d+ [<>] ", line)]
    assert "< STARTTLS\\r " in mine
    assert "< AUTH PLAIN [hidden] " in mine
    assert "< Subject: t\\r " in mine
    assert "> 250 2.0.0 ok " in "\n".join(mine[mine.index("< body\\r ") :])
    assert "> [EOF]" == mine[-1]
    assert (False, False) == (secret in log, "unrecorded" in log)


def test_a_peer_that_fails_at_starttls_is_dropped_and_nobody_else() -> None:
    with encrypting() as rig:
        with wire(rig, b"STARTTLS\r\n") as peer:
            peer.say(b"MAIL FROM:<a@y.test>\r\n" * 20)
            assert b"250 ok" not in b"".join(iter(peer.hear, b""))
        with wire(rig, b"NOOP\r\n"):
            pass


def test_a_peer_that_leaves_under_tls_leaves_no_warning_in_the_log() -> None:
    with encrypting() as rig:
        with rig.session() as session:
            session.starttls(context=trusting())
            session.close()
        wait_for(lambda: "tcpserver: end " in rig.log)

        assert "eof_received" not in rig.log


def test_a_tls_listener_needs_no_starttls() -> None:
    with encrypting("smtps:127.0.0.1:0:tls") as rig:
        with smtplib.SMTP_SSL("127.0.0.1", rig.ports[1], "me", context=trusting()) as session:
            assert b"STARTTLS" not in session.ehlo()[1]
            session.sendmail("a@y.test", ["joe@lab.test"], "Subject: t\r\n\r\nbody\r\n")

        assert b" with ESMTPS; " in rig.messages[-1].body


def test_a_password_that_nobody_can_check_is_not_called_wrong() -> None:
    with encrypting("submissions:127.0.0.1:0:tls", "submission:127.0.0.1:0") as rig:
        with smtplib.SMTP_SSL("127.0.0.1", rig.ports[1], "me", context=trusting()) as session:
            session.ehlo()
            rig.place.socket("authd").unlink()
            said = session.docmd("AUTH", "PLAIN AGpvZUBsYWIudGVzdAB4")
            assert (454, b"4.7.0 sorry, I cannot check passwords now (#4.7.0)") == said
        with smtplib.SMTP("127.0.0.1", rig.ports[2], "me", 60) as session:
            assert session.starttls(context=trusting())[0] == 220
            assert b"\nAUTH PLAIN LOGIN" in session.ehlo()[1]


def test_without_a_certificate_there_is_no_submission() -> None:
    listeners = ("smtp:127.0.0.1:0", "submission:127.0.0.1:0", "submissions:127.0.0.1:0:tls")
    with smtpd({}, listeners=listeners, closed=2) as rig, wire(rig, b"NOOP\r\n"):
        assert "warning: no certificate, so no listener for which TLS is needed" in rig.log


def is_refused(peer: Line) -> bool:
    """Whether the recipient is refused in a new transaction."""
    peer.say(ENVELOPE[0])
    peer.hear()
    peer.say(ENVELOPE[1])
    return peer.hear().startswith(b"553 ")


def test_hup_takes_the_new_policy_and_keeps_the_session() -> None:
    with smtpd({}) as rig, wire(rig, *ENVELOPE[:2]) as peer:
        (rig.place.control / "rcpthosts").write_text("other.test\n")
        (rig.place.control / "concurrencyincoming").write_text("123\n")
        rig.process.send_signal(signal.SIGHUP)

        wait_for(lambda: is_refused(peer))
        with wire(rig):
            wait_for(lambda: "tcpserver: status: 2/123" in rig.log)


def test_a_control_file_that_was_edited_holds_without_a_signal() -> None:
    with smtpd({}) as rig, wire(rig, *ENVELOPE[:2]) as peer:
        (rig.place.control / "badmailfrom").mkdir()
        (rig.place.control / "rcpthosts").write_text("other.test\n")
        wait_for(lambda: "keeping what was read before" in rig.log)
        (rig.place.control / "badmailfrom").rmdir()

        wait_for(lambda: is_refused(peer))


def test_a_hup_that_finds_no_control_files_keeps_the_old() -> None:
    with smtpd({}) as rig:
        (rig.place.control / "me").unlink()
        rig.process.send_signal(signal.SIGHUP)

        wait_for(lambda: "keeping what was read before" in rig.log)
        with wire(rig, *ENVELOPE):
            pass


def test_term_lets_a_text_end_and_sends_the_idle_away() -> None:
    with smtpd({}) as rig, wire(rig) as idle, wire(rig, *ENVELOPE) as busy:
        busy.say(b"Subject: half a li")
        rig.process.terminate()

        assert [b"421 going down, try again (#4.3.2)\r\n", b""] == [idle.hear(), idle.hear()]
        busy.say(b"ne\r\n.\r\n")
        assert busy.hear().startswith(b"250 ok ")
        assert b"421 going down, try again (#4.3.2)\r\n" == busy.hear()
        assert 0 == rig.process.wait(60)
    assert rig.messages[0].body.endswith(b"Subject: half a line\n")


def test_two_workers_take_every_message_once() -> None:
    with smtpd({"smtpdworkers": "2\n"}) as rig:
        clients.smtp_source(rig.port, "joe@lab.test", 300, 10)

        assert 300 == len(rig.messages)
        ends = re.findall(r"tcpserver: end (\d+) status 0", rig.log)
        assert len(ends) == len(set(ends))


def test_the_proxys_client_is_the_client() -> None:
    rules = b'192.0.2.7:allow,RELAYCLIENT=""\n:allow\n'
    with smtpd({"proxynetworks": "127.0.0.0/8\n"}, rules=rules) as rig:
        peer = Line(("127.0.0.1", rig.port))
        with contextlib.closing(peer):
            peer.say(b"PROXY TCP4 192.0.2.7 192.0.2.1 56324 25\r\n")
            for said in (b"", ENVELOPE[0], b"RCPT TO:<far@away.test>\r\n", ENVELOPE[2], b".\r\n"):
                peer.say(said)
                assert peer.hear()[:1] in (b"2", b"3")

    assert rig.messages[0].body.startswith(
        b"Received: from unknown (192.0.2.7)\n  by mx.lab.test with SMTP; "
    )


@pytest.mark.parametrize(
    ("arguments", "control", "code", "sentence"),
    [
        (["smtp"], {"me": "mx.test\n"}, 100, "the listener 'smtp' is not name:address:port"),
        (["smtp:127.0.0.1:0"], {}, 111, "smtpgreeting and me are missing"),
        (
            ["smtp:127.0.0.1:0"],
            {"me": "mx.test\n", "servercert": "/nowhere\n"},
            111,
            "unable to use certificate /nowhere",
        ),
        (["smtp:192.0.2.1:0"], {"me": "mx.test\n"}, 111, "unable to listen"),
    ],
)
def test_what_cannot_begin_says_why(
    arguments: list[str], control: dict[str, str], code: int, sentence: str
) -> None:
    with tempfile.TemporaryDirectory() as home:
        (Path(home) / "control").mkdir()
        Path(home).chmod(0o755)
        for name, content in control.items():
            (Path(home) / "control" / name).write_text(content)
        done = subprocess.run(
            [sys.executable, "-m", "appliance", "smtpd", *arguments],
            cwd=CHECKOUT,
            env={**os.environ, "TOASTER_HOME": home},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    assert (code, True) == (done.returncode, sentence in done.stderr), done.stderr


def in_this_process(story: Callable[[Session, socket.socket, float], Awaitable[None]]) -> None:
    """A session whose clock the story may set: it is given the time at which the session began."""

    async def within() -> None:
        near, far = socket.socketpair()
        with tempfile.TemporaryDirectory() as folder, far:
            place = place_of(Path(folder), {})
            worker = Worker(place, Policy.read(place), None)
            session = Session(worker, Connection(1, Listener("smtp", "127.0.0.1", 25, False)))
            near.setblocking(False)
            far.setblocking(False)
            await worker.loop.connect_accepted_socket(lambda: session, near)
            assert await heard_by(far) == b"220 mx.lab.test ESMTP\r\n"
            await story(session, far, worker.loop.time())
            if session.transport is not None:
                session.transport.close()
            await until(lambda: not worker.sessions)

    tcpserver.run(within())


async def heard_by(far: socket.socket) -> bytes:
    async with asyncio.timeout(60):
        return await asyncio.get_running_loop().sock_recv(far, 10_000)


def test_a_text_that_trickles_is_too_slow_after_its_first_minute() -> None:
    async def story(session: Session, far: socket.socket, began: float) -> None:
        for said in ENVELOPE[:2]:
            far.sendall(said)
            await heard_by(far)
        session.conversation.session.accept_recipient(b"joe@lab.test")  # there is no lspawn to ask
        far.sendall(ENVELOPE[2])
        assert b"354 go ahead\r\n" == await heard_by(far)
        far.sendall(b"x" * 512 * 50 + b"\r\n")
        await until(lambda: session.conversation.session.size >= 512 * 50 and not session._busy)
        text_began = session._text_began
        assert text_began is not None

        for seconds in (49, 59):
            session._heard = text_began + seconds
            session.look(text_began + seconds)
            assert session._closed_at is None
        session._heard = text_began + 70
        session.look(text_began + 70)

        assert b"451 too slow (#4.4.2)\r\n" == await heard_by(far)

    in_this_process(story)


def test_a_part_of_a_command_is_no_sign_of_life() -> None:
    async def story(session: Session, far: socket.socket, began: float) -> None:
        session._heard = began - 299.9
        await session._answer(b"NOO")
        session.look(began + 1)

        assert b"451 timeout (#4.4.2)\r\n" == await heard_by(far)

    in_this_process(story)


def test_a_peer_that_does_not_even_read_is_cut() -> None:
    async def story(session: Session, far: socket.socket, began: float) -> None:
        session._writer.write(b"x" * 10_000_000)
        session.stop()
        assert session.transport is not None
        session.look(began + 299)
        await asyncio.sleep(0.01)
        assert session.transport is not None
        session.look(began + 400)
        await until(lambda: session.transport is None)

    in_this_process(story)


def test_ofmip_is_for_those_whom_a_rule_allows() -> None:
    with smtpd({}, rules=b"127.0.0.1:allow\n", listeners=("ofmip:127.0.0.1:0",)) as rig:
        with smtplib.SMTP("127.0.0.1", rig.port, "client.test", 60) as session:
            session.sendmail("joe@x.test", ["sue@far.test"], b"To: sue\r\n\r\nbody\r\n")
            assert session.ehlo_resp is not None
            assert session.ehlo_resp.startswith(b"ofmipd.local\n")
        (message,) = rig.messages
        assert b"\nFrom: joe@x.test\nTo: sue@mx.lab.test\n\nbody\n" in message.body
        with socket.create_connection(("127.0.0.1", rig.port), 60, ("127.0.0.2", 0)) as stranger:
            assert b"" == stranger.recv(1)
