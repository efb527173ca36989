"""Owns the cases of tcp-env, and of the programs that fetch a Maildir for a mail reader."""

import re
import socket

from tests.support.nameserver import NameServer, Records
from tests.vectors.case import CannotPlay, Case, Difference, compare_fields
from tests.vectors.kinds import tools
from tests.vectors.running import Manner, end, program, start

_SCENE = re.compile(
    r"fd 0 is a TCP connection accepted on ([\d.]+):@PORT@ from ([\d.]+):@CLIENTPORT@; "
    r"DNS: (.*); no ident server"
)
_NAME = re.compile(r"([\d.]+) <?-> (\S+)")


def play(case: Case) -> list[Difference]:
    """Run tcp-env on a connection; the others as the small programs are run."""
    if case.tool != "tcp-env":
        return tools.play(Case({"user": "alice", **case.record}))
    words = " ".join(case.setup)
    scene = _SCENE.fullmatch(words)
    if scene is None:
        raise CannotPlay(words)
    local, remote, names = scene.groups()
    with (
        NameServer(_records(names), port=53),
        socket.create_server((local, 0)) as listening,
        socket.create_connection(listening.getsockname()[:2], source_address=(remote, 0)) as client,
    ):
        accepted, _ = listening.accept()
        ports = {b"@PORT@": listening.getsockname()[1], b"@CLIENTPORT@": client.getsockname()[1]}
        with accepted:
            command: list[str | bytes] = [program(case.tool), *case.argv]
            ended = end(start(command, Manner(case.environment, case.user), accepted.fileno()))
    for placeholder, port in ports.items():
        ended = ended._replace(stdout=ended.stdout.replace(b"=%d\n" % port, b"=" + placeholder + b"\n"))
    return compare_fields(case.expect, ended._asdict())


def _records(names: str) -> Records:
    """Names by address, told as `127.0.0.5 <-> five.test, 127.0.0.1 -> local.test`."""
    records: Records = {}
    for sentence in names.split(", "):
        if not (found := _NAME.fullmatch(sentence)):
            raise CannotPlay(sentence)
        records[".".join(reversed(found[1].split("."))) + ".in-addr.arpa"] = {"PTR": [found[2]]}
        if "<" in sentence:
            records[found[2]] = {"A": [found[1]]}
    return records
