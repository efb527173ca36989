"""The programs tcprules and tcprulescheck."""

import io
from pathlib import Path

import pytest

from appliance.formats.tcprules import compile_rules
from appliance.net import tcprules


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run_tcprules(text: bytes, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text)))
    return tcprules.main(["r.cdb", "r.tmp"], {})


def test_rules_become_a_database_and_the_temporary_file_is_gone(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert 0 == run_tcprules(b"1.2.3.:deny\n", monkeypatch)
    assert (compile_rules(b"1.2.3.:deny\n"), False) == (
        (folder / "r.cdb").read_bytes(),
        (folder / "r.tmp").exists(),
    )


def test_a_faulty_line_leaves_the_old_database(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "r.cdb").write_bytes(b"old")

    assert 100 == run_tcprules(b"1.2.3.4:ALLOW\n", monkeypatch)
    assert "tcprules: fatal: unable to parse this line: 1.2.3.4:ALLOW\n" == capsys.readouterr().err
    assert (b"old", True) == ((folder / "r.cdb").read_bytes(), (folder / "r.tmp").exists())


def test_a_file_that_cannot_be_made_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "r.tmp").mkdir()

    assert 111 == run_tcprules(b"", monkeypatch)
    assert "tcprules: fatal: unable to create r.tmp: is a directory\n" == capsys.readouterr().err


@pytest.mark.parametrize("argv", [[], ["r.cdb"]])
def test_both_say_how_they_are_called(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert (100, 100) == (tcprules.main(argv, {}), tcprules.check([], {}))
    assert "tcprules: usage: tcprules rules.cdb rules.tmp\n" in capsys.readouterr().err


def test_a_third_argument_is_passed_over(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b":deny\n")))

    assert (0, 0) == (tcprules.main(["a", "b", "c"], {}), tcprules.check(["a", "c"], {}))
    assert [folder / "a"] == list(folder.iterdir())


@pytest.mark.parametrize(
    ("told", "environment"),
    [
        (
            "rule 1.2.3.4:\nset environment variable RELAYCLIENT=\nallow connection\n",
            {"TCPREMOTEIP": "1.2.3.4"},
        ),
        ("rule =h.test:\ndeny connection\n", {"TCPREMOTEIP": "9.9.9.9", "TCPREMOTEHOST": "h.test"}),
        ("rule joe@9.9.9.9:\ndeny connection\n", {"TCPREMOTEIP": "9.9.9.9", "TCPREMOTEINFO": "joe"}),
        ("default:\nallow connection\n", {"TCPREMOTEIP": "9.9.9.9"}),
    ],
)
def test_a_check_tells_the_rule_of_a_client(
    folder: Path, capsys: pytest.CaptureFixture[str], told: str, environment: dict[str, str]
) -> None:
    rules = b'1.2.3.4:allow,RELAYCLIENT=""\n=h.test:deny,X="y"\njoe@9.9.9.9:deny\n'
    (folder / "r.cdb").write_bytes(compile_rules(rules))

    assert 0 == tcprules.check(["r.cdb"], environment)
    assert told == capsys.readouterr().out


@pytest.mark.parametrize(
    ("told", "content"),
    [
        ("tcprulescheck: fatal: unable to read r.cdb: file does not exist\n", None),
        ("tcprulescheck: fatal: unable to read r.cdb: the cdb is shorter than its header\n", b"short"),
    ],
)
def test_a_check_says_why_it_cannot_tell(
    folder: Path, capsys: pytest.CaptureFixture[str], told: str, content: bytes | None
) -> None:
    if content is not None:
        (folder / "r.cdb").write_bytes(content)

    assert 111 == tcprules.check(["r.cdb"], {})
    assert told == capsys.readouterr().err
