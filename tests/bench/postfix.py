"""Owns the peers' side of the bench: Debian's Postfix in a configuration of its own, at its honest best.

Dovecot checks its users' passwords, and serves its mailboxes by POP3.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench import dovecot, processes
from tests.bench.side import LOCAL, MANY, OWNER, REMOTE, Plan, Side
from tests.support import postfix
from tests.support.ports import free_ports

_MAIN = """\
myhostname = mail.example.test
mydestination =

# Delivery by virtual(8), Postfix's fastest: no look-up of a user or of .forward. As ours it writes to tmp,
# syncs the file and moves it into new; it does not sync the folder, which ours does.
virtual_mailbox_domains = {local}, {many}
virtual_mailbox_base = {folder}/mail
virtual_mailbox_maps = hash:{folder}/etc/mailboxes
virtual_uid_maps = static:{owner}
virtual_gid_maps = static:{owner}
virtual_mailbox_limit = 0
# As ours.
message_size_limit = 52428800

# The sink.
transport_maps = inline:{{{remote}=smtp:[127.0.0.1]:{sink}}}
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_recipient_restrictions =
smtpd_tls_security_level = none
smtp_tls_security_level = none
smtputf8_enable = no

# Submission; who asks for less of the sender than ours would ask one map less.
smtpd_sasl_type = dovecot
smtpd_sasl_path = {auth}
smtpd_sender_login_maps = hash:{folder}/etc/logins
smtpd_tls_chain_files = {certificate}

# Never hold smtpd back because qmgr is behind.
in_flow_delay = 0
# No process ends and is forked again during the bench (100).
max_use = 1000000
max_idle = 1000s
# 100 processes a service is the default, and was better than 60. 50 deliveries at a time to one destination
# (initially 5, at most 20) made 50 sessions a tenth faster, and 20 were not better anywhere.
default_process_limit = 100
initial_destination_concurrency = 50
default_destination_concurrency_limit = 50
"""
# No maillog_file, and no syslog where there is no /dev/log: writing its log, as ours does, would cost Postfix
# about a tenth.

_SERVICES = """\
127.0.0.1:{port} inet n - n - - smtpd
127.0.0.1:{submissions} inet n - n - - smtpd -o {{ smtpd_sasl_auth_enable = yes }}
  -o {{ smtpd_tls_wrappermode = yes }} -o {{ smtpd_relay_restrictions = permit_sasl_authenticated, reject }}
  -o {{ smtpd_sender_restrictions = reject_sender_login_mismatch }}
tlsmgr     unix - - n 1000? 1 tlsmgr
verify     unix - - n - 1 verify
flush      unix n - n 1000? 0 flush
relay      unix - - n - - smtp
virtual    unix - n n - - virtual
scache     unix - - n - 1 scache
"""


def _lay_out(folder: Path, plan: Plan, ports: tuple[int, int]) -> None:
    """The folders, both configuration files, the tables of mailboxes and the Maildirs, as ours has them."""
    etc = folder / "etc"
    words = {"local": LOCAL, "many": MANY, "remote": REMOTE, "sink": plan.sink, "owner": OWNER}
    words |= {"auth": folder / "dovecot/run" / dovecot.AUTH, "certificate": plan.certificate}
    services = _SERVICES.format(port=ports[0], submissions=ports[1])
    postfix.lay_out(folder, _MAIN.format(folder=folder, **words), services, logs=False)
    tables = {
        "mailboxes": "{name}@{domain} {domain}/{name}/Maildir/\n",
        "logins": "{name}@{domain} {name}@{domain}\n",
    }
    for table, line in tables.items():
        lines = [line.format(name=name, domain=domain) for name, domain in plan.addresses()]
        (etc / table).write_text("".join(lines))
        subprocess.run(["postmap", f"hash:{etc}/{table}"], check=True)
    for name, domain in plan.addresses():
        for part in ("tmp", "new", "cur"):
            (folder / "mail" / domain / name / "Maildir" / part).mkdir(parents=True)
    for path, _, _ in os.walk(folder / "mail"):
        os.chown(path, OWNER, OWNER)


def name_of(words: list[str]) -> str:
    """The program's name; Postfix's processes are called by their services otherwise."""
    return Path(words[0]).name


def _postfix(folder: Path, word: str) -> None:
    done = subprocess.run(
        ["postfix", "-c", str(folder / "etc"), word], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, f"postfix {word}: {done.stdout}{done.stderr}"


@contextmanager
def running(plan: Plan) -> Iterator[Side]:
    """Postfix and Dovecot, started; ended afterwards whatever happens, and their folder is gone."""
    folder = plan.folder / "peers"
    smtp, submissions = free_ports(2)
    try:
        _lay_out(folder, plan, (smtp, submissions))
        with dovecot.running(folder, plan) as (pop3, root):
            _postfix(folder, "start")
            ports = smtp, submissions, pop3
            yield Side("peers", *ports, folder / "mail", (_master(folder), root), name_of)
    finally:
        if (folder / "queue/pid/master.pid").exists():
            pids = [process.pid for process in processes.tree([_master(folder)], name_of)]
            if pids:
                _postfix(folder, "abort")
                processes.end(pids)
        shutil.rmtree(folder, ignore_errors=True)


def _master(folder: Path) -> int:
    return int((folder / "queue/pid/master.pid").read_text())
