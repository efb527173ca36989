"""Owns the proof of system/certificates."""

import os
import stat
import time
from pathlib import Path

import pytest

from appliance.system import certificates
from appliance.system.keyfiles import Pair
from appliance.system.place import Place
from appliance.system.privileges import IDENTITIES, is_root
from tests.support.certificate import self_signed, split


@pytest.fixture
def place(tmp_path: Path) -> Place:
    found = Place.from_environ({"TOASTER_HOME": str(tmp_path), "TOASTER_STATE": str(tmp_path / "state")})
    found.run.mkdir()
    return found


def pair(folder: Path, name: str, days: float = 90) -> Pair:
    folder.mkdir(exist_ok=True)
    return Pair(*split(self_signed(folder / "both.pem", name, days=days), folder))


def install(place: Place, *pairs: Pair) -> list[str]:
    return certificates.install(place, pairs, time.time())


def names(place: Place) -> list[str]:
    return [found.names[0] for found in certificates.in_use(place)]


def with_spare(place: Place) -> None:
    spare = certificates.spare_of(place)
    spare.key.parent.mkdir(parents=True)
    self_signed(spare.key, "spare.test")


def test_a_copy_is_qmailds_alone(place: Place, tmp_path: Path) -> None:
    assert [] == install(place, pair(tmp_path / "a", "mx.test"))

    [copy] = certificates.copies(place)
    found = copy.stat()
    assert 0o400 == stat.S_IMODE(found.st_mode)
    assert (IDENTITIES["qmaild"].uid if is_root() else os.geteuid()) == found.st_uid
    assert ["mx.test"] == names(place)


def test_copies_stand_in_the_order_of_their_pairs_and_go_with_them(place: Place, tmp_path: Path) -> None:
    pairs = [pair(tmp_path / str(number), f"mx{number}.test") for number in range(11)]
    assert [] == install(place, *pairs)
    assert [f"mx{number}.test" for number in range(11)] == names(place)

    assert [] == install(place, *pairs[1:3])
    assert ["mx1.test", "mx2.test"] == names(place)

    assert [] == install(place)
    assert [] == names(place)


def test_what_has_not_changed_is_not_written_again(place: Place, tmp_path: Path) -> None:
    own = pair(tmp_path / "a", "mx.test")
    install(place, own)
    before = [copy.stat().st_ino for copy in certificates.copies(place)]

    install(place, own)

    assert before == [copy.stat().st_ino for copy in certificates.copies(place)]


def test_a_new_key_without_its_certificate_leaves_the_old_pair_in_use(place: Place, tmp_path: Path) -> None:
    own = pair(tmp_path / "a", "old.test")
    install(place, own)
    new = pair(tmp_path / "b", "new.test")
    own.key.write_bytes(new.key.read_bytes())

    [fault] = install(place, own)

    assert f"unable to use certificate {own.certificate} with key {own.key} (#4.3.0)" in fault
    assert fault.endswith(": the key is not that of the certificate; the one before stays in use")
    assert ["old.test"] == names(place)
    assert ["0.pem"] == [path.name for path in (place.run / "tls").iterdir()]  # nothing is left behind

    own.certificate.write_bytes(new.certificate.read_bytes())
    assert [] == install(place, own)
    assert ["new.test"] == names(place)


@pytest.mark.parametrize("days", [-1, 500])
def test_a_new_one_that_is_not_good_now_leaves_the_old_one_in_use(
    place: Place, tmp_path: Path, days: float
) -> None:
    install(place, pair(tmp_path / "a", "old.test"))

    [fault] = install(place, pair(tmp_path / "a", "new.test", days))

    assert ("expired on" if days < 0 else "not good before") in fault
    assert ["old.test"] == names(place)


def test_one_that_has_expired_is_better_than_none_and_than_another_that_has(
    place: Place, tmp_path: Path
) -> None:
    assert [] == install(place, pair(tmp_path / "a", "old.test", days=-2))
    assert ["old.test"] == names(place)

    assert [] == install(place, pair(tmp_path / "a", "less.test", days=-1))
    assert ["less.test"] == names(place)


def test_one_without_a_copy_is_stood_in_for_by_the_self_signed_one(place: Place, tmp_path: Path) -> None:
    with_spare(place)
    missing = Pair(tmp_path / "none", tmp_path / "none")

    [fault] = install(place, missing)
    assert fault.endswith("none cannot be read: No such file or directory; a self-signed one stands in")
    assert ["spare.test"] == names(place)

    [*_, fault] = install(place, pair(tmp_path / "a", "mx.test"), missing)
    assert fault.endswith("the first one stands in")
    assert ["mx.test"] == names(place)


def test_without_any_there_is_none_to_stand_in(place: Place, tmp_path: Path) -> None:
    [fault] = install(place, Pair(tmp_path / "none", tmp_path / "none"))

    assert fault.endswith("there is none to stand in")
    assert [] == names(place)


def test_a_folder_that_cannot_be_written_to_is_told(place: Place, tmp_path: Path) -> None:
    own = pair(tmp_path / "a", "mx.test")
    (place.run / "tls").mkdir()
    (place.run / "tls" / f".0.pem.{os.getpid()}.tmp").mkdir()

    [fault] = install(place, own)

    assert "unable to copy it" in fault
