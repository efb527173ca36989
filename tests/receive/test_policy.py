"""Owns the tests of what control files decide."""

from pathlib import Path

import pytest

from appliance.formats.assign import compile_assign
from appliance.formats.cdb import make_cdb
from appliance.formats.outcome import Temporary
from appliance.receive.policy import Policy
from tests.support.smtp_rig import place_of


def policy(folder: Path, **control: str) -> Policy:
    return Policy.read(place_of(folder, control))


@pytest.mark.parametrize(
    ("recipient", "expected"),
    [
        (b"j@lab.test", True),
        (b"j@LAB.TEST", True),
        (b"j@host.lab.test", True),
        (b"j@x.lab.test", False),
        (b"j@a.sub.test", True),
        (b"j@a.b.sub.test", True),
        (b"j@sub.test", False),
        (b"j@xsub.test", False),
        (b"j@lab.test.", False),
        (b"j@", False),
        (b"nodomain", True),
        (b"a@other.test@lab.test", True),
        (b"a@lab.test@other.test", False),
    ],
)
def test_rcpthosts_lists_domains_and_suffixes(tmp_path: Path, recipient: bytes, expected: bool) -> None:
    assert expected == policy(tmp_path).may_receive(recipient)


def test_autoturn_tells_whose_mail_waits(tmp_path: Path) -> None:
    (turn,) = policy(tmp_path, autoturn="# c\nppp.test:h|192.0.2.9|\n").turns
    assert "ppp.test" == turn.domain

    with pytest.raises(Temporary, match="autoturn: ppp.test: this is not"):
        policy(tmp_path, autoturn="ppp.test\n")


def test_without_rcpthosts_all_is_taken_and_an_empty_one_takes_nothing(tmp_path: Path) -> None:
    assert not policy(tmp_path, rcpthosts="").may_receive(b"a@lab.test")
    (tmp_path / "control/rcpthosts").unlink()
    assert Policy.read(place_of(tmp_path, {})).may_receive(b"a@lab.test")


def test_comments_and_leading_blanks_list_nothing(tmp_path: Path) -> None:
    found = policy(tmp_path, rcpthosts="# a.test\n\n b.test\nc.test  \t\n")

    assert [False, False, True] == [found.may_receive(b"x@%b.test" % name) for name in (b"a", b"b", b"c")]


def test_morercpthosts_adds_to_rcpthosts(tmp_path: Path) -> None:
    place = place_of(tmp_path, {})
    (place.control / "morercpthosts.cdb").write_bytes(make_cdb([(b"more.test", b""), (b".dot.test", b"")]))
    found = Policy.read(place)

    answers = [
        found.may_receive(b"a@" + name) for name in (b"MORE.test", b"x.more.test", b"x.dot.test", b"lab.test")
    ]
    assert [True, False, True, True] == answers


def test_a_damaged_morercpthosts_is_temporary(tmp_path: Path) -> None:
    place = place_of(tmp_path, {})
    (place.control / "morercpthosts.cdb").write_bytes(b"no cdb")

    with pytest.raises(Temporary, match=r"morercpthosts\.cdb"):
        Policy.read(place)


@pytest.mark.parametrize(
    ("sender", "expected"),
    [
        (b"bad@y.test", True),
        (b"BAD@Y.test", True),
        (b"good@y.test", False),
        (b"any@EVIL.test", True),
        (b"any@x.evil.test", False),
        (b"comment@y.test", False),
        (b"", False),
    ],
)
def test_badmailfrom_lists_senders_and_their_domains(tmp_path: Path, sender: bytes, expected: bool) -> None:
    found = policy(tmp_path, badmailfrom="bad@y.test\n@evil.test\n# comment@y.test\n")

    assert expected == found.is_bad_sender(sender)


@pytest.mark.parametrize(
    ("variable", "expected"), [(None, 10), ("0", 0), ("1000", 1000), ("x", 0), ("7x", 7)]
)
def test_the_rules_databytes_overrides_the_files(tmp_path: Path, variable: str | None, expected: int) -> None:
    environment = {} if variable is None else {"DATABYTES": variable}

    assert expected == policy(tmp_path, databytes="10\n").terms(environment).databytes


