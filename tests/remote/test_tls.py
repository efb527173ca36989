"""Owns the tests of which host is encrypted how, and of the name that its certificate must bear."""

import ssl
from pathlib import Path

import pytest

from appliance.formats.outcome import Temporary, Verdict
from appliance.formats.smarthosts import Encryption, Login, Smarthost
from appliance.remote import sentences
from appliance.remote.mx import Exchanger
from appliance.remote.reports import Outcome
from appliance.remote.tls import VERIFY, Policy, Terms, TlsHosts, read_tls_hosts
from appliance.system.control import Control
from tests.support.certificate import self_signed

ADDRESS = "192.0.2.1"


def terms(
    hosts: TlsHosts,
    host: bytes = b"far.test",
    exchanger: bytes = b"mx.far.test",
    smarthost: Smarthost | None = None,
) -> Terms:
    found = Policy(hosts).terms(host, Exchanger(0, ADDRESS, exchanger), smarthost)
    assert isinstance(found, Terms)
    return found


def verifies(found: Terms) -> bool:
    return found.context is not None and found.context.verify_mode is ssl.CERT_REQUIRED


def test_tls_is_taken_where_it_is_offered_and_proves_nothing() -> None:
    found = terms(TlsHosts())

    assert ("mx.far.test", False, False) == (found.name, found.demanded, verifies(found))


@pytest.mark.parametrize(
    ("host", "exchanger", "may"),
    [
        (b"far.test", b"mx.far.test", True),
        (b"OLD.test", b"mx.far.test", False),
        (b"far.test", b"mx.old.test", True),
        (b"far.test", b"mx.Broken.test", False),
        (b"broken.test", b"mx.far.test", True),
        (b"[192.0.2.1]", b"", True),
    ],
)
def test_hosts_without_tls_are_named_by_domain_name_or_suffix(
    host: bytes, exchanger: bytes, may: bool
) -> None:
    hosts = TlsHosts(never=frozenset({b"old.test", b".broken.test", b"192.0.2.2"}))

    assert may is (terms(hosts, host, exchanger).context is not None)


@pytest.mark.parametrize("never", [b"192.0.2.1", b"*"])
def test_hosts_without_tls_are_named_by_address_or_all_of_them(never: bytes) -> None:
    assert Terms() == terms(TlsHosts(never=frozenset({never})))


@pytest.mark.parametrize("listed", [b"far.test", b".far.test", b"mx.far.test", b"192.0.2.1", b"*"])
def test_a_host_that_is_listed_gets_nothing_in_the_clear(listed: bytes) -> None:
    found = terms(TlsHosts({listed: b""}, never=frozenset({b"mx.far.test", b"*"})), b"Far.test")

    assert (True, False) == (found.demanded, verifies(found))


@pytest.mark.parametrize(
    ("listed", "exchanger", "proven"),
    [
        (b"far.test", b"mx.far.test", "mx.far.test"),
        (b"far.test", b"mx.evil.test", "far.test"),
        (b"far.test", b"evilfar.test", "far.test"),
        (b".isp.test", b"mx.isp.test", "mx.isp.test"),
        (b"192.0.2.1", b"mx.far.test", "192.0.2.1"),
        (b"*", b"mx.isp.test", "mx.isp.test"),
    ],
)
def test_a_certificate_proves_the_name_that_is_listed_and_not_one_that_dns_puts_in_its_place(
    listed: bytes, exchanger: bytes, proven: str
) -> None:
    found = terms(TlsHosts({listed: VERIFY}), exchanger=exchanger)

    assert (proven, True) == (found.name, verifies(found))


def test_of_several_entries_one_that_verifies_counts() -> None:
    found = terms(TlsHosts({b"mx.isp.test": b"", b"far.test": VERIFY}), exchanger=b"mx.isp.test")

    assert ("far.test", True) == (found.name, verifies(found))


def test_an_exhaustive_list_asks_nobody_else() -> None:
    hosts = TlsHosts({b"far.test": b""}, exhaustive=True)

    assert [True, False] == [terms(hosts, host).context is not None for host in (b"far.test", b"other.test")]


@pytest.mark.parametrize(
    "name", [b"", b"a..b", b".far.test", b"\xe9.test", b"a b.test", b"x" * 64 + b".test"]
)
def test_a_name_that_tls_cannot_say_is_not_said(name: bytes) -> None:
    assert terms(TlsHosts(), exchanger=name).name is None


