"""bouncesaying, except and condredirect: another program decides."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from appliance.formats.envelope import Envelope
from appliance.formats.handin import Whole
from appliance.inject import conditions
from tests.support.on_descriptor import on_descriptor_0
from tests.support.queue_server import QueueServer

Program = Callable[[list[str], Mapping[str, str]], int]
BOTH = pytest.mark.parametrize(
    ("program", "words"),
    [(conditions.bouncesaying, ["go away"]), (conditions.except_, [])],
)


def sh(script: str) -> list[str]:
    return ["sh", "-c", script]


@BOTH
def test_a_program_that_agrees_bounces_the_message(program: Program, words: list[str]) -> None:
    assert 100 == program([*words, *sh("exit 0")], {})


@BOTH
@pytest.mark.parametrize("code", [1, 99, 100])
def test_one_that_does_not_lets_it_pass(program: Program, words: list[str], code: int) -> None:
    assert 0 == program([*words, *sh(f"exit {code}")], {})


@BOTH
def test_one_that_is_not_there_does_not_agree(program: Program, words: list[str]) -> None:
    assert 0 == program([*words, "no-such-program"], {})


@BOTH
@pytest.mark.parametrize(
    ("reason", "script"), [("temporary child error", "exit 111"), ("child crashed", "kill -9 $$")]
)
def test_one_that_cannot_tell_defers_the_message(
    program: Program, words: list[str], reason: str, script: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 111 == program([*words, *sh(script)], {})
    assert capsys.readouterr().err.endswith(f": fatal: {reason}\n")


def test_the_words_of_the_bounce_are_said(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    assert 100 == conditions.bouncesaying(["closed for the winter"], {})
    assert b"closed for the winter\n" == capsysbinary.readouterr().err


@pytest.mark.parametrize(
    ("usage", "program"),
    [
        ("bouncesaying: usage: bouncesaying error [ program [ arg ... ] ]", conditions.bouncesaying),
        ("except: usage: except program [ arg ... ]", conditions.except_),
        ("condredirect: usage: condredirect newaddress program [ arg ... ]", conditions.condredirect),
    ],
)
def test_each_says_how_it_is_called(usage: str, program: Program, capsys: pytest.CaptureFixture[str]) -> None:
    assert (100, usage + "\n") == (program([], {}), capsys.readouterr().err)


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "run").mkdir()
    return {"TOASTER_HOME": str(tmp_path), "SENDER": "s@x.test", "DTLINE": "Delivered-To: a@h.test\n"}


def test_condredirect_sends_the_whole_message_on_and_stops_there(
    tmp_path: Path, environ: dict[str, str]
) -> None:
    server = QueueServer(tmp_path / "run" / "queue.sock")
    with on_descriptor_0(tmp_path, b"Subject: t\n\nb\n"):
        code = conditions.condredirect(["new@x.test", *sh("head -1 >/dev/null")], environ)
    server.close()

    body = b"Delivered-To: a@h.test\nSubject: t\n\nb\n"
    assert (99, [Whole(1, Envelope(b"s@x.test", (b"new@x.test",)), body)]) == (code, server.requests)


@pytest.mark.parametrize(("code", "script"), [(0, "exit 1"), (111, "exit 111"), (111, "exit 0")])
def test_condredirect_does_nothing_otherwise(
    tmp_path: Path, environ: dict[str, str], code: int, script: str
) -> None:
    with on_descriptor_0(tmp_path, b""):
        assert code == conditions.condredirect(["new@x.test", *sh(script)], environ)
