"""Owns the three mail hosts of others as they run together: Postfix, Exim and OpenSMTPD.

with mtas(ports, next_hop) as hosts:
    hosts["exim"].hand_in("ann@exim.test", ["alice@example.test"], message)
"""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

from tests.support.folders import open_folder
from tests.support.mta import Mta
from tests.support.mta_exim import Exim
from tests.support.mta_opensmtpd import OpenSmtpd
from tests.support.mta_postfix import Postfix

KINDS: dict[str, type[Mta]] = {kind.name: kind for kind in (Postfix, Exim, OpenSmtpd)}


@contextmanager
def mtas(ports: Mapping[str, int], next_hop: int) -> Iterator[dict[str, Mta]]:
    """All of them, at these ports; mail of others they send to a port of loopback. Gone afterwards."""
    with open_folder("mtas-") as folder, ExitStack() as stack:
        hosts = {name: kind(folder / name, ports[name]) for name, kind in KINDS.items()}
        for host in hosts.values():
            host.lay_out(next_hop)
            stack.callback(host.stop)
            host.start()
        for host in hosts.values():
            host.wait_until_up()
        yield hosts
