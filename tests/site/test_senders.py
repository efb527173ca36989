"""Owns the tests of whose an address is, by config.yaml."""

import pytest

from appliance.formats.senders import owners
from appliance.site.senders import senders
from tests.support.configs import ALICE, HEAD, SITE, site_of, with_domain

WHOSE = f"""{HEAD}domains:
  example.org:
    mailboxes:
      alice: {{password: generate}}
      alice-smith: {{password: generate, forward: alice}}
      bob: {{forward: [alice, far@elsewhere.test]}}
      carl: {{password: generate, send_as: ["news@far.test", "*@third.test"]}}
      root: {{password: generate, send_as: "*"}}
      eve: {{password: generate, send_as: [alice-x@example.org, "*@example.net", Info@example.org]}}
    aliases: {{info: [alice, carl-list], out: far@elsewhere.test, loop: [alice-smith, info]}}
    catch_all: [carl, far@elsewhere.test]
  example.net: {{alias_of: example.org}}
  nowhere.test: {{user: alice-v@example.org}}
  other.test: {{mailboxes: {{dora: {{password: generate}}}}}}
"""


@pytest.mark.parametrize(
    ("address", "logins"),
    [
        ("alice@example.org", "alice"),
        ("alice-any-thing@example.org", "alice"),
        ("alice-smith@example.org", "alice-smith"),
        ("alice-smith-x@example.org", "alice-smith"),
        ("bob@example.org", "alice"),
        ("bob-x@example.org", "alice"),
        ("info@example.org", "alice carl eve"),
        ("info@example.net", "alice carl eve"),
        ("loop@example.org", "alice alice-smith carl"),
        ("out@example.org", ""),
        ("whatever@example.org", "carl"),
        ("postmaster@example.org", "alice"),
        ("abuse@other.test", "alice"),
        ("postmaster@mail.example.org", "alice"),
        ("x@mail.example.org", ""),
        ("alice@example.net", "alice eve"),
        ("new@example.net", "carl eve"),
        ("any@nowhere.test", "alice"),
        ("alice-x@example.org", "alice eve"),
        ("alice-xy@example.org", "alice"),
        ("news@far.test", "carl"),
        ("olds@far.test", ""),
        ("any@third.test", "carl"),
        ("dora@other.test", "dora@other.test"),
        ("nobody@other.test", ""),
    ],
)
def test_an_address_belongs_to_whom_its_mail_reaches_or_it_is_given(address: str, logins: str) -> None:
    table = senders(site_of(WHOSE))
    full = {name if "@" in name else f"{name}@example.org" for name in logins.split()}

    assert full | {"root@example.org"} == {login.decode() for login in owners(table, address.encode())}


def test_nobody_but_alice_sends_by_what_is_alices() -> None:
    table = senders(site_of(SITE))

    assert {b"alice@example.org"} == set().union(*table.values())
    assert b"alice@elsewhere.test" not in table


def test_a_mailbox_that_leads_elsewhere_is_nobodys() -> None:
    table = senders(site_of(with_domain(f"{ALICE}  bob: {{forward: b@far.test}}\ncatch_all: alice")))

    assert [set(), {b"alice@example.org"}] == [
        owners(table, name) for name in (b"bob@example.org", b"bo@example.org")
    ]
