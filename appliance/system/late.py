"""Owns the one door by which a module is loaded late: when it is first needed, not when a process starts.

An import stands at the top. Late comes only the process that the table names, and what would cost each
process a megabyte or more that most never need; a test holds that who has not needed it does not have it.
"""

import importlib
from typing import Any


def load(target: str) -> Any:
    """What `module:name` says; the caller annotates it with its type, as nobody checks a name in a text."""
    module, _, name = target.partition(":")
    return getattr(importlib.import_module(module), name)
