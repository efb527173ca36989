"""Owns the end of descriptor 0: it ends for us once the client who started us has closed it."""

import contextlib
import os
import stat


def close_other_end() -> None:
    """Close the writing end of the pipe on descriptor 0 where a client left it open in us, too.

    We would wait for ever for an end that only we hold back (qmail's FAQ, 10.4: Sun's dtcm).
    """
    with contextlib.suppress(OSError):
        own = os.fstat(0)
        for descriptor in map(int, os.listdir("/proc/self/fd") if stat.S_ISFIFO(own.st_mode) else ()):
            with contextlib.suppress(OSError):
                if descriptor > 2 and os.path.samestat(own, os.fstat(descriptor)):
                    os.close(descriptor)
