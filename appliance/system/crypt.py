"""Owns the door to crypt(3) of libxcrypt, which knows bcrypt, SHA-512 crypt and yescrypt.

Python has no crypt module since 3.13. Where the library is missing no hash is known, and that can be asked.
"""

import ctypes
import hmac
from functools import cache

_LIBRARIES = ("libcrypt.so.1", "libcrypt.so.2")  # glibc's number of old, and libxcrypt's own
_SIZE = 32768  # of struct crypt_data
_UNKNOWN = (1, 2)  # CRYPT_SALT_INVALID, CRYPT_SALT_METHOD_DISABLED


@cache
def _library() -> ctypes.CDLL | None:
    for name in _LIBRARIES:
        try:
            library = ctypes.CDLL(name)
            library.crypt_rn.restype = ctypes.c_char_p
            library.crypt_rn.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_int]
            library.crypt_checksalt.argtypes = [ctypes.c_char_p]
        except (OSError, AttributeError):  # not there, or another library of that name
            continue
        return library
    return None


def is_known(known_hash: str) -> bool:
    """Whether this system can verify a hash of that form (crypt_checksalt(3))."""
    library = _library()
    return library is not None and library.crypt_checksalt(known_hash.encode()) not in _UNKNOWN


def verify(known_hash: str, password: bytes) -> bool:
    """Whether it is the password of that hash; the interpreter's lock is let go meanwhile (crypt(3))."""
    library = _library()
    if library is None or b"\0" in password:
        return False
    room = ctypes.create_string_buffer(_SIZE)
    made = library.crypt_rn(password, known_hash.encode(), room, _SIZE)
    ctypes.memset(room, 0, _SIZE)  # it holds a copy of the password; `made` was copied out
    return made is not None and hmac.compare_digest(made, known_hash.encode())
