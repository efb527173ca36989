"""Owns the proof that no text becomes two on its way out: by every entrance, out by SMTP and by QMTP.

The next hop of these tests is lenient: its lines end with an LF, bare or not. What it hears outside of texts
is what was smuggled.
"""

import contextlib
import json
import re
import secrets
import ssl
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest

from appliance.accounts.passwords import hash_password
from tests.support.certificate import self_signed
from tests.support.nexthop import NextHop
from tests.support.packages import qmqp, qmtp
from tests.support.qmtp_server import QmtpServer
from tests.support.site import QMQP, QMTP, SMTP, SUBMISSIONS, Site, site
from tests.support.waiting import wait_for
from tests.support.wires import Line, Packages, trusting

FAR, LIST = b"someone@far.test", b"team@lists.test"
SEQUENCES = (
    *(b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r\n.\r\n", b"\r.\r", b"\r.\r\n", b"\r\n.\r", b"\n.\r", b"\r.\n"),
    *(b"\n\n.\n", b"\n\r.\n", b"\r\r\n.\r\r\n", b"\n.\0\n", b"\n\0.\n", b"\n..\n.\n", b"\r\n.\r\r\n.\n"),
)
REST = b"MAIL FROM:<evil@y.test>\nRCPT TO:<evil@far.test>\nDATA\nSubject: smuggled\n\n.\rx\n"
NO_CRLF = re.compile(rb"\r(?!\n)|(?<!\r)\n")


class World(NamedTuple):
    site: Site
    smtp: NextHop
    qmtp: QmtpServer


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with (
        NextHop(extensions=["8BITMIME", "PIPELINING"]) as smtp,
        QmtpServer() as by_qmtp,
        _site(smtp, by_qmtp) as own,
    ):
        own.up()
        home = own.place.mail / "example.test/dave"
        (home / ".qmail").write_text(f"|forward {FAR.decode()} {LIST.decode()}\n")
        yield World(own, smtp, by_qmtp)


@contextlib.contextmanager
def _site(smtp: NextHop, by_qmtp: QmtpServer) -> Iterator[Site]:
    with site() as own:
        certificate = str(self_signed(own.folder / "mx.pem", "mail.example.test"))
        both = [FAR.decode(), LIST.decode()]
        mailboxes = {
            "alice": {"password": "generate"},
            "bob": {"password": hash_password(b"secret")},
            "carol": {"forward": both},
            "dave": {"password": "generate"},
        }
        routes = {"far.test": f"127.0.0.1:{smtp.port}", "lists.test": f"qmtp://127.0.0.1:{by_qmtp.port}"}
        config = {
            "version": 1,
            "hostname": "mail.example.test",
            "postmaster": "alice@example.test",
            "domains": {"example.test": {"mailboxes": mailboxes, "aliases": {"both": both}}},
            "relay": {"clients": ["127.0.0.0/8"], "routes": routes},
            "listen": {"qmtp": 209, "qmqp": 628},
            "tls": {"certificate": certificate, "key": certificate},
        }
        (own.folder / "config.yaml").write_text(json.dumps(config))
        yield own


def texts(token: bytes) -> list[bytes]:
    """A message for each sequence, as it could lie in the queue; each has a number in its subject."""
    return [
        b"Subject: %b-%d\n\none%b%b" % (token, number, sequence, REST)
        for number, sequence in enumerate(SEQUENCES)
    ]


def mended(text: bytes, by_submission: bool) -> bytes:
    """A text whose lines all end with LF; for submission several CRs and an LF are one line end."""
    return re.sub(rb"\r*\n|\r+" if by_submission else rb"\r?\n|\r", b"\n", text)


def on_the_wire(text: bytes) -> bytes:
    """As a client sends it that knows no bare LF, but bare CRs."""
    return re.sub(rb"(?m)^\.", b"..", text).replace(b"\n", b"\r\n")


@contextlib.contextmanager
def smtp(world: World, port: int = SMTP, context: ssl.SSLContext | None = None) -> Iterator[Line]:
    with contextlib.closing(Line(("127.0.0.1", world.site.port(port)), context=context)) as line:
        assert line.hear().startswith(b"220 ")
        yield line


def ask(line: Line, said: bytes, code: bytes) -> None:
    line.say(said)
    heard = line.hear()
    assert heard.startswith(code), heard


def begin(line: Line, sender: bytes) -> None:
    ask(line, b"MAIL FROM:<%b>\r\n" % sender, b"250 ")
    for recipient in (FAR, LIST):
        ask(line, b"RCPT TO:<%b>\r\n" % recipient, b"250 ")


def by_data(world: World, messages: list[bytes]) -> None:
    with smtp(world) as line:
        for text in messages:
            begin(line, b"s@y.test")
            ask(line, b"DATA\r\n", b"354 ")
            ask(line, on_the_wire(text) + b".\r\n", b"250 ")


def by_chunks(world: World, messages: list[bytes]) -> None:
    with smtp(world) as line:
        for text in messages:
            begin(line, b"s@y.test")
            wire = text.replace(b"\n", b"\r\n")
            cut = wire.find(b".")
            ask(line, b"BDAT %d\r\n%b" % (cut, wire[:cut]), b"250 ")
            ask(line, b"BDAT %d LAST\r\n%b" % (len(wire) - cut, wire[cut:]), b"250 ")


def by_submission(world: World, messages: list[bytes]) -> None:
    """As the worst of mail programs: lines end as they like, only dots are stuffed."""
    with smtp(world, SUBMISSIONS, trusting()) as line:
        ask(line, b"AUTH PLAIN AGJvYkBleGFtcGxlLnRlc3QAc2VjcmV0\r\n", b"235 ")
        for text in messages:
            begin(line, b"bob@example.test")
            ask(line, b"BDAT %d LAST\r\n%b" % (len(text), text), b"250 ")


def by_qmtp(world: World, messages: list[bytes], *to: bytes) -> None:
    with contextlib.closing(Packages(("127.0.0.1", world.site.port(QMTP)))) as line:
        for text in messages:
            ask(line, qmtp(b"\n" + text, b"s@y.test", *(to or (FAR, LIST))), b"K")
            assert to or line.hear().startswith(b"K")


def by_qmqp(world: World, messages: list[bytes]) -> None:
    for text in messages:
        with contextlib.closing(Packages(("127.0.0.1", world.site.port(QMQP)))) as line:
            ask(line, qmqp(text, b"s@y.test", FAR, LIST), b"K")


def by_inject(world: World, messages: list[bytes]) -> None:
    for number, text in enumerate(messages):
        path = world.site.folder / f"text{number}"
        path.write_bytes(text)
        path.chmod(0o644)
        world.site.shell(f"qmail-inject {FAR.decode()} {LIST.decode()} < {path}")


def by_sendmail(world: World, messages: list[bytes]) -> None:
    for number, text in enumerate(messages):
        path = world.site.folder / f"text{number}"
        path.write_bytes(text)
        world.site.shell(f"sendmail -oi {FAR.decode()} {LIST.decode()} < {path}")


def by_a_mailboxs_forward(world: World, messages: list[bytes]) -> None:
    by_qmtp(world, messages, b"carol@example.test")


def by_an_alias(world: World, messages: list[bytes]) -> None:
    by_qmtp(world, messages, b"both@example.test")


def by_the_program_forward(world: World, messages: list[bytes]) -> None:
    by_qmtp(world, messages, b"dave@example.test")


ENTRANCES: tuple[Callable[[World, list[bytes]], None], ...] = (
    *(by_data, by_chunks, by_submission, by_qmtp, by_qmqp, by_inject, by_sendmail),
    *(by_a_mailboxs_forward, by_an_alias, by_the_program_forward),
)


@pytest.mark.parametrize("enter", ENTRANCES, ids=lambda enter: enter.__name__)
def test_a_text_leaves_as_one(world: World, enter: Callable[[World, list[bytes]], None]) -> None:
    token = secrets.token_hex(8).encode()
    messages, mends = texts(token), enter is by_submission

    enter(world, messages)

    gone = wait_for(lambda: _by_smtp(world, token, len(messages)), 60)
    packages = wait_for(lambda: _by_qmtp(world, token, len(messages)), 60)
    for number, text in enumerate(messages):
        start = b"Subject: %b-%d\n" % (token, number)
        lines = mended(text, mends).partition(start)[2]
        (body,) = (one for one in gone if start.replace(b"\n", b"\r\n") in one)
        (package,) = (one for one in packages if start in one)
        assert lines.replace(b"\n", b"\r\n") == body.partition(start.replace(b"\n", b"\r\n"))[2]
        assert [] == NO_CRLF.findall(body)
        assert (lines if mends else text.partition(start)[2]) == package.partition(start)[2]
    assert [] == [line for line in world.smtp.dialogue if b"evil" in line or b"smuggled" in line]


def _by_smtp(world: World, token: bytes, number: int) -> list[bytes]:
    found = [message.body for message in world.smtp.messages if token in message.body]
    return found if len(found) >= number else []


def _by_qmtp(world: World, token: bytes, number: int) -> list[bytes]:
    found = [package.body for package in world.qmtp.packages if token in package.body]
    return found if len(found) >= number else []
