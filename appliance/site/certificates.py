"""Owns the certificates of config.yaml: in files, or made once and kept; and what may be wrong with them.

state/tls/self-signed.pem    made here, key and all: for `tls: generate`, and to stand in for files that
                             cannot be used
"""

import contextlib
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from appliance.formats.outcome import FormatError, Temporary
from appliance.site.draft import Draft
from appliance.site.faults import Path as KeyPath
from appliance.site.faults import Told
from appliance.site.model import Site
from appliance.site.tls import Certificate, Tls
from appliance.site.values import GENERATE
from appliance.system import files, keypair
from appliance.system.certificates import spare_of
from appliance.system.keyfiles import Pair
from appliance.system.place import Place

_DAYS = 3650
_RENEWED_DAYS = 30  # before its end
_COMMAND = (
    *("openssl", "req", "-x509", "-config", "/dev/null", "-subj", "/O=Toaster", "-days", str(_DAYS)),
    *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "-", "-out", "-"),
)


def pairs(site: Site, place: Place) -> list[Pair]:
    """What control/servercert and serverkey are to name, the one that is shown without a name first."""
    if site.tls is None:
        return []
    if isinstance(site.tls, Tls):
        return [_pair(one) for one in (site.tls, *site.tls.others)]
    return [spare_of(place)]


def _pair(one: Certificate) -> Pair:
    return Pair(Path(one.certificate), Path(one.key))


def make(site: Site, place: Place) -> None:
    """Make the self-signed certificate unless there is a good one for the host; Temporary if it cannot be."""
    path = spare_of(place).key
    if site.tls is None or _is_good(path, site.hostname):
        return
    try:
        words = (*_COMMAND, "-addext", f"subjectAltName=DNS:{site.hostname}")
        made = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, check=True)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        files.replace(path, made.stdout, 0o600)
    except (OSError, subprocess.CalledProcessError) as error:
        if site.tls == GENERATE:
            raise Temporary(f"unable to make a certificate by openssl (#4.3.0): {error}") from None


def _is_good(path: Path, hostname: str) -> bool:
    with contextlib.suppress(FormatError):
        found = keypair.checked(Pair(path, path))
        return found.bears(hostname) and found.is_valid(time.time() + _RENEWED_DAYS * 86400)
    return False


def faults(draft: Draft) -> Iterator[Told]:
    """What makes a certificate unusable: then no daemon could show it."""
    tls = draft.site.tls
    if tls == GENERATE and shutil.which(_COMMAND[0]) is None:
        told = "the program openssl, which makes the certificate, is not there"
        yield Told(("tls",), f"{told}; install it, or write `certificate` and `key`")
    if isinstance(tls, Tls) and not draft.doubts(("tls",)):
        yield from _faults(("tls",), _pair(tls))
        for number, other in enumerate(tls.others):
            yield from _faults(("tls", "others", number), _pair(other))


def _faults(path: KeyPath, pair: Pair) -> Iterator[Told]:
    is_read = True
    for name, file in pair._asdict().items():
        try:
            keypair.content_of(file)
        except FormatError as error:
            is_read = False
            yield Told((*path, name), f"{error}; put the file there, or take `tls` out")
    try:
        if is_read:
            keypair.checked(pair)
    except FormatError as error:
        told = f"{pair.certificate} and {pair.key} are no pair: {error}"
        yield Told((*path, "certificate"), f"{told}; name a certificate with its key")


def doubts(site: Site, place: Place) -> Iterator[str]:
    """What is wrong with certificates that can be used: dates, and whose they are."""
    if isinstance(site.tls, Tls):
        found = [keypair.checked(pair) for pair in pairs(site, place)]
        yield from keypair.doubts(found, site.hostname, time.time())
