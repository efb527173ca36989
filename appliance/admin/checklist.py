"""Owns the checklist: what listens where, a mailbox, its password, how to send and fetch a first message."""

import shlex
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import click

from appliance.admin import certificates, checkout, gateways, health
from appliance.net.listeners import Listener
from appliance.site import passwords
from appliance.system.place import Place
from appliance.system.privileges import become, is_root

SECONDS = 60.0
_PURPOSES = {
    "smtp": "SMTP, mail comes in",
    "qmtp": "QMTP, mail comes in",
    "qmqp": "QMQP, mail of relay: clients comes in",
    "ofmip": "OFMIP, mail of relay: clients is mended",
    "submission": "submission, users' mail goes out",
    "submissions": "submission over TLS",
    "pop3": "POP3, mail is fetched",
    "pop3s": "POP3 over TLS, mail is fetched",
}


class Login(NamedTuple):
    """A mailbox whose password was made here, and the file that keeps it."""

    mailbox: str
    password: str
    file: Path


def logins(place: Place) -> list[Login]:
    """The mailboxes whose password was made here, the oldest first."""
    files = [path for path in passwords.folder_of(place).glob("*@*") if path.is_file()]
    files.sort(key=lambda path: (path.stat().st_mtime_ns, path.name))
    return [Login(path.name, path.read_text().strip(), path) for path in files]


def is_new(place: Place, login: Login) -> bool:
    """Whether the password was made by the start that is running."""
    return login.file.stat().st_mtime_ns >= (place.run / "started").stat().st_mtime_ns


def send_command(listener: Listener, to: str) -> str:
    """A command that hands in a first message: by swaks, or by curl where that is missing."""
    sender, where = "somebody@outside.test", _where(listener)
    if shutil.which("swaks"):
        return f"swaks --server {where} --from {sender} --to {to}"
    message = rf"From: {sender}\r\nTo: {to}\r\nSubject: first\r\n\r\nHello.\r\n"
    return f"printf '{message}' | curl -sS smtp://{where} --mail-from {sender} --mail-rcpt {to} -T -"


def fetch_command(listener: Listener, login: Login) -> str:
    """A command that fetches the first message of a mailbox."""
    user = shlex.quote(f"{login.mailbox}:{login.password}")
    return f"curl -sS pop3://{_where(listener)}/1 --user {user}"


def _where(listener: Listener) -> str:
    host = f"[{listener.host}]" if ":" in listener.host else listener.host
    return f"{host}:{listener.port}"


def wait(asked: health.Asked, seconds: float) -> list[str]:
    """What is still wrong with the listeners when all is well or the time is over."""
    end = time.monotonic() + seconds
    while (faults := list(health.faults(asked))) and time.monotonic() < end:
        time.sleep(0.1)
    return faults


def lines(place: Place, found: list[Listener], hides: bool) -> Iterator[str]:
    """The checklist itself; `hides` keeps passwords that are not new out of a log."""
    by_name = {listener.name: listener for listener in reversed(found)}
    for listener in found:
        where = f"{listener.host} port {listener.port}"
        yield f"  {where:<24}{_PURPOSES.get(listener.name, listener.name)}"
    for names, rest in certificates.rows(place):
        yield f"certificate {names}: {rest}"
    known = logins(place)
    for login in known:
        shown = (
            f"in {login.file}"
            if hides and not is_new(place, login)
            else f"{login.password}  (kept in {login.file})"
        )
        yield f"mailbox {login.mailbox} password {shown}"
    if known and {"smtp", "pop3"} <= by_name.keys() and not hides:
        yield "Send a first message:"
        yield f"  {send_command(by_name['smtp'], known[0].mailbox)}"
        yield "Fetch it:"
        yield f"  {fetch_command(by_name['pop3'], known[0])}"


def title(faults: list[str]) -> str:
    """The first line: how it is."""
    if faults:
        return "\n".join([click.style("Not everything answers:", fg="red", bold=True), *faults])
    return click.style("The appliance is up. What listens where:", fg="green", bold=True)


def advice(environ: Mapping[str, str]) -> str:
    """What to do next."""
    if checkout.in_container(environ):
        following = "Next: edit config.yaml, then  docker compose exec toaster toaster apply"
        return gateways.advice(environ) + following
    command = Path(environ["TOASTER_HOME"]).parent / "toaster"
    who = "each under its user" if is_root() else "all as one user"
    return (
        f"Next: edit {environ['TOASTER_CONFIG']}, then  {command} apply  ({command} --help: more)\n"
        f"The daemons run {who}; Ctrl-C stops them."
    )


def main(argv: list[str], environ: Mapping[str, str]) -> int:
    """Waits until all listeners answer and prints the list; 1 if they do not within a minute."""
    environ = checkout.completed(environ)
    place = Place.from_environ(environ)
    by_supervisor = "SUPERVISOR_ENABLED" in environ
    hides = by_supervisor and checkout.in_container(environ)
    asked = health.asked(place)
    rest = [*lines(place, asked.listeners, hides), advice(environ), ""]
    patience = 0 if (place.run / "refuse").exists() else SECONDS
    become("qmaild")  # nothing here reads the network as root
    faults = wait(asked, patience)
    text = "\n".join(["", title(faults), *rest])
    colour = sys.stdout.isatty() or (by_supervisor and "TOASTER_TERMINAL" in environ)
    click.echo(text, color=colour)
    return 1 if faults else 0
