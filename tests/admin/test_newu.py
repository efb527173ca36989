"""The programs qmail-newu and qmail-newmrh."""

from pathlib import Path

import pytest

from appliance.admin import newu
from appliance.formats.assign import compile_assign
from appliance.formats.cdb import make_cdb

ASSIGN = b"=joe:alice:8001:8001:/home/alice:::\n.\n"


@pytest.fixture
def users(tmp_path: Path) -> Path:
    (tmp_path / "users").mkdir()
    return tmp_path / "users"


def run_newu(users: Path) -> int:
    return newu.newu([], {"TOASTER_HOME": str(users.parent)})


def test_assign_becomes_a_database(users: Path) -> None:
    (users / "assign").write_bytes(ASSIGN)

    assert (0, compile_assign(ASSIGN)) == (run_newu(users), (users / "cdb").read_bytes())


@pytest.mark.parametrize(
    ("reason", "text"),
    [("unable to open users/assign", None), ("bad format in users/assign", b"=joe\n.\n")],
)
def test_what_is_no_assign_leaves_the_old_database(
    users: Path, capsys: pytest.CaptureFixture[str], reason: str, text: bytes | None
) -> None:
    (users / "cdb").write_bytes(b"old")
    if text is not None:
        (users / "assign").write_bytes(text)

    assert (111, b"old") == (run_newu(users), (users / "cdb").read_bytes())
    assert f"qmail-newu: fatal: {reason}\n" == capsys.readouterr().err


def test_a_database_that_cannot_be_written_is_said(users: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (users / "assign").write_bytes(ASSIGN)
    (users / "cdb").mkdir()

    assert 111 == run_newu(users)
    assert "qmail-newu: fatal: unable to write users/cdb\n" == capsys.readouterr().err


def run_newmrh(folder: Path, hosts: str | None) -> int:
    (folder / "control").mkdir()
    if hosts is not None:
        (folder / "control" / "morercpthosts").write_text(hosts)
    return newu.newmrh([], {"TOASTER_HOME": str(folder)})


def test_more_hosts_become_a_database_in_small_letters(tmp_path: Path) -> None:
    assert 0 == run_newmrh(tmp_path, "One.test\n# no\n\n.two.test  \n")
    database = (tmp_path / "control" / "morercpthosts.cdb").read_bytes()
    assert make_cdb([(b"one.test", b""), (b".two.test", b"")]) == database


def test_hosts_that_cannot_be_read_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 111 == run_newmrh(tmp_path, None)
    words = "qmail-newmrh: fatal: unable to read control/morercpthosts: file does not exist\n"
    assert words == capsys.readouterr().err


def test_hosts_that_cannot_be_written_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "control" / "morercpthosts.cdb").mkdir(parents=True)
    (tmp_path / "control" / "morercpthosts").touch()

    assert 111 == newu.newmrh([], {"TOASTER_HOME": str(tmp_path)})
    assert "unable to write control/morercpthosts.cdb: is a directory\n" in capsys.readouterr().err
