"""Owns the tests of a listener's rules in memory."""

from pathlib import Path

import pytest

from appliance.formats.outcome import Temporary
from appliance.formats.tcprules import compile_rules
from appliance.net.rules import Rules


def rules(folder: Path, text: bytes) -> Rules:
    path = folder / "tcp.smtp.cdb"
    path.write_bytes(compile_rules(text))
    return Rules(path)


def test_a_rule_denies_or_sets_variables(tmp_path: Path) -> None:
    found = rules(tmp_path, b'192.0.2.:allow,RELAYCLIENT=""\n10.:deny\n')

    assert {"RELAYCLIENT": ""} == found.of("192.0.2.7").environment
    assert not found.of("10.1.2.3").allow


def test_without_a_rule_a_peer_is_allowed_as_by_tcpserver(tmp_path: Path) -> None:
    assert (True, {}) == rules(tmp_path, b"10.:deny\n").of("192.0.2.7")[:2]


def test_a_listener_may_be_for_those_alone_whom_a_rule_allows(tmp_path: Path) -> None:
    path = tmp_path / "tcp.qmqp.cdb"
    path.write_bytes(compile_rules(b"192.0.2.:allow\n"))

    found = Rules(path, listed_only=True)

    assert (True, False) == (found.of("192.0.2.7").allow, found.of("192.0.3.7").allow)


def test_an_answer_is_kept_while_the_file_changes(tmp_path: Path) -> None:
    found = rules(tmp_path, b":deny\n")
    assert not found.of("192.0.2.7").allow

    rules(tmp_path, b":allow\n")

    assert not found.of("192.0.2.7").allow


def test_a_new_file_is_noticed_once_and_a_missing_one_is_none(tmp_path: Path) -> None:
    found = rules(tmp_path, b":deny\n")
    path = tmp_path / "tcp.smtp.cdb"
    assert not found.changed()

    path.write_bytes(compile_rules(b"10.:deny\n"))
    assert found.changed()
    assert not found.changed()

    path.unlink()
    assert not found.changed()


def test_more_peers_than_are_kept_are_answered(tmp_path: Path) -> None:
    found = rules(tmp_path, b"10.0.255.:deny\n")

    answers = [found.of(f"10.0.{i % 256}.{i // 256}").allow for i in range(5000)]

    assert answers == [i % 256 != 255 for i in range(5000)]


@pytest.mark.parametrize("content", [None, b"", b"x" * 3000])
def test_a_file_that_is_missing_or_no_cdb_is_temporary(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "tcp.smtp.cdb"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(Temporary, match="unable to read"):
        Rules(path)


def test_a_file_that_turns_out_damaged_denies(tmp_path: Path) -> None:
    path = tmp_path / "tcp.smtp.cdb"
    content = bytearray(compile_rules(b"10.1.2.3:allow\n"))
    content[2048:2052] = b"\xff\xff\xff\xff"  # the length of the only record's key
    path.write_bytes(content)

    assert not Rules(path).of("10.1.2.3").allow


@pytest.mark.parametrize(
    ("text", "asks"),
    [
        (b'192.0.2.7:allow,FOO="a@b="\n', (False, False)),
        (b"=.lab.test:allow\n", (True, False)),
        (b"joe@192.0.2.7:allow\n", (False, True)),
        (b"joe@=c.lab.test:deny\n", (True, True)),
    ],
)
def test_names_are_to_be_asked_for_only_if_a_rule_has_one(
    tmp_path: Path, text: bytes, asks: tuple[bool, bool]
) -> None:
    found = rules(tmp_path, text)

    assert asks == (found.asks_host, found.asks_user)


def test_a_rule_counts_for_whom_it_names(tmp_path: Path) -> None:
    found = rules(tmp_path, b"joe@=c.lab.test:deny\n=.lab.test:allow\n:deny\n")

    asked = [
        (None, None),
        ("c.lab.test", None),
        ("c.lab.test", "joe"),
        ("c.lab.test", "ann"),
        ("other.test", "joe"),
    ]
    assert [False, True, False, True, False] == [found.of("192.0.2.7", *names).allow for names in asked]
