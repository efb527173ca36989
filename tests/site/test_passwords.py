"""Owns the tests of passwords that are given, read from files, or made once and kept."""

import stat
from pathlib import Path

import pytest

from appliance.formats.outcome import Temporary
from appliance.site import passwords
from appliance.site.addresses import Name
from appliance.site.passwords import fields, folder_of, kept, secret_in, settled
from tests.support.configs import ALICE, HASH, place_in, site_of, with_domain

ORG = "example.org"


def marked(password: bytes) -> str:
    """A hash that shows which password it was made of, and that is new each time."""
    marked.count += 1  # type: ignore[attr-defined]
    return HASH.replace("a" * 43, f"{password.hex():a<38}{marked.count:05}")  # type: ignore[attr-defined]


marked.count = 0  # type: ignore[attr-defined]


@pytest.fixture(autouse=True)
def _cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "_COST", 2)


def of_file(path: Path) -> str:
    return with_domain(f"{ALICE}  bob: {{password_file: {path}}}")


def test_a_hash_that_is_given_is_the_hash(tmp_path: Path) -> None:
    site = site_of(with_domain(f'mailboxes:\n  alice: {{password: "{HASH}"}}'))

    assert {Name(ORG, "alice"): HASH} == settled(site, place_in(tmp_path), marked)


def test_a_password_is_made_once_and_kept(tmp_path: Path) -> None:
    site, place = site_of(with_domain(ALICE)), place_in(tmp_path)

    first = settled(site, place, marked)
    made = (folder_of(place) / "alice@example.org").read_text()

    assert first == settled(site, place, marked)
    assert made == (folder_of(place) / "alice@example.org").read_text()
    assert made.strip().encode().hex()[:20] in first[Name(ORG, "alice")]


def test_a_password_that_is_made_is_long_and_easy_to_type(tmp_path: Path) -> None:
    place = place_in(tmp_path)
    settled(site_of(with_domain(ALICE)), place, marked)

    made = (folder_of(place) / "alice@example.org").read_text()

    assert [5, 5, 5, 5] == [len(group) for group in made.strip().split("-")]
    assert set() == set(made.strip()) - set("-abcdefghjkmnpqrstuvwxyz23456789")


def test_what_is_kept_is_for_nobody_else(tmp_path: Path) -> None:
    place = place_in(tmp_path)
    settled(site_of(with_domain(ALICE)), place, marked)

    folder = folder_of(place)
    paths = [folder, folder / "hashed", folder / "alice@example.org", folder / "hashed" / "alice@example.org"]

    assert [0o700, 0o700, 0o600, 0o600] == [stat.S_IMODE(path.stat().st_mode) for path in paths]


def test_a_password_that_was_changed_by_hand_gets_a_new_hash(tmp_path: Path) -> None:
    site, place = site_of(with_domain(ALICE)), place_in(tmp_path)
    first = settled(site, place, marked)
    (folder_of(place) / "alice@example.org").write_text("other\n")

    second = settled(site, place, marked)

    assert first != second
    assert b"other".hex() in second[Name(ORG, "alice")]


def test_a_password_file_may_hold_a_password_or_its_hash(tmp_path: Path) -> None:
    secret, place = tmp_path / "secret", place_in(tmp_path)
    secret.write_text("plain\r\nmore\n")
    site = site_of(of_file(secret))

    first = settled(site, place, marked)[Name(ORG, "bob")]
    secret.write_text(f"{HASH}\n")

    assert b"plain".hex() in first
    assert HASH == settled(site, place, marked)[Name(ORG, "bob")]


def test_a_password_file_is_hashed_again_only_if_the_password_is_another(tmp_path: Path) -> None:
    secret, place = tmp_path / "secret", place_in(tmp_path)
    secret.write_text("one")
    site = site_of(of_file(secret))
    first = settled(site, place, marked)
    secret.unlink()
    secret.write_text("one\n")  # another file with the same password, as after a new start of the container

    same = settled(site, place, marked)
    secret.write_text("two")

    assert first == same
    assert first != settled(site, place, marked)


def test_what_is_kept_of_a_password_does_not_show_it(tmp_path: Path) -> None:
    secret, place = tmp_path / "secret", place_in(tmp_path)
    secret.write_text("correct horse")
    settled(site_of(of_file(secret)), place, lambda password: HASH)

    files = [path for path in folder_of(place).rglob("bob*") if path.is_file()]

    assert (1, []) == (len(files), [path for path in files if b"correct" in path.read_bytes()])


def test_a_spoilt_note_is_made_anew(tmp_path: Path) -> None:
    site, place = site_of(with_domain(ALICE)), place_in(tmp_path)
    settled(site, place, marked)
    (folder_of(place) / "hashed" / "alice@example.org").write_text("zz not hex")

    assert kept(site, place) == {Name(ORG, "alice"): None}
    assert settled(site, place, marked) == kept(site, place)


def test_looking_makes_nothing(tmp_path: Path) -> None:
    site, place = site_of(with_domain(ALICE)), place_in(tmp_path)

    assert {Name(ORG, "alice"): None} == kept(site, place)
    assert not folder_of(place).exists()


def test_looking_gives_hashes_that_are_there(tmp_path: Path) -> None:
    site = site_of(with_domain(f'{ALICE}  bob: {{password: "{HASH}"}}'))

    assert {Name(ORG, "alice"): None, Name(ORG, "bob"): HASH} == kept(site, place_in(tmp_path))


def test_a_password_file_that_went_away_is_a_temporary_failure(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("plain")
    site = site_of(of_file(secret))
    secret.unlink()

    with pytest.raises(Temporary, match="cannot be read"):
        settled(site, place_in(tmp_path), marked)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "holds no password"),
        (b"\nsecond line\n", "holds no password"),
        (b"a\0b\n", "holds no password"),
        (b"\xff\xfe\n", "is no text"),
        (b"$argon2id$broken\n", "no password hash"),
    ],
)
def test_a_file_without_a_password_is_told(tmp_path: Path, content: bytes, told: str) -> None:
    (tmp_path / "secret").write_bytes(content)

    with pytest.raises(ValueError, match=told):
        secret_in(tmp_path / "secret")


def test_every_hash_of_a_mailbox_is_told_with_its_limits() -> None:
    phone = f'phone: {{password: "{HASH}", networks: [10.0.0.1, "fd00::/8"]}}'
    apps = f'{phone}, tv: {{password: "{HASH}", scope: pop3}}'
    site = site_of(with_domain(f"mailboxes:\n  alice: {{password: generate, app_passwords: {{{apps}}}}}"))
    alice = site.domains[ORG].mailboxes["alice"]

    assert [
        ("own", ""),
        (HASH, ":phone:smtp,pop3::10.0.0.1/32,fd00::/8"),
        (HASH, ":tv:pop3::"),
    ] == list(fields(alice, "own"))
    assert 2 == len(list(fields(alice, None)))


def test_a_password_that_is_elsewhere_is_not_made_here(tmp_path: Path) -> None:
    site = site_of(with_domain(ALICE + "  x: {password: external}") + "logins: {program: /bin/true}\n")

    assert [Name(ORG, "alice")] == list(settled(site, place_in(tmp_path), marked))
    assert [("external", "")] == list(fields(site.domains[ORG].mailboxes["x"], None))
