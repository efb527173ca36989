"""Owns the command `toaster`: its subcommands, their help, their exit codes.

Exit code 0 is success, 1 a fault or a no, 2 a wrong call.
"""

from collections.abc import Mapping
from pathlib import Path

import click

from appliance.admin import checkout, gateways, output
from appliance.admin.apply import apply
from appliance.admin.context import Context, config_option, json_option, load_or_exit
from appliance.admin.difference import diff
from appliance.admin.logins import logins
from appliance.admin.passwd import passwd
from appliance.admin.queue import queue
from appliance.admin.route import route
from appliance.admin.status import status
from appliance.formats.outcome import Permanent, Temporary
from appliance.site import certificates
from appliance.site.model import json_schema
from appliance.system.place import Place


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def toaster() -> None:
    """Order and see everything about this mail host.

    All of it is written in one file, config.yaml. Change it, look at what that would do, and have the running
    daemons take it up:

    \b
        toaster check
        toaster diff
        toaster apply
    """


@toaster.command()
@config_option
@json_option
@click.pass_obj
def check(context: Context, config: Path | None, as_json: bool) -> None:
    """Tell whether config.yaml is right.

    Every fault is told at once, with line, column, what is wrong and what would be right. Nothing is changed.

    \b
    Example:
        toaster check --config new.yaml && cp new.yaml config.yaml
    """
    context = context.with_config(config)
    site = load_or_exit(context, as_json=as_json)
    doubts = [*certificates.doubts(site, context.place), *gateways.doubts(site, context.environ)]
    if as_json:
        output.as_json({"config": str(context.place.config), "faults": [], "doubts": doubts})
        return
    mailboxes = sum(len(domain.mailboxes) for domain in site.domains.values())
    output.say(
        f"{context.place.config} is right: domains {len(site.domains)}, mailboxes {mailboxes}.", output.GOOD
    )
    for doubt in doubts:
        output.say(doubt, output.DOUBTFUL)


@toaster.command()
def schema() -> None:
    """Print the JSON Schema of config.yaml.

    Editors complete and explain the keys of config.yaml by it. The file names it in its first line,
    `# yaml-language-server: $schema=...`.

    \b
    Example:
        toaster schema > config.schema.json
    """
    output.as_json(json_schema())


for command in (passwd, diff, apply, route, status, queue, logins):
    toaster.add_command(command)


def main(argv: list[str], environ: Mapping[str, str]) -> int:
    """Runs the command; the exit code."""
    environment = checkout.completed(environ)
    context = Context(Place.from_environ(environment), environment)
    try:
        toaster.main(argv, prog_name="toaster", obj=context)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(bool(end.code))
    except (Temporary, Permanent) as error:
        output.complain(error.sentence)
    except PermissionError as error:
        output.complain(
            f"{error.strerror}: {error.filename!r}; root may, or the user who started the appliance"
        )
    except ValueError as error:
        output.complain(str(error))
    return 1
