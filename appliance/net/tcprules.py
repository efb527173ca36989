"""Owns the programs tcprules and tcprulescheck (tcprules(1), tcprulescheck(1)).

tcprules RULES.CDB RULES.TMP reads rules from its input and puts the database in place at once, or not at all.
"""

import os
import sys
from collections.abc import Mapping

from appliance.formats.cdb import Cdb
from appliance.formats.outcome import FormatError
from appliance.formats.tcprules import compile_rules, lookup
from appliance.system.endings import fatal, usage
from appliance.system.errors import words_of
from appliance.system.files import write_all


def main(argv: list[str], environ: Mapping[str, str]) -> int:
    """tcprules: 0, 100 for a line that is no rule, 111 if the files cannot be written."""
    if len(argv) < 2:
        return usage("tcprules rules.cdb rules.tmp")
    cdb, temporary = argv[:2]
    doing = f"create {temporary}"
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        try:
            doing = "read input"
            compiled = compile_rules(sys.stdin.buffer.read())
            doing = f"write {temporary}"
            write_all(descriptor, compiled)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        doing = f"move {temporary} to {cdb}"
        os.rename(temporary, cdb)
    except FormatError as error:
        return fatal("tcprules", 100, str(error))
    except OSError as error:
        return fatal("tcprules", 111, f"unable to {doing}: {words_of(error)}")
    return 0


def check(argv: list[str], environ: Mapping[str, str]) -> int:
    """tcprulescheck RULES.CDB: what tcpserver would do with the client in TCPREMOTEIP, HOST and INFO."""
    if not argv:
        return usage("tcprulescheck rules.cdb")
    try:
        with open(argv[0], "rb") as stream:
            cdb = Cdb(stream.read())
        known = (environ.get("TCPREMOTEHOST"), environ.get("TCPREMOTEINFO"))
        rule = lookup(cdb, environ.get("TCPREMOTEIP", "0.0.0.0"), *known)
    except OSError as error:
        return fatal("tcprulescheck", 111, f"unable to read {argv[0]}: {words_of(error)}")
    except FormatError as error:
        return fatal("tcprulescheck", 111, f"unable to read {argv[0]}: {error}")
    lines = ["default:"] if rule is None else [f"rule {rule.key}:"]
    if rule is not None and rule.allow:
        lines += [f"set environment variable {name}={value}" for name, value in rule.environment.items()]
    lines.append("allow connection" if rule is None or rule.allow else "deny connection")
    sys.stdout.buffer.write(b"".join(os.fsencode(line) + b"\n" for line in lines))
    return 0
