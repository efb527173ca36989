"""Owns the certificates in use: copies of good pairs in run/tls, which the daemons that talk TLS read.

    run/tls/0.pem, 1.pem, ...    key and chain of a pair each, for qmaild alone; the first is shown to whom
                                 no other fits

A key is often root's alone, and the two files of a pair change one after the other. So root copies what fits,
in one step, and those who talk to the network know nothing but copies: what is bad never reaches them.
"""

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from appliance.formats.certificate import Certificate, parse_pem
from appliance.formats.outcome import FormatError
from appliance.system import files
from appliance.system.keyfiles import Pair
from appliance.system.keypair import checked, content_of, told
from appliance.system.place import Place
from appliance.system.privileges import identity_of, is_root


def spare_of(place: Place) -> Pair:
    """The self-signed certificate that was made here."""
    path = place.state / "tls" / "self-signed.pem"
    return Pair(path, path)


def copies(place: Place) -> list[Path]:
    """The copies in their order."""
    return sorted((place.run / "tls").glob("[0-9]*.pem"), key=lambda path: int(path.stem))


def in_use(place: Place) -> Iterator[Certificate]:
    """The certificates that clients are shown, for root and qmaild; PermissionError for others."""
    for copy in copies(place):
        yield parse_pem(copy.read_bytes())


def install(place: Place, pairs: Sequence[Pair], now: float) -> list[str]:
    """Copy what is good, as root; gives a sentence about each pair that is not.

    Then its copy stays as it was; if there is none, the self-signed certificate stands in for the first pair.
    """
    folder = place.run / "tls"
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    faults = []
    for number, pair in enumerate(pairs):
        copy = folder / f"{number}.pem"
        try:
            _install(pair, copy, now)
        except FormatError as error:
            faults.append(f"{error}; {_instead(place, copy, now)}")
    for copy in copies(place)[len(pairs) :]:
        copy.unlink(missing_ok=True)
    return faults


def _instead(place: Place, copy: Path, now: float) -> str:
    if copy.exists():
        return "the one before stays in use"
    if copy.stem != "0":
        return "the first one stands in"
    try:
        _install(spare_of(place), copy, now)
    except FormatError:
        return "there is none to stand in"
    return "a self-signed one stands in"


def _install(pair: Pair, copy: Path, now: float) -> None:
    sentence = f"unable to use certificate {pair.certificate} with key {pair.key} (#4.3.0)"
    temporary = copy.with_name(f".{copy.name}.{os.getpid()}.tmp")
    try:
        temporary.unlink(missing_ok=True)
        content = _content_of(pair)
        before = copy.read_bytes() if copy.exists() else b""
        if content == before:
            return
        files.create(temporary, content, 0o400)
        certificate = checked(Pair(temporary, temporary))
        # One that is not good now is better than none, but not than another that is.
        if before and not certificate.is_valid(now) and parse_pem(before).is_valid(now):
            raise FormatError(told(certificate, now))
        if is_root():
            os.chown(temporary, *identity_of("qmaild"))
        temporary.replace(copy)
    except OSError as error:
        raise FormatError(f"{sentence}: unable to copy it: {error.strerror}") from None
    except FormatError as error:
        raise FormatError(f"{sentence}: {error}") from None
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def _content_of(pair: Pair) -> bytes:
    certificate = content_of(pair.certificate)
    return certificate if pair.key == pair.certificate else content_of(pair.key) + b"\n" + certificate
