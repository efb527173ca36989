"""Owns `toaster logins`: which addresses and accounts may not try passwords now, and lifting that."""

import click

from appliance.accounts import orders
from appliance.accounts.limits import Limited
from appliance.admin import output
from appliance.admin.context import Context, json_option
from appliance.formats.outcome import Temporary
from appliance.system.place import Place


@click.command()
@click.option("--lift", "names", multiple=True, metavar="NAME", help="Let this address or account try again.")
@json_option
@click.pass_obj
def logins(context: Context, names: tuple[str, ...], as_json: bool) -> None:
    """Show who may not log in for a while, after too many different wrong passwords.

    An address, of IPv6 its /64, or an account is limited for an hour. A client that was right goes on with
    the password that was right. Exit code 1: a name to be lifted was not limited.

    \b
    Example:
        toaster logins
        toaster logins --lift 192.0.2.7 --lift alice@example.org
    """
    path = context.place.socket("authd")
    strangers = [name for name in names if not orders.lift(path, name)]
    found = orders.limited(path)
    if as_json:
        output.as_json({"limited": [each._asdict() | {"ends": each.ends} for each in found]})
    else:
        show(found)
    for name in strangers:
        output.complain(f"{name} was not limited.")
    raise SystemExit(1 if strangers else 0)


def show(found: list[Limited]) -> None:
    """Who is limited, and until when."""
    if found:
        output.table("limited", ("who", "until"), ([_printable(each.name), each.ends] for each in found))
    else:
        output.say("Nobody is limited.", output.GOOD)


def limited(place: Place) -> list[Limited]:
    """The same as authd knows it; nobody while it does not run, or does not speak to us."""
    try:
        return orders.limited(place.socket("authd"))
    except Temporary:
        return []


def _printable(name: str) -> str:
    """A name that strangers chose does nothing to a terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)
