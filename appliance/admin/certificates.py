"""Owns what the operator is told of the certificates in use: whose, how long good, what is doubtful."""

import time
from collections.abc import Iterator
from typing import Any

from appliance.formats.certificate import Certificate
from appliance.system import certificates, keypair
from appliance.system.control import Control
from appliance.system.place import Place

_DAY = 86400


def put_in_use(place: Place) -> list[str]:
    """Copy what control/servercert names to where daemons see it; a sentence about each that is not good."""
    if not place.run.is_dir():
        return []
    return certificates.install(place, keypair.pairs_of(Control(place.control)), time.time())


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
