"""Owns the check of whose mail it is: users/cdb, accounts, alias, never root."""

import os
from pathlib import Path

import pytest

from appliance.formats.assign import Assignment, compile_assign
from appliance.formats.outcome import Temporary
from appliance.local.users import AS_ROOT, NO_CDB, Users
from appliance.system.privileges import IDENTITIES, identity_of
from tests.support.folders import open_folder
from tests.support.mailroom import as_user

ROOT = os.geteuid() == 0


@pytest.fixture
def users(tmp_path: Path) -> Users:
    return Users(tmp_path / "cdb", tmp_path / "alias")


def assign(folder: Path, *lines: str) -> None:
    temporary = folder / "cdb.tmp"
    temporary.write_bytes(compile_assign("".join(f"{line}\n" for line in (*lines, ".")).encode()))
    temporary.rename(folder / "cdb")


def expected(user: str, uid: int, gid: int, home: str, rest: tuple[bytes, bytes]) -> Assignment:
    """Without root everything is delivered as ourselves."""
    if not ROOT:
        uid, gid = os.geteuid(), os.getegid()
    return Assignment(user.encode(), uid, gid, home.encode(), *rest)


def test_an_assigned_name_is_its_users(tmp_path: Path, users: Users) -> None:
    assign(tmp_path, "=joe.shmoe:joe:8001:8002:/home/joe:::", "+list-:ann:8003:8004:/home/ann:-:l-:")

    assert expected("joe", 8001, 8002, "/home/joe", (b"", b"")) == users.find(b"Joe.Shmoe")
    assert expected("ann", 8003, 8004, "/home/ann", (b"-", b"l-Sub")) == users.find(b"list-Sub")


@pytest.mark.parametrize("with_cdb", [True, False])
def test_a_name_that_nobody_has_is_for_alias(tmp_path: Path, users: Users, with_cdb: bool) -> None:
    if with_cdb:
        assign(tmp_path, "=joe:joe:8001:8001:/home/joe:::")

    uid, gid = identity_of("alias")
    alias = expected("alias", uid, gid, f"{tmp_path}/alias", (b"-", b"no-such-account"))
    assert alias == users.find(b"no-such-account")


@pytest.mark.parametrize("local", [b"alias-movie-Bob", b"Alias-movie-Bob"])
def test_alias_has_extensions_of_his_own(tmp_path: Path, users: Users, local: bytes) -> None:
    uid, gid = identity_of("alias")

    assert expected("alias", uid, gid, f"{tmp_path}/alias", (b"-", b"movie-Bob")) == users.find(local)


def test_a_new_cdb_counts_at_once_and_a_removed_one_does_not(tmp_path: Path, users: Users) -> None:
    assign(tmp_path, "=joe:first:8001:8001:/home/first:::")
    found = [users.find(b"joe").user]
    assign(tmp_path, "=joe:second:8001:8001:/home/other:::")
    found.append(users.find(b"joe").user)
    (tmp_path / "cdb").unlink()
    found.append(users.find(b"joe").user)

    assert [b"first", b"second", b"alias"] == found


@pytest.mark.parametrize("content", [b"", b"x" * 3000])
def test_a_damaged_cdb_defers(tmp_path: Path, users: Users, content: bytes) -> None:
    (tmp_path / "cdb").write_bytes(content)

    with pytest.raises(Temporary, match=NO_CDB):
        users.find(b"joe")


def test_a_cdb_that_cannot_be_read_defers(tmp_path: Path, users: Users) -> None:
    (tmp_path / "cdb").mkdir()

    with pytest.raises(Temporary, match=NO_CDB):
        users.find(b"joe")


@pytest.mark.parametrize(
    "ids", ["0:8001", "x:8001", "4294967295:8001", "4294967296:8001", "9999999999:1", "8001:4294967295"]
)
def test_nothing_is_ever_delivered_as_root(tmp_path: Path, users: Users, ids: str) -> None:
    """Nor as the number that setresuid(2) takes for no change."""
    assign(tmp_path, f"=joe:joe:{ids}:/home/joe:::")

    if ROOT:
        with pytest.raises(Temporary, match=AS_ROOT):
            users.find(b"joe")
    else:
        assert os.geteuid() == users.find(b"joe").uid


def test_the_account_root_is_for_alias(users: Users) -> None:
    assert b"alias" == users.find(b"root").user


def test_without_root_only_our_own_account_counts() -> None:
    """In a child that drops root, if we have it: everybody else's mail is for alias then."""
    with open_folder() as folder:

        def is_for_alias() -> bool:
            found = Users(folder / "cdb", folder).find(b"daemon")
            return (b"alias", os.geteuid()) == (found.user, found.uid)

        assert as_user(IDENTITIES["alias"].uid, is_for_alias)
