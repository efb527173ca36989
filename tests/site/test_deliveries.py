"""Owns the tests of what becomes of a site's addresses in qmail's terms."""

from pathlib import Path

import pytest

from appliance.formats.maildirsize import Limits
from appliance.formats.outcome import Permanent
from appliance.site import deliveries
from appliance.site.addresses import Name
from appliance.site.deliveries import Account, AliasFile
from appliance.system.place import Place
from appliance.system.privileges import Identity
from tests.support.configs import ALICE, SITE, place_in, site_of, surroundings, with_domain

PLACE = Place(Path("/var/qmail"), Path("/mail"), Path("/state"), Path("/run"), Path("/config.yaml"))


def lines(text: str) -> list[str]:
    """users/assign without its users."""
    found = deliveries.assignments(site_of(text), PLACE, surroundings(root=True))
    return [f"{line.kind}{line.local}:{line.user}:{line.home}:{line.dash}:{line.ext}" for line in found]


def test_a_domain_is_its_own_prefix_and_that_of_its_other_names() -> None:
    found = dict(deliveries.virtual_domains(site_of()))

    assert {
        "example.org": "example.org",
        "example.net": "example.org",
        "nowhere.test": "example.org-bob",
    } == found


def test_a_mailbox_has_its_home_and_its_extensions() -> None:
    assert [
        "=example.org-alice:vmail:/mail/example.org/alice::",
        "+example.org-alice-:vmail:/mail/example.org/alice:-:",
    ] == lines(with_domain(ALICE))[:2]


def test_mail_that_waits_for_its_host_lies_in_one_home() -> None:
    text = with_domain(f"{ALICE}aliases: {{x: joe@ppp.test}}", "ppp.test: {autoturn: 192.0.2.9}")

    assert "+ppp.test-:vmail:/mail/ppp.test/autoturn:-:" == lines(text)[-1]
    assert "ppp.test" not in "".join(lines(text)[:-1])
    site = site_of(text)
    assert ("ppp.test", "ppp.test") in deliveries.virtual_domains(site)
    assert "ppp.test" in deliveries.received_domains(site)


def test_a_forward_goes_by_a_file_and_its_extensions_by_its_home_if_it_has_one() -> None:
    text = with_domain(f"{ALICE}  b: {{forward: x@y.test, keep_copy: true}}\n  c: {{forward: x@y.test}}")

    assert [
        "=example.org-b:vmail:/var/qmail/alias:-:example.org-b",
        "+example.org-b-:vmail:/mail/example.org/b:-:",
        "=example.org-c:vmail:/var/qmail/alias:-:example.org-c",
        "+example.org-c-:vmail:/var/qmail/alias:-:example.org-c-",
    ] == lines(text)[2:6]


def test_aliases_and_roles_are_exact_and_all_others_are_alias() -> None:
    found = lines(with_domain(f"{ALICE}aliases: {{info: alice}}"))[2:]

    assert [
        *(
            f"=example.org-{n}:alias:/var/qmail/alias:-:example.org-{n}"
            for n in ("info", "postmaster", "abuse")
        ),
        "=example.org-mailer-daemon:alias:/var/qmail/alias:-:example.org-mailer-daemon",
        "+example.org-:alias:/var/qmail/alias:-:example.org-",
    ] == found


def test_users_are_the_mail_owner_and_alias() -> None:
    found = deliveries.assignments(site_of(with_domain(ALICE)), PLACE, surroundings(root=True))

    assert {("vmail", Identity(5000, 5000)), ("alias", Identity(7790, 2107))} == {
        (line.user, line.identity) for line in found
    }


def test_a_domain_in_the_name_of_another_has_no_lines() -> None:
    assert not [line for line in lines(SITE) if "example.net" in line or "nowhere" in line]


def test_files_have_whole_addresses_and_colons_for_dots() -> None:
    files = dict(deliveries.alias_files(site_of(), PLACE))

    assert (
        AliasFile("info@example.org", None, ("alice@example.org", "bob@example.org"))
        == files[".qmail-example:org-info"]
    )
    assert ("alice@example.org",) == files[".qmail-example:org-p:d:q:bach"].forwards


def test_a_copy_is_kept_in_the_mailbox() -> None:
    files = dict(deliveries.alias_files(site_of(), PLACE))

    assert (
        AliasFile("bob@example.org", "/mail/example.org/bob/Maildir/", ("bob@elsewhere.test",))
        == files[".qmail-example:org-bob"]
    )


def test_extensions_of_who_only_forwards_are_forwarded_alike() -> None:
    files = dict(deliveries.alias_files(site_of(), PLACE))

    assert files[".qmail-example:org-carl"].forwards == files[".qmail-example:org-carl-default"].forwards
    assert ".qmail-example:org-bob-default" not in files


def test_a_catch_all_is_the_default_file_of_its_domain() -> None:
    files = dict(deliveries.alias_files(site_of(), PLACE))

    assert ("alice@example.org",) == files[".qmail-example:org-default"].forwards
    assert ".qmail-example:org-default" not in dict(
        deliveries.alias_files(site_of(with_domain(ALICE)), PLACE)
    )


def test_the_postmaster_has_the_names_of_the_host() -> None:
    files = dict(deliveries.alias_files(site_of(), PLACE))

    assert {".qmail-postmaster", ".qmail-abuse", ".qmail-mailer-daemon", ".qmail-root"} == {
        name for name in files if "example" not in name
    }
    assert ("alice@example.org",) == files[".qmail-root"].forwards


def test_a_host_is_local_unless_it_is_a_domain_by_itself() -> None:
    as_domain = site_of(with_domain(ALICE).replace("hostname: mail.example.org", "hostname: example.org"))

    assert (("mail.example.org",), ()) == (
        deliveries.local_domains(site_of()),
        deliveries.local_domains(as_domain),
    )
    assert ("example.org",) == deliveries.received_domains(as_domain)
    assert ("mail.example.org", "example.org", "example.net", "nowhere.test") == deliveries.received_domains(
        site_of()
    )


def test_who_has_a_password_has_an_account() -> None:
    found = list(deliveries.accounts(site_of(), PLACE, surroundings(root=True)))

    assert [Account(Name("example.org", "alice"), Identity(5000, 5000), "/mail/example.org/alice")] == found


def test_double_bounces_go_to_the_postmaster() -> None:
    assert ("alice", "example.org") == deliveries.doublebounce(site_of())


@pytest.mark.parametrize("name", ["a:b", "a\nb", "a'b", 'a"b', "a;b", "a#b", "a\\b"])
def test_a_folder_that_would_end_a_field_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(Permanent, match="must be absolute"):
        deliveries.check_places(place_in(tmp_path / name))


def test_a_relative_folder_is_refused() -> None:
    with pytest.raises(Permanent, match="must be absolute"):
        deliveries.check_places(place_in(Path("here")))


def test_ordinary_folders_pass(tmp_path: Path) -> None:
    deliveries.check_places(place_in(tmp_path / "with blanks and 100%"))


def test_a_mailbox_has_the_quota_of_all_or_its_own() -> None:
    lines = f"{ALICE}  b: {{password: generate, quota: 0, quota_messages: 3}}\n  c: {{forward: x@y.test}}"
    site = site_of(with_domain(lines) + "limits: {quota: 2K}\n")

    assert {
        Name("example.org", "alice"): Limits(2048, 0),
        Name("example.org", "b"): Limits(0, 3),
    } == dict(deliveries.quotas(site))
