"""Owns `toaster queue fsck`: what is wrong in the queue folder is told, and nothing is changed."""

import click

from appliance.admin import output
from appliance.admin.context import Context, json_option
from appliance.formats.outcome import Permanent
from appliance.queue.damage import Fault, lasting_faults


@click.command()
@json_option
@click.pass_obj
def fsck(context: Context, as_json: bool) -> None:
    """Tell what is wrong in the queue folder: strangers, orphans, damaged files. Nothing is changed.

    Exit code 0: all is well; 1: something is not. send may run meanwhile: what is told was seen at two looks.

    \b
    Example:
        toaster queue fsck
        toaster queue fsck --json | jq -r '.[].path'
    """
    place = context.place
    found: list[Fault] = []
    try:
        if place.queue.exists():
            found = lasting_faults(place.queue)
    except FileNotFoundError as error:
        raise Permanent(f"{error.filename} is missing; send makes it when it starts") from None
    if as_json:
        output.as_json([fault._asdict() for fault in found])
    elif found:
        output.table("faults", ("file", "what is wrong"), found)
    else:
        output.say("The queue is well.", output.GOOD)
    raise SystemExit(1 if found else 0)
