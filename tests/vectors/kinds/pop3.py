"""Owns the cases of qmail-pop3d and qmail-popup, programs on a connection as tcpserver would run them."""

import socket
from pathlib import Path

from tests.vectors import world
from tests.vectors.case import Case, Difference, compare
from tests.vectors.dialogue import talk
from tests.vectors.kinds.local import normalised_files
from tests.vectors.kinds.preparing import prepare
from tests.vectors.running import Manner, end, program, start
from tests.vectors.world import BIN, place_files

_CHECKPASSWORD = """\
import os, pwd, signal, sys
with open(3, "rb") as stream:
    name, password = stream.read().split(b"\\0")[:2]
if name == b"temp":
    os._exit(111)
if name == b"crash":
    os.kill(os.getpid(), signal.SIGKILL)
accounts = {b"alice": b"secret", b"bob": b"b pw", b"dave": b""}
if accounts.get(name) != password:
    os._exit(1)
user = pwd.getpwnam(name.decode())
os.setgroups([])
os.setgid(user.pw_gid)
os.setuid(user.pw_uid)
os.chdir(user.pw_dir)
environment = {**os.environ, "USER": user.pw_name, "HOME": user.pw_dir, "SHELL": user.pw_shell}
os.execvpe(sys.argv[1], sys.argv[1:], environment)
"""
"""The recordings' own: their notes name its accounts."""


def play(case: Case) -> list[Difference]:
    """Run the program on one end of a connection and talk to it on the other."""
    place_files(case)
    prepare(case)
    world.stand_in(BIN / "checkpassword-stand-in", _CHECKPASSWORD)
    before = world.look(Path("/home"))
    ours, its = socket.socketpair()
    name, *arguments = case.argv
    manner = Manner(case.environment, case.user, Path(case.record.get("cwd", "/")))
    with ours:
        process = start([program(name.decode()), *arguments], manner, its.fileno(), its.fileno())
        its.close()
        heard = talk(ours, case.record["dialogue"])
        ours.shutdown(socket.SHUT_RDWR)
        ended = end(process)
    made = world.changes(before, world.look(Path("/home")))
    got = ended._asdict()
    return [
        *compare("dialogue", case.record["dialogue"], heard),
        *(
            difference
            for field, expected in case.expect.items()
            for difference in compare(field, expected, got.get(field))
        ),
        *compare("files", case.record.get("expect_files", {}), normalised_files(made)),
    ]
