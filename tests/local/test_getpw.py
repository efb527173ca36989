"""Owns the check of qmail-getpw's rules, against accounts of the test and against those of this machine."""

import os
from pathlib import Path

import pytest

from appliance.formats.assign import Assignment
from appliance.formats.outcome import Temporary
from appliance.local.getpw import PasswordLine, find_account, main, password_line
from appliance.system import privileges

UID = 54321 if os.geteuid() == 0 else os.geteuid()


class Accounts:
    """A password file with homes in a folder; a home of the account's own unless it is said to be missing."""

    def __init__(self, folder: Path, **homes: bool) -> None:
        self._lines: dict[bytes, PasswordLine] = {}
        for name, exists in homes.items():
            home = folder / name
            if exists:
                home.mkdir()
                os.chown(home, UID, -1)
            self._lines[name.encode()] = PasswordLine(name.encode(), UID, 8001, bytes(home))

    def __call__(self, name: bytes) -> PasswordLine | None:
        return self._lines.get(name)

    def change(self, name: str, **changes: object) -> None:
        self._lines[name.encode()] = self._lines[name.encode()]._replace(**changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("local", "dash", "extension"),
    [(b"alice", b"", b""), (b"ALICE", b"", b""), (b"alice-x-Y", b"-", b"x-Y"), (b"alice-", b"-", b"")],
)
def test_an_account_gets_its_name_and_its_extensions(
    tmp_path: Path, local: bytes, dash: bytes, extension: bytes
) -> None:
    found = find_account(local, Accounts(tmp_path, alice=True))

    assert Assignment(b"alice", UID, 8001, bytes(tmp_path / "alice"), dash, extension) == found


def test_the_longest_account_counts(tmp_path: Path) -> None:
    accounts = Accounts(tmp_path, al=True, **{"al-ice": True})

    found = find_account(b"al-ice-x", accounts)

    assert (b"al-ice", b"x") == (found and found.user, found and found.ext)


@pytest.mark.parametrize("local", [b"nobody", b"alicex", b"-alice", b"", b"a" * 40])
def test_what_is_no_account_is_for_alias(tmp_path: Path, local: bytes) -> None:
    assert find_account(local, Accounts(tmp_path, alice=True)) is None


def test_names_of_32_letters_and_more_are_not_looked_up(tmp_path: Path) -> None:
    accounts = Accounts(tmp_path, **{"a" * 31: True, "b" * 32: True})

    assert find_account(b"a" * 31, accounts) is not None
    assert find_account(b"b" * 32, accounts) is None


def test_root_and_homes_that_are_missing_or_foreign_are_for_alias(tmp_path: Path) -> None:
    accounts = Accounts(tmp_path, zero=True, nohome=False, notmine=True, strange=True)
    accounts.change("zero", uid=0)
    accounts.change("notmine", uid=UID + 1)
    accounts.change("strange", home=b"a\0b")

    assert [None] * 4 == [
        find_account(name, accounts) for name in (b"zero", b"nohome", b"notmine", b"strange")
    ]


def test_a_home_that_cannot_be_looked_at_now_defers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stale(_: bytes) -> os.stat_result:
        raise OSError(116, "Stale file handle")  # a file server that restarted

    accounts = Accounts(tmp_path, alice=True)
    monkeypatch.setattr(os, "stat", stale)

    with pytest.raises(Temporary, match="NFS failure"):
        find_account(b"alice", accounts)


def test_the_machines_own_accounts_are_found() -> None:
    root = password_line(b"root")

    assert root is not None
    assert (b"root", 0) == root[:2]
    assert find_account(b"root") is None
    assert password_line(b"no-such-account") is None
    assert password_line(b"a\0b") is None


def test_the_program_prints_the_fields_that_deliveries_go_by(
    capsysbinary: pytest.CaptureFixture[bytes],
) -> None:
    assert 0 == main(["no.such-user"], {"TOASTER_HOME": "/q"})

    alias = privileges.identity_of("alias")
    assert b"alias\0%d\0%d\0/q/alias\0-\0no.such-user\0" % alias == capsysbinary.readouterr().out


def test_without_a_name_the_program_ends_in_silence(capsys: pytest.CaptureFixture[str]) -> None:
    assert (100, "") == (main([], {}), capsys.readouterr().err)


def test_the_program_defers_what_it_cannot_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    def cannot_tell(local: bytes) -> None:
        raise Temporary("the file server is away")

    monkeypatch.setattr("appliance.local.getpw.find_account", cannot_tell)

    assert 111 == main(["alice"], {})
