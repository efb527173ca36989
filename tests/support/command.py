"""Owns the running of the command `toaster` within a test's folder."""

import os
from pathlib import Path

from appliance.admin import toaster
from appliance.system.privileges import is_root
from tests.support.configs import place_in


def run(folder: Path, *words: str, **environ: str) -> int:
    """The exit code of `toaster` with these words; its appliance lies in the folder."""
    place = place_in(folder)._asdict()
    places = {f"TOASTER_{name.upper()}": str(path) for name, path in place.items()}
    return toaster.main(list(words), {"PORT_BASE": "2000", **places, **environ})


def make_mail_folder(folder: Path) -> None:
    """The mail folder as the start would make it."""
    mail = place_in(folder).mail
    mail.mkdir()
    if is_root():
        os.chown(mail, 5000, 5000)
