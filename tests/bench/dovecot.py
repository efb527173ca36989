"""Owns the peers' Dovecot: POP3 over Postfix's mailboxes, and the passwords of both; at its honest best."""

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench.side import OWNER, Plan
from tests.support.ports import free_ports
from tests.support.waiting import wait_for

AUTH = "auth-for-postfix"
"""The socket, in the folder `dovecot/run`, on which Postfix asks for a password."""

_DOVECOT = "/usr/sbin/dovecot"
_CONFIG = """\
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
protocols = pop3
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain
first_valid_uid = 1
mail_location = maildir:{mail}/%d/%n/Maildir

# The same hashes as ours. They are in memory, so auth_cache_size would save nothing; it keeps no decisions.
passdb {{
  driver = passwd-file
  args = {folder}/users
}}
userdb {{
  driver = static
  args = uid={owner} gid={owner} home={mail}/%d/%n
}}

# As qmail-pop3d: no flag is set when a message is fetched, and a size is that of the file.
pop3_no_flag_updates = yes
pop3_fast_size_lookups = yes

service auth {{
  client_limit = 2000
  unix_listener {auth} {{
    mode = 0666
  }}
}}
# The manual's high-performance mode, and no process for each session: 10,000 logins, not one, end a process.
service pop3-login {{
  service_count = 0
  process_min_avail = 2
  inet_listener pop3 {{
    port = {port}
  }}
}}
service pop3 {{
  service_count = 10000
  process_min_avail = 10
}}
# All clients of the bench are one user, or 127.0.0.1.
mail_max_userip_connections = 1000
"""


@contextmanager
def running(folder: Path, plan: Plan) -> Iterator[tuple[int, int]]:
    """Its port of POP3 and its first process; ended afterwards."""
    own = folder / "dovecot"
    own.mkdir()
    (port,) = free_ports(1)
    users = (f"{name}@{domain}:{{ARGON2ID}}{plan.hashes[domain]}\n" for name, domain in plan.addresses())
    (own / "users").write_text("".join(users))
    config = _CONFIG.format(folder=own, mail=folder / "mail", auth=AUTH, port=port, owner=OWNER)
    (own / "dovecot.conf").write_text(config)
    program = subprocess.Popen([_DOVECOT, "-F", "-c", own / "dovecot.conf"], stdin=subprocess.DEVNULL)
    try:
        wait_for(lambda: _connects(port))
        yield port, program.pid
    finally:
        program.terminate()
        program.wait(20)


def _connects(port: int) -> bool:
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0
