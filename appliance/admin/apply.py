"""Owns `toaster apply`: config.yaml is rendered, put in force, and taken up by the running daemons."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from appliance.admin import certificates, checkout, ground, output, quotas, start, supervisor
from appliance.admin.context import Context, config_option, json_option, load_or_exit
from appliance.site import deliveries, mailboxes, render, tree
from appliance.site.model import Site


@click.command()
@config_option
@json_option
@click.pass_obj
def apply(context: Context, config: Path | None, as_json: bool) -> None:
    """Put config.yaml in force, and have the running daemons take it up.

    No session is dropped: daemons read again what concerns them; only one whose ports changed is started
    anew. If config.yaml has a fault, all faults are told and what was in force stays in force.
    Exit code 1: that, a mailbox whose quota could not be set, or a certificate that cannot be used.

    \b
    Example:
        toaster diff; toaster apply
    """
    context = context.with_config(config)
    site = load_or_exit(context, as_json=as_json)
    before, quotas_before = tree.current(context.place).resolve(), quotas.rendered(context.place)
    after = put_in_force(context, site)
    faults = quotas.put_in_force(context.place, quotas_before, ground.mail_owner(context.environ))
    faults += certificates.put_in_use(context.place)
    told, words = [], []
    is_running = supervisor.answers(context.place)
    if is_running:
        # HUP first: a daemon that has only just been started would die of it.
        told = supervisor.read_again(context.place)
        words = supervisor.take_up(context.place)
    done = {
        "tree": str(after),
        "changed": before != after,
        "read_again": told,
        "by_hand": tree.by_hand(context.place),
        "supervisor": words,
        "faults": faults,
    }
    if as_json:
        output.as_json(done)
    else:
        _show(done, is_running)
    raise SystemExit(1 if faults else 0)


def _show(done: Mapping[str, Any], is_running: bool) -> None:
    in_force = f"In force: {done['tree']}" if done["changed"] else "Nothing changed in what is rendered."
    output.say(in_force, output.GOOD)
    told = f"Told to read again: {', '.join(done['read_again'])}"
    output.say(told if is_running else "No daemon is running here.")
    for line in done["supervisor"]:
        output.say(f"supervisor: {line}")
    for name in done["by_hand"]:
        output.say(f"{name} is there by hand and stays as it is.", output.DOUBTFUL)
    for fault in done["faults"]:
        output.say(fault, output.BAD)


def put_in_force(context: Context, site: Site) -> Path:
    """Make what is missing of mailboxes, then render; gives the tree. A fault on the way changes nothing."""
    place = context.place
    surroundings = ground.surroundings(context.environ)
    deliveries.check_places(place)
    # The folders come first: from the moment the tree is in force there may be mail for them.
    mailboxes.create(site, place, surroundings.mail_owner)
    after = render.render(site, place, surroundings)
    if (place.run).is_dir():
        in_container = checkout.in_container(context.environ)
        start.refuse_mail_that_would_be_lost(place, site.allow_ephemeral, in_container)
    return after
