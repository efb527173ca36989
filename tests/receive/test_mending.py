"""Owns the tests of what control files say of mail that is mended."""

from pathlib import Path

import pytest

from appliance.formats.cdb import make_cdb
from appliance.formats.mailboxes import Mailbox
from appliance.formats.outcome import FormatError, Temporary
from appliance.receive.mending import NAMES, Mending
from appliance.system.place import Place
from tests.support.smtp_rig import place_of

JOE = make_cdb([(b"joe@x.test", b"Joe\0J@sun.test")])


def mending(place: Place, **environ: str) -> Mending:
    return Mending.read(place, environ)


def test_rules_and_names_come_from_control_files(tmp_path: Path) -> None:
    place = place_of(tmp_path, {"rewrite": "=:h.test\n"})
    found = mending(place, QMAILIDHOST="id.test")

    assert (b"a@h.test", b"id.test") == (found.rewriting.address(b"a"), found.id_host)
    assert found.author_of(b"joe@x.test") is None
    (place.control / NAMES).write_bytes(JOE)  # as ofmipname makes it, while we run
    assert Mailbox(b"J@sun.test", b"Joe") == found.author_of(b"joe@x.test")
    assert found.author_of(b"eve@x.test") is None


def test_names_may_be_those_of_a_file_or_none(tmp_path: Path) -> None:
    place = place_of(tmp_path, {})
    (place.control / NAMES).write_bytes(JOE)
    other = tmp_path / "n.cdb"
    other.write_bytes(make_cdb([(b"ann@x.test", b"Ann\0A@sun.test")]))

    assert mending(place).named_in("").author_of(b"joe@x.test") is None
    assert Mailbox(b"A@sun.test", b"Ann") == mending(place).named_in(str(other)).author_of(b"ann@x.test")


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    place = place_of(tmp_path, {})
    (tmp_path / "no.cdb").write_bytes(b"short")

    with pytest.raises(FormatError):
        mending(place).named_in(str(tmp_path / "no.cdb"))
    with pytest.raises(FileNotFoundError):
        mending(place).named_in(str(tmp_path / "missing"))
    (place.control / "idhost").mkdir()
    with pytest.raises(Temporary):
        mending(place)
