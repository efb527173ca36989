"""Owns the tests of what an address is in a site, and where it leads."""

import pytest

from appliance.site.addresses import Found, Name, find, forwards, full, is_real, name_of, owner_of, roles
from tests.support.configs import ALICE, SITE, site_of, with_domain

ORG = "example.org"


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("alice@example.org", Name(ORG, "alice")),
        ("Alice@example.org", Name(ORG, "alice")),
        ("alice@example.net", Name(ORG, "alice")),
        ("info@nowhere.test", Name(ORG, "bob-info")),
        ("alice@elsewhere.test", None),
        ("alice@mail.example.org", None),
    ],
)
def test_an_address_is_a_name_in_a_domain_with_names_of_its_own(address: str, name: Name | None) -> None:
    assert name == name_of(site_of(), address)


@pytest.mark.parametrize(
    ("local", "kind", "whose"),
    [
        ("alice", "mailbox", "alice"),
        ("info", "alias", "info"),
        ("postmaster", "role", "postmaster"),
        ("alice-books", "extension", "alice"),
        ("alice-books-old", "extension", "alice"),
        ("carl-x", "extension", "carl"),
        ("alicex", "catch_all", "alicex"),
        ("info-x", "catch_all", "info-x"),
    ],
)
def test_the_order_is_mailbox_alias_role_extension_catch_all(local: str, kind: str, whose: str) -> None:
    found = find(site_of(), Name(ORG, local))

    assert (kind, Name(ORG, whose)) == found


def test_without_a_catch_all_an_unknown_name_is_nobody() -> None:
    assert find(site_of(with_domain(ALICE)), Name(ORG, "nobody")) is None


def test_the_longest_mailbox_has_the_extension() -> None:
    site = site_of(with_domain(f"{ALICE}  alice-books: {{password: generate}}"))

    assert Found("extension", Name(ORG, "alice-books")) == find(site, Name(ORG, "alice-books-old"))


def test_an_alias_is_before_an_extension() -> None:
    site = site_of(with_domain(f"{ALICE}aliases: {{alice-books: alice}}"))

    assert Found("alias", Name(ORG, "alice-books")) == find(site, Name(ORG, "alice-books"))


def test_a_domain_has_the_postmasters_names_but_those_it_gives_itself() -> None:
    site = site_of(with_domain(f"{ALICE}aliases: {{abuse: alice}}"))

    assert ["postmaster", "mailer-daemon"] == list(roles(site, ORG))


def test_a_postmaster_by_catch_all_does_not_lead_to_himself() -> None:
    text = with_domain(f"{ALICE}catch_all: alice").replace("alice@example.org", "alice-post@example.org")
    site = site_of(text)
    by_catch_all = site.model_copy(update={"postmaster": "postmaster@example.org"})

    assert (3, ["abuse", "mailer-daemon"]) == (len(list(roles(site, ORG))), list(roles(by_catch_all, ORG)))


@pytest.mark.parametrize(
    ("user", "owner"),
    [
        ("bob", Name(ORG, "bob")),
        ("bob-nowhere", Name(ORG, "bob-nowhere")),
        ("Bob@example.org", Name(ORG, "bob")),
        ("nobody", None),
        ("bob@example.net", None),
        ("bob@elsewhere.test", None),
    ],
)
def test_a_user_is_a_mailbox_or_an_extension_of_one(user: str, owner: Name | None) -> None:
    assert owner == owner_of(site_of(), user)


def test_a_user_of_two_domains_is_nobody_in_particular() -> None:
    site = site_of(with_domain(ALICE, "example.net: {mailboxes: {alice: {password: generate}}}"))

    assert (None, Name("example.net", "alice")) == (
        owner_of(site, "alice"),
        owner_of(site, "alice@example.net"),
    )


def test_a_domain_in_the_name_of_another_is_not_real() -> None:
    domains = site_of().domains

    assert [True, False, False] == [is_real(domain) for domain in domains.values()]
    assert not is_real(None)


@pytest.mark.parametrize(("target", "address"), [("bob", "bob@example.org"), ("b@c.test", "b@c.test")])
def test_a_bare_name_is_one_of_the_same_domain(target: str, address: str) -> None:
    assert address == full(target, ORG)


def test_all_that_leads_elsewhere_is_known_with_its_whole_addresses() -> None:
    found = {name.local: addresses for name, addresses in forwards(site_of(SITE))}

    assert {
        "bob": ("bob@elsewhere.test",),
        "carl": ("carl@elsewhere.test", "alice@example.org"),
        "info": ("alice@example.org", "bob@example.org"),
        "p.d.q.bach": ("alice@example.org",),
        "postmaster": ("alice@example.org",),
        "abuse": ("alice@example.org",),
        "mailer-daemon": ("alice@example.org",),
    } == found


def test_domains_that_name_each_other_are_no_name() -> None:
    domains = site_of().domains
    circle = {"a.test": domains["example.net"].model_copy(update={"alias_of": "a.test"})}

    assert name_of(site_of().model_copy(update={"domains": circle}), "x@a.test") is None
