"""Owns the check of the program qmail-local: as a process, with the message on its standard input."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.formats.outcome import Verdict
from appliance.local.local import run as deliver
from appliance.mailbox.quota import TOO_LARGE
from tests.support.mailroom import BODY, QueueEnd, instruction_for, letters_in

HEAD = b"Return-Path: <s@x.test>\nDelivered-To: alice@h.test\n"
USAGE = "qmail-local: usage: qmail-local [ -nN ] user homedir local dash ext domain sender aliasempty\n"
RUN = "import os, sys; from appliance.local.local import main; sys.exit(main(sys.argv[1:], os.environ))"


class Done(NamedTuple):
    """An exit code, and what was printed."""

    code: int
    out: str
    err: str


def qmail_local(home: Path, *options: str, body: bytes = BODY, pipe: bool = False) -> Done:
    words = ["alice", str(home), "alice", "", "", "h.test", "s@x.test", "./Maildir/"]
    return run(home, [*options, "--", *words], body, pipe)


def run(home: Path, argv: list[str], body: bytes = BODY, pipe: bool = False) -> Done:
    environment = {**os.environ, "TOASTER_RUN": str(home.parent), "FOO": "bar"}
    environment["PYTHONPATH"] = str(Path(__file__).parents[2])
    (home.parent / "message").write_bytes(body)
    with (home.parent / "message").open("rb") as file:
        stdin = subprocess.PIPE if pipe else file
        command = [sys.executable, "-c", RUN, *argv]
        with subprocess.Popen(
            command, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
        ) as process:
            out, err = process.communicate(body if pipe else None, timeout=60)
    return Done(process.returncode, out.decode(), err.decode())


@pytest.mark.parametrize("pipe", [False, True])
def test_everything_is_delivered_from_a_file_and_from_a_pipe(home: Path, queue: QueueEnd, pipe: bool) -> None:
    (home / ".qmail").write_text(
        './Maildir/\n./Mailbox\n|cat >copy; echo "$FOO"; echo err >&2\n&bob@x.test\n'
    )

    assert Done(0, "bar\ndid 2+1+1\nqp 17\n", "err\n") == qmail_local(home, pipe=pipe)

    assert [HEAD + BODY] == letters_in(home / "Maildir")
    assert BODY == (home / "copy").read_bytes()
    assert (home / "Mailbox").read_bytes().endswith(HEAD + BODY + b"\n")
    assert [b"Delivered-To: alice@h.test\n" + BODY] == [body for _, body in queue.taken]
    (name,) = os.listdir(home / "Maildir" / "new")
    assert re.fullmatch(r"[0-9]+\.[0-9]+\.[^/]+", name)


def test_a_full_mailbox_refuses_for_good(home: Path) -> None:
    (home / "Maildir/maildirsize").write_text("10S\n10 1\n")

    assert Done(100, "", TOO_LARGE + "\n") == qmail_local(home)


@pytest.mark.parametrize(
    ("text", "done"),
    [
        ("./Missing/\n", Done(111, "", "Unable to chdir to maildir. (#4.2.1)\n")),
        ("|echo out; exit 100\n", Done(100, "out\n", "")),
        ("|kill -9 $$\n", Done(111, "", "Aack, child crashed. (#4.3.0)\n")),
        ("./no/box\n", Done(111, "", "Unable to open ./no/box: file does not exist. (#4.2.1)\n")),
        ("&bob\n", Done(111, "", "Unable to forward message: the queue is not answering (#4.3.0).\n")),
    ],
)
def test_a_failure_is_an_exit_code_and_a_sentence(home: Path, text: str, done: Done) -> None:
    (home / ".qmail").write_text(text)

    assert done == qmail_local(home)


def test_n_prints_what_would_be_done(home: Path) -> None:
    (home / ".qmail").write_text("# c\n./Mailbox\n./Maildir/\n&bob@x.test\n|prog  \n")
    home.chmod(0o1755)

    printed = "mbox ./Mailbox\nmaildir ./Maildir/\nforward bob@x.test\nprogram prog\ndid 2+1+1\n"
    assert Done(0, printed, "Warning: home directory is sticky.\n") == qmail_local(home, "-n")
    assert [] == letters_in(home / "Maildir")


def test_n_stops_at_the_first_refused_line(home: Path) -> None:
    (home / ".qmail").write_text("&bob@x.test\n+list\n./Mailbox\n&carol\n")

    refusal = "Uh-oh: .qmail has file delivery but has x bit set. (#4.7.0)\n"
    assert Done(111, "forward bob@x.test\n", refusal) == qmail_local(home, "-n")


def test_the_last_of_n_and_big_n_counts(home: Path) -> None:
    assert Done(0, "did 1+0+0\n", "") == qmail_local(home, "-nN")
    assert Done(0, "maildir ./Maildir/\ndid 1+0+0\n", "") == qmail_local(home, "-N", "-n")


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        ([], ""),
        (["--", "alice", "/h", "alice", "", "", "h.test", "s@x.test"], ""),
        (["--", "alice", "relative", "alice", "", "", "h.test", "s@x.test", "./Mailbox"], ""),
        (["-x"], "qmail-local: illegal option -- x\n"),
    ],
)
def test_what_is_no_call_of_qmail_local_is_told_how(home: Path, argv: list[str], words: str) -> None:
    assert Done(100, "", words + USAGE) == run(home, argv)


def test_a_lock_is_waited_for(home: Path) -> None:
    (home / ".qmail").write_text("./Mailbox\n")
    command = ["flock", str(home / "Mailbox"), "-c", f"echo locked; sleep 0.3; echo first >>{home}/Mailbox"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as holder:
        assert holder.stdout
        assert b"locked\n" == holder.stdout.readline()

        assert 0 == qmail_local(home).code

    assert (home / "Mailbox").read_bytes().startswith(b"first\nFrom s@x.test ")


def test_the_program_that_qmailqueue_names_takes_the_forwards(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / ".qmail").write_text("&bob@x.test\n")
    program = tmp_path / "queue"
    program.write_text(f"#!/bin/sh\ncat >{tmp_path}/taken; exit 0\n")
    program.chmod(0o755)
    monkeypatch.setenv("QMAILQUEUE", str(program))

    assert 0 == qmail_local(home).code

    assert b"Delivered-To: alice@h.test\n" + BODY == (tmp_path / "taken").read_bytes()


_NAME = st.binary(max_size=8).filter(lambda name: b"/" not in name)
_LINE = st.one_of(
    st.builds(lambda start, name: start + name, st.sampled_from([b"./", b"&", b"#", b"+", b" ", b""]), _NAME),
    st.builds(lambda name: b"./" + name + b"/", _NAME),
    st.sampled_from([b"./Maildir/", b"./Maildir", b"./new\xff/", b"&joe@x.test", b"./Mailbox \t", b"/"]),
)


@given(lines=st.lists(_LINE.filter(lambda line: line[:1] != b"|"), max_size=6), executable=st.booleans())
@settings(max_examples=50)
def test_any_qmail_file_is_delivered_by_or_answered(
    queue: QueueEnd, home: Path, lines: list[bytes], executable: bool
) -> None:
    """On the disk, and with a queue; what programs it may name are left out: they would be run."""
    (home / ".qmail").write_bytes(b"\n".join(lines))
    (home / ".qmail").chmod(0o700 if executable else 0o600)

    report = deliver(instruction_for(home), BODY, {"TOASTER_RUN": str(home.parent)})

    assert report.verdict is Verdict.DONE or report.text
    assert report.verdict is not Verdict.DONE or report.text.startswith(b"did ")
