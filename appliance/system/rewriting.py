"""Owns reading the rules by which mess822 rewrites hosts: control/rewrite, else defaulthost and its kin."""

import os
from collections.abc import Mapping

from appliance.formats.rewriting import Rewriting
from appliance.system.control import Control


def setting(control: Control, environ: Mapping[str, str], name: str, missing: str) -> bytes:
    """A control file, which the variable QMAIL<NAME> overrides; else control/me, or that word. Temporary."""
    found = control.line(name, control.line("me", missing.encode())) or b""
    override = environ.get(f"QMAIL{name.upper()}")
    return found if override is None else os.fsencode(override)


def read_rewriting(
    control: Control, environ: Mapping[str, str], own: list[bytes] | None = None
) -> tuple[Rewriting, bytes]:
    """The rules, a user's `own` first; and idhost, what stands behind the @ of a Message-ID. Temporary."""
    lines = control.lines("rewrite") if own is None else own
    host, domain, plus, id_host = (
        setting(control, environ, name, name.upper())
        for name in ("defaulthost", "defaultdomain", "plusdomain", "idhost")
    )
    return Rewriting.by_defaults(host, domain, plus) if lines is None else Rewriting.of(lines), id_host
