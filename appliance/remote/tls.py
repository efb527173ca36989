"""Owns how each next hop is encrypted: if it offers it, never, or always and with a verified certificate.

control/tlshosts, a host a line      far.test            TLS or nothing
                                     far.test:verify     and a certificate by a CA that this system trusts
                                     .far.test:/ca.pem   and one by a CA of that file, for all below far.test
control/tlshosts/, as qmail-tls      far.test.pem        the same; `exhaustivelist`: no others are asked
control/notlshosts, lines or names in a folder           never asked, unless tlshosts demands it

In both `*` is everybody who is not listed.
"""

import re
import ssl
from typing import NamedTuple

from appliance.formats.smarthosts import Encryption, Login, Smarthost, suffixes
from appliance.remote import reports, sentences
from appliance.remote.mx import Exchanger
from appliance.remote.reports import Outcome
from appliance.remote.routes import literal_of
from appliance.system.control import Control

VERIFY = b"verify"
EVERYBODY = b"*"
_HOST = re.compile(rb"[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*")


class TlsHosts(NamedTuple):
    """Which CAs a host's certificate needs (none, VERIFY, or a file), whether others are asked, who never is.

    Hosts are names in lower case, `.suffix`, or addresses.
    """

    demanded: dict[bytes, bytes] = {}
    exhaustive: bool = False
    never: frozenset[bytes] = frozenset()


class Terms(NamedTuple):
    """How to speak with a host: by TLS (no context: in the clear) with one of that name, and who we are."""

    context: ssl.SSLContext | None = None
    name: str | None = None
    demanded: bool = False
    implicit: bool = False
    login: Login | None = None


def read_tls_hosts(control: Control) -> TlsHosts:
    """What is on disk now; Temporary if it cannot be read."""
    never = control.names("notlshosts")
    if never is None:
        never = control.lines("notlshosts") or []
    names = control.names("tlshosts")
    if names is None:
        lines = (line.partition(b":") for line in control.lines("tlshosts") or [])
        demanded = {host.lower(): ca for host, _, ca in lines}
    else:
        files = ((name, control.path("tlshosts") + b"/" + name) for name in names)
        demanded = {name[:-4].lower(): path for name, path in files if name.endswith(b".pem")}
    return TlsHosts(demanded, b"exhaustivelist" in (names or ()), frozenset(name.lower() for name in never))


class Policy:
    """The terms for each host by one reading of the control files; a CA file is read when it is needed."""

    def __init__(self, hosts: TlsHosts) -> None:
        self._hosts = hosts
        self._opportunistic = _opportunistic_context()
        self._verifying: dict[bytes, ssl.SSLContext] = {}

    def terms(self, host: bytes, exchanger: Exchanger, smarthost: Smarthost | None = None) -> Terms | Outcome:
        """How to speak with an exchanger of a domain or a route's host; an Outcome if no CA can be read."""
        if smarthost is not None and smarthost.encryption is not Encryption.OPTIONAL:
            implicit = smarthost.encryption is Encryption.IMPLICIT
            return self._verified(smarthost.ca or VERIFY, host, implicit, smarthost.login)
        found = self._demand(host.lower(), exchanger)
        if found is not None:
            ca, name = found
            return (
                self._verified(ca, name) if ca else Terms(self._opportunistic, _sayable(name), demanded=True)
            )
        if self._hosts.exhaustive or self._is_never_asked(host, exchanger):
            return Terms()
        return Terms(self._opportunistic, _sayable(exchanger.name))

    def _verified(
        self, ca: bytes, name: bytes, implicit: bool = False, login: Login | None = None
    ) -> Terms | Outcome:
        sayable = _sayable(name)
        if sayable is None:
            return reports.try_again(sentences.no_name_of_a_certificate(name))
        try:
            context = self._verifying.get(ca) or _verifying_context(ca)
        except OSError:  # ssl.SSLError too
            return reports.try_again(sentences.no_ca(ca))
        self._verifying[ca] = context
        return Terms(context, sayable, True, implicit, login)

    def _demand(self, host: bytes, exchanger: Exchanger) -> tuple[bytes, bytes] | None:
        """Which CAs are wanted, and the name in the certificate; of several entries one that verifies.

        The name is the one that is listed, not what an MX record says in its place, which may be forged. Only
        a host below a listed domain goes by its own name.
        """
        name = exchanger.name.lower()
        is_below = name.endswith(b"." + host)
        found = []
        for listed, proven in ((name, name), (host, name if is_below else host), (_address(exchanger),) * 2):
            key = next((key for key in suffixes(listed) if key in self._hosts.demanded), None)
            if listed and key is not None:
                found.append((self._hosts.demanded[key], proven))
        if not found and EVERYBODY in self._hosts.demanded:
            found.append((self._hosts.demanded[EVERYBODY], name or host))
        return next((demand for demand in found if demand[0]), found[0] if found else None)

    def _is_never_asked(self, host: bytes, exchanger: Exchanger) -> bool:
        names = (host.lower(), exchanger.name.lower(), _address(exchanger))
        never = self._hosts.never
        return EVERYBODY in never or any(key in never for name in names for key in suffixes(name))


def _address(exchanger: Exchanger) -> bytes:
    return exchanger.address.encode()


def _sayable(name: bytes) -> str | None:
    """A name as TLS can say it to the server; what came out of the DNS may be anything."""
    return literal_of(name) or (name.decode() if _HOST.fullmatch(name) else None)


def _opportunistic_context() -> ssl.SSLContext:
    """TLS with whoever is there: it keeps listeners out, and proves nothing (RFC 7435)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _verifying_context(ca: bytes) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_flags |= (
        ssl.VERIFY_X509_PARTIAL_CHAIN
    )  # the file may hold the very certificate, or its issuer
    if ca == VERIFY:
        context.load_default_certs()
    else:
        context.load_verify_locations(ca.decode("utf-8", "surrogateescape"))
    return context
