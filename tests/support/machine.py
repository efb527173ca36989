"""Owns files of this machine as one site sees them: accounts and settings of its own, nobody else notices.

    machine = Machine(folder)
    machine.account("boss", 6601, home)
    with internet.host("pokey.af.mil", "127.0.0.3", machine) as pokey: ...

Everything of the site runs in a mount namespace (unshare(1)), which needs root.
"""

import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

_PASSWD = Path("/etc/passwd")


class Machine:
    """Places whose content is another's for the programs that `words` start."""

    def __init__(self, folder: Path) -> None:
        """Skips the test where there may be no mount namespaces."""
        if os.geteuid() != 0 or subprocess.run(["unshare", "-m", "true"], check=False).returncode != 0:
            pytest.skip("a machine of its own needs root and mount namespaces")
        self._folder = folder
        self._script = folder / "machine.sh"
        self._script.write_text('exec "$@"\n')
        self._passwd = folder / "passwd"
        shutil.copy(_PASSWD, self._passwd)
        self.instead(_PASSWD, self._passwd)

    @property
    def words(self) -> tuple[str, ...]:
        """What goes before a command that is to run on this machine."""
        return "unshare", "-m", "sh", str(self._script)

    def instead(self, place: Path, mine: Path) -> None:
        """Let a file or folder be mine."""
        mount = f"mount --bind {shlex.quote(str(mine))} {shlex.quote(str(place))} || exit 1\n"
        self._script.write_text(mount + self._script.read_text())

    def finally_instead(self, place: Path, mine: Path) -> None:
        """The same for what is started from now on; mine may lie in what replaced another place."""
        mount = f"mount --bind {shlex.quote(str(mine))} {shlex.quote(str(place))} || exit 1\n"
        self._script.write_text(self._script.read_text().replace('exec "$@"', mount + 'exec "$@"'))

    def etc(self) -> Path:
        """A folder /etc that may be written to, with no more than what programs need."""
        mine = self._folder / "etc"
        shutil.copytree("/etc/alternatives", mine / "alternatives", symlinks=True)
        for name in ("passwd", "group", "nsswitch.conf", "ld.so.cache", "hosts"):
            shutil.copy(Path("/etc", name), mine)
        self.instead(Path("/etc"), mine)
        return mine

    def account(self, name: str, number: int, home: Path) -> None:
        """A user of this machine."""
        with self._passwd.open("a") as passwd:
            passwd.write(f"{name}:x:{number}:{number}:{name}:{home}:/bin/sh\n")
