"""Owns how the command `toaster` speaks: tables and colour on a terminal, else plain lines, or JSON."""

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.progress import track
from rich.table import Table

Item = TypeVar("Item")

GOOD, BAD, DOUBTFUL, PALE = "green", "red", "yellow", "bright_black"


def say(text: str, colour: str | None = None) -> None:
    """A line on standard output; the colour only on a terminal."""
    click.secho(text, fg=colour)


def complain(text: str) -> None:
    """A line on standard error."""
    click.secho(text, fg=BAD, err=True)


def as_json(value: Any) -> None:
    """A value for machines."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def progress(what: str, items: Iterable[Item], total: int | None = None) -> Iterable[Item]:
    """The items; on a terminal a bar on standard error shows how many of them have been taken."""
    if not sys.stderr.isatty():
        return items
    return track(items, what, total, console=Console(stderr=True), transient=True)


def stream_json(head: dict[str, Any], name: str, items: Iterable[Any]) -> None:
    """An object for machines: what is known of it, and a list that is written item by item, however long."""
    click.echo(json.dumps(head, indent=2).removesuffix("\n}") + f',\n  "{name}": [', nl=False)
    for index, item in enumerate(items):
        click.echo(f"{',' if index else ''}\n    {json.dumps(item, ensure_ascii=False)}", nl=False)
    click.echo("\n  ]\n}")


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table on a terminal; elsewhere a line a row, its fields divided by tabs, the title in front."""
    if not sys.stdout.isatty():
        for row in rows:
            click.echo("\t".join([title, *row]))
        return
    drawn = Table(title=title, title_justify="left", title_style="bold", box=None, padding=(0, 2, 0, 0))
    for column in columns:
        drawn.add_column(column, header_style=PALE)
    for row in rows:
        drawn.add_row(*row)
    Console(highlight=False, markup=False).print(drawn)
