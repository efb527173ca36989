"""Owns what every Postfix of ours has in common: a folder of its own, loopback, no DNS, no aliases."""

import os
import pwd
from pathlib import Path

_MAIN = """\
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/var
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
alias_maps =
alias_database =
local_recipient_maps =
disable_dns_lookups = yes
smtp_host_lookup = native
smtpd_peername_lookup = no
"""
_LOG = """\
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
"""
_SERVICES = """\
cleanup    unix n - n - 0 cleanup
qmgr       unix n - n 300 1 qmgr
rewrite    unix - - n - - trivial-rewrite
bounce     unix - - n - 0 bounce
defer      unix - - n - 0 bounce
trace      unix - - n - 0 bounce
proxymap   unix - - n - - proxymap
smtp       unix - - n - - smtp
error      unix - - n - - error
retry      unix - - n - - error
anvil      unix - - n - 1 anvil
postlog    unix-dgram n - n - 1 postlogd
"""


def lay_out(folder: Path, main: str, services: str, *, logs: bool = True) -> None:
    """Its folders, main.cf(5) and master.cf(5); these lines come after those that all have."""
    for part in ("etc", "queue", "var"):
        (folder / part).mkdir(parents=True)
    os.chown(folder / "var", pwd.getpwnam("postfix").pw_uid, -1)
    common = _MAIN + _LOG * logs
    (folder / "etc/main.cf").write_text(common.format(folder=folder) + main)
    (folder / "etc/master.cf").write_text(_SERVICES + services)
