"""Owns the MTA that a host had before: a real Postfix with a folder of its own, for users of a Machine."""

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.support import postfix
from tests.support.folders import open_folder
from tests.support.machine import Machine
from tests.support.waiting import wait_for

_MAIN = """\
myhostname = {name}
mydestination = {name}
local_header_rewrite_clients =
mail_spool_directory = {folder}/spool
transport_maps = inline:{{{routes}}}
smtpd_tls_security_level = none
smtp_tls_security_level = none
"""
_SERVICES = """\
{address}:{port} inet n - n - - smtpd
local      unix - n n - - local
"""


class OldMta:
    """A Postfix that runs; it delivers into `spool`, or as ~/.forward says."""

    def __init__(self, folder: Path, postfix: list[str]) -> None:
        self.spool = folder / "spool"
        self._log = folder / "log"
        self._postfix = postfix
        self._running = subprocess.Popen(
            [*postfix, "start-fg"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    @property
    def log(self) -> str:
        """What Postfix logged."""
        return self._log.read_text() if self._log.exists() else ""

    def up(self) -> None:
        """Wait until it takes mail."""
        wait_for(lambda: "daemon started" in self.log or self._running.poll() is not None)
        assert self._running.poll() is None, self.log

    def stop(self) -> None:
        """End it and all its processes, for good."""
        if self._running.poll() is None:
            subprocess.run([*self._postfix, "stop"], capture_output=True, check=False, timeout=60)
            self._running.wait(60)


@contextmanager
def old_mta(
    machine: Machine, name: str, address: str, port: int, routes: Mapping[str, str]
) -> Iterator[OldMta]:
    """Postfix for one name; `routes` are the addresses of next hops by domain, at the same port."""
    hops = ", ".join(f"{domain}=smtp:[{hop}]:{port}" for domain, hop in routes.items())
    with open_folder("postfix-") as folder:
        (folder / "spool").mkdir()
        main = _MAIN.format(folder=folder, name=name, routes=hops)
        postfix.lay_out(folder, main, _SERVICES.format(address=address, port=port))
        mta = OldMta(folder, [*machine.words, "postfix", "-c", str(folder / "etc")])
        try:
            mta.up()
            yield mta
        finally:
            mta.stop()
