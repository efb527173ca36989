"""Owns hosts as the FAQ's readers run them: files edited by hand, users with homes of their own.

    with Internet() as internet, internet.host("pokey.af.mil", "127.0.0.3") as pokey:
        boss = pokey.user("boss")
        pokey.shell("echo af.mil >> control/locals")

Each host is a whole appliance that answers on an address of its own; all of them ask one name server.
"""

import errno
import os
import secrets
import smtplib
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

from appliance.formats.envelope import Envelope, format_envelope
from tests.support.letter import Letter, letter
from tests.support.nameserver import Kinds, NameServer
from tests.support.nexthop import NextHop
from tests.support.ports import free_base, free_ports
from tests.support.site import OFMIP, POP3, POP3S, SMTP, SUBMISSION, SUBMISSIONS, Site, site
from tests.support.waiting import LIMIT_S, wait_for

FIRST_UID = 6601
_CONFIG = """\
version: 1
hostname: {name}
postmaster: admin@{name}.test
domains:
  {name}.test: {{mailboxes: {{admin: {{password: generate}}}}}}
"""


class Internet:
    """A name server, and one port for all that take mail."""

    def __init__(self) -> None:
        self.names = NameServer({})
        self.base = free_base((SMTP, OFMIP, SUBMISSION, SUBMISSIONS, POP3, POP3S))
        self.port = self.base + SMTP

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.names.close()

    def know(self, name: str, **kinds: list[str]) -> None:
        """Put records of a name into the DNS, such as MX=["10 pokey.af.mil"]."""
        found: Kinds = kinds
        self.names.records[name] = found

    def sink(self, name: str, address: str) -> NextHop:
        """A host that takes everything."""
        self.know(name, A=[address])
        return NextHop(at=(address, self.port))

    @contextmanager
    def host(self, name: str, address: str, within: tuple[str, ...] = (), more: str = "") -> Iterator["Host"]:
        """A host with qmail, running; it knows no domain but its own name.

        `within`: see Site; `more` is what else stands in config.yaml, domains first.
        """
        self.know(name, A=[address])
        environ = {
            "TOASTER_NAMESERVER": self.names.at,
            "TOASTER_SMTP_PORT": str(self.port),
            "TOASTER_BIND": address,
            "PORT_BASE": str(self.base),
        }
        with site(_CONFIG.format(name=name) + more, environ) as new:
            new.base, new.within = self.base, within
            new.up()
            yield Host(new, address)


class Host:
    """An appliance whose owner knows qmail, and edits its files by commands in /var/qmail."""

    def __init__(self, running: Site, address: str) -> None:
        self.site = running
        self.address = address
        self._users = 0

    def shell(self, command: str) -> str:
        """What a command prints."""
        return self.site.shell(command)

    def user(self, name: str) -> Path:
        """The home of a new user of this host, with a Maildir; as root he has a number of his own."""
        home = self.site.folder / "homes" / name
        home.mkdir(parents=True)
        uid = gid = os.geteuid()
        if uid == 0:
            uid = gid = FIRST_UID + self._users
            self._users += 1
            os.chown(home, uid, gid)
        maildir(home, "Maildir")
        assign = self.site.place.users / "assign"
        lines = assign.read_text().removesuffix(".\n")
        mine = f"={name}:{name}:{uid}:{gid}:{home}:::\n+{name}-:{name}:{uid}:{gid}:{home}:-::\n"
        assign.write_text(f"{lines}{mine}.\n")
        self.shell("qmail-newu")
        return home

    def send(self, *recipients: str, sender: str = "user@client.test") -> Letter:
        """Hand in a letter as a user of this host does, by qmail-queue."""
        new = letter()
        envelope = Envelope(sender.encode(), tuple(recipient.encode() for recipient in recipients))
        message, said = self.site.folder / "message", self.site.folder / "envelope"
        message.write_bytes(new.content)
        said.write_bytes(format_envelope(envelope))
        self.shell(f"qmail-queue <{message} 1<{said}")
        return new

    def write(self, command: str, *fields: str) -> Letter:
        """Hand in a message with these header fields by a user's command, such as `USER=joe qmail-inject`."""
        token = secrets.token_hex(8)
        path = self.site.folder / "written"
        path.write_text("\n".join((*fields, "", token, "")))
        self.shell(f"{command} <{path}")
        return Letter(token, f"\n{token}\n".encode())

    def receive(self, to: str, client: str = "", content: bytes = b"") -> Letter:
        """Let another host hand in a letter by SMTP, as soon as it is taken: files were edited just now.

        `client` is its address, if that matters.
        """
        new = Letter(secrets.token_hex(8), content) if content else letter()
        lines = new.content.replace(b"\n", b"\r\n")

        def hand_in() -> bool:
            with self._session(client) as session, suppress(smtplib.SMTPRecipientsRefused):
                return not session.sendmail("stranger@outside.test", to, lines)
            return False

        wait_for(hand_in)
        return new

    def refuses(self, to: str) -> bool:
        """Whether it refuses a recipient for good."""
        with self._session() as session:
            session.ehlo()
            session.mail("stranger@outside.test")
            return session.rcpt(to)[0] in (550, 553)

    def is_closed(self) -> bool:
        """Whether nobody listens for mail."""
        with socket.socket() as probe:
            return probe.connect_ex((self.address, self.site.port(SMTP))) == errno.ECONNREFUSED

    def _session(self, client: str = "") -> smtplib.SMTP:
        source = (client, 0) if client else None
        return smtplib.SMTP(self.address, self.site.port(SMTP), timeout=LIMIT_S, source_address=source)

    def wait_for_log(self, text: str, since: int = 0) -> str:
        """The log from some place on, once a text is in it."""
        return wait_for(lambda: found if text in (found := self.site.log[since:]) else None)


def maildir(home: Path, name: str) -> Path:
    """A new Maildir of a user."""
    path = home / name
    for folder in (path, *(path / part for part in ("tmp", "new", "cur"))):
        folder.mkdir()
        os.chown(folder, home.stat().st_uid, home.stat().st_gid)
    return path


def lies_in(folder: Path, new: Letter) -> bytes:
    """A letter in a Maildir, once it is there."""

    def found() -> bytes | None:
        texts = [path.read_bytes() for path in (folder / "new").iterdir()]
        return next((text for text in texts if new.is_in(text)), None)

    return wait_for(found)


def instruct(home: Path, name: str, *lines: str) -> None:
    """Write a user's .qmail file."""
    path = home / name
    path.write_text("".join(f"{line}\n" for line in lines))
    path.chmod(0o644)
    os.chown(path, home.stat().st_uid, home.stat().st_gid)


def took(sink: NextHop, new: Letter) -> tuple[bytes, ...]:
    """The recipients for whom a sink took a letter, once it did."""
    token = new.token.encode()
    return wait_for(lambda: next((m.recipients for m in sink.messages if token in m.body), None))


@contextmanager
def tcpserver(site: Site, command: str, rules: str = "") -> Iterator[int]:
    """The port on which a command of qmail's programs answers; `rules` is a cdb in /var/qmail."""
    (port,) = free_ports(1)
    path = f"{site.place.home / 'bin'}:{os.environ['PATH']}"
    options = ["-RHl0", *(["-x", rules] if rules else [])]
    words = ["tcpserver", *options, "127.0.0.1", str(port), *command.split()]
    running = subprocess.Popen(words, env={**site.environ, "PATH": path}, cwd=site.place.home)
    try:
        yield port
    finally:
        running.terminate()
        running.wait(LIMIT_S)
