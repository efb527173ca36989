"""Owns a Dovecot of the tests' own: IMAP and POP3 on loopback, over Maildirs that somebody else made.

Its configuration, sockets and log lie in a folder of its own; that of the system is not read. The limits of
quotas are those that it finds in maildirsize.
"""

import getpass
import grp
import imaplib
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from appliance.system.privileges import Identity, is_root
from tests.support.clients import Mailbox, run
from tests.support.folders import open_folder
from tests.support.ports import free_ports
from tests.support.waiting import until_it_works

PASSWORD = "open-sesame"
_DOVECOT = "/usr/sbin/dovecot"
_CONFIG = """\
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
protocols = imap pop3
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
first_valid_uid = 1
mail_location = maildir:~/Maildir
mail_plugins = quota
passdb {{
  driver = static
  args = password={password}
}}
protocol imap {{
  mail_plugins = quota imap_quota
}}
userdb {{
  driver = static
  args = uid={owner.uid} gid={owner.gid} home={mail}/%d/%n
}}
namespace inbox {{
  inbox = yes
}}
service imap-login {{
  inet_listener imap {{
    port = {imap}
  }}
}}
service pop3-login {{
  inet_listener pop3 {{
    port = {pop3}
  }}
}}
plugin {{
  quota = maildir:User quota
}}
"""
# Without root there is nobody else to become, and no folder to be locked into.
_AS_OURSELVES = """\
default_internal_user = {me}
default_internal_group = {group}
default_login_user = {me}
service anvil {{
  chroot =
}}
service imap-login {{
  chroot =
}}
service pop3-login {{
  chroot =
}}
"""


class Dovecot(NamedTuple):
    """A Dovecot that runs."""

    folder: Path
    imap_port: int
    pop3_port: int

    @contextmanager
    def imap(self, user: str) -> Iterator[imaplib.IMAP4]:
        """A session of a user, logged in."""
        with imaplib.IMAP4("127.0.0.1", self.imap_port, timeout=60) as session:
            session.login(user, PASSWORD)
            yield session

    def mailbox(self, user: str) -> Mailbox:
        """What POP3 wants to know."""
        return Mailbox(self.pop3_port, user, PASSWORD)

    def doveadm(self, *words: str, stdin: bytes = b"") -> str:
        """What doveadm prints."""
        return run(["doveadm", "-c", self.folder / "dovecot.conf", *words], stdin=stdin).decode()

    @property
    def log(self) -> str:
        """What it had to say."""
        return (self.folder / "log").read_text(errors="replace")


def is_known() -> bool:
    """Whether there is one whose configuration and quotas we know: those of 2.4 are others."""
    return Path(_DOVECOT).exists() and run([_DOVECOT, "--version"]).startswith(b"2.3.")


@contextmanager
def dovecot(mail: Path, owner: Identity) -> Iterator[Dovecot]:
    """One for the mailboxes DOMAIN/NAME/Maildir of a folder; it is gone afterwards."""
    with open_folder("dove-") as folder, _running(folder, mail, owner) as new:
        yield new


@contextmanager
def _running(folder: Path, mail: Path, owner: Identity) -> Iterator[Dovecot]:
    imap, pop3 = free_ports(2)
    config = _CONFIG.format(folder=folder, mail=mail, owner=owner, imap=imap, pop3=pop3, password=PASSWORD)
    if not is_root():
        config += _AS_OURSELVES.format(me=getpass.getuser(), group=grp.getgrgid(os.getgid()).gr_name)
    (folder / "dovecot.conf").write_text(config)
    new = Dovecot(folder, imap, pop3)
    running = subprocess.Popen([_DOVECOT, "-F", "-c", folder / "dovecot.conf"], stdin=subprocess.DEVNULL)
    try:
        until_it_works(lambda: new.doveadm("service", "status"))
        yield new
    finally:
        running.terminate()
        running.wait(60)
