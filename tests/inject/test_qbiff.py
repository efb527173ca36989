"""qbiff: new mail is told of on terminals of the user that he lets others write to."""

import os
import struct
from pathlib import Path

import pytest

from appliance.inject import qbiff
from tests.support.on_descriptor import on_descriptor_0

MESSAGE = b"Subject: hello\n\nfirst line\n\x07second"
SHOWN = b"\r\n\7*** TO <alice> FROM <s@x.test>\r\n    hello//first line//second/\r\n"
ENVIRON = {"USER": "alice", "SENDER": "s@x.test", "LOCAL": "alice"}


def entry(user: bytes, line: bytes, kind: int = 7) -> bytes:
    return struct.pack("hxxi32s4s32s256s52x", kind, 1, line, b"", user, b"")


@pytest.fixture
def terminals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(qbiff, "LOGGED_IN", tmp_path / "utmp")
    monkeypatch.setattr(qbiff, "TERMINALS", tmp_path)
    for name in ("tty1", "tty2", "tty3", "quiet"):
        (tmp_path / name).touch(0o700)
    (tmp_path / "quiet").chmod(0o600)
    entries = [entry(b"alice", b"tty1"), entry(b"bob", b"tty2"), entry(b"alice", b"tty3", kind=8)]
    entries += [entry(b"alice", b"quiet"), entry(b"alice", b"../x"), entry(b"alice", b"gone"), b"torn"]
    (tmp_path / "utmp").write_bytes(b"".join(entries))
    return tmp_path


def test_the_users_own_terminals_are_told(tmp_path: Path, terminals: Path) -> None:
    with on_descriptor_0(tmp_path, MESSAGE):
        assert 0 == qbiff.main([], ENVIRON)
    assert SHOWN == (terminals / "tty1").read_bytes()
    assert b"" == b"".join((terminals / name).read_bytes() for name in ("tty2", "tty3", "quiet"))


def test_a_long_text_is_cut_and_controls_never_reach_a_terminal() -> None:
    shown = qbiff.notice(b"a\x1b", b"s", b"\n" + b"x" * 500)

    assert b"*** TO <a_> FROM <s>" in shown
    assert 78 == len(shown.split(b"\r\n")[2])


def test_nobody_is_told_when_nobody_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qbiff, "LOGGED_IN", tmp_path / "none")
    with on_descriptor_0(tmp_path, MESSAGE):
        assert 0 == qbiff.main([], ENVIRON)
        assert 0 == qbiff.main([], {})
    assert os.listdir(tmp_path) == ["on-descriptor-0"]
