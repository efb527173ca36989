"""Owns mail that goes out by smarthosts end to end: there aiosmtpd's own server demands TLS and AUTH."""

import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP as Server
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword, Session

from appliance.system.privileges import IDENTITIES, is_root
from tests.support import clients
from tests.support.certificate import self_signed, server_context
from tests.support.letter import Letter, letter
from tests.support.nameserver import NameServer, Records
from tests.support.site import CONFIG, SMTP, Site, site
from tests.support.waiting import wait_for

# aiosmtpd does not count TLS from the first byte as TLS.
pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")

HERE = "127.0.0.2"
RECORDS: Records = {"isp.test": {"A": [HERE]}, "own.test": {"A": [HERE]}}
RIGHT, WRONG = "correct horse battery", "old password"


class Smarthost:
    """Takes mail over TLS from whoever says the password; `taken` has who sent which message."""

    def __init__(self, pem: Path, name: str, *, implicit: bool) -> None:
        self.taken: list[tuple[str, bytes]] = []
        context = server_context(self_signed(pem, name))
        with socket.socket() as found:
            found.bind((HERE, 0))
            self.port = int(found.getsockname()[1])
        tls: dict[str, Any] = {"ssl_context": context, "auth_require_tls": False}
        if not implicit:
            tls = {"tls_context": context, "require_starttls": True}
        self._controller = Controller(
            self,
            hostname=HERE,
            port=self.port,
            ready_timeout=60.0,
            auth_required=True,
            authenticator=_authenticate,
            **tls,
        )

    async def handle_DATA(self, server: Server, session: Session, envelope: Envelope) -> str:
        content = envelope.content
        assert isinstance(content, bytes)
        login: Any = session.auth_data
        self.taken.append((login.login.decode(), content))
        return "250 taken"

    @contextmanager
    def serving(self) -> Iterator["Smarthost"]:
        self._controller.start()
        try:
            yield self
        finally:
            self._controller.stop()

    def user_of(self, new: Letter) -> str | None:
        """Who sent a letter."""
        return next((user for user, body in self.taken if new.token.encode() in body), None)


def _authenticate(
    server: Server, session: Session, envelope: Envelope, mechanism: str, login: Any
) -> AuthResult:
    assert isinstance(login, LoginPassword)
    # handled: whether the answer has been said already.
    return AuthResult(success=login.password == RIGHT.encode(), handled=False, auth_data=login)


class World(NamedTuple):
    site: Site
    isp: Smarthost
    own: Smarthost


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with NameServer(RECORDS) as names, site(environ={"TOASTER_NAMESERVER": names.at}) as new:
        isp = Smarthost(new.folder / "isp.pem", "isp.test", implicit=False)
        own = Smarthost(new.folder / "own.pem", "own.test", implicit=True)
        (new.folder / "secret").write_text(f"{RIGHT}\n")
        keys = f"password_file: {new.folder}/secret, ca: {new.folder}"
        general = f"{{host: isp.test, port: {isp.port}, user: everybody, {keys}/isp.pem}}"
        domains = f"{{host: own.test, port: {own.port}, user: example, tls: implicit, {keys}/own.pem}}"
        relay = f"relay: {{clients: [127.0.0.0/8], smarthost: {general}}}\n"
        config = CONFIG.replace("  example.test:\n", f"  example.test:\n    smarthost: {domains}\n", 1)
        (new.folder / "config.yaml").write_text(config + relay)
        for name in ("isp.pem", "own.pem"):
            (new.folder / name).chmod(0o644)
        with isp.serving(), own.serving():
            new.up()
            yield World(new, isp, own)
            new.down()  # rspawn leaves its idle connections
            assert not any(secret in new.log for secret in (RIGHT, WRONG))


def send(site: Site, sender: str) -> Letter:
    new = letter()
    clients.swaks(site.port(SMTP), "someone@far.test", new.content, sender=sender)
    return new


@pytest.mark.parametrize("sender", ["alice@example.test", "alice@example.net"])
def test_mail_of_a_domain_goes_by_its_smarthost_under_any_of_its_names(world: World, sender: str) -> None:
    new = send(world.site, sender)

    assert "example" == wait_for(lambda: world.own.user_of(new))
    assert None is world.isp.user_of(new)


def test_other_mail_goes_by_the_general_smarthost(world: World) -> None:
    new = send(world.site, "dora@catch.test")

    assert "everybody" == wait_for(lambda: world.isp.user_of(new))


def test_a_wrong_password_keeps_mail_until_the_owner_has_mended_it(world: World) -> None:
    secret = world.site.folder / "secret"
    secret.write_text(f"{WRONG}\n")
    world.site.toaster("apply")
    before = len(world.site.log)

    new = send(world.site, "dora@catch.test")
    wait_for(lambda: "deferral: " in world.site.log[before:])
    secret.write_text(f"{RIGHT}\n")
    assert "(password " in world.site.toaster("diff", code=1)
    world.site.toaster("apply")
    world.site.signal("send", "ALRM")

    assert "everybody" == wait_for(lambda: world.isp.user_of(new))
    refused = f"Connected_to_{HERE}_but_smarthost_isp.test_refused_our_user_and_password._(#4.7.8)"
    assert refused in world.site.log[before:]


def test_only_rspawn_can_read_the_passwords(world: World) -> None:
    status = (world.site.place.control / "smarthosts").stat()

    assert 0o400 == stat.S_IMODE(status.st_mode)
    if is_root():
        assert IDENTITIES["qmailr"] == (status.st_uid, status.st_gid)


def test_route_tells_of_both_smarthosts_and_of_no_password(world: World) -> None:
    told = world.site.toaster("route", "someone@far.test")

    assert f"=> sent on to own.test:{world.own.port} as user example if @example.test is the sender" in told
    assert f"=> sent on to isp.test:{world.isp.port} as user everybody\n" in told
    assert RIGHT not in told
