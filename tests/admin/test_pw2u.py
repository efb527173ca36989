"""The program qmail-pw2u, on password files and homes of the test's own."""

import io
import os
import re
from pathlib import Path

import pytest

from appliance.admin import pw2u

UID = os.getuid() or 54321


class Host:
    """A password file, homes, and the folder users/."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.lines: list[str] = []
        (folder / "users").mkdir()

    def add(self, name: str, *, home: bool = True, uid: int = UID) -> None:
        path = self._folder / name
        if home:
            path.mkdir()
            os.chown(path, UID, -1)
        self.lines.append(f"{name}:x:{uid}:100:A person:{path}:/bin/sh\n")

    def users(self, name: str, content: str) -> None:
        (self._folder / "users" / name).write_text(content)

    def owner(self, name: str) -> str:
        return f"{name}:{UID}:100:{self._folder / name}"

    def run(self, monkeypatch: pytest.MonkeyPatch, *argv: str) -> int:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO("".join(self.lines).encode())))
        return pw2u.main([*argv], {"TOASTER_HOME": str(self._folder)})


@pytest.fixture
def host(tmp_path: Path) -> Host:
    host = Host(tmp_path)
    host.add("alias")
    host.add("bob")
    return host


def test_everybody_gets_his_name_and_his_extensions_and_alias_the_rest(
    host: Host, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 0 == host.run(monkeypatch)
    alias, bob = host.owner("alias"), host.owner("bob")
    assert [
        f"+:{alias}:-::",
        f"=alias:{alias}:::",
        f"+alias-:{alias}:-::",
        f"=bob:{bob}:::",
        f"+bob-:{bob}:-::",
        ".",
    ] == capsys.readouterr().out.splitlines()


@pytest.mark.parametrize(
    ("line", "argv"),
    [
        ("+bob+:{bob}:-::", ["-c+"]),
        ("+bob-:{bob}:-/::", ["-/"]),
        ("=bob:{bob}:::", ["-C"]),
        ("=Carl:{Carl}:::", ["-u"]),
        ("=gone:{gone}:::", ["-H"]),
    ],
)
def test_letters_change_what_is_written(
    host: Host,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    line: str,
    argv: list[str],
) -> None:
    host.add("Carl")
    host.add("gone", home=False)

    assert 0 == host.run(monkeypatch, *argv)
    owners = {name: host.owner(name) for name in ("bob", "Carl", "gone")}
    assert line.format(**owners) in capsys.readouterr().out.splitlines()


def test_root_capitals_and_homes_of_others_are_passed_over(
    host: Host, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    host.add("root", uid=0)
    host.add("Carl")
    host.add("gone", home=False)
    host.add("foreign", uid=UID + 1)
    host.lines.append("short:x:1\n")

    assert 0 == host.run(monkeypatch, "-U")
    assert 6 == len(capsys.readouterr().out.splitlines())


def test_the_files_in_users_choose_name_and_add(
    host: Host, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    host.add("eve")
    host.users("exclude", "EVE\n")
    host.users("mailnames", "bob:robert::rob\n")
    host.users("subusers", "sub:Bob:pre:\nshort\nshort:bob:x\n#sub:bob:x:\n")
    host.users("append", "# as it is\n\n=extra:x:1:1:/x:::\nno newline ")

    assert 0 == host.run(monkeypatch)
    bob = host.owner("bob")
    assert [
        f"=robert:{bob}:::",
        f"+robert-:{bob}:-::",
        f"=rob:{bob}:::",
        f"+rob-:{bob}:-::",
        f"=sub:{bob}:-:pre:",
        f"+sub-:{bob}:-:pre-:",
        f"=#sub:{bob}:-:x:",
        f"+#sub-:{bob}:-:x-:",
        "# as it is",
        "",
        "=extra:x:1:1:/x:::",
        "no newline .",
    ] == capsys.readouterr().out.splitlines()[3:]


def test_only_who_is_included_counts(
    host: Host, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    host.users("include", "bob\n")

    assert 111 == host.run(monkeypatch)
    told = capsys.readouterr()
    assert "qmail-pw2u: fatal: unable to find alias user\n" == told.err
    assert f"=bob:{host.owner('bob')}:::" in told.out.splitlines()


def test_alias_may_live_in_a_folder_of_root_as_it_is_rendered(
    host: Host, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    host.lines = [f"{name}:x:{UID}:100:A person:/:/bin/sh\n" for name in ("alias", "bob")]

    assert 0 == host.run(monkeypatch, "-h")
    assert {"alias"} == set(re.findall(r"^[=+](\w+)", capsys.readouterr().out, re.MULTILINE))


@pytest.mark.parametrize("line", ["sub:nosuch:pre:\n", "sub:nosuch:pre"])
def test_a_subuser_of_nobody_is_a_fault(
    host: Host, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], line: str
) -> None:
    host.users("subusers", "sub:bob:pre:\n" + line)

    assert 111 == host.run(monkeypatch, "-C")
    told = capsys.readouterr()
    assert "qmail-pw2u: fatal: unable to find nosuch user for subuser\n" == told.err
    assert ["+:", "=a", "=b"] == [written[:2] for written in told.out.splitlines()]


def test_a_user_who_is_named_twice_gets_his_lines_twice(
    host: Host, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    host.lines.append(host.lines[1].replace(f":{UID}:", f":{UID}x:"))

    assert 0 == host.run(monkeypatch, "-C")
    bob = host.owner("bob")
    twice = [f"=bob:{bob}:::", f"=bob:{bob.replace(f':{UID}:', f':{UID}x:')}:::", "."]
    assert twice == capsys.readouterr().out.splitlines()[2:]


def test_h_stops_at_a_home_that_is_gone(
    host: Host, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    host.add("gone", home=False)

    assert 111 == host.run(monkeypatch, "-h")
    told = capsys.readouterr()
    assert ("", f"qmail-pw2u: fatal: unable to stat {tmp_path / 'gone'}\n") == (told.out, told.err)


def test_a_home_that_cannot_be_looked_at_is_not_one_that_is_gone(
    host: Host, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    host.add("file/home", home=False)

    assert 111 == host.run(monkeypatch)
    assert f"qmail-pw2u: fatal: unable to stat {tmp_path}/file/home\n" == capsys.readouterr().err


def test_a_letter_that_is_none_is_said(
    host: Host, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 100 == host.run(monkeypatch, "-HO")
    assert 100 == host.run(monkeypatch, "-c")
    told = "qmail-pw2u: illegal option -- O\nqmail-pw2u: option requires an argument -- c\n"
    assert told == capsys.readouterr().err
