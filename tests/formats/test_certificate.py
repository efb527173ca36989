"""Owns the proof of formats/certificate."""

import contextlib
import ssl
import time
from pathlib import Path

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from appliance.formats.certificate import Certificate, parse_certificate, parse_pem
from appliance.formats.outcome import FormatError
from tests.support.certificate import self_signed

DAY = 86400

# Of O=Lab, CN=MX.lab.test, without other names, from the first day of 1999 to the last of 2050.
OLD = b"""\
-----BEGIN CERTIFICATE-----
MIIBNTCB3aADAgECAgEHMAoGCCqGSM49BAMCMCQxDDAKBgNVBAoMA0xhYjEUMBIG
A1UEAwwLTVgubGFiLnRlc3QwIBcNOTkwMTAxMDAwMDAwWhgPMjA1MDEyMzEyMzU5
NTlaMCQxDDAKBgNVBAoMA0xhYjEUMBIGA1UEAwwLTVgubGFiLnRlc3QwWTATBgcq
hkjOPQIBBggqhkjOPQMBBwNCAAT9tVbl2MY64DpNr22F7+L3bbe44YgYDuZhGc2F
uObf+R+jPPwz+97pk1VUK8f1kIJVYFVaQgCBlwHe98zfrmqLMAoGCCqGSM49BAMC
A0cAMEQCID4L0KAWS06xSpX+hixPhRRh/qJWzEfe9yHvnaIgFC56AiAo7t1F8T0r
Jykd7ydqxWLqdsT9NwuDccGdvE8sU4LdUQ==
-----END CERTIFICATE-----
"""


def certificate_of(content: bytes) -> bytes:
    return ssl.PEM_cert_to_DER_cert(content[content.index(b"-----BEGIN CERT") :].decode())


def test_names_and_dates_are_those_that_others_read(tmp_path: Path) -> None:
    content = self_signed(
        tmp_path / "pem", "MX.lab.test", "*.lab.test", "192.0.2.1", "2001:db8::1"
    ).read_bytes()
    theirs = x509.load_der_x509_certificate(certificate_of(content))

    found = parse_pem(content)

    assert ("mx.lab.test", "*.lab.test", "192.0.2.1", "2001:db8::1") == found.names
    assert theirs.not_valid_before_utc.timestamp() == found.begins
    assert theirs.not_valid_after_utc.timestamp() == found.ends


def test_a_certificate_without_other_names_bears_its_common_name() -> None:
    found = parse_pem(OLD)

    assert ("mx.lab.test",) == found.names
    assert (915148800, 2556143999) == (found.begins, found.ends)  # years of two digits and of four


def test_who_signed_himself_is_told_from_who_was_signed(tmp_path: Path) -> None:
    assert parse_pem(self_signed(tmp_path / "own").read_bytes()).is_self_signed
    assert not parse_pem(self_signed(tmp_path / "ca", issuer="Lab CA").read_bytes()).is_self_signed


@pytest.mark.parametrize(
    ("name", "bears"),
    [
        ("mx.lab.test", True),
        ("MX.Lab.Test.", True),
        ("a.hosts.test", True),
        ("hosts.test", False),
        ("a.b.hosts.test", False),
        ("lab.test", False),
        ("test", False),
        ("", False),
    ],
)
def test_a_star_stands_for_one_label(name: str, bears: bool) -> None:
    assert bears == Certificate(("mx.lab.test", "*.hosts.test"), 0, 1, False).bears(name)


def test_its_time_has_come_and_is_not_over(tmp_path: Path) -> None:
    found = parse_pem(self_signed(tmp_path / "pem").read_bytes())

    assert found.is_valid(time.time())
    assert not found.is_valid(time.time() - DAY)
    assert not found.is_valid(time.time() + 2 * DAY)


def test_a_certificate_cut_short_anywhere_is_none(tmp_path: Path) -> None:
    content = self_signed(tmp_path / "pem").read_bytes()
    der = certificate_of(content)

    for end in range(len(der)):
        with pytest.raises(FormatError):
            parse_certificate(der[:end])
    with pytest.raises(FormatError, match="no whole certificate"):
        parse_pem(content[:-20])
    with pytest.raises(FormatError, match="base64"):
        parse_pem(b"-----BEGIN CERTIFICATE-----\nA\n-----END CERTIFICATE-----\n")


@given(st.binary())
def test_any_bytes_are_a_certificate_or_a_format_error(der: bytes) -> None:
    with contextlib.suppress(FormatError):
        parse_certificate(der)


@given(st.data())
def test_any_byte_changed_leaves_a_certificate_or_a_format_error(data: st.DataObject) -> None:
    der = bytearray(certificate_of(OLD))
    der[data.draw(st.integers(0, len(der) - 1))] = data.draw(st.integers(0, 255))

    with contextlib.suppress(FormatError):
        parse_certificate(bytes(der))
