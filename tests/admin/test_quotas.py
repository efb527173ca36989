"""Owns the tests of quotas on their way into the mailboxes: set, changed, taken away, left alone."""

import os
from pathlib import Path

import pytest

from appliance.admin import quotas
from appliance.formats.maildirsize import Limits
from appliance.site import mailboxes, tree
from appliance.site.addresses import Name
from appliance.site.render import planned
from appliance.system.place import Place
from tests.support.command import make_mail_folder, run
from tests.support.configs import place_in, site_of, surroundings, with_domain

ALICE, BOB = Name("example.org", "alice"), Name("example.org", "bob")


@pytest.fixture
def place(open_folder: Path) -> Place:
    make_mail_folder(open_folder)
    return place_in(open_folder)


def config(alice: str = "", bob: str = "", limits: str = "") -> str:
    lines = f"mailboxes:\n  alice: {{password: generate{alice}}}\n  bob: {{password: generate{bob}}}"
    return with_domain(lines) + f"limits: {{{limits}}}\n"


def take_up(place: Place, text: str) -> list[str]:
    """As the start does, of a tree that holds nothing else; gives the faults."""
    site, around, before = site_of(text), surroundings(), quotas.rendered(place)
    mailboxes.create(site, place, around.mail_owner)
    files = {path: file for path, file in planned(site, place, around).items() if path == "control/quotas"}
    tree.put_in_force(place, files, around.identity_of)
    return quotas.put_in_force(place, before, around.mail_owner)


def file_of(place: Place, name: Name) -> Path:
    return place.mail / name.domain / name.local / "Maildir/maildirsize"


def lines(place: Place, name: Name) -> list[str] | None:
    file = file_of(place, name)
    return file.read_text().splitlines() if file.exists() else None


def test_a_site_without_quotas_writes_nothing(place: Place) -> None:
    assert [] == take_up(place, config())

    assert not (tree.current(place) / "control/quotas").exists()
    assert ({}, None) == (quotas.rendered(place), lines(place, ALICE))


def test_a_mailbox_has_its_own_quota_or_that_of_all(place: Place) -> None:
    take_up(place, config(", quota: 2G, quota_messages: 5", limits="quota: 1M, quota_messages: 7"))

    assert {ALICE: Limits(2 * 1024**3, 5), BOB: Limits(1024**2, 7)} == quotas.rendered(place)
    assert (["2147483648S,5C", "0 0"], ["1048576S,7C", "0 0"]) == (lines(place, ALICE), lines(place, BOB))


def test_it_lies_there_as_the_owners_and_closed_to_others(place: Place) -> None:
    take_up(place, config(", quota: 2G"))

    status = file_of(place, ALICE).stat()
    assert (surroundings().mail_owner, 0o600) == ((status.st_uid, status.st_gid), status.st_mode & 0o777)


def test_a_new_quota_keeps_what_is_used(place: Place) -> None:
    take_up(place, config(", quota: 1000"))
    (file_of(place, ALICE).parent / "new/1.a.host,S=300").write_bytes(b"x" * 300)
    file_of(place, ALICE).write_text("1000S\n0 0\n300 1\n")

    take_up(place, config(", quota: 1000"))
    assert ["1000S", "0 0", "300 1"] == lines(place, ALICE)

    take_up(place, config(", quota: 500"))
    assert ["500S", "300 1"] == lines(place, ALICE)


@pytest.mark.parametrize("after", [config(), config(", quota: 0"), config(", quota: 0", limits="quota: 0")])
def test_a_quota_that_is_taken_out_is_no_more(place: Place, after: str) -> None:
    take_up(place, config(", quota: 1000"))

    assert [] == take_up(place, after)

    assert lines(place, ALICE) is None


def test_a_mailbox_may_be_without_a_limit_that_all_others_have(place: Place) -> None:
    take_up(place, config(", quota: 0", limits="quota: 1M"))

    assert (None, ["1048576S", "0 0"]) == (lines(place, ALICE), lines(place, BOB))


def test_a_quota_that_somebody_else_gave_stays(place: Place) -> None:
    take_up(place, config())
    file_of(place, ALICE).write_text("7S\n1 1\n")

    take_up(place, config())

    assert ["7S", "1 1"] == lines(place, ALICE)


def test_a_limit_that_was_edited_by_hand_is_that_of_config_yaml_again(place: Place) -> None:
    take_up(place, config(", quota: 1000"))
    file_of(place, ALICE).write_text("999999S\n1 1\n")

    take_up(place, config(", quota: 1000"))

    assert ["1000S", "0 0"] == lines(place, ALICE)


def test_a_mailbox_that_is_gone_needs_no_quota(place: Place) -> None:
    take_up(place, config(", quota: 1000"))
    home = file_of(place, ALICE).parents[1]
    home.rename(home.with_name("elsewhere"))
    after = with_domain("mailboxes:\n  bob: {password: generate}").replace("alice@", "bob@")

    assert [] == take_up(place, after)


def test_what_is_in_the_way_is_told_and_the_others_get_theirs(place: Place) -> None:
    take_up(place, config())
    file_of(place, ALICE).mkdir()

    (fault,) = take_up(place, config(limits="quota: 1000"))

    assert fault.startswith("The quota of alice@example.org was not set: ")
    assert fault.endswith("/alice/Maildir: Is a directory. Look there, then apply again.")
    assert ["1000S", "0 0"] == lines(place, BOB)


def test_apply_and_diff_tell_of_quotas(open_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_mail_folder(open_folder)
    (open_folder / "config.yaml").write_text(config())
    assert 0 == run(open_folder, "apply")
    (open_folder / "config.yaml").write_text(config(", quota: 1K"))
    capsys.readouterr()

    run(open_folder, "diff")
    assert "alice@example.org:1024S" in capsys.readouterr().out
    assert 0 == run(open_folder, "apply")

    assert ["1024S", "0 0"] == lines(place_in(open_folder), ALICE)


def test_apply_says_what_could_not_be_set(open_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_mail_folder(open_folder)
    (open_folder / "config.yaml").write_text(config())
    run(open_folder, "apply")
    os.mkdir(file_of(place_in(open_folder), ALICE))
    (open_folder / "config.yaml").write_text(config(", quota: 1K"))
    capsys.readouterr()

    assert 1 == run(open_folder, "apply")

    assert "The quota of alice@example.org was not set" in capsys.readouterr().out


def test_how_full_mailboxes_are_is_asked_as_their_owner(place: Place) -> None:
    take_up(place, config(", quota: 1000", ", quota_messages: 10"))
    file_of(place, ALICE).write_text("1000S\n250 1\n")
    file_of(place, BOB).write_text("10C\n")
    maildirs = [file_of(place, name).parent for name in (ALICE, BOB, Name("example.org", "nobody"))]

    assert [25, None, None] == quotas.percents(maildirs, surroundings().mail_owner)