@pytest.mark.parametrize(("variable", "expected"), [(None, None), ("", b""), ("@fixme", b"@fixme")])
def test_relayclient_may_be_empty(tmp_path: Path, variable: str | None, expected: bytes | None) -> None:
    environment = {} if variable is None else {"RELAYCLIENT": variable}

    assert expected == policy(tmp_path).terms(environment).relay_suffix


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (b"joe@[127.0.0.1]", b"joe@lab.test"),
        (b"joe@[0.0.0.0]", b"joe@lab.test"),
        (b"joe@[192.0.2.1]", b"joe@lab.test"),
        (b"joe@[10.9.8.7]", b"joe@[10.9.8.7]"),
        (b"joe@[127.0.0.1]x", b"joe@[127.0.0.1]x"),
        (b"[127.0.0.1]", b"[127.0.0.1]"),
    ],
)
def test_an_own_address_stands_for_localiphost(tmp_path: Path, address: bytes, expected: bytes) -> None:
    found = policy(tmp_path, localiphost="lab.test\n")

    assert expected == found.with_local_name(address, found.terms({"TCPLOCALIP": "192.0.2.1"}).own)


@pytest.mark.parametrize("literal", [b"[IPv6:2001:db8::1]", b"[ipv6:2001:DB8:0:0::1]"])
def test_an_own_address_of_ipv6_stands_for_localiphost_too(tmp_path: Path, literal: bytes) -> None:
    found = policy(tmp_path, localiphost="lab.test\n")

    for local, expected in (("2001:db8::1", b"joe@lab.test"), ("2001:db8::2", b"joe@" + literal)):
        own = found.terms({"TCPLOCALIP": local}).own
        assert expected == found.with_local_name(b"joe@" + literal, own)


def test_what_is_rewritten_to_a_remote_address_is_another_hosts_to_know(tmp_path: Path) -> None:
    found = policy(tmp_path, locals="lab.test\n", virtualdomains="virtual.test:joe\nfar.virtual.test:\n")

    addresses = [b"a@lab.test", b"a@virtual.test", b"a@far.virtual.test", b"a@elsewhere.test", b"nodomain"]
    assert [True, True, False, False, False] == [found.needs_asking(address) for address in addresses]


def test_whom_users_assign_names_whole_has_a_mailbox_and_nobody_else(tmp_path: Path) -> None:
    found = policy(tmp_path, locals="lab.test\n", virtualdomains="virtual.test:virtual\n")
    (tmp_path / "users").mkdir()
    lines = b"=virtual-joe:v:1:1:/m/joe:::", b"=joe:a:7790:2107:/alias:-:joe:", b"+joe-:v:1:1:/m/joe:-::"
    text = b"\n".join((*lines, b".\n"))
    (tmp_path / "users" / "cdb").write_bytes(compile_assign(text))

    addresses = [
        b"JOE@virtual.test",
        b"joe-x@virtual.test",
        b"joe@lab.test",
        b"joe-x@lab.test",
        b"ann@lab.test",
    ]
    assert [False, True, True, True, True] == [found.needs_asking(address) for address in addresses]

    (tmp_path / "users" / "cdb").write_bytes(b"damaged")
    assert found.needs_asking(b"joe@virtual.test")


def test_where_there_are_quotas_a_mailbox_is_asked_whether_it_has_room(tmp_path: Path) -> None:
    found = policy(
        tmp_path,
        locals="lab.test\n",
        virtualdomains="virtual.test:virtual\n",
        quotas="joe@virtual.test:1000S\n",
    )
    (tmp_path / "users").mkdir()
    (tmp_path / "users" / "cdb").write_bytes(compile_assign(b"=virtual-joe:v:1:1:/m/joe:::\n.\n"))

    assert found.needs_asking(b"joe@virtual.test")
    assert not found.needs_asking(b"joe@elsewhere.test")


def test_the_greeting_is_smtpgreeting_or_me(tmp_path: Path) -> None:
    assert b"mx.lab.test" == policy(tmp_path).greeting
    assert b"hello" == policy(tmp_path, smtpgreeting="hello\n").greeting


def test_a_host_without_a_name_is_temporary(tmp_path: Path) -> None:
    place = place_of(tmp_path, {})
    (place.control / "me").unlink()

    with pytest.raises(Temporary, match="me"):
        Policy.read(place)


def test_times_are_at_least_a_second(tmp_path: Path) -> None:
    found = policy(tmp_path, timeoutsmtpd="0\n", sessionlimit="0\n")

    assert (1, 1) == (found.timeout, found.session_seconds)


def test_the_reason_to_take_no_mail_is_read(tmp_path: Path) -> None:
    assert b"the queue is on no volume" == policy(tmp_path, refuse="the queue is on no volume\n").refusal
