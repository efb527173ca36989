"""Owns the mail programs of others that tests send and fetch with: swaks, curl, fetchmail, mpop, postfix."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

# Debian keeps smtp-source where only root's PATH looks.
_ENVIRONMENT = {**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin", "LC_ALL": "C.UTF-8"}


class Mailbox(NamedTuple):
    """A mailbox as its owner knows it: where POP3 answers, and what to say."""

    port: int
    user: str
    password: str


def run(command: Sequence[str | Path], *, stdin: bytes = b"", environ: dict[str, str] | None = None) -> bytes:
    """What a program writes to standard output; AssertionError with all it said if it fails."""
    done = subprocess.run(
        [str(word) for word in command],
        input=stdin,
        capture_output=True,
        timeout=120,
        check=False,
        env=_ENVIRONMENT | (environ or {}),
    )
    assert done.returncode == 0, f"{command[0]} ends with {done.returncode}: {done.stdout!r} {done.stderr!r}"
    return done.stdout


def swaks(port: int, to: str, message: bytes, *, sender: str = "sender@outside.test") -> None:
    """Hands in one message by SMTP; swaks would read a % as the start of a word of its own."""
    where = ["--server", f"127.0.0.1:{port}", "--from", sender, "--to", to]
    run(["swaks", *where, "--silent", "1", "--data", "-"], stdin=message.removesuffix(b"\n"))  # swaks adds it


def smtp_source(port: int, to: str, count: int, sessions: int, subject: str = "many") -> None:
    """Hands in `count` messages of 2 kB over so many parallel sessions, a new connection each."""
    shape = ["-s", str(sessions), "-m", str(count), "-l", "2048", "-S", subject]
    run(["smtp-source", *shape, "-f", "sender@outside.test", "-t", to, f"127.0.0.1:{port}"])


def curl(mailbox: Mailbox) -> list[bytes]:
    """Every message of a mailbox, fetched by curl, with LF at line ends."""
    url, login = f"pop3://127.0.0.1:{mailbox.port}/", f"{mailbox.user}:{mailbox.password}"
    listed = run(["curl", "-sS", "--user", login, url]).split(b"\r\n")
    numbers = [line.split()[0].decode() for line in listed if line.strip()]
    return [run(["curl", "-sS", "--user", login, url + number]).replace(b"\r\n", b"\n") for number in numbers]


def fetchmail(mailbox: Mailbox, folder: Path) -> list[bytes]:
    """Every message of a mailbox, fetched by fetchmail and left there."""
    folder.mkdir()
    keep = folder / "keep.sh"
    keep.write_text(f'#!/bin/sh\nexec cat >"$(mktemp {folder}/message.XXXXXX)"\n')
    keep.chmod(0o700)
    settings = folder / "fetchmailrc"
    settings.write_text(
        f"poll 127.0.0.1 service {mailbox.port} protocol POP3 auth password\n"
        f"  user '{mailbox.user}' password '{mailbox.password}' sslproto ''\n"
        f"  keep fetchall no rewrite mda '{keep}'\n"
    )
    settings.chmod(0o600)
    # Root's fetchmail has one pid file for all; tests run side by side.
    once = ["--nodetach", "--invisible", "--pidfile", f"{folder}/pid"]
    run(["fetchmail", "-f", str(settings), *once], environ={"FETCHMAILHOME": str(folder)})
    return [path.read_bytes() for path in sorted(folder.glob("message.*"))]


def mpop(mailbox: Mailbox, folder: Path) -> list[bytes]:
    """Every message of a mailbox, fetched by mpop and left there."""
    for name in ("tmp", "new", "cur"):
        (folder / "Maildir" / name).mkdir(parents=True)
    settings = folder / "mpoprc"
    settings.write_text(
        "account default\nhost 127.0.0.1\n"
        f"port {mailbox.port}\nuser {mailbox.user}\npassword {mailbox.password}\nauth user\ntls off\n"
        f"keep on\nreceived_header off\nuidls_file {folder}/uidls\ndelivery maildir {folder}/Maildir\n"
    )
    settings.chmod(0o600)
    run(["mpop", "-q", "-C", settings])
    return [path.read_bytes() for path in sorted((folder / "Maildir" / "new").iterdir())]


def with_token(messages: list[bytes], token: str) -> list[bytes]:
    """Those of the messages that carry a test's own word."""
    return [message for message in messages if token.encode() in message]
