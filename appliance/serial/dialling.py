"""Owns the programs maildirsmtp and maildirqmtp: maildirserial with the usual client and the usual lifetime.

maildirsmtp dir prefix host helohost        by SMTP
maildirqmtp dir prefix host                 by QMTP

Undeliverable messages bounce; two weeks is how long a host may stay away.
"""

from collections.abc import Mapping

from appliance.serial import maildirserial
from appliance.system.endings import usage

LIFETIME_S = 14 * 24 * 3600
SMTP_PORT = "25"
QMTP_PORT = "209"


def maildirsmtp(argv: list[str], environ: Mapping[str, str]) -> int:
    """The exit code of maildirserial."""
    if len(argv) < 4:
        return usage("maildirsmtp dir prefix host helohost")
    folder, prefix, host, helo = argv[:4]
    port = environ.get("TOASTER_SMTP_PORT") or SMTP_PORT
    return _serial(folder, prefix, [host, port, "serialsmtp", prefix, helo], environ)


def maildirqmtp(argv: list[str], environ: Mapping[str, str]) -> int:
    """The exit code of maildirserial."""
    if len(argv) < 3:
        return usage("maildirqmtp dir prefix host")
    folder, prefix, host = argv[:3]
    port = environ.get("TOASTER_QMTP_PORT") or QMTP_PORT
    return _serial(folder, prefix, [host, port, "serialqmtp", prefix], environ)


def _serial(folder: str, prefix: str, client: list[str], environ: Mapping[str, str]) -> int:
    words = ["-b", f"-t{LIFETIME_S}", "--", folder, prefix, "tcpclient", "-RHl0", "--", *client]
    return maildirserial.main(words, environ)