def test_a_name_that_no_certificate_bears_is_tried_again() -> None:
    outcome = Policy(TlsHosts({b"*": VERIFY})).terms(b"\xe9.test", Exchanger(0, ADDRESS, b""))

    assert isinstance(outcome, Outcome)
    assert Verdict.TRY_AGAIN is outcome.message.verdict
    assert b"No certificate can be verified for the name ?.test. (#4.7.5)\n" == outcome.message.text


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_cas_that_cannot_be_read_keep_mail_until_they_can(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "ca.pem"
    if content:
        file.write_text(content)
    policy = Policy(TlsHosts({b"far.test": bytes(file)}))

    outcome = policy.terms(b"far.test", Exchanger(0, ADDRESS, b""))
    self_signed(file)

    assert isinstance(outcome, Outcome)
    assert (Verdict.TRY_AGAIN, sentences.no_ca(bytes(file))) == outcome.message
    assert isinstance(policy.terms(b"far.test", Exchanger(0, ADDRESS, b"")), Terms)


LOGIN = Login(b"joe", b"secret")


@pytest.mark.parametrize(
    ("encryption", "implicit"), [(Encryption.STARTTLS, False), (Encryption.IMPLICIT, True)]
)
def test_a_smarthost_proves_the_name_of_its_route(encryption: Encryption, implicit: bool) -> None:
    smarthost = Smarthost(b"smtp.isp.test", encryption, b"", LOGIN)
    never = TlsHosts(never=frozenset({b"*"}))

    found = terms(never, b"smtp.isp.test", b"smtp.isp.test", smarthost)

    assert ("smtp.isp.test", True, True) == (found.name, found.demanded, verifies(found))
    assert (implicit, LOGIN) == (found.implicit, found.login)


def test_a_smarthost_by_address_proves_its_address() -> None:
    smarthost = Smarthost(b"[2001:db8::1]", Encryption.STARTTLS)

    assert "2001:db8::1" == terms(TlsHosts(), b"[2001:db8::1]", b"", smarthost).name


def test_a_smarthost_with_optional_tls_is_a_host_like_others() -> None:
    smarthost = Smarthost(b"gate.test", Encryption.OPTIONAL)

    assert not terms(TlsHosts(), b"gate.test", b"gate.test", smarthost).demanded
    assert terms(TlsHosts({b"gate.test": b""}), b"gate.test", b"gate.test", smarthost).demanded


def test_hosts_are_listed_in_files(tmp_path: Path) -> None:
    (tmp_path / "tlshosts").write_text("# ours\nFar.test\n.bank.test:verify\nlab.test:/run/Ca.pem\n")
    (tmp_path / "notlshosts").write_text("Old.test\n")

    expected = {b"far.test": b"", b".bank.test": VERIFY, b"lab.test": b"/run/Ca.pem"}
    assert TlsHosts(expected, False, frozenset({b"old.test"})) == read_tls_hosts(Control(tmp_path))


@pytest.mark.parametrize("exhaustive", [False, True])
def test_hosts_are_listed_in_folders_as_qmail_tls_has_them(tmp_path: Path, exhaustive: bool) -> None:
    for folder, name in [("tlshosts", "Far.test.pem"), ("tlshosts", "README"), ("notlshosts", "Old.test")]:
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / name).touch()
    if exhaustive:
        (tmp_path / "tlshosts" / "exhaustivelist").touch()

    expected = {b"far.test": bytes(tmp_path / "tlshosts" / "Far.test.pem")}
    assert TlsHosts(expected, exhaustive, frozenset({b"old.test"})) == read_tls_hosts(Control(tmp_path))


def test_without_files_nothing_is_listed_and_empty_folders_list_nothing(tmp_path: Path) -> None:
    assert TlsHosts() == read_tls_hosts(Control(tmp_path))
    (tmp_path / "tlshosts").mkdir()
    (tmp_path / "notlshosts").mkdir()
    assert TlsHosts() == read_tls_hosts(Control(tmp_path))


def test_a_list_that_cannot_be_read_is_a_temporary_failure(tmp_path: Path) -> None:
    (tmp_path / "tlshosts").symlink_to("tlshosts")

    with pytest.raises(Temporary, match="tlshosts"):
        read_tls_hosts(Control(tmp_path))
