"""Owns the proof of system/keypair."""

import os
import subprocess
import time
from pathlib import Path

import pytest

from appliance.formats.certificate import Certificate
from appliance.formats.outcome import FormatError
from appliance.system.keyfiles import Pair
from appliance.system.keypair import checked, doubts, told
from tests.support.certificate import self_signed, split

DAY = 86400
NOON = 1_800_000_000.0  # 2027-01-15


def pair_in(folder: Path, name: str = "mx.test") -> Pair:
    folder.mkdir(exist_ok=True)
    return Pair(*split(self_signed(folder / "both.pem", name), folder))


def good(*names: str, days: float = 90, own: bool = False) -> Certificate:
    return Certificate(names, int(NOON) - DAY, int(NOON + days * DAY), own)


def test_a_pair_that_fits_gives_its_certificate_whatever_its_dates(tmp_path: Path) -> None:
    both = self_signed(tmp_path / "old.pem", "old.test", days=-3)

    assert ("mx.test",) == checked(pair_in(tmp_path)).names
    assert ("old.test",) == checked(Pair(both, both)).names


def test_a_key_of_another_certificate_is_told(tmp_path: Path) -> None:
    one, two = pair_in(tmp_path / "one"), pair_in(tmp_path / "two")

    with pytest.raises(FormatError, match="the key is not that of the certificate"):
        checked(Pair(one.certificate, two.key))


@pytest.mark.parametrize("which", ["certificate", "key"])
@pytest.mark.parametrize("share", [0, 0.5, 0.98])
def test_a_file_cut_short_is_told(tmp_path: Path, which: str, share: float) -> None:
    pair = pair_in(tmp_path)
    path: Path = getattr(pair, which)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])

    with pytest.raises(FormatError, match=f"no whole {which} in PEM form"):
        checked(pair)


def test_a_chain_cut_short_is_told(tmp_path: Path) -> None:
    pair = pair_in(tmp_path)
    content = pair.certificate.read_bytes()
    pair.certificate.write_bytes(content + content[:200])

    with pytest.raises(FormatError):
        checked(pair)


def test_an_encrypted_key_is_told_and_nobody_is_asked_for_its_password(tmp_path: Path) -> None:
    pair = pair_in(tmp_path)
    closed = tmp_path / "closed.pem"
    words = [
        "openssl",
        "pkey",
        "-in",
        str(pair.key),
        "-aes128",
        "-passout",
        "pass:secret",
        "-out",
        str(closed),
    ]
    subprocess.run(words, check=True, stdin=subprocess.DEVNULL)

    with pytest.raises(FormatError, match="the key is encrypted"):
        checked(Pair(pair.certificate, closed))


@pytest.mark.parametrize(
    ("name", "reason"),
    [("missing", "No such file"), ("folder", "Is a directory"), ("a\0b", "null byte"), ("pipe", "no whole")],
)
def test_what_is_no_file_is_told(tmp_path: Path, name: str, reason: str) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(FormatError, match=reason):
        checked(Pair(tmp_path / name, pair_in(tmp_path).key))


def test_a_file_without_an_end_is_told(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="larger than"):
        checked(Pair(Path("/dev/zero"), tmp_path))


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (good("mx.test", "a.test"), "mx.test a.test: 90 days left, until 2027-04-15"),
        (good("mx.test", days=1.5, own=True), "mx.test: self-signed, 1 day left, until 2027-01-16"),
        (good("mx.test", days=-3), "mx.test: expired on 2027-01-12"),
        (Certificate((), int(NOON) + 9, int(NOON) + DAY, False), "nobody: not good before 2027-01-15"),
    ],
    ids=["good", "self-signed", "expired", "not yet"],
)
def test_a_certificate_is_told_in_a_line(found: Certificate, text: str) -> None:
    assert text == told(found, NOON)


def test_a_certificate_in_its_last_days_is_doubted() -> None:
    assert [] == list(doubts([good("mx.test", days=15)], "mx.test", NOON))
    [doubt] = doubts([good("mx.test", days=13.5), good("other.test")], "mx.test", NOON)
    assert "the certificate of mx.test: 13 days left, until 2027-01-28; renew it" == doubt
    assert 1 == len([*doubts([good("mx.test", days=-1)], "mx.test", NOON)])


def test_certificates_none_of_which_bears_the_name_of_the_host_are_doubted() -> None:
    assert [] == list(doubts([good("other.test"), good("*.test")], "mx.test", NOON))
    [doubt] = doubts([good("other.test"), good("more.test")], "mx.test", NOON)
    assert doubt.startswith("no certificate bears the name mx.test, only other.test more.test;")
    assert [] == list(doubts([], "mx.test", NOON))


def test_a_certificate_of_now_is_told_by_the_clock(tmp_path: Path) -> None:
    both = self_signed(tmp_path / "pem", "mx.test", days=30.5)

    assert "mx.test: self-signed, 30 days left" in told(checked(Pair(both, both)), time.time())
