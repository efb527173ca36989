"""Owns what is known of a connection's two ends, as tcp-environ(5) and tcpserver's log lines tell it."""

from typing import NamedTuple

from appliance.protocols.proxy import Endpoint

_SHOWN = 100  # characters of a name in a log line


class Peer(NamedTuple):
    """Both ends; a name is None if nobody has asked for it, or nobody knows."""

    local: Endpoint
    remote: Endpoint
    local_host: str | None = None
    remote_host: str | None = None
    user: str | None = None

    def environment(self) -> dict[str, str | None]:
        """tcp-environ(5); None for what is to be unset."""
        return {
            "PROTO": "TCP",
            "TCPLOCALIP": self.local.address,
            "TCPLOCALPORT": str(self.local.port),
            "TCPLOCALHOST": self.local_host,
            "TCPREMOTEIP": self.remote.address,
            "TCPREMOTEPORT": str(self.remote.port),
            "TCPREMOTEHOST": self.remote_host,
            "TCPREMOTEINFO": self.user,
        }

    def ends(self) -> str:
        """`host:address:port host:address:user:port`, ours first."""
        local, remote = self.local, self.remote
        names = [_safe(name or "") for name in (self.local_host, self.remote_host, self.user)]
        return f"{names[0]}:{local.address}:{local.port} {names[1]}:{remote.address}:{names[2]}:{remote.port}"


def _safe(text: str) -> str:
    """A name as it may stand in the log: strangers write names."""
    if text.isascii() and text.isprintable() and len(text) < _SHOWN and not {" ", "%"} & {*text}:
        return text
    shown = "".join(c if 32 < ord(c) < 127 and c != "%" else "?" for c in text[:_SHOWN])
    return shown if len(text) < _SHOWN else f"{shown}..."
