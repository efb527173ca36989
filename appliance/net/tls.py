"""Owns TLS of the listeners: protocols and ciphers, and which certificate a client is shown now."""

import asyncio
import os
import ssl
import time
from pathlib import Path

from appliance.formats.certificate import parse_pem
from appliance.formats.outcome import FormatError, Temporary
from appliance.net.recorder import bare
from appliance.system import certificates, log
from appliance.system.control import Control
from appliance.system.keyfiles import pairs_of
from appliance.system.place import Place

# For TLS 1.2; those of 1.3 are all sound. Forward secrecy and AEAD alone: every client of the last ten years.
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
_LOOK_SECONDS = 1.0

HANDSHAKE_SECONDS = 30.0

Session = ssl.SSLObject | ssl.SSLSocket


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """A context that shows one certificate; Temporary, with the reason, if the pair cannot be used."""
    context = _context()
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise Temporary(
            f"Unable to use certificate {certificate} with key {key} (#4.3.0): {error}"
        ) from error
    return context


def open_for(place: Place) -> ssl.SSLContext | None:
    """What a daemon's listeners encrypt with, None without control/servercert; Temporary: no pair is good.

    For a daemon that is still root: it takes up the pairs once. What changes is taken up by system/renewal.
    """
    pairs = pairs_of(Control(place.control))
    if not pairs:
        return None
    faults = certificates.install(place, pairs, time.time())
    for fault in faults:
        log.line(f"warning: {fault}")
    if not certificates.copies(place):
        raise Temporary(faults[0])
    return showing(place)


def showing(place: Place) -> ssl.SSLContext:
    """A context that shows the copies of run/tls as they are; Temporary if they cannot be read now."""
    # The context that begins a handshake makes the tickets too: workers forked from here resume each other's.
    front = _context()
    shown = _Shown(place)
    front.sni_callback = shown.choose
    return front


async def begin(
    transport: asyncio.Transport, protocol: asyncio.Protocol, context: ssl.SSLContext
) -> asyncio.Transport | str:
    """Have a connection go on in TLS, after STARTTLS or STLS; what went wrong, and then it is lost.

    A connection that ends within its handshake is lost without a word by asyncio, sometimes, and by uvloop.
    """
    try:
        async with asyncio.timeout(
            HANDSHAKE_SECONDS
        ):  # start_tls waits for ever if the peer has gone already
            secured = await asyncio.get_running_loop().start_tls(
                bare(transport), protocol, context, server_side=True
            )
        # uvloop calls it a success, too, if the peer has gone before the handshake.
        if secured is not None and secured.get_extra_info("cipher") is not None:
            return secured
        failure: object = None
    except OSError as error:  # ssl.SSLError and TimeoutError are
        failure = error
    transport.abort()
    protocol.connection_lost(None)
    return why(failure)


def why(failure: object) -> str:
    """What to say of a handshake that failed: not every error has a text."""
    return str(failure or "") or "the peer went away"


class _Shown:
    """A context a certificate, made anew when one has changed; handshakes and sessions go on with theirs."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._seen: list[tuple[Path, int, int]] = []
        self._next_look = 0.0
        self._by_name: dict[str, ssl.SSLContext] = {}
        self._first: ssl.SSLContext
        self._look()

    def choose(self, session: Session, name: str | None, _: ssl.SSLContext) -> None:
        """Have a session go on with the certificate that bears a name, or the first (RFC 6066 section 3)."""
        if time.monotonic() >= self._next_look:
            try:
                self._look()
            except Temporary as error:
                log.line(f"warning: {error.sentence}; the certificates of before stay in use")
        session.context = self._of(name.lower() if name else "")

    def _of(self, name: str) -> ssl.SSLContext:
        exact = self._by_name.get(name)
        return exact or self._by_name.get(f"*.{name.partition('.')[2]}", self._first)

    def _look(self) -> None:
        self._next_look = time.monotonic() + _LOOK_SECONDS
        try:
            copies = certificates.copies(self._place)
            found = [(path, stat.st_ino, stat.st_mtime_ns) for path in copies for stat in [os.stat(path)]]
            if not found or found == self._seen:
                return
            self._seen = found
            contexts = [(server_context(path, path), parse_pem(path.read_bytes())) for path in copies]
        except (OSError, FormatError) as error:
            raise Temporary(f"Unable to read certificates (#4.3.0): {error}") from None
        self._first = contexts[0][0]
        self._by_name = {name: context for context, one in reversed(contexts) for name in one.names}


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # RFC 8996: nothing older
    context.set_ciphers(_CIPHERS)
    # A peer that renegotiates makes the server work for nothing; TLS 1.3 has done away with it.
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE | ssl.OP_NO_COMPRESSION
    return context
