"""Owns `toaster diff`: what a rendering would change, file by file, without a hash or password in it."""

import difflib
import hashlib
import re
import secrets
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click

from appliance.admin import ground, output
from appliance.admin.context import Context, config_option, json_option, load_or_exit
from appliance.site import render, tree
from appliance.system.place import Place

_HASH = re.compile(r"^([^:]*):([^:]+):", re.MULTILINE)
_PASSWORD = re.compile(r"^((?:[^|\n]*\|){4})(.+)$", re.MULTILINE)
_COLOURS = {"+": output.GOOD, "-": output.BAD, "@": "cyan"}
_COMPILED = {"cdb"}


@click.command()
@config_option
@json_option
@click.pass_obj
def diff(context: Context, config: Path | None, as_json: bool) -> None:
    """Show what `toaster apply` would change in the rendered files.

    Nothing is changed. Passwords and their hashes are shown as marks that tell only whether they differ.
    Exit code 0: nothing would change; 1: something would; 2: config.yaml has faults.

    \b
    Example:
        toaster diff | less
    """
    context = context.with_config(config)
    site = load_or_exit(context, as_json=as_json, code=2)
    planned = render.planned(site, context.place, ground.surroundings(context.environ))
    new = {path: file.content.decode() for path, file in planned.items() if not _is_compiled(path)}
    changes = differences(texts_in_force(context.place), new)
    if as_json:
        output.as_json({"changes": changes})
    else:
        show(changes, tree.by_hand(context.place))
    raise SystemExit(1 if changes else 0)


def show(changes: dict[str, list[str]], by_hand: list[str]) -> None:
    """The differences as diff(1) has them, in colour on a terminal."""
    for lines in changes.values():
        for line in lines:
            output.say(line, _COLOURS.get(line[:1]))
    if not changes:
        output.say("Nothing would change.", output.GOOD)
    for name in by_hand:
        output.say(f"{name} is there by hand and stays as it is.", output.DOUBTFUL)


def differences(old: dict[str, str], new: dict[str, str]) -> dict[str, list[str]]:
    """The unified difference of each file that is not the same in both."""
    found = {}
    for path in sorted({*old, *new}):
        before, after = (_lines(path, texts.get(path, "")) for texts in (old, new))
        names = (path if path in old else "/dev/null", path if path in new else "/dev/null")
        lines = list(difflib.unified_diff(before, after, *names, lineterm=""))
        if lines:
            found[path] = lines
    return found


def texts_in_force(place: Place) -> dict[str, str]:
    """The rendered files that are in force, but for what is compiled of them; none before the first start."""
    folder = tree.current(place)
    return dict(_texts(folder)) if folder.is_dir() else {}


def _texts(folder: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(folder.resolve().rglob("*")):
        name = str(path.relative_to(folder.resolve()))
        if path.is_file() and not _is_compiled(name):
            yield name, path.read_text(errors="replace")


def _is_compiled(path: str) -> bool:
    return re.split(r"[./]", path)[-1] in _COMPILED


def _lines(path: str, text: str) -> list[str]:
    if path == "control/smarthosts":
        text = _PASSWORD.sub(_masked, text)
    return (_HASH.sub(_marked, text) if path == "passwords" else text).splitlines()


@cache
def _key() -> bytes:
    """Makes marks that mean nothing to another run: unlike a hash, a password could be guessed from one."""
    return secrets.token_bytes(16)


def _masked(found: re.Match[str]) -> str:
    return f"{found[1]}(password {_mark(found[2])})"


def _marked(found: re.Match[str]) -> str:
    if found[2] == render.UNKNOWN_HASH:
        return f"{found[1]}:({found[2]}):"
    return f"{found[1]}:(hash {_mark(found[2])}):"


def _mark(secret: str) -> str:
    return hashlib.blake2b(secret.encode("utf-8", "surrogateescape"), key=_key(), digest_size=4).hexdigest()
