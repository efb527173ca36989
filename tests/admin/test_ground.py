"""Owns the tests of the ground under the daemons."""

import os
import stat
from pathlib import Path

import pytest

from appliance.admin import ground
from appliance.system.place import Place
from appliance.system.privileges import Identity, identity_of, is_root


def place_in(folder: Path) -> Place:
    return Place.from_environ(
        {
            "TOASTER_HOME": f"{folder}/qmail",
            "TOASTER_MAIL": f"{folder}/mail",
            "TOASTER_STATE": f"{folder}/state",
        }
    )


def test_missing_folders_are_made_and_found_ones_left_alone(tmp_path: Path) -> None:
    place = place_in(tmp_path)
    (place.mail / "example.org").mkdir(parents=True)
    owner = Identity(os.geteuid(), os.getegid())

    ground.lay_out(place, owner)
    ground.lay_out(place, owner)

    assert all(folder.is_dir() for folder in (place.home, place.run, place.state, place.mail / "example.org"))


def test_what_each_login_has_sent_is_smtpds_and_no_others_to_read(tmp_path: Path) -> None:
    place = place_in(tmp_path)

    ground.lay_out(place, Identity(os.geteuid(), os.getegid()))

    status = place.rates.stat()
    assert (0o700, identity_of("qmaild")) == (stat.S_IMODE(status.st_mode), (status.st_uid, status.st_gid))


@pytest.mark.parametrize("owner", [Identity(5000, 5000)])
def test_a_fresh_mail_folder_goes_to_its_owner_and_nothing_below_it(tmp_path: Path, owner: Identity) -> None:
    place = place_in(tmp_path)
    (place.mail / "example.org").mkdir(parents=True)

    ground.lay_out(place, owner)

    ours = (os.geteuid(), os.getegid())
    top, below = place.mail.stat(), (place.mail / "example.org").stat()
    assert (owner if is_root() else ours) == (top.st_uid, top.st_gid)
    assert ours == (below.st_uid, below.st_gid)


def test_a_run_folder_that_is_a_link_is_refused(tmp_path: Path) -> None:
    place = place_in(tmp_path)
    place.home.mkdir()
    (tmp_path / "elsewhere").mkdir()
    place.run.symlink_to(tmp_path / "elsewhere")

    with pytest.raises(PermissionError, match="somebody else's"):
        ground.lay_out(place, Identity(os.geteuid(), os.getegid()))


def test_a_folder_that_others_cannot_enter_is_named(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    (closed / "below").mkdir(parents=True)
    (closed / "below").chmod(0o755)
    closed.chmod(0o700)

    found = ground.closed_folders([closed / "below" / "not there yet"])

    assert closed in found
    assert closed / "below" not in found


@pytest.mark.parametrize("text", ["0", "-1", "me", "4294967295", "٣"])
def test_mailboxes_belong_to_a_user_with_a_number_who_is_not_root(text: str) -> None:
    if is_root():
        with pytest.raises(ValueError, match="PUID"):
            ground.mail_owner({"PUID": text})
    else:
        assert os.geteuid() == ground.mail_owner({"PUID": text}).uid


def test_mailboxes_belong_to_5000_unless_told_otherwise() -> None:
    ours = Identity(os.geteuid(), os.getegid())

    assert (Identity(5000, 5000) if is_root() else ours) == ground.mail_owner({})
    assert (Identity(1000, 100) if is_root() else ours) == ground.mail_owner({"PUID": "1000", "PGID": "100"})


def mountinfo(*mounts: tuple[str, str]) -> str:
    return "\n".join(f"36 35 98:0 / {point} rw,noatime master:1 - {kind} /dev/x rw" for point, kind in mounts)


@pytest.mark.parametrize(
    ("mounts", "lost"),
    [
        ((("/", "overlay"),), {"queue", "mail"}),
        ((("/", "ext4"),), {"queue", "mail"}),
        ((("/", "overlay"), ("/s/qmail", "tmpfs")), {"queue", "mail"}),
        ((("/", "overlay"), ("/s/qmail", "tmpfs"), ("/s/qmail/queue", "ext4")), {"mail"}),
        ((("/", "overlay"), ("/s/qmail/queue", "ext4"), ("/s/mail", "tmpfs")), {"mail"}),
        ((("/", "overlay"), ("/s/qmail/queue", "ext4"), ("/s/mail", "nfs4")), set()),
        ((("/", "overlay"), ("/s", "xfs")), set()),
    ],
)
def test_what_is_on_no_volume_is_named(mounts: tuple[tuple[str, str], ...], lost: set[str]) -> None:
    found = ground.forgetful(place_in(Path("/s")), mountinfo(*mounts))

    assert lost == {path.name for path in found}


def test_a_blank_in_the_name_of_a_volume_is_read() -> None:
    text = mountinfo(("/", "overlay"), ("/a\\040b", "ext4"))

    assert [] == ground.forgetful(place_in(Path("/a b")), text)


def test_a_rendering_depends_on_what_the_environment_says_of_addresses_and_ports() -> None:
    found = ground.surroundings({"TOASTER_BIND": "127.0.0.1 ::1", "PORT_BASE": "2000"})
    bare = ground.surroundings({})

    assert (("127.0.0.1", "::1"), 2000) == (found.addresses, found.port_base)
    assert ("0.0.0.0", 0) == (bare.addresses[0], bare.port_base)
    assert bare.hash_password(b"x").startswith("$argon2id$")


@pytest.mark.parametrize(
    ("name", "text"), [("TOASTER_BIND", "localhost"), ("PORT_BASE", "64541"), ("PORT_BASE", "x")]
)
def test_what_is_no_address_or_port_is_told(name: str, text: str) -> None:
    with pytest.raises(ValueError, match=name):
        ground.surroundings({name: text})
