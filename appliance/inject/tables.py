"""Owns the programs that make tables and lists for other programs out of standard input, or print them.

    setforward table.cdb table.tmp          a table of `target: order, order;`
    setmaillist list.bin list.tmp           a list of an address a line
    ofmipname names.cdb names.tmp           ofmipd's table of `sender:name:address:`
    printforward, printmaillist             a table, a list as it was written

What is made is written to a temporary file first: it is there whole or, after any fault, as before.
"""

import os
from collections.abc import Callable, Mapping

from appliance.formats.cdb import Cdb, make_cdb
from appliance.formats.forwardtable import compile_forward, compile_list, format_forward, format_list
from appliance.formats.mailnames import compile_names
from appliance.formats.outcome import FormatError, Permanent, Temporary
from appliance.inject.input import read_input
from appliance.system.endings import ended, put, usage
from appliance.system.errors import words_of
from appliance.system.files import write_all

_READABLE_BY_ALL = 0o644


def setforward(argv: list[str], environ: Mapping[str, str]) -> int:
    """setforward(1): 0, 100 or 111."""
    if len(argv) < 2:
        return usage("setforward data.cdb data.tmp")
    return ended(
        "setforward", lambda: replace(argv[1], argv[0], make_cdb(compile_forward(read_input())), by_all=False)
    )


def setmaillist(argv: list[str], environ: Mapping[str, str]) -> int:
    """setmaillist(1): 0, 100 or 111."""
    if len(argv) < 2:
        return usage("setmaillist list.bin list.tmp")
    return ended("setmaillist", lambda: replace(argv[1], argv[0], compile_list(read_input()), by_all=True))


def ofmipname(argv: list[str], environ: Mapping[str, str]) -> int:
    """ofmipname(8): 0, 100 or 111."""
    if len(argv) < 2:
        return usage("ofmipname cdb tmp")
    return ended(
        "ofmipname", lambda: replace(argv[1], argv[0], make_cdb(compile_names(read_input())), by_all=True)
    )


def printforward(argv: list[str], environ: Mapping[str, str]) -> int:
    """printforward(1): 0, 100 or 111."""
    return _print("printforward", lambda content: format_forward(Cdb(content)), "bad database format")


def printmaillist(argv: list[str], environ: Mapping[str, str]) -> int:
    """printmaillist(1): 0, 100 or 111."""
    return _print("printmaillist", format_list, "bad mailing list format")


def _print(program: str, write: Callable[[bytes], bytes], fault: str) -> int:
    def work() -> None:
        try:
            written = write(read_input())
        except FormatError as error:
            raise Permanent(fault) from error
        put(written)

    return ended(program, work)


def replace(temporary: str, name: str, content: bytes, *, by_all: bool) -> None:
    """Put the content in place at once, by way of the temporary file; Temporary."""
    doing = f"create {temporary}"
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _READABLE_BY_ALL)
        try:
            doing = f"write to {temporary}"
            if by_all:
                os.fchmod(descriptor, _READABLE_BY_ALL)
            write_all(descriptor, content)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        doing = f"move {temporary} to {name}"
        os.rename(temporary, name)
    except OSError as error:
        raise Temporary(f"unable to {doing}: {words_of(error)}") from error
