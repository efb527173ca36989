"""Owns the words of `make crash`: KILLS=n, PREFIXES=1, or FAULTS=1 (a share of them: FAULTS=0.1); SEED=n."""

import os
import random
import sys

from tests.crash import descriptors, faults, full_disk, kills, prefixes


def main() -> int:
    """0 if nothing is lost."""
    seed = int(os.environ.get("SEED") or random.SystemRandom().randrange(1_000_000))
    if os.environ.get("PREFIXES"):
        return prefixes.run(seed)
    if os.environ.get("FAULTS"):
        share = float(os.environ["FAULTS"])
        if share < 1:
            return faults.run(seed, share)
        return max(faults.run(seed), descriptors.run(), full_disk.run())
    return kills.run(int(os.environ.get("KILLS") or 20), seed)


if __name__ == "__main__":
    sys.exit(main())
