"""Owns the tests of the listeners' TLS."""

import ssl
from pathlib import Path

import pytest

from appliance.formats.outcome import Temporary
from appliance.net import tls
from appliance.system.control import Control
from tests.support.certificate import self_signed


def control_with(folder: Path, host: str) -> Control:
    pem = self_signed(folder / "both.pem", host)
    (folder / "servercert").write_text(f"{pem}\n")
    return Control(folder)


def certificate_shown(context: ssl.SSLContext) -> bytes:
    """What a client sees, without a socket between."""
    client = ssl.create_default_context()
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    asking = client.wrap_bio(to_client, to_server)
    serving = context.wrap_bio(to_server, to_client, server_side=True)
    for end in (asking, serving, asking, serving):
        try:
            end.do_handshake()
        except ssl.SSLWantReadError:
            continue
    return asking.getpeercert(binary_form=True) or b""


def test_without_a_certificate_there_is_no_tls(tmp_path: Path) -> None:
    assert tls.context_of(Control(tmp_path)) is None


def test_the_certificate_of_control_is_shown_with_tls_1_2_at_least(tmp_path: Path) -> None:
    context = tls.context_of(control_with(tmp_path, "mx.test"))

    assert context is not None
    assert ssl.TLSVersion.TLSv1_2 == context.minimum_version
    assert b"mx.test" in certificate_shown(context)


def test_the_key_may_be_in_a_file_of_its_own(tmp_path: Path) -> None:
    control = control_with(tmp_path, "mx.test")
    begin, middle, rest = (tmp_path / "both.pem").read_text().partition("-----BEGIN CERTIFICATE-----")
    (tmp_path / "both.pem").write_text(middle + rest)
    (tmp_path / "key.pem").write_text(begin)
    (tmp_path / "serverkey").write_text(f"{tmp_path}/key.pem\n")

    assert tls.context_of(control) is not None


def test_a_pair_that_does_not_fit_is_temporary(tmp_path: Path) -> None:
    one, two = self_signed(tmp_path / "one.pem", "one.test"), self_signed(tmp_path / "two.pem", "two.test")

    with pytest.raises(Temporary, match="certificate"):
        tls.server_context(one, two)
    with pytest.raises(Temporary, match="No such file"):
        tls.server_context(tmp_path / "none", one)


def test_a_renewed_certificate_is_shown_by_the_context_in_use(tmp_path: Path) -> None:
    context = tls.context_of(control_with(tmp_path, "old.test"))
    assert context is not None

    tls.renew(context, control_with(tmp_path, "new.test"))

    assert b"new.test" in certificate_shown(context)


def test_a_bad_renewal_leaves_the_old_certificate_in_use(tmp_path: Path) -> None:
    control = control_with(tmp_path, "old.test")
    context = tls.context_of(control)
    assert context is not None
    _, middle, rest = self_signed(tmp_path / "both.pem", "new.test").read_text().partition("-----BEGIN CERT")
    (tmp_path / "both.pem").write_text(middle + rest)  # the key is missing

    with pytest.raises(Temporary):
        tls.renew(context, control)

    assert b"old.test" in certificate_shown(context)
