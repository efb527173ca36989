"""Owns TLS of the listeners: the certificate's context, and its renewal without a restart."""

import ssl
from pathlib import Path

from appliance.formats.outcome import Temporary
from appliance.system.control import Control


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """A context for listeners; Temporary, with the reason, if the pair cannot be used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # RFC 8996: nothing older
    # A peer that renegotiates makes the server work for nothing; TLS 1.3 has done away with it.
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    _load(context, certificate, key)
    return context


def context_of(control: Control) -> ssl.SSLContext | None:
    """The context of control/servercert and control/serverkey, None without a servercert."""
    pair = _pair(control)
    return None if pair is None else server_context(*pair)


def renew(context: ssl.SSLContext, control: Control) -> None:
    """Have new connections of a context use the pair as it is on disk now; Temporary leaves the old one."""
    pair = _pair(control)
    if pair is not None:
        # Tried on a context nobody uses: a certificate without its key would break the one in use.
        server_context(*pair)
        _load(context, *pair)


def _pair(control: Control) -> tuple[Path, Path] | None:
    certificate = control.line("servercert")
    if not certificate:
        return None
    key = control.line("serverkey") or certificate  # one file may hold both
    return Path(certificate.decode()), Path(key.decode())


def _load(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise Temporary(
            f"Unable to use certificate {certificate} with key {key} (#4.3.0): {error}"
        ) from error
