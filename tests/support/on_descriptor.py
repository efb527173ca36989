"""A file on descriptor 0, for programs that are called in the test's own process."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def on_descriptor_0(folder: Path, content: bytes | None) -> Iterator[None]:
    """Let a file with that content be descriptor 0; None: one that cannot be read."""
    path = folder / "on-descriptor-0"
    path.write_bytes(content or b"")
    kept = os.dup(0)
    opened = os.open(path, os.O_WRONLY if content is None else os.O_RDONLY)
    os.dup2(opened, 0)
    os.close(opened)
    try:
        yield
    finally:
        os.dup2(kept, 0)
        os.close(kept)
