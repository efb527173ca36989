"""Owns what the operator is told of the certificates in use: whose, how long good, what is doubtful."""

import time
from collections.abc import Iterator, Mapping
from typing import Any

from appliance.formats.certificate import Certificate
from appliance.formats.outcome import FormatError, Temporary
from appliance.system import certificates, keypair, log
from appliance.system.control import Control
from appliance.system.keyfiles import pairs_of
from appliance.system.place import Place

_DAY = 86400


def put_in_use(place: Place) -> list[str]:
    """Copy what control/servercert names to where daemons see it; a sentence about each that is not good."""
    if not place.run.is_dir():
        return []
    return certificates.install(place, pairs_of(Control(place.control)), time.time())


def found(place: Place) -> list[Certificate] | None:
    """What clients are shown; None if we may not look."""
    try:
        return list(certificates.in_use(place))
    except PermissionError:
        return None


def rows(place: Place) -> list[tuple[str, str]]:
    """Names, and how long each certificate is good."""
    told = (keypair.told(one, time.time()).partition(": ") for one in found(place) or ())
    return [(names, rest) for names, _, rest in told]


def as_json(place: Place) -> list[dict[str, Any]] | None:
    """The same for programs: days left are negative once it has expired; None if we may not look."""
    known = found(place)
    return None if known is None else [_as_json(one) for one in known]


def _as_json(one: Certificate) -> dict[str, Any]:
    return {
        "names": list(one.names),
        "self_signed": one.is_self_signed,
        "begins": one.begins,
        "ends": one.ends,
        "days_left": int((one.ends - time.time()) // _DAY),
    }


def doubts(place: Place) -> Iterator[str]:
    """What is wrong with what clients are shown: its last days have come, or it bears another name."""
    me = (Control(place.control).line("me") or b"").decode("utf-8", "replace")
    yield from keypair.doubts(found(place) or [], me, time.time())


def main(argv: list[str], environ: Mapping[str, str]) -> int:
    """certificates: take up what has changed, log that and what is doubtful; 1 if a pair cannot be used."""
    log.open("certificates")
    place = Place.from_environ(environ)
    try:
        return _take_up(place)
    except (Temporary, FormatError, OSError) as error:
        log.line(f"warning: {error.sentence if isinstance(error, Temporary) else error}")
        return 1


def _take_up(place: Place) -> int:
    before = found(place) or []
    # Without a servercert they stay: listeners are bound, and clients trust them.
    faults = put_in_use(place) if pairs_of(Control(place.control)) else []
    for fault in faults:
        log.line(f"warning: {fault}")
    for certificate in found(place) or []:
        if certificate not in before:
            log.line(f"certificate taken up: {keypair.told(certificate, time.time())}")
    for doubt in doubts(place):
        log.line(f"warning: {doubt}")
    return 1 if faults else 0
