"""Owns the tests of the sentences that a faulty config.yaml is answered with."""

import pytest

from appliance.site.faults import ConfigFaults, Fault, fault_at, sentence
from appliance.site.model import validated
from appliance.site.values import Plain

LEAST: dict[str, Plain] = {"version": 1, "hostname": "mail.example.org", "postmaster": "a@elsewhere.test"}


def told(plain: dict[str, Plain]) -> list[str]:
    return [sentence(wrong) for wrong in validated({**LEAST, **plain})[1]]


@pytest.mark.parametrize(
    ("plain", "wanted"),
    [
        ({"lmits": {}}, "the key `lmits` is not known here; did you mean `limits`?"),
        ({"limits": {"Message-Size": 1}}, "did you mean `message_size`?"),
        ({"limits": {"zzz": 1}}, "the keys are concurrency_local, concurrency_remote,"),
        ({"lists": {}}, "`lists` is not there yet; leave it out"),
        ({"version": 2}, "the number 2 is no version that is known; write 1"),
        (
            {"relay": {"smarthost": {"host": "a.test", "tls": "off"}}},
            "the text `off` stands here; write `starttls`, `implicit` or `optional`: how it is encrypted",
        ),
        (
            {"relay": {"routes": {"a.test": {"host": "b.test", "prt": 5}}}},
            "the key `prt` is not known here; did you mean `port`?",
        ),
        ({"relay": {"routes": {"a.test": ()}}}, "a list stands here; text is wanted: next hops by domain"),
        ({"version": None}, "nothing is no version that is known; write 1"),
        (
            {"limits": {"connections": "many"}},
            "the text `many` stands here; a whole number is wanted: connections at a time to each",
        ),
        ({"limits": {"connections": 0}}, "0 is too small; write 1 or more"),
        ({"listen": {"smtp": 70000}}, "70000 is too large; write 65535 or less"),
        ({"allow_ephemeral": "yes"}, "the text `yes` stands here; true or false is wanted: whether mail is"),
        ({"hostname": 5}, "the number 5 stands here; text is wanted: the name by which"),
        ({"hostname": False}, "`false` stands here; text is wanted"),
        ({"relay": {"clients": {}}}, "a mapping stands here; a list, as in [one, two] is wanted: networks"),
        ({"relay": ()}, "a list stands here; a mapping, lines of `key: value` set in below it is wanted"),
        ({"tls": {"key": "/k"}}, "`certificate` is missing; write `certificate:` with the file with"),
        ({"domains": {"a.test": {"aliases": {"b": ()}}}}, "the list is empty; name at least one"),
        ({"domains": {"a.test": {"mailboxes": {"b": None}}}}, "nothing stands here; a mapping"),
        ({"hostname": "mail"}, "`mail` has no dot; write the full domain name"),
    ],
)
def test_what_is_wrong_and_what_would_be_right_is_told(plain: dict[str, Plain], wanted: str) -> None:
    sentences = told(plain)

    assert (1, True) == (len(sentences), wanted in sentences[0]), sentences


@pytest.mark.parametrize("value", ["hunter2", ("hunter2",), {"is": "hunter2"}])
def test_what_stands_as_a_password_is_never_shown(value: Plain) -> None:
    sentences = told({"domains": {"a.test": {"mailboxes": {"b": {"password": value}}}}})

    assert (1, False) == (len(sentences), "hunter2" in "".join(sentences))


def test_a_password_that_is_a_number_is_not_shown() -> None:
    sentences = told({"domains": {"a.test": {"mailboxes": {"b": {"password": 12345}}}}})

    assert "12345" not in "".join(sentences)


def test_a_fault_does_nothing_to_a_terminal() -> None:
    assert Fault(1, 2, r"the key `\x1b[31m\n` is odd") == fault_at((1, 2), "the key `\x1b[31m\n` is odd")


def test_a_fault_is_no_longer_than_a_few_lines() -> None:
    assert 500 > len(fault_at((1, 1), "x" * 100_000).text)


def test_faults_are_lines_that_editors_can_jump_to() -> None:
    faults = ConfigFaults("config.yaml", (Fault(3, 7, "a; b"), Fault(4, 1, "c; d")))

    assert "config.yaml:3:7: a; b\nconfig.yaml:4:1: c; d" == str(faults)
