"""Owns the tests of the keys about TLS of the listeners."""

import pytest

from appliance.site.model import validated
from appliance.site.tls import Certificate, Tls
from appliance.site.values import Plain

LEAST: dict[str, Plain] = {"version": 1, "hostname": "mx.test", "postmaster": "a@b.test"}
FILES: dict[str, Plain] = {"certificate": "/c", "key": "/k"}


def test_there_is_none_or_one_is_made_or_there_are_files() -> None:
    others: Plain = ({"certificate": "/c2", "key": "/k2"},)
    other = Certificate(certificate="/c2", key="/k2")
    cases: list[tuple[Plain, object]] = [
        (None, None),
        ("generate", "generate"),
        (FILES, Tls(certificate="/c", key="/k")),
        ({**FILES, "others": others}, Tls(certificate="/c", key="/k", others=(other,))),
    ]
    for written, meant in cases:
        site, wrongs = validated({**LEAST, "tls": written})
        assert [] == wrongs
        assert site is not None
        assert meant == site.tls


@pytest.mark.parametrize(
    ("wrong", "path", "kind"),
    [
        ("off", ("tls",), "literal_error"),
        (5, ("tls",), "literal_error"),
        ({"key": "/k"}, ("tls", "certificate"), "missing"),
        ({**FILES, "ca": "/ca"}, ("tls", "ca"), "extra_forbidden"),
        ({**FILES, "others": ({"key": "/k"},)}, ("tls", "others", 0, "certificate"), "missing"),
        ({**FILES, "key": "relative"}, ("tls", "key"), "value_error"),
    ],
)
def test_what_is_no_certificate_is_refused(wrong: Plain, path: tuple[str | int, ...], kind: str) -> None:
    site, wrongs = validated({**LEAST, "tls": wrong})

    assert site is None
    assert [(path, kind)] == [(found["loc"], found["type"]) for found in wrongs]
