"""Owns the tests of what a site offers to log in by."""

from pathlib import Path

import pytest

from appliance.site.addresses import Name
from appliance.site.mechanisms import lines
from tests.support.configs import site_of
from tests.support.hashes import HASHES
from tests.support.unchecked import unchecked

SITE = """\
version: 1
hostname: mx.example.org
postmaster: alice@example.org
domains: {example.org: {mailboxes: {alice: {password: generate}, bob: %s}}}
"""
ALICE = Name("example.org", "alice")
KEYS = "{SCRAM-SHA-256}4096,PXMLfgX2JsU9jkaaw6Saqw==,N3FZNCGUp5NW6RZ0sdMxEz/PBdk5m2lz70uVFPAMc3c="
KEYS += ",FVopG7t3c6zdOHOuzU9gbjMWzXLWmrk8mCTcukTIBps="
BOTH = ["smtp:SCRAM-SHA-256 CRAM-MD5", "pop3:SCRAM-SHA-256 CRAM-MD5 APOP"]


@pytest.mark.parametrize(
    ("stored", "offered"),
    [
        (HASHES["bcrypt"], []),
        ("made-when-applied", []),
        (KEYS, ["smtp:SCRAM-SHA-256", "pop3:SCRAM-SHA-256"]),
        ("{PLAIN}secret", BOTH),
    ],
)
def test_what_is_stored_decides_what_is_offered(stored: str, offered: list[str]) -> None:
    assert offered == lines(site_of(SITE % "{password: generate}"), {ALICE: stored})


@pytest.mark.parametrize(
    ("scope", "offered"), [("smtp", BOTH[:1]), ("pop3", BOTH[1:]), ("[smtp, pop3]", BOTH)]
)
def test_an_app_password_offers_where_it_is_good(scope: str, offered: list[str]) -> None:
    bob = f'{{app_passwords: {{phone: {{password: "{{PLAIN}}secret", scope: {scope}}}}}}}'

    assert offered == lines(site_of(SITE % bob), {ALICE: HASHES["bcrypt"]})


def test_a_file_of_hashes_offers_if_anybody_has_his_password_there(tmp_path: Path) -> None:
    (tmp_path / "passwd").write_text(f"bob@example.org:{KEYS}\nnobody@example.org:plain\n")
    logins = f"logins: {{files: [{tmp_path}/passwd, {tmp_path}/missing]}}\n"
    nobody, bob = (unchecked(SITE % f"{{password: {word}}}" + logins) for word in ("generate", "external"))

    assert [] == lines(nobody, {ALICE: HASHES["bcrypt"]})
    assert ["smtp:SCRAM-SHA-256", "pop3:SCRAM-SHA-256"] == lines(bob, {ALICE: HASHES["bcrypt"]})
