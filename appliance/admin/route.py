"""Owns `toaster route`: what becomes of mail to an address, told step by step."""

import click

from appliance.admin import output
from appliance.admin.context import Context, json_option
from appliance.admin.walk import End, Walk
from appliance.formats.address import check_address
from appliance.formats.outcome import FormatError, Temporary

_ENDS = {
    "maildir": "delivered into",
    "mbox": "appended to",
    "program": "given to the program",
    "relay": "sent on to",
    "refused": "refused:",
    "unknown": "undecided:",
}


@click.command()
@click.argument("address")
@json_option
@click.pass_obj
def route(context: Context, address: str, as_json: bool) -> None:
    """Tell what becomes of mail to ADDRESS, step by step.

    Each file that decides is named, in the order in which the daemons look: rcpthosts, locals,
    virtualdomains, users/assign, the .qmail files; then where the mail ends, for every forward too. It tells
    what is in force: after a change of config.yaml, apply it first. Exit code 1: mail to it is refused.

    \b
    Example:
        toaster route info@example.test
        toaster route alice-books@example.test
    """
    try:
        recipient = address.encode("utf-8", "surrogateescape")
        check_address(recipient)
    except FormatError as error:
        raise click.BadParameter(str(error)) from None
    if not (context.place.control / "me").exists():
        raise Temporary("Nothing is rendered yet; start the appliance, or `toaster apply`.")
    walk = Walk(context.place)
    is_received = walk.is_received(recipient)
    walk.go(recipient)
    is_refused = bool(walk.ends) and all(end.kind == "refused" for end in walk.ends)
    if as_json:
        steps = [step._asdict() for step in walk.steps]
        ends = [end._asdict() for end in walk.ends]
        accepted = is_received and not is_refused
        output.as_json({"address": address, "from_strangers": accepted, "steps": steps, "ends": ends})
    else:
        _show(walk, is_received)
    raise SystemExit(1 if is_refused else 0)


def _show(walk: Walk, is_received: bool) -> None:
    width = max(len(step.where) + 2 * step.depth for step in walk.steps)
    for number, step in enumerate(walk.steps, 1):
        where = f"{'  ' * step.depth}{step.where}"
        output.say(f"{number:3}  {where:<{width}}  {step.found}")
    for end in dict.fromkeys(walk.ends):
        output.say(f"  => {_ENDS[end.kind]} {end.where}", _colour(end, is_received))


def _colour(end: End, is_received: bool) -> str:
    if end.kind in ("refused", "unknown"):
        return output.BAD
    return output.GOOD if is_received else output.DOUBTFUL
