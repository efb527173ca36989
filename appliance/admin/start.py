"""Owns the start: config.yaml is rendered, folders are laid out, and supervisor takes over this process."""

import errno
import fcntl
import os
import resource
import shlex
import socket
import stat
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import click

from appliance.admin import certificates, checkout, filesystems, ground, health, quotas
from appliance.formats.outcome import Permanent, Temporary
from appliance.net import listeners
from appliance.queue import layout
from appliance.site import deliveries, mailboxes, render, tree
from appliance.site.faults import ConfigFaults
from appliance.site.load import load
from appliance.site.model import Site
from appliance.site.surroundings import Surroundings
from appliance.site.values import GENERATE
from appliance.system import files
from appliance.system.place import Place
from appliance.system.privileges import identity_of, is_root

DESCRIPTORS = 16384
PROGRAMS_OF_IMAGE = Path("/usr/local/bin")
REFUSAL = "this host keeps no mail: {} on no volume (#4.3.0)"


class Stop(Exception):
    """The appliance cannot start; str is what to tell the operator."""


def told(text: str, colour: str = "yellow") -> None:
    """A line to the operator; in colour on a terminal."""
    click.secho(text, fg=colour, err=True)


def main(argv: list[str], environ: Mapping[str, str]) -> int:
    """Ends as supervisord, which runs the daemons until TERM or Ctrl-C; 1 if the appliance cannot start."""
    os.umask(0o022)
    environment = checkout.completed(environ)
    place = Place.from_environ(environment)
    try:
        prepare(place, environment)
    except (Stop, ValueError, OSError, Permanent, Temporary) as reason:
        told(str(reason), "red")
        return 1
    if sys.stdout.isatty():
        environment["TOASTER_TERMINAL"] = "yes"  # the checklist writes through supervisor, to a pipe
    let_output_be_opened()
    configuration = place.home / "supervisord.conf"
    command = [sys.executable, "-m", "supervisor.supervisord", "-n", "-c", str(configuration)]
    sys.stderr.flush()
    os.execve(sys.executable, command, environment)


def prepare(place: Place, environment: Mapping[str, str]) -> None:
    """All that must be done before the first daemon; Stop with a sentence if it cannot be."""
    surroundings = ground.surroundings(environment)
    refuse_a_second_start(place)
    deliveries.check_places(place)
    ground.lay_out(place, surroundings.mail_owner)
    files.replace(place.run / "started", b"")  # what is younger was made by this start
    say_who_runs(place)
    quotas_before = quotas.rendered(place)
    accepts_loss = take_up(place, surroundings)
    for fault in quotas.put_in_force(place, quotas_before, surroundings.mail_owner):
        told(fault, "red")
    say_what_is_doubtful_of_certificates(place)
    layout.prepare(place.queue, identity_of("qmailq"))
    refuse_mail_that_would_be_lost(place, accepts_loss, checkout.in_container(environment))
    say_what_a_crash_may_cost(place)
    check_ports(health.listeners(place.home / "supervisord.conf"))
    allow_descriptors()
    lay_out_programs(place, environment)


def let_output_be_opened() -> None:
    """See to it that supervisor can open standard output by its name, as it does for each daemon, and append.

    It cannot if the terminal or file is somebody else's, or if it is a socket: then cat stands in between.
    """
    try:
        os.close(os.open("/dev/stdout", os.O_WRONLY | os.O_APPEND))
        fcntl.fcntl(1, fcntl.F_SETFL, fcntl.fcntl(1, fcntl.F_GETFL) | os.O_APPEND)
    except OSError:
        # In a session of its own: Ctrl-C is for supervisor, and cat ends with the last who writes to it.
        cat = subprocess.Popen(["cat"], stdin=subprocess.PIPE, start_new_session=True)
        assert cat.stdin is not None
        os.dup2(cat.stdin.fileno(), 1)


