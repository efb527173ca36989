"""Owns `toaster queue retry`, `drop` and `rejuvenate`: what is ordered about what waits."""

import os

import click

from appliance.admin import output, supervisor
from appliance.admin.context import Context
from appliance.formats.handin import Word
from appliance.formats.outcome import Permanent, Temporary, Verdict
from appliance.queue import client
from appliance.queue.layout import Layout
from appliance.system.place import Place
from appliance.system.privileges import acting_as

_NUMBER = click.IntRange(1, 2**64 - 1)


@click.command()
@click.argument("number", type=_NUMBER, required=False)
@click.option("--all", "everything", is_flag=True, help="Everything that waits.")
@click.pass_obj
def retry(context: Context, number: int | None, everything: bool) -> None:
    """Have send try a message now, or with --all everything that waits.

    \b
    Example:
        toaster queue retry 1234
        toaster queue retry --all
    """
    if (number is None) is not everything:
        raise click.UsageError("tell the NUMBER of a message, or --all")
    if number is not None:
        _order(context.place, Word.RETRY, number)
    elif not supervisor.answers(context.place):
        raise Temporary("no daemon is running here")
    else:
        supervisor.try_everything(context.place)
        output.say("everything that waits is tried now", output.GOOD)


@click.command()
@click.argument("number", type=_NUMBER)
@click.option("--bounce", is_flag=True, help="Tell the sender, with a bounce for all recipients left.")
@click.pass_obj
def drop(context: Context, number: int, bounce: bool) -> None:
    """Take a message that waits out of the queue, for good.

    send does it, so it must be running; a message that is being delivered just now is left alone.

    \b
    Example:
        toaster queue drop 1234
        toaster queue drop 1234 --bounce
    """
    _order(context.place, Word.BOUNCE if bounce else Word.DROP, number)


@click.command()
@click.argument("number", type=_NUMBER)
@click.pass_obj
def rejuvenate(context: Context, number: int) -> None:
    """Let a message that waits be as young as if it had just come in, so that it may wait a whole lifetime.

    The same as `touch queue/info/15/26902`; it holds from the message's next try on.

    \b
    Example:
        toaster queue rejuvenate 1234
    """
    path = Layout(context.place.queue).path("info", number)
    try:
        with acting_as("qmailq"):
            os.utime(path)
    except FileNotFoundError:
        raise Permanent(f"message {number}: no such message waits") from None
    output.say(f"message {number}: it is young again", output.GOOD)


def _order(place: Place, word: Word, number: int) -> None:
    report = client.order(place.socket("queue"), word, number)
    sentence = f"message {number}: {report.text.decode('utf-8', 'backslashreplace')}"
    if report.verdict is Verdict.TRY_AGAIN:
        raise Temporary(sentence)
    if report.verdict is Verdict.NEVER:
        raise Permanent(sentence)
    output.say(sentence, output.GOOD)
