"""Owns our side of the bench: the appliance in a folder, as shipped but for the settings that it names."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench import processes
from tests.bench.side import LOCAL, MANY, REMOTE, Plan, Side
from tests.support.site import POP3, SMTP, SUBMISSIONS, site

SETTINGS = (
    "limits.connections_per_client 400 instead of 50, as all clients of the bench are 127.0.0.1, "
    "and submission without limits of messages a day"
)

_CONFIG = """\
version: 1
hostname: mail.example.test
postmaster: alice@example.test
domains:
  example.test:
    mailboxes: {{alice: {{password: generate}}}}
  {local}:
    mailboxes:
{locals}
  {many}:
    mailboxes:
{manys}
relay:
  clients: [127.0.0.1]
  routes: {{{remote}: "127.0.0.1:{sink}"}}
limits: {{connections_per_client: 400}}
tls: {{certificate: {certificate}, key: {certificate}}}
submission: {{messages_per_day: 0, recipients_per_day: 0}}
"""


def config(plan: Plan) -> str:
    """A config.yaml with the mailboxes of the plan."""
    lines = {
        domain: "\n".join(
            f'      {name}: {{password: "{known_hash}"}}'
            for name, where in plan.addresses()
            if where == domain
        )
        for domain, known_hash in plan.hashes.items()
    }
    words = {"remote": REMOTE, "sink": plan.sink, "certificate": plan.certificate}
    return _CONFIG.format(local=LOCAL, many=MANY, locals=lines[LOCAL], manys=lines[MANY], **words)


def name_of(words: list[str]) -> str:
    """`smtpd` for `python -m appliance smtpd ...`; supervisor is what all descend from."""
    if "appliance" in words[:-1]:
        return words[words.index("appliance") + 1]
    return "supervisord" if "supervisor.supervisord" in words else Path(words[0]).name


@contextmanager
def running(plan: Plan) -> Iterator[Side]:
    """The appliance, started; ended afterwards whatever happens, and its folder is gone."""
    with site(config(plan), {"TOASTER_BIND": "127.0.0.1"}) as new:
        try:
            new.up()
            assert new.running
            smtp, submissions, pop3 = (new.port(standard) for standard in (SMTP, SUBMISSIONS, POP3))
            yield Side("toaster", smtp, submissions, pop3, new.place.mail, (new.running.pid,), name_of)
        finally:
            if new.running and new.running.poll() is None:
                pids = [process.pid for process in processes.tree([new.running.pid], name_of)]
                try:
                    new.down()
                except subprocess.TimeoutExpired:
                    new.kill()
                processes.end(pids)
