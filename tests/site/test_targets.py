"""Owns the tests of targets that arrive nowhere, and of loops."""

import time

import pytest

from appliance.site.draft import Draft
from appliance.site.targets import dangling, loops
from tests.support.configs import ALICE, SITE, site_of, with_domain
from tests.support.unchecked import unchecked


def dangling_in(text: str) -> list[tuple[str, str]]:
    return [
        ("/".join(map(str, told.path)), told.text) for told in dangling(Draft(unchecked(text), frozenset()))
    ]


def loops_in(text: str) -> list[str]:
    return [
        told.text.removeprefix("there is a loop: ").partition(";")[0]
        for told in loops(Draft(unchecked(text), frozenset()))
    ]


def test_a_right_site_has_none() -> None:
    assert ([], []) == (dangling_in(SITE), loops_in(SITE))


@pytest.mark.parametrize(
    ("lines", "path", "told"),
    [
        ("aliases: {a: alise}", "domains/example.org/aliases/a", "the alias `a` leads to `alise`"),
        (
            "aliases: {a: [alice, nobody]}",
            "domains/example.org/aliases/a/1",
            "the alias `a` leads to `nobody`",
        ),
        (
            "aliases: {a: x@example.org}",
            "domains/example.org/aliases/a",
            "the alias `a` leads to `x@example.org`",
        ),
        ("catch_all: zzz", "domains/example.org/catch_all", "catch_all leads to `zzz`"),
        (
            "catch_all: alice\naliases: {a: zzz}",
            "domains/example.org/aliases/a",
            "the alias `a` leads to `zzz`",
        ),
    ],
)
def test_a_target_must_be_a_name_that_is_given(lines: str, path: str, told: str) -> None:
    found = dangling_in(with_domain(ALICE + lines))

    assert [(path, True)] == [(where, told in text) for where, text in found]


def test_a_name_that_is_nearly_right_is_guessed() -> None:
    assert "did you mean `alice`?" in dangling_in(with_domain(f"{ALICE}aliases: {{a: alise}}"))[0][1]


def test_the_target_of_a_forward_is_looked_at_as_well() -> None:
    found = dangling_in(with_domain(f"{ALICE}  bob: {{forward: bobby}}"))

    assert [("domains/example.org/mailboxes/bob/forward", True)] == [
        (path, "the mailbox `bob` forwards to `bobby`" in text) for path, text in found
    ]


@pytest.mark.parametrize(
    "target", ["alice-books", "postmaster", "info", "x@elsewhere.test", "root@mail.example.org"]
)
def test_extensions_roles_aliases_and_strangers_are_targets(target: str) -> None:
    assert [] == dangling_in(with_domain(f"{ALICE}aliases: {{info: alice, a: {target}}}"))


def test_a_target_in_another_domain_of_the_site_is_looked_up_there() -> None:
    more = "a.test: {alias_of: example.org}\nb.test: {aliases: {x: nobody@a.test, y: alice@a.test}}"

    assert ["domains/b.test/aliases/x"] == [path for path, _ in dangling_in(with_domain(ALICE, more))]


def test_the_postmaster_must_be_somebody() -> None:
    text = with_domain(ALICE).replace("postmaster: alice", "postmaster: alfred")

    assert [("postmaster", True)] == [
        (path, "the postmaster is `alfred@" in told) for path, told in dangling_in(text)
    ]


@pytest.mark.parametrize(
    "path",
    [
        ("domains", "example.org", "mailboxes", "bob"),
        ("domains", "example.org", "aliases", "bob"),
        ("domains", "example.org", "mailboxes"),
        ("domains", "example.org"),
    ],
)
def test_a_name_with_a_fault_of_its_own_is_not_called_missing(path: tuple[str, ...]) -> None:
    site = unchecked(with_domain(f"{ALICE}aliases: {{a: bob}}"))

    assert [] == list(dangling(Draft(site, frozenset({path}))))


@pytest.mark.parametrize(
    ("lines", "circle"),
    [
        ("aliases: {a: a}", "a -> a"),
        ("aliases: {a: b, b: c, c: a}", "a -> b -> c -> a"),
        ("aliases: {a: [alice, b], b: a@example.net}", "a -> b -> a"),
        ("  bob: {forward: a}\naliases: {a: bob}", "bob -> a -> bob"),
        ("  bob: {forward: bob, keep_copy: true}", "bob -> bob"),
        ("  bob: {forward: a}\naliases: {a: bob-x}", "bob -> a -> bob"),
    ],
)
def test_a_loop_is_told_once_with_all_of_its_names(lines: str, circle: str) -> None:
    assert [circle] == loops_in(with_domain(ALICE + lines, "example.net: {alias_of: example.org}"))


def test_an_extension_that_its_mailbox_keeps_is_no_loop() -> None:
    lines = f"{ALICE}  bob: {{forward: a, keep_copy: true}}\naliases: {{a: bob-x}}"

    assert [] == loops_in(with_domain(lines))


def test_two_loops_are_two_faults() -> None:
    assert ["a -> b -> a", "c -> c"] == loops_in(with_domain(f"{ALICE}aliases: {{a: b, b: a, c: c}}"))


def test_a_loop_by_the_postmasters_name_is_one() -> None:
    text = with_domain(f"{ALICE}aliases: {{info: postmaster}}").replace(
        "postmaster: alice@", "postmaster: info@"
    )

    assert ["info -> postmaster -> info"] == loops_in(text)


def test_the_postmaster_of_this_host_cannot_be_its_own_postmaster() -> None:
    text = with_domain(ALICE).replace("postmaster: alice@example.org", "postmaster: root@mail.example.org")

    assert ["`root@mail.example.org` leads to the postmaster, which is a loop"] == loops_in(text)


def test_another_domains_name_is_shown_whole() -> None:
    text = with_domain(f"{ALICE}aliases: {{a: b@b.test}}", "b.test: {aliases: {b: a@example.org}}")

    assert ["a -> b@b.test -> a"] == loops_in(text)


def test_a_chain_of_ten_thousand_aliases_is_no_problem() -> None:
    chain = ", ".join(f"a{n}: a{n + 1}" for n in range(10_000))
    site = site_of(with_domain(f"{ALICE}aliases: {{{chain}, a10000: alice}}"))
    before = time.process_time()

    assert [] == list(loops(Draft(site, frozenset())))
    assert 10 > time.process_time() - before
