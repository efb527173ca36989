"""Owns the index of the code: each folder, its modules, and the sentence each begins with."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.support.sources import modules  # noqa: E402 - run as a program, it must first say where tests/ lies


def main() -> None:
    """Prints the index, a folder's own sentence first."""
    for module in sorted(modules(), key=lambda module: (module.folder, module.has_code, module.name)):
        name = module.name if module.has_code else f"\n{module.folder or '.'}/"
        print(f"{name:24} {module.sentence}")


if __name__ == "__main__":
    main()
