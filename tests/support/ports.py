"""Owns the search for ports of loopback that nobody listens on."""

import random
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager


def _bound(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError:
        listener.close()
        raise
    return listener


def free_ports(count: int) -> list[int]:
    """Ports that are free now; all are held until the last is found, so that they differ."""
    with ExitStack() as stack:
        return [stack.enter_context(_bound(0)).getsockname()[1] for _ in range(count)]


@contextmanager
def refusing(address: str = "127.0.0.1") -> Iterator[int]:
    """A port that refuses connections and that nobody else can take as long as it is held."""
    with socket.socket() as held:
        held.bind((address, 0))
        yield held.getsockname()[1]


def free_base(ports: tuple[int, ...]) -> int:
    """A number to add to each of the standard ports so that all of the sums are free now.

    Drawn anew for each caller, so that test processes side by side do not draw alike.
    """
    draw = random.SystemRandom()
    for _ in range(200):
        base = draw.randrange(10_000, 30_000)
        try:
            with ExitStack() as stack:
                for port in ports:
                    stack.enter_context(_bound(base + port))
        except OSError:
            continue
        return base
    raise AssertionError("no row of free ports")
