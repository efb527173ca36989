"""Owns what control files say of remote deliveries (qmail-remote(8)), read at once and again at HUP.

helohost          our name in HELO and EHLO; default me        smtproutes      artificial routes
timeoutconnect    seconds for a connection, 60                 smarthosts      routes with TLS and a password
timeoutremote     seconds for each reply, 1200                 tlshosts, notlshosts    see remote/tls
concurrencynexthop    connections to one next hop at once, 20  moreipme, notipme    addresses of ours, or not
qmtproutes        routes by QMTP, asked before smtproutes
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from appliance.formats.outcome import FormatError, Temporary
from appliance.formats.smarthosts import Smarthost, parse_smarthosts
from appliance.remote.mx import Hosts
from appliance.remote.own import hosts_of
from appliance.remote.tls import TlsHosts, read_tls_hosts
from appliance.system.control import SENTENCE, Control

SMTP_PORT = 25
QMTP_PORT = 209


@dataclass(frozen=True)
class Settings:
    """The settings of remote deliveries; times in seconds."""

    helohost: bytes
    routes: dict[bytes, bytes]
    hosts: Hosts
    smarthosts: dict[bytes, Smarthost] = field(default_factory=dict)
    tls: TlsHosts = TlsHosts()
    qmtp_routes: dict[bytes, bytes] = field(default_factory=dict)
    port: int = SMTP_PORT
    qmtp_port: int = QMTP_PORT
    timeout_connect: int = 60
    timeout_remote: int = 1200
    connections: int = 20
    """Connections to one next hop at once (Postfix's default_destination_concurrency_limit)."""


def read_settings(control: Control, environ: Mapping[str, str]) -> Settings:
    """The settings as they are on disk now; Temporary if a file cannot be read or nobody names this host.

    TOASTER_SMTP_PORT and _QMTP_PORT take the place of 25 and 209 where a route names none: for tests.
    """
    return Settings(
        helohost=control.or_me("helohost"),
        routes=control.table("smtproutes"),
        hosts=hosts_of(control),
        smarthosts=_smarthosts(control),
        tls=read_tls_hosts(control),
        qmtp_routes=control.table("qmtproutes"),
        port=int(environ.get("TOASTER_SMTP_PORT") or SMTP_PORT),
        qmtp_port=int(environ.get("TOASTER_QMTP_PORT") or QMTP_PORT),
        timeout_connect=max(1, control.integer("timeoutconnect", 60)),
        timeout_remote=max(1, control.integer("timeoutremote", 1200)),
        connections=max(1, control.integer("concurrencynexthop", 20)),
    )


def _smarthosts(control: Control) -> dict[bytes, Smarthost]:
    try:
        return parse_smarthosts(control.lines("smarthosts") or [])
    except FormatError as error:
        raise Temporary(f"{SENTENCE} {error}") from None
