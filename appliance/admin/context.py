"""Owns what every subcommand of `toaster` is told: places and environment; and how faults are shown."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from appliance.admin import output
from appliance.site.faults import ConfigFaults
from appliance.site.load import load
from appliance.site.model import Site
from appliance.system.place import Place


@dataclass(frozen=True)
class Context:
    """Where the appliance lies, and its environment."""

    place: Place
    environ: Mapping[str, str]

    def with_config(self, config: Path | None) -> "Context":
        """The same with another config.yaml."""
        return self if config is None else replace(self, place=self.place._replace(config=config))


Command = Callable[..., Any]


def config_option(command: Command) -> Command:
    """The option --config."""
    told = "The config.yaml to read, instead of the appliance's own."
    return click.option("--config", type=click.Path(path_type=Path), metavar="FILE", help=told)(command)


def json_option(command: Command) -> Command:
    """The option --json, given to the command as `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")(command)


def load_or_exit(context: Context, *, as_json: bool, code: int = 1) -> Site:
    """The site; or all faults are printed and the command ends with that exit code."""
    try:
        return load(context.place.config)
    except ConfigFaults as faults:
        if as_json:
            output.as_json({"config": faults.name, "faults": [fault._asdict() for fault in faults.faults]})
        else:
            for line, column, text in faults.faults:
                click.echo(f"{click.style(f'{faults.name}:{line}:{column}:', bold=True)} {text}")
            count = len(faults.faults)
            output.complain(f"{count} {'fault' if count == 1 else 'faults'}; nothing was changed.")
        raise SystemExit(code) from None