def refuse_a_second_start(place: Place) -> None:
    """Stop if supervisor answers on its socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as supervisor:
        if supervisor.connect_ex(os.fspath(place.socket("supervisor"))) == 0:
            raise Stop(f"An appliance is running in {place.home} already; stop it first.")


def say_who_runs(place: Place) -> None:
    """Tell whose the daemons will be; Stop if these users could not enter the folders."""
    if not is_root():
        told(f"All daemons run as user {os.geteuid()}: only root can give each its own user.")
        return
    used = (place.home, place.run, place.state, place.mail.parent, checkout.CHECKOUT / "appliance")
    closed = ground.closed_folders([*used, Path(sys.prefix), Path(sys.base_prefix)])
    if closed:
        names = " ".join(shlex.quote(str(folder)) for folder in closed)
        raise Stop(
            "Started as root, each daemon becomes a user of its own, and these could not enter"
            f" {names}.\nThis mends it:  chmod o+x {names}\nOr start it as another user than root."
        )


def take_up(place: Place, surroundings: Surroundings) -> bool:
    """Put config.yaml in force, or, with faults, what was before; whether mail may be lost."""
    try:
        site = load(place.config)
        render.render(site, place, surroundings)
        mailboxes.create(site, place, surroundings.mail_owner)
        say_who_reads_passwords(place.config, site)
        return site.allow_ephemeral
    except (ConfigFaults, Temporary) as faults:
        told(str(faults), "red")
        if not (tree.current(place) / "supervisord.conf").exists():
            raise Stop(f"{place.config} has these faults, and there is no earlier one to go by.") from None
    tree.link(place)
    told(f"{place.config} has these faults: what was in force before stays in force.")
    return False


def say_who_reads_passwords(config: Path, site: Site) -> None:
    """Tell if config.yaml has passwords or hashes in it, and everybody on this host may read it."""
    if config.stat().st_mode & stat.S_IROTH and _has_passwords(site.model_dump()):
        told(
            f"Every user of this host, and every program of a .qmail file, can read the passwords or hashes"
            f" in {config}.\nThis mends it:  chmod o-r {shlex.quote(str(config))}"
        )


def _has_passwords(value: object) -> bool:
    if not isinstance(value, dict):
        return False
    own = value.get("password")
    return own not in (None, GENERATE) or any(_has_passwords(part) for part in value.values())


def say_what_is_doubtful_of_certificates(place: Place) -> None:
    """Put them in use, and tell which cannot be used, are in their last days, or bear another name."""
    for fault in [*certificates.put_in_use(place), *certificates.doubts(place)]:
        told(fault, "red")


def refuse_mail_that_would_be_lost(place: Place, accepts_loss: bool, in_container: bool) -> None:
    """Let smtpd refuse all mail if the queue or the mailboxes end with the container (run/refuse)."""
    mounts = Path("/proc/self/mountinfo").read_text()
    lost = ground.forgetful(place, mounts) if in_container and not accepts_loss else []
    if not lost:
        (place.run / "refuse").unlink(missing_ok=True)
        return
    names = " and ".join(str(folder) for folder in lost)
    sentence = REFUSAL.format(f"{names} {'is' if len(lost) == 1 else 'are'}")
    files.replace(place.run / "refuse", f"{sentence}\n".encode())
    told(f"NO MAIL IS TAKEN: {sentence}. Mount a volume there, or set allow_ephemeral: true.", "red")


def say_what_a_crash_may_cost(place: Place) -> None:
    """Tell of queue and mailboxes on file systems that are not known to survive a crash."""
    for doubt in filesystems.doubts(place, Path("/proc/self/mountinfo").read_text()):
        told(f"MAIL MAY BE LOST: {doubt.path} is on {doubt.kind}: {doubt.sentence}.", "red")


def check_ports(wanted: list[listeners.Listener]) -> None:
    """Stop if another program has one of the ports."""
    taken = [listener for listener in wanted if _is_taken(listener)]
    if taken:
        ports = ", ".join(str(listener.port) for listener in taken)
        raise Stop(f"Other programs listen on {ports}. Another PORT_BASE is free:  make run PORT_BASE=3000")


def _is_taken(listener: listeners.Listener) -> bool:
    try:
        for bound in listeners.bind([listener]):
            bound.socket.close()
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise Stop(f"Port {listener.port} of {listener.host}: {error.strerror}") from None
        return True
    return False


def allow_descriptors() -> None:
    """Let each daemon have as many descriptors as it may, within reason: a connection takes one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS if most == resource.RLIM_INFINITY else min(most, DESCRIPTORS)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


def lay_out_programs(place: Place, environment: Mapping[str, str]) -> None:
    """Put qmail's programs into home/bin, where .qmail files look, and `toaster` beside the home."""
    folder = place.home / "bin"
    if checkout.in_container(environment):
        if not folder.exists():
            folder.symlink_to(PROGRAMS_OF_IMAGE)
        return
    subprocess.run([sys.executable, "-m", "appliance", "launchers", str(folder)], env=environment, check=True)
    files.replace(place.home.parent / "toaster", checkout.command(environment).encode(), 0o755)
