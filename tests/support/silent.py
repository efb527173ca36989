"""Owns a port that never answers: whoever connects waits until his patience ends."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager


@contextmanager
def silent(at: tuple[str, int]) -> Iterator[int]:
    """The port, while it is held: its queue of connections is full, so the kernel drops each SYN."""
    family = socket.AF_INET6 if ":" in at[0] else socket.AF_INET
    with ExitStack() as held:
        listener = held.enter_context(socket.create_server(at, family=family, backlog=0))
        for _ in range(8):
            client = held.enter_context(socket.socket(family))
            client.settimeout(1)
            try:
                client.connect(listener.getsockname())
            except TimeoutError:
                yield int(listener.getsockname()[1])
                return
        raise OSError(f"{at} answers however many wait")
