"""Owns the tests of the folders of mailboxes: made whole, once, as their owner."""

import os
from pathlib import Path

import pytest

from appliance.formats.outcome import Temporary
from appliance.site import mailboxes
from appliance.site.addresses import Name
from appliance.site.mailboxes import counts, create, names
from appliance.system.place import Place
from appliance.system.privileges import Identity, is_root
from tests.support.command import make_mail_folder
from tests.support.configs import SITE, place_in, site_of

OWNER = Identity(5000, 5000) if is_root() else Identity(os.geteuid(), os.getegid())


@pytest.fixture
def place(open_folder: Path) -> Place:
    make_mail_folder(open_folder)
    return place_in(open_folder)


def made(place: Place) -> set[str]:
    return {str(path.relative_to(place.mail)) for path in place.mail.rglob("*")}


def test_only_mailboxes_that_keep_mail_have_a_folder() -> None:
    assert [(Name("example.org", "alice"), False), (Name("example.org", "bob"), True)] == list(
        names(site_of())
    )


def test_mail_that_waits_for_its_host_has_a_folder_as_a_mailbox_has() -> None:
    site = site_of(f"{SITE}  ppp.test: {{autoturn: 192.0.2.9}}\n")

    assert (Name("ppp.test", "autoturn"), False) == list(names(site))[-1]


def test_a_mailbox_is_made_whole(place: Place) -> None:
    create(site_of(), place, OWNER)

    alice = {"alice", "alice/.qmail-default", "alice/Maildir"} | {
        f"alice/Maildir/{n}" for n in ("tmp", "new", "cur")
    }
    assert {"example.org"} | {
        f"example.org/{n}" for path in alice for n in (path, path.replace("alice", "bob"))
    } == made(place)


def test_it_belongs_to_its_owner_and_is_closed_to_all_others(place: Place) -> None:
    create(site_of(), place, OWNER)

    for path in (place.mail / "example.org").rglob("*"):
        status = path.lstat()
        assert (OWNER, 0) == ((status.st_uid, status.st_gid), status.st_mode & 0o077)


def test_extensions_arrive_as_the_mailbox_itself_does(place: Place) -> None:
    create(site_of(), place, OWNER)

    assert ["./Maildir/\n", "&bob@example.org\n"] == [
        (place.mail / "example.org" / name / ".qmail-default").read_text() for name in ("alice", "bob")
    ]


def test_what_the_owner_removed_or_wrote_stays_so(place: Place) -> None:
    create(site_of(), place, OWNER)
    (place.mail / "example.org/alice/.qmail-default").unlink()
    (place.mail / "example.org/bob/.qmail-default").write_text("#\n")

    create(site_of(), place, OWNER)

    assert not (place.mail / "example.org/alice/.qmail-default").exists()
    assert "#\n" == (place.mail / "example.org/bob/.qmail-default").read_text()


def test_a_maildir_that_is_missing_is_made_again(place: Place) -> None:
    create(site_of(), place, OWNER)
    for part in ("tmp", "new", "cur"):
        (place.mail / "example.org/alice/Maildir" / part).rmdir()
    (place.mail / "example.org/alice/Maildir").rmdir()

    create(site_of(), place, OWNER)

    assert (place.mail / "example.org/alice/Maildir/tmp").is_dir()


def test_one_that_was_left_unfinished_is_begun_anew(place: Place) -> None:
    create(site_of(), place, OWNER)
    home = place.mail / "example.org/alice"
    home.rename(home.with_name(".new-alice"))

    create(site_of(), place, OWNER)

    assert (True, False) == ((home / "Maildir/new").is_dir(), home.with_name(".new-alice").exists())


def test_a_mail_folder_that_is_somebody_elses_is_told_with_what_mends_it(place: Place) -> None:
    (place.mail / "example.org").write_text("in the way")

    with pytest.raises(Temporary, match="unable to make the mailbox .*example.org/alice: "):
        create(site_of(), place, OWNER)


def test_what_mends_a_closed_mail_folder_is_told(place: Place) -> None:
    os.chown(place.mail, os.geteuid(), os.getegid())
    place.mail.chmod(0o555)
    words = f"chown {OWNER.uid}:{OWNER.gid} {place.mail} " if is_root() else f"look at {place.mail} "

    with pytest.raises(Temporary, match=f"Permission denied as user {OWNER.uid}; {words}"):
        create(site_of(), place, OWNER)


def test_messages_are_counted_in_new_and_cur(place: Place) -> None:
    create(site_of(), place, OWNER)
    maildirs = [place.mail / "example.org" / name / "Maildir" for name in ("alice", "bob", "nobody")]
    for name in ("new/1", "new/2", "cur/3:2,S", "tmp/4", "new/.hidden"):
        (maildirs[0] / name).write_text("x")

    assert [3, 0, None] == counts(maildirs, OWNER)


def test_a_child_that_fails_is_told(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mailboxes, "is_root", lambda: True)
    monkeypatch.setattr(mailboxes, "become_identity", lambda identity: 1 / 0)

    with pytest.raises(Temporary, match="unable to work as user"):
        create(site_of(), place, OWNER)
