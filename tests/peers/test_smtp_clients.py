"""Owns mail that real programs hand in: by swaks, curl and s-nail on port 25, by msmtp for sendmail."""

import re
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.peers.conftest import HOST, Certified
from tests.support.clients import run, with_token
from tests.support.letter import Letter, letter
from tests.support.site import SMTP, SUBMISSION, SUBMISSIONS, Site
from tests.support.waiting import wait_for

ALICE, BOB = "alice@example.test", "bob@example.test"
SWAKS = ("swaks", "--timeout", "60")  # seconds that it waits for a reply
LONG = f"{'word ' * 4000}\n.{'x' * 2500}\n"


class World(NamedTuple):
    site: Site
    pem: Path

    def arrived(self, new: Letter, name: str = "alice", domain: str = "example.test") -> bytes:
        """A letter in a mailbox, byte for byte, once it is there."""

        def found() -> list[bytes]:
            return [text for text in self.site.maildir(name, domain) if new.is_in(text)]

        return wait_for(found)[0]


@pytest.fixture
def world(certified: Certified) -> World:
    return World(*certified)


def swaks(world: World, new: Letter, to: str, *options: str) -> None:
    where = ["--server", f"127.0.0.1:{world.site.port(SMTP)}", "--from", "sender@outside.test", "--to", to]
    run([*SWAKS, *where, *options, "--silent", "1", "--data", "-"], stdin=new.content.removesuffix(b"\n"))


@pytest.mark.parametrize(
    ("options", "protocol"),
    [
        ((), b"SMTP"),
        (("--tls",), b"ESMTPS"),
        (("--pipeline",), b"SMTP"),
        (("--tls", "--pipeline"), b"ESMTPS"),
    ],
)
def test_swaks_hands_in_long_lines(world: World, options: tuple[str, ...], protocol: bytes) -> None:
    new = letter(LONG)

    swaks(world, new, ALICE, *options)

    assert re.search(rb"\n  by mail\.example\.test with %b; " % protocol, world.arrived(new))


@pytest.mark.parametrize("options", [(), ("--tls", "--pipeline")])
def test_swaks_hands_in_for_many_recipients(world: World, options: tuple[str, ...]) -> None:
    many = ",".join(f"{number}@catch.test" for number in range(200))
    new = letter()

    swaks(world, new, f"{many},{BOB}", *options)

    world.arrived(new, "bob")
    wait_for(lambda: 200 == sum(new.is_in(text) for text in world.site.maildir("dora", "catch.test")))


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_swaks_hears_that_its_password_is_wrong(world: World, mechanism: str) -> None:
    where = ["--server", f"127.0.0.1:{world.site.port(SUBMISSION)}", "--tls", "--to", BOB]
    who = ["--auth", mechanism, "--auth-user", ALICE, "--auth-password", "wrong"]

    done = subprocess.run([*SWAKS, *where, *who], capture_output=True, check=False, timeout=120)

    assert 28 == done.returncode  # swaks(1): no authentication
    assert b"535 5.7.8 sorry, that is no user here with that password" in done.stdout


@pytest.mark.parametrize("options", [(), ("--ssl-reqd",)])
def test_curl_sends_to_several(world: World, options: tuple[str, ...]) -> None:
    new = letter()
    to = ["--connect-to", f"::127.0.0.1:{world.site.port(SMTP)}", "--cacert", str(world.pem), *options]
    who = ["--mail-from", "sender@outside.test", "--mail-rcpt", ALICE, "--mail-rcpt", BOB]

    run(["curl", "-sS", f"smtp://{HOST}/laptop.test", *to, *who, "--crlf", "-T", "-"], stdin=new.content)

    for name in ("alice", "bob"):
        world.arrived(new, name)


def test_snail_sends_without_a_login(world: World) -> None:
    new = letter()
    mta = f"mta=smtp://127.0.0.1:{world.site.port(SMTP)}"
    settings = ["v15-compat=yes", mta, "smtp-auth=none", "from=sender@outside.test", "sendwait"]
    options = [word for setting in settings for word in ("-S", setting)]

    run(["s-nail", "-:/", *options, "-s", "t", ALICE], stdin=f"{new.token}\n".encode())

    world.arrived(Letter(new.token, f"\n{new.token}\n".encode()))


@pytest.mark.parametrize(("standard", "start"), [(SUBMISSION, "on"), (SUBMISSIONS, "off")])
def test_msmtp_takes_sendmails_place(world: World, tmp_path: Path, standard: int, start: str) -> None:
    settings = _msmtprc(world, tmp_path, standard, start, world.site.mailbox(ALICE).password)
    new = letter("Hello.\n\n.a dot\n")
    content = new.content.replace(
        b"To: <alice@example.test>\n", b"To: alice@example.test, info@example.test\nBcc: bob@example.test\n"
    )

    run(
        ["msmtp", "-C", settings, "-oi", "-t"],
        stdin=content.replace(b"<sender@outside.test>", ALICE.encode()),
    )

    body = Letter(new.token, b"\n\nHello.\n\n.a dot\n")
    for name in ("alice", "bob"):
        text = wait_for(lambda name=name: with_token(world.site.maildir(name), new.token))[0]  # type: ignore[misc]
        assert body.is_in(text)
        assert b"\nBcc:" not in text


def test_msmtp_ends_as_sendmail_does_if_its_password_is_wrong(world: World, tmp_path: Path) -> None:
    settings = _msmtprc(world, tmp_path, SUBMISSIONS, "off", "wrong")

    done = subprocess.run(
        ["msmtp", "-C", settings, "--", BOB], input=b"\n", capture_output=True, check=False, timeout=120
    )

    assert 77 == done.returncode  # EX_NOPERM
    assert b"535 5.7.8 sorry, that is no user here with that password" in done.stderr


def _msmtprc(world: World, folder: Path, standard: int, start: str, password: str) -> Path:
    """A file with its settings, as in a user's home."""
    path = folder / "msmtprc"
    path.write_text(
        f"account default\nhost 127.0.0.1\nport {world.site.port(standard)}\nfrom {ALICE}\nauth on\n"
        f"user {ALICE}\npassword {password}\ntls on\ntls_starttls {start}\n"
        f"tls_trust_file {world.pem}\ntls_host_override {HOST}\n"
    )
    path.chmod(0o600)
    return path
