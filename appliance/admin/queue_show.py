"""Owns `toaster queue show`: one message, its envelope, header and body."""

import sys
from pathlib import Path
from typing import NamedTuple

import click

from appliance.admin import output
from appliance.admin.context import Context
from appliance.admin.queue_text import readable
from appliance.formats.date822 import format_date
from appliance.formats.outcome import FormatError, Permanent
from appliance.queue import census
from appliance.queue.layout import Layout


class Shown(NamedTuple):
    """A message of the queue: what is told of it, line by line, and header and body."""

    envelope: list[str]
    content: bytes


@click.command()
@click.argument("number", type=click.IntRange(min=1))
@click.option("--body", is_flag=True, help="The body, too.")
@click.pass_obj
def show(context: Context, number: int, body: bool) -> None:
    """Show one message: its envelope, its header, and with --body its body.

    On a terminal, bytes that could order it about are shown as `?`.

    \b
    Example:
        toaster queue show 1234
        toaster queue show 1234 --body
    """
    found = find(context.place.queue, number)
    for line in found.envelope:
        output.say(line)
    output.say("")
    header, gap, rest = found.content.partition(b"\n\n")
    content = header + (gap + rest if body else b"\n")
    if sys.stdout.isatty():
        content = b"\n".join(readable(line).encode() for line in content.split(b"\n"))
    click.echo(content, nl=not content.endswith(b"\n"))


def find(queue: Path, number: int) -> Shown:
    """A message, whether it waits or is on its first way; Permanent if there is none. OSError."""
    try:
        arriving = census.arriving(queue, number)
        if arriving is None:
            return _waiting(Layout(queue), number)
        body = arriving.body or Layout(queue).path("mess", number).read_bytes()
    except FileNotFoundError:
        raise Permanent(f"there is no message {number} in the queue") from None
    except FormatError as error:
        raise Permanent(f"the files of message {number} are damaged: {error}") from None
    sender, recipients = arriving.record.envelope
    way = "on its first way" + (", held" if Layout(queue).is_held(number) else "")
    told = [f"to {readable(recipient)}, {way}" for recipient in recipients]
    return Shown([*_head(number, sender, arriving.record.origin.birth, len(body)), *told], body)


def _head(number: int, sender: bytes, birth: int, size: int) -> list[str]:
    return [
        f"message {number}, {size} bytes, of {format_date(birth)}",
        f"from <{readable(sender)}>",
    ]


def _waiting(layout: Layout, number: int) -> Shown:
    found = census.look(layout, number)
    told = _head(number, found.sender, found.birth, found.size)
    for channel, recipient in found.recipients:
        state = "done"
        if not recipient.done:
            state = f"next try {format_date(int(layout.path(channel, number).stat().st_mtime))}"
            if layout.is_held(number):
                state = "held"
            heard = layout.deferral(channel, number)
            if heard is not None:
                state += f", tries {heard.tries}: {readable(heard.text)}"
        told.append(f"{channel} to {readable(recipient.address)}, {state}")
    failures = layout.failures(number)
    told += [f"will bounce: {readable(line)}" for line in failures.split(b"\n") if line]
    return Shown(told, layout.path("mess", number).read_bytes())
