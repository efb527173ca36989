"""The program that stands in for the queue."""

from collections.abc import Callable
from pathlib import Path

import pytest

from appliance.formats.envelope import Envelope
from appliance.formats.outcome import Permanent, Temporary
from appliance.queue.program import QueueProgram

ENVELOPE = Envelope(b"s@x.test", (b"alice@example.test",))


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str], QueueProgram]:
    def write(script: str) -> QueueProgram:
        path = tmp_path / "qq"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return QueueProgram(str(path))

    return write


def test_the_program_gets_message_and_envelope(
    tmp_path: Path, program: Callable[[str], QueueProgram]
) -> None:
    script = f"cat > {tmp_path}/message; cat <&1 > {tmp_path}/envelope; echo $$ > {tmp_path}/number"

    number = program(script).submit(ENVELOPE, b"Subject: t\n\nb\n" * 10_000)

    assert b"Subject: t\n\nb\n" * 10_000 == (tmp_path / "message").read_bytes()
    assert b"Fs@x.test\0Talice@example.test\0\0" == (tmp_path / "envelope").read_bytes()
    assert number == int((tmp_path / "number").read_text())


@pytest.mark.parametrize(
    ("sentence", "script"),
    [
        ("envelope address too long for qq (#5.1.3)", "exit 11"),
        ("mail server permanently rejected message (#5.3.0)", "exit 31"),
        ("qq permanent problem (#5.3.0)", "exit 40"),
        ("closed today", "printf 'Dclosed today' >&6; exit 82"),
    ],
)
def test_some_refusals_are_for_good(
    program: Callable[[str], QueueProgram], sentence: str, script: str
) -> None:
    with pytest.raises(Permanent) as refusal:
        program(script).submit(ENVELOPE, b"")
    assert sentence == refusal.value.sentence


@pytest.mark.parametrize(
    ("sentence", "script"),
    [
        ("qq temporary problem (#4.3.0)", "exit 1"),
        ("qq temporary problem (#4.3.0)", "exit 41"),
        ("qq write error or disk full (#4.3.0)", "exit 53"),
        ("qq trouble creating files in queue (#4.3.0)", "exit 66"),
        ("unable to exec qq (#4.3.0)", "exit 120"),
        ("qq crashed (#4.3.0)", "kill -9 $$"),
        ("later", "printf Zlater >&6; exit 82"),
        ("qq temporary problem (#4.3.0)", "printf later >&6; exit 82"),
        ("qq temporary problem (#4.3.0)", "exit 82"),
    ],
)
def test_others_are_for_now(program: Callable[[str], QueueProgram], sentence: str, script: str) -> None:
    with pytest.raises(Temporary) as refusal:
        program(script).submit(ENVELOPE, b"")
    assert sentence == refusal.value.sentence


def test_a_program_that_is_not_there_is_for_now(tmp_path: Path) -> None:
    with pytest.raises(Temporary, match="unable to exec qq"):
        QueueProgram(str(tmp_path / "none")).submit(ENVELOPE, b"")
