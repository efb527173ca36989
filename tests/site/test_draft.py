"""Owns the tests of what is left of a faulty config.yaml."""

import pytest

from appliance.site.document import Document
from appliance.site.draft import Draft, draft_of
from appliance.site.faults import Path
from appliance.site.model import validated
from appliance.site.values import Plain
from tests.support.configs import site_of

LEAST: dict[str, Plain] = {"version": 1, "hostname": "mail.example.org", "postmaster": "a@elsewhere.test"}
GOOD: Plain = {"password": "generate"}


def draft(plain: dict[str, Plain], dropped: frozenset[Path] = frozenset()) -> Draft:
    site, wrongs = validated(plain)
    found = draft_of(Document(plain=plain, dropped=set(dropped)), site, wrongs)
    assert found is not None
    return found


def test_a_right_site_stays_as_it_is() -> None:
    site, _ = validated(LEAST)

    assert (site, frozenset()) == draft(LEAST)


def test_what_is_missing_at_the_top_is_made_up() -> None:
    found = draft({"domains": {"a.test": {"mailboxes": {"x": GOOD}}}})

    assert ("host.invalid", ["x"]) == (found.site.hostname, list(found.site.domains["a.test"].mailboxes))


def test_a_wrong_value_goes_and_its_neighbours_stay() -> None:
    mailboxes: Plain = {"x": {"password": "oops", "keep_copy": True}, "y": GOOD, "z z": GOOD}

    found = draft({**LEAST, "domains": {"a.test": {"mailboxes": mailboxes}}, "what": 1})

    left = found.site.domains["a.test"].mailboxes
    assert (["x", "y"], True, None) == (list(left), left["x"].keep_copy, left["x"].password)


def test_a_wrong_item_takes_its_list_along_and_nothing_else() -> None:
    aliases: Plain = {"a": ("b c", "d e", "f"), "g": ("x",)}

    found = draft({**LEAST, "domains": {"a.test": {"aliases": aliases}}})

    assert {"g": ("x",)} == found.site.domains["a.test"].aliases


def test_a_part_with_a_hole_goes_whole() -> None:
    assert draft({**LEAST, "tls": {"key": "/k"}}).site.tls is None


def test_a_part_of_the_wrong_type_has_its_default() -> None:
    found = draft({**LEAST, "listen": (), "domains": "none"})

    assert (25, {}) == (found.site.listen.smtp, found.site.domains)


@pytest.mark.parametrize(
    ("path", "lost", "doubted"),
    [
        (("domains", "a.test", "mailboxes", "x"), False, True),
        (("domains", "a.test", "mailboxes", "x", "password"), True, True),
        (("domains", "a.test", "mailboxes", "x", "password", 0), True, False),
        (("domains", "a.test"), False, True),
        (("domains", "b.test"), False, False),
    ],
)
def test_it_is_known_what_was_taken_out(path: Path, lost: bool, doubted: bool) -> None:
    found = draft({**LEAST, "domains": {"a.test": {"mailboxes": {"x": {"password": "oops"}}}}})

    assert (lost, doubted) == (found.lost(path), found.doubts(path))


def test_what_the_reader_dropped_is_lost_as_well() -> None:
    assert draft(LEAST, frozenset({("domains",)})).lost(("domains", "a.test"))


def test_a_site_is_its_own_draft() -> None:
    site = site_of()

    assert Draft(site, frozenset()) == draft_of(Document(), site, [])
