"""Owns the passwords of mailboxes on their way to authd: given as hashes, in files, or made once and kept.

    state/passwords/alice@example.org         the password that was made for `password: generate`, 0600
    state/passwords/hashed/alice@example.org  a password's scrypt digest and the argon2id hash made of it

The hash is kept because a hash made anew has a new salt: rendering twice would not give the same bytes.
The digest tells whether the password is still the one that was hashed; it is as slow to guess at as the hash.
"""

import contextlib
import hashlib
import hmac
import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

from appliance.formats.outcome import Temporary
from appliance.formats.passwordhash import is_stored
from appliance.site import names
from appliance.site.addresses import Name
from appliance.site.model import Mailbox, Site
from appliance.site.values import EXTERNAL, GENERATE
from appliance.system import files
from appliance.system.place import Place

_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # none that is mistaken for another
_GROUPS, _GROUP = 4, 5  # 99 bits
_LARGEST = 4096
_COST = 2**15  # scrypt's n with r=8: 32 MiB and a tenth of a second
_MEMORY = 2**26

HashPassword = Callable[[bytes], str]


def folder_of(place: Place) -> Path:
    """Where the passwords that were made here lie."""
    return place.state / "passwords"


def with_password(site: Site) -> Iterator[tuple[Name, Mailbox]]:
    """The mailboxes with a password of their own: not one that is known elsewhere, or app passwords alone."""
    for domain, found in site.domains.items():
        for local, mailbox in found.mailboxes.items():
            if mailbox.password_file is not None or mailbox.password not in (None, EXTERNAL):
                yield Name(domain, local), mailbox


def fields(mailbox: Mailbox, own: str | None) -> Iterator[tuple[str, str]]:
    """Each hash of a mailbox with what stands behind the Maildir in its line; `own`: of its own password."""
    if own is not None or mailbox.password == EXTERNAL:
        yield own or EXTERNAL, ""
    for label, app in mailbox.app_passwords.items():
        limits = (label, ",".join(app.scope), app.expires or "", ",".join(app.networks))
        yield app.password, ":" + ":".join(limits)


def secret_in(path: str | Path) -> str:
    """The password or hash in a password file; ValueError with a sentence if there is none."""
    text = first_line(path)
    return names.password_hash(text) if is_stored(text) else text


def first_line(path: str | Path) -> str:
    """The first line of a password file; ValueError with a sentence if there is none."""
    try:
        with open(path, "rb") as file:
            line = file.read(_LARGEST).partition(b"\n")[0].removesuffix(b"\r")
        text = line.decode()
    except OSError as error:
        raise ValueError(
            f"the file `{path}` cannot be read: {error.strerror}; put the password there"
        ) from None
    except UnicodeDecodeError:
        raise ValueError(f"the file `{path}` is no text; write the password in its first line") from None
    if not text or "\0" in text:
        raise ValueError(f"the first line of `{path}` holds no password; write the password there")
    return text


def settled(site: Site, place: Place, hash_password: HashPassword) -> dict[Name, str]:
    """The hash of every mailbox that has a password; what is missing is made and kept."""
    folder = folder_of(place)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / "hashed").mkdir(mode=0o700, exist_ok=True)
    found = {}
    for name, mailbox in with_password(site):
        if mailbox.password == GENERATE:
            _make(folder / "@".join(reversed(name)))
        secret = _secret(mailbox, folder, name)
        found[name] = secret if is_stored(secret) else _hashed(folder, name, secret, hash_password)
    return found


def kept(site: Site, place: Place) -> dict[Name, str | None]:
    """The same as it stands, nothing made: None where `settled` would make a new hash."""
    folder = folder_of(place)
    found: dict[Name, str | None] = {}
    for name, mailbox in with_password(site):
        try:
            secret = _secret(mailbox, folder, name)
        except Temporary:
            found[name] = None
        else:
            found[name] = secret if is_stored(secret) else _known(_note(folder, name), secret)
    return found


def _secret(mailbox: Mailbox, folder: Path, name: Name) -> str:
    """A stored form, see formats/passwordhash, or a password."""
    if mailbox.password not in (None, GENERATE):
        return str(mailbox.password)
    try:
        return secret_in(mailbox.password_file or folder / f"{name.local}@{name.domain}")
    except ValueError as error:
        raise Temporary(str(error)) from None


def new_password() -> str:
    """One that nobody guesses and everybody can type."""
    groups = ("".join(secrets.choice(_LETTERS) for _ in range(_GROUP)) for _ in range(_GROUPS))
    return "-".join(groups)


def _make(path: Path) -> None:
    """Make a password, if there is none yet."""
    with contextlib.suppress(FileExistsError):
        files.create(path, f"{new_password()}\n".encode(), 0o600)
        files.sync_folder(path.parent)


def _note(folder: Path, name: Name) -> Path:
    return folder / "hashed" / f"{name.local}@{name.domain}"


def _hashed(folder: Path, name: Name, secret: str, hash_password: HashPassword) -> str:
    note = _note(folder, name)
    known = _known(note, secret)
    if known is None:
        salt = os.urandom(16)
        known = hash_password(secret.encode())
        files.replace(note, f"{salt.hex()} {_digest(secret, salt).hex()} {known}\n".encode(), 0o600)
    return known


def _known(note: Path, secret: str) -> str | None:
    """The hash that was made of this very password."""
    try:
        salt, digest, known = note.read_text().split()
        same = hmac.compare_digest(_digest(secret, bytes.fromhex(salt)), bytes.fromhex(digest))
        return names.password_hash(known) if same else None
    except (OSError, ValueError):
        return None


def _digest(secret: str, salt: bytes) -> bytes:
    return hashlib.scrypt(secret.encode(), salt=salt, n=_COST, r=8, p=1, maxmem=_MEMORY)
