"""Owns what control files say of remote deliveries (qmail-remote(8)), read at once and again at HUP.

helohost          our name in HELO and EHLO; default me        smtproutes      artificial routes
timeoutconnect    seconds for a connection, 60                 notlshosts      hosts never asked for STARTTLS
timeoutremote     seconds for each reply, 1200                 moreipme, notipme    addresses of ours, or not
concurrencynexthop    connections to one next hop at once, 20
"""

from collections.abc import Mapping
from dataclasses import dataclass

from appliance.remote.mx import Hosts
from appliance.remote.own import hosts_of
from appliance.system.control import Control

SMTP_PORT = 25


@dataclass(frozen=True)
class Settings:
    """The settings of remote deliveries; times in seconds."""

    helohost: bytes
    routes: dict[bytes, bytes]
    hosts: Hosts
    no_tls: frozenset[bytes] = frozenset()
    """Host names in lower case, addresses, `.suffix`, or `*` for all."""
    port: int = SMTP_PORT
    timeout_connect: int = 60
    timeout_remote: int = 1200
    connections: int = 20
    """Connections to one next hop at once (Postfix's default_destination_concurrency_limit)."""

    def may_start_tls(self, *names: bytes) -> bool:
        """Whether a host of these names (its domain, its own, its address) may be asked for STARTTLS."""
        if b"*" in self.no_tls:
            return False
        return not any(key in self.no_tls for name in names for key in _keys(name.lower()))


def read_settings(control: Control, environ: Mapping[str, str]) -> Settings:
    """The settings as they are on disk now; Temporary if a file cannot be read or nobody names this host.

    TOASTER_SMTP_PORT takes the place of port 25 where a route names none: for tests.
    """
    return Settings(
        helohost=control.or_me("helohost"),
        routes=control.table("smtproutes"),
        hosts=hosts_of(control),
        no_tls=frozenset(line.lower() for line in control.lines("notlshosts") or []),
        port=int(environ.get("TOASTER_SMTP_PORT") or SMTP_PORT),
        timeout_connect=max(1, control.integer("timeoutconnect", 60)),
        timeout_remote=max(1, control.integer("timeoutremote", 1200)),
        connections=max(1, control.integer("concurrencynexthop", 20)),
    )


def _keys(name: bytes) -> list[bytes]:
    return [name, *(name[i:] for i in range(1, len(name)) if name[i] == ord("."))]
