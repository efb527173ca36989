"""Owns programs that fetch by POP3 and know what they have fetched: fetchmail, mpop, getmail, s-nail.

Each takes a Drop and a folder of its own, where it keeps the unique names of what it has seen; it gives what
it fetched this time, with LF at line ends, and leaves it in the mailbox or not. curl, who remembers nothing,
fetches all and leaves it.
"""

import contextlib
import mailbox
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests.support.clients import run

CLEAR, STLS, TLS = "clear", "stls", "tls"
_UNTIL_PARENT_SLEEPS = "until grep -q '^State:.S' /proc/$PPID/status; do sleep 0.02; done"


class Drop(NamedTuple):
    """A mailbox as its owner's program knows it, and how it goes there: CLEAR, STLS or TLS."""

    port: int
    user: str
    password: str
    way: str
    pem: Path
    """The certificate that it trusts."""
    name: str
    """The name in it."""


Fetch = Callable[[Drop, Path, bool], list[bytes]]


def fetchmail(drop: Drop, folder: Path, keep: bool) -> list[bytes]:
    """What fetchmail fetches anew; it hands each message to a program."""
    trust = f"sslcertck sslcertfile '{drop.pem}' sslcommonname '{drop.name}'"
    tls = {CLEAR: "sslproto ''", STLS: f"sslproto 'auto' {trust}", TLS: f"ssl {trust}"}[drop.way]
    settings = folder / "fetchmailrc"
    settings.write_text(
        f"poll 127.0.0.1 service {drop.port} protocol POP3 auth password uidl\n"
        f"  user '{drop.user}' password '{drop.password}' {tls}\n"
        f"  {'keep' if keep else 'no keep'} no rewrite mda '{_taker(folder)}'\n"
    )
    settings.chmod(0o600)
    # Root's fetchmail has one pid file for all. It ends with 1 when there was nothing new.
    once = f"fetchmail -f {settings} --nodetach --invisible --pidfile {folder}/pid || [ $? = 1 ]"
    run(["sh", "-c", once], environ={"FETCHMAILHOME": str(folder)})
    return _taken(sorted(folder.glob("message.*")))


def mpop(drop: Drop, folder: Path, keep: bool) -> list[bytes]:
    """What mpop fetches anew, into a Maildir."""
    maildir = _maildir(folder)
    trust = f"tls on\ntls_trust_file {drop.pem}\ntls_host_override {drop.name}\n"
    start = "on" if drop.way == STLS else "off"
    settings = folder / "mpoprc"
    settings.write_text(
        f"account default\nhost 127.0.0.1\nport {drop.port}\nuser {drop.user}\n"
        f"password {drop.password}\nauth user\n"
        + ("tls off\n" if drop.way == CLEAR else f"{trust}tls_starttls {start}\n")
        + f"keep {'on' if keep else 'off'}\nreceived_header off\nuidls_file {folder}/uidls\n"
        f"delivery maildir {maildir}\n"
    )
    settings.chmod(0o600)
    run(["mpop", "-q", "-C", settings])
    return _taken(sorted((maildir / "new").iterdir()))


def getmail(drop: Drop, folder: Path, keep: bool) -> list[bytes]:
    """What getmail fetches anew; it hands each message to a program, and knows no STLS."""
    settings = folder / "getmailrc"
    trust = f"ca_certs = {drop.pem}\nssl_cert_hostname = {drop.name}\n"
    settings.write_text(
        f"[retriever]\ntype = SimplePOP3{'SSL' if drop.way == TLS else ''}Retriever\n"
        f"server = 127.0.0.1\nport = {drop.port}\nusername = {drop.user}\npassword = {drop.password}\n"
        + (trust if drop.way == TLS else "")
        # It waits for minutes for the end of a program that ends before it has begun to wait, asleep.
        + f"[destination]\ntype = MDA_external\npath = {_taker(folder, _UNTIL_PARENT_SLEEPS)}\n"
        f"allow_root_commands = true\n"
        f"[options]\nread_all = false\ndelete = {'false' if keep else 'true'}\n"
        "delivered_to = false\nreceived = false\nverbose = 0\n"
    )
    run(["getmail", "--getmaildir", folder, "--rcfile", settings])
    return _taken(sorted(folder.glob("message.*")))


def snail(drop: Drop, folder: Path, keep: bool) -> list[bytes]:
    """All that is there, copied into an mbox by s-nail, which looks at the mailbox as at a folder."""
    scheme = "pop3s" if drop.way == TLS else "pop3"
    url = f"{scheme}://{drop.user.replace('@', '%40')}:{drop.password}@127.0.0.1:{drop.port}"
    settings = ["v15-compat=yes", "tls-verify=ignore", f"folder={folder}"]
    settings += ["pop3-use-starttls"] if drop.way == STLS else []
    options = [word for setting in settings for word in ("-S", setting)]
    copy = f"{'copy' if keep else 'move'} * {folder}/mbox"
    run(
        ["s-nail", "-:/", *options, "-f", url],
        stdin=f"{copy}\nquit\n".encode(),
        environ={"HOME": str(folder)},
    )
    return _from_mbox(folder / "mbox")


def curl(drop: Drop, *options: str) -> list[bytes]:
    """All that is there, a connection each; it trusts no certificate but `pem`."""
    scheme = "pop3s" if drop.way == TLS else "pop3"
    login = f"{drop.user}:{drop.password}"
    command = ["curl", "-sS", "--user", login, "--cacert", str(drop.pem), *options]
    command += ["--resolve", f"{drop.name}:{drop.port}:127.0.0.1"]
    command += ["--ssl-reqd"] if drop.way == STLS else []
    url = f"{scheme}://{drop.name}:{drop.port}/"
    numbers = [line.split()[0].decode() for line in run([*command, url]).splitlines() if line]
    return [run([*command, url + number]).replace(b"\r\n", b"\n") for number in numbers]


def _from_mbox(path: Path) -> list[bytes]:
    """The messages of a file, which is gone afterwards; none if there is no file."""
    with contextlib.closing(mailbox.mbox(path)) as mbox:
        found = [bytes(message) for message in mbox]
    path.unlink()
    return found


def _taker(folder: Path, first: str = ":") -> Path:
    """A program that puts a message into a file of the folder, after a command."""
    program = folder / "take.sh"
    program.write_text(f'#!/bin/sh\n{first}\nexec cat >"$(mktemp {folder}/message.XXXXXX)"\n')
    program.chmod(0o700)
    return program


def _maildir(folder: Path) -> Path:
    maildir = folder / "Maildir"
    for part in ("tmp", "new", "cur"):
        (maildir / part).mkdir(parents=True, exist_ok=True)
    return maildir


def _taken(paths: list[Path]) -> list[bytes]:
    """The messages, which are gone afterwards."""
    found = [path.read_bytes() for path in paths]
    for path in paths:
        path.unlink()
    return found
