"""Owns a client of SCRAM-SHA-256, CRAM-MD5 and APOP that knows the password (RFC 5802, 2195, 1939)."""

import base64
import hashlib
import hmac

NONCE = b"rOprNGfwEbeRWgbNEkqO"


def first(user: bytes, header: bytes = b"n,,") -> bytes:
    """What the client begins with."""
    return header + b"n=" + user.replace(b"=", b"=3D").replace(b",", b"=2C") + b",r=" + NONCE


def without_proof(server_first: bytes, header: bytes = b"n,,") -> bytes:
    """What the client ends with, up to the proof."""
    nonce = server_first.partition(b",")[0].removeprefix(b"r=")
    return b"c=" + base64.b64encode(header) + b",r=" + nonce


def proof(password: bytes, server_first: bytes, message: bytes) -> bytes:
    """The proof of an AuthMessage."""
    client_key = hmac.digest(_salted(password, server_first), b"Client Key", "sha256")
    mask = hmac.digest(hashlib.sha256(client_key).digest(), message, "sha256")
    return base64.b64encode(bytes(a ^ b for a, b in zip(client_key, mask, strict=True)))


def signature(password: bytes, server_first: bytes, message: bytes) -> bytes:
    """What a server says of it that knows the password, too."""
    server_key = hmac.digest(_salted(password, server_first), b"Server Key", "sha256")
    return base64.b64encode(hmac.digest(server_key, message, "sha256"))


def message(user: bytes, server_first: bytes) -> bytes:
    """The AuthMessage."""
    return b",".join((first(user).removeprefix(b"n,,"), server_first, without_proof(server_first)))


def cram_md5(password: bytes, challenge: bytes) -> bytes:
    """The digest of a challenge."""
    return hmac.new(password, challenge, "md5").hexdigest().encode()


def apop(password: bytes, stamp: bytes) -> bytes:
    """The digest of a greeting's time stamp."""
    return hashlib.md5(stamp + password).hexdigest().encode()


def _salted(password: bytes, server_first: bytes) -> bytes:
    fields = dict(field.split(b"=", 1) for field in server_first.split(b","))
    return hashlib.pbkdf2_hmac("sha256", password, base64.b64decode(fields[b"s"]), int(fields[b"i"]))
