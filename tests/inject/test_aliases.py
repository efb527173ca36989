"""newaliases and newinclude: sendmail's files as fastforward's tables and lists."""

import stat
from pathlib import Path

import pytest

from appliance.formats.cdb import Cdb
from appliance.inject import aliases


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "control").mkdir()
    (tmp_path / "control" / "me").write_text("me.test\n")
    return {"TOASTER_HOME": str(tmp_path), "TOASTER_ALIASES": str(tmp_path / "aliases")}


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_newaliases_makes_a_table_that_all_may_read(tmp_path: Path, environ: dict[str, str]) -> None:
    (tmp_path / "aliases").write_text("root: joe\n")

    assert 0 == aliases.newaliases([], environ)
    assert [(b":root@", b"&joe@me.test\0")] == list(Cdb((tmp_path / "aliases.cdb").read_bytes()))
    assert 0o644 == mode_of(tmp_path / "aliases.cdb")
    assert not (tmp_path / "aliases.tmp").exists()


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        (b"j\xf6rg:\n", 111, b"unable to parse this line: j\xf6rg:\n\n"),
        (b"a: " + b"x" * 801 + b"@x\n", 100, b"addresses over 800 bytes are not permitted\n"),
    ],
)
def test_a_fault_leaves_the_old_table(
    tmp_path: Path,
    environ: dict[str, str],
    capfdbinary: pytest.CaptureFixture[bytes],
    text: bytes,
    code: int,
    words: bytes,
) -> None:
    (tmp_path / "aliases").write_bytes(text)
    (tmp_path / "aliases.cdb").write_text("old")

    assert code == aliases.newaliases([], environ)
    assert b"newaliases: fatal: " + words == capfdbinary.readouterr().err
    assert "old" == (tmp_path / "aliases.cdb").read_text()


def test_a_table_without_aliases_cannot_be_made(
    tmp_path: Path, environ: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert 111 == aliases.newaliases([], environ)
    assert (
        f"newaliases: fatal: unable to read {tmp_path}/aliases: file does not exist\n"
        == capsys.readouterr().err
    )


def test_newinclude_makes_a_list_beside_the_file(tmp_path: Path, environ: dict[str, str]) -> None:
    (tmp_path / "list").write_text("joe, sue@x.test\n")

    assert 0 == aliases.newinclude([str(tmp_path / "list")], environ)
    assert b"&sue@x.test\0&joe@me.test\0" == (tmp_path / "list.bin").read_bytes()
    assert 0o644 == mode_of(tmp_path / "list.bin")


def test_newinclude_wants_a_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert (100, "newinclude: usage: newinclude list\n") == (
        aliases.newinclude([], {}),
        capsys.readouterr().err,
    )
