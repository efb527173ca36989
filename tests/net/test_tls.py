"""Owns the tests of the listeners' TLS."""

import asyncio
import socket
import ssl
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from appliance.formats.outcome import Temporary
from appliance.net import loop, tls
from appliance.system import certificates
from appliance.system.keyfiles import Pair
from appliance.system.place import Place
from tests.support.certificate import self_signed
from tests.support.waiting import until
from tests.support.wires import trusting


@pytest.fixture
def place(tmp_path: Path) -> Place:
    found = Place.from_environ({"TOASTER_HOME": str(tmp_path)})
    found.control.mkdir()
    found.run.mkdir()
    return found


@pytest.fixture(autouse=True)
def looks_always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls, "_LOOK_SECONDS", 0.0)


def install(place: Place, *paths: Path) -> None:
    assert [] == certificates.install(place, [Pair(path, path) for path in paths], time.time())


def meet(
    context: ssl.SSLContext,
    name: str | None = "mx.test",
    asking: ssl.SSLContext | None = None,
    session: ssl.SSLSession | None = None,
) -> ssl.SSLObject:
    """A client's end of a connection, without a socket between."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = (asking or trusting()).wrap_bio(to_client, to_server, server_hostname=name, session=session)
    theirs = context.wrap_bio(to_server, to_client, server_side=True)
    for end in (ours, theirs, ours, theirs):
        try:
            end.do_handshake()
        except ssl.SSLWantReadError:
            continue
    theirs.write(b"greeting")  # with it come the tickets of TLS 1.3
    assert b"greeting" == ours.read(100)
    return ours


def certificate_shown(context: ssl.SSLContext, name: str | None = "mx.test") -> bytes:
    return meet(context, name).getpeercert(binary_form=True) or b""


def test_without_a_certificate_there_is_no_tls(place: Place) -> None:
    assert tls.open_for(place) is None


def test_a_certificate_without_any_good_pair_is_temporary(place: Place) -> None:
    (place.control / "servercert").write_text("/nowhere\n")

    with pytest.raises(Temporary, match="unable to use certificate /nowhere with key /nowhere"):
        tls.open_for(place)


def test_the_certificate_of_control_is_shown_whether_a_name_is_asked_for_or_not(place: Place) -> None:
    install(place, self_signed(place.home / "pem", "mx.test"))

    context = tls.showing(place)

    for name in ("mx.test", "other.test", None):
        assert b"mx.test" in certificate_shown(context, name)


def test_nothing_older_than_tls_1_2_is_spoken(place: Place) -> None:
    install(place, self_signed(place.home / "pem"))
    context = tls.showing(place)
    asking = trusting()

    for version, spoken in ((ssl.TLSVersion.TLSv1_2, "TLSv1.2"), (ssl.TLSVersion.TLSv1_3, "TLSv1.3")):
        asking.minimum_version = asking.maximum_version = ssl.TLSVersion.TLSv1_3
        asking.minimum_version = asking.maximum_version = version
        assert spoken == meet(context, asking=asking).version()
    assert ssl.TLSVersion.TLSv1_2 == context.minimum_version


def test_every_cipher_has_forward_secrecy_and_aead(place: Place) -> None:
    install(place, self_signed(place.home / "pem"))

    for cipher in tls.showing(place).get_ciphers():
        assert cipher["aead"], cipher
        assert cipher["kea"] in ("kx-ecdhe", "kx-any"), cipher  # any: of TLS 1.3, where no other is left


def test_a_pair_that_does_not_fit_is_temporary(tmp_path: Path) -> None:
    one, two = self_signed(tmp_path / "one.pem", "one.test"), self_signed(tmp_path / "two.pem", "two.test")

    with pytest.raises(Temporary, match="certificate"):
        tls.server_context(one, two)
    with pytest.raises(Temporary, match="No such file"):
        tls.server_context(tmp_path / "none", one)


def test_a_renewed_certificate_is_shown_even_if_its_key_is_of_another_kind(place: Place) -> None:
    """OpenSSL keeps a certificate for each kind of key: loaded into the same context, the old one stays."""
    install(place, self_signed(place.home / "pem", "mx.test", "old.test"))
    context = tls.showing(place)
    assert b"old.test" in certificate_shown(context)

    install(place, self_signed(place.home / "pem", "mx.test", "new.test", is_rsa=True))

    assert b"new.test" in certificate_shown(context)


def test_a_session_goes_on_while_the_certificate_changes(place: Place) -> None:
    install(place, self_signed(place.home / "pem", "old.test"))
    context = tls.showing(place)
    before = meet(context)

    install(place, self_signed(place.home / "pem", "new.test"))
    meet(context)

    assert 5 == before.write(b"still")
    assert b"old.test" in (before.getpeercert(binary_form=True) or b"")


def test_copies_that_are_gone_or_damaged_leave_the_old_certificate_in_use(
    place: Place, capfd: pytest.CaptureFixture[str]
) -> None:
    install(place, self_signed(place.home / "pem", "old.test"))
    context = tls.showing(place)
    [copy] = certificates.copies(place)

    copy.unlink()
    assert b"old.test" in certificate_shown(context)
    copy.write_bytes(b"nothing")
    assert b"old.test" in certificate_shown(context)

    assert 1 == capfd.readouterr().err.count("the certificates of before stay in use")


def test_a_client_is_shown_the_certificate_that_bears_the_name_it_asks_for(place: Place) -> None:
    first = self_signed(place.home / "one", "mx.test", "first.test")
    second = self_signed(place.home / "two", "mail.other.test", "*.wild.test")
    install(place, first, second)
    context = tls.showing(place)

    for name in ("mail.other.test", "MAIL.other.test", "a.wild.test"):
        assert b"mail.other.test" in certificate_shown(context, name)
    for other in ("mx.test", "other.test", "a.b.wild.test", "wild.test", None):
        assert b"first.test" in certificate_shown(context, other)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_session_is_resumed_also_after_the_certificate_has_changed(
    place: Place, version: ssl.TLSVersion
) -> None:
    install(place, self_signed(place.home / "pem", "old.test"))
    context, asking = tls.showing(place), trusting()
    asking.minimum_version = asking.maximum_version = ssl.TLSVersion.TLSv1_3
    asking.minimum_version = asking.maximum_version = version
    before = meet(context, asking=asking)

    install(place, self_signed(place.home / "pem", "new.test"))

    assert meet(context, asking=asking, session=before.session).session_reused


def test_a_ticket_of_another_daemon_costs_a_handshake_and_nothing_else(place: Place) -> None:
    install(place, self_signed(place.home / "pem"))
    asking = trusting()
    before = meet(tls.showing(place), asking=asking)

    assert not meet(tls.showing(place), asking=asking, session=before.session).session_reused


class Counted(asyncio.Protocol):
    """Notes how often its connection is lost."""

    def __init__(self) -> None:
        self.lost = 0
        self.heard = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        self.heard += data

    def connection_lost(self, error: Exception | None) -> None:
        self.lost += 1


async def beginning(
    place: Place, peer: Callable[[socket.socket], object], *, has_gone: bool = False
) -> tuple[Counted, asyncio.Transport | str]:
    """A connection that goes on in TLS, if the peer has it so."""
    install(place, self_signed(place.home / "pem", "mx.test"))
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    running = asyncio.get_running_loop()
    transport, protocol = await running.create_connection(Counted, sock=ours)
    with theirs:
        acting = running.run_in_executor(None, peer, theirs)
        if has_gone:
            await acting
        began = await tls.begin(transport, protocol, tls.showing(place))
        await acting
    return protocol, began


def close(peer: socket.socket) -> None:
    peer.close()


def be_silent(peer: socket.socket) -> None:
    peer.settimeout(60)
    peer.recv(1)  # until the other end gives up


def shut(peer: socket.socket) -> None:
    peer.shutdown(socket.SHUT_WR)
    peer.recv(1)


def begin_and_go(peer: socket.socket) -> None:
    peer.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
    peer.close()


def say_something_else(peer: socket.socket) -> None:
    peer.sendall(b"EHLO client.test\r\n")
    peer.recv(1)


@pytest.mark.parametrize("peer", [close, be_silent, shut, begin_and_go, say_something_else])
@pytest.mark.parametrize("has_gone", [False, True])
def test_a_handshake_that_fails_is_a_connection_lost_and_says_why(
    place: Place,
    monkeypatch: pytest.MonkeyPatch,
    peer: Callable[[socket.socket], object],
    has_gone: bool,
) -> None:
    monkeypatch.setattr(tls, "HANDSHAKE_SECONDS", 0.3)
    found: list[tuple[Counted, asyncio.Transport | str]] = []

    async def story() -> None:
        found.append(await beginning(place, peer, has_gone=has_gone and peer in (close, begin_and_go)))

    loop.run(story())

    [(protocol, began)] = found
    assert isinstance(began, str)
    assert "" != began
    assert protocol.lost >= 1


def test_a_handshake_that_succeeds_has_the_protocol_hear_what_was_encrypted(
    place: Place,
) -> None:
    found: list[Counted] = []

    def peer(connection: socket.socket) -> None:
        with trusting().wrap_socket(connection) as secured:
            secured.sendall(b"EHLO")

    async def story() -> None:
        protocol, began = await beginning(place, peer)
        assert not isinstance(began, str)
        await until(lambda: protocol.heard)
        began.abort()
        found.append(protocol)

    loop.run(story())

    assert b"EHLO" == found[0].heard
