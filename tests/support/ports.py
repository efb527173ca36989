"""Owns the search for ports of loopback that nobody listens on, nor will before the caller does.

They lie below those that the kernel gives to whoever asks for any. Test processes side by side have a part of
them each, and no port is given twice: it may be some time until the caller binds it.
"""

import os
import random
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

_FIRST, _END = 10_000, 32_000  # ip_local_port_range begins at 32768
_MOST_PARTS = 8  # smaller, they would have no place for a row of ports
_given: set[int] = set()


def _bound(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError:
        listener.close()
        raise
    return listener


def _own_part() -> range:
    """Of the ports those of this test process, which pytest-xdist numbers."""
    parts = min(_MOST_PARTS, int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % parts
    size = (_END - _FIRST) // parts
    return range(_FIRST + number * size, _FIRST + (number + 1) * size)


def free_ports(count: int) -> list[int]:
    """Ports that are free now."""
    return [free_base((0,)) for _ in range(count)]


@contextmanager
def refusing(address: str = "127.0.0.1") -> Iterator[int]:
    """A port that refuses connections and that nobody else can take as long as it is held."""
    with socket.socket() as held:
        held.bind((address, 0))
        yield held.getsockname()[1]


def free_base(ports: tuple[int, ...]) -> int:
    """A number to add to each of the standard ports so that all of the sums are free now.

    Drawn anew for each caller, so that other programs that look for ports here do not draw alike.
    """
    draw, part = random.SystemRandom(), _own_part()
    for _ in range(200):
        base = draw.choice(part[: len(part) - max(ports)])
        wanted = {base + port for port in ports}
        if wanted & _given:
            continue
        try:
            with ExitStack() as stack:
                for port in wanted:
                    stack.enter_context(_bound(port))
        except OSError:
            continue
        _given.update(wanted)
        return base
    raise AssertionError("no row of free ports")
