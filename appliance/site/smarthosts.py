"""Owns the smarthosts of config.yaml on their way to control/smarthosts, and what may be wrong with one."""

from collections.abc import Iterator
from typing import NamedTuple

from appliance.formats import smarthosts as control
from appliance.formats.control import parse_lines
from appliance.formats.outcome import FormatError, Temporary
from appliance.formats.smarthosts import Encryption, Login
from appliance.site import names
from appliance.site.draft import Draft
from appliance.site.faults import Path, Told
from appliance.site.model import Site, Smarthost
from appliance.site.passwords import first_line
from appliance.site.values import ALL_OTHERS

_PEM = b"-----BEGIN CERTIFICATE-----"


class _Entry(NamedTuple):
    """A smarthost, where it stands in config.yaml, and the key of its line in the control file."""

    path: Path
    key: str
    smarthost: Smarthost


def lines(site: Site) -> list[str]:
    """control/smarthosts, with the passwords; Temporary if a password file is gone."""
    try:
        return [_line(entry) for entry in (*_written(site), *_of_aliases(site))]
    except ValueError as error:
        raise Temporary(str(error)) from None


def faults(draft: Draft) -> Iterator[Told]:
    """What does not fit together in a smarthost, or between it and the routes."""
    for entry in _written(draft.site):
        if not draft.doubts(entry.path):
            yield from _faults(entry.path, entry.smarthost)
    by_hand = draft.site.control.get("smarthosts")
    try:
        control.parse_smarthosts(parse_lines((by_hand or "").encode()))
    except FormatError as error:
        yield Told(("control", "smarthosts"), f"{error}; write it so, or take it out")
    if ALL_OTHERS in draft.site.relay.routes and draft.site.relay.smarthost is not None:
        told = f"the route `{ALL_OTHERS}` sends all other mail elsewhere already; leave one of the two"
        yield Told(("relay", "smarthost"), told, key=True)


def _written(site: Site) -> Iterator[_Entry]:
    if site.relay.smarthost is not None:
        yield _Entry(("relay", "smarthost"), "", site.relay.smarthost)
    for name, domain in site.domains.items():
        if domain.smarthost is not None:
            yield _Entry(("domains", name, "smarthost"), f"@{name}", domain.smarthost)
    for name, route in site.relay.routes.items():
        if isinstance(route, Smarthost):
            yield _Entry(("relay", "routes", name), "" if name == ALL_OTHERS else name, route)


def _of_aliases(site: Site) -> Iterator[_Entry]:
    """What another name for a domain has of it."""
    for name, domain in site.domains.items():
        real = site.domains.get(domain.alias_of or "")
        if domain.smarthost is None and real is not None and real.smarthost is not None:
            yield _Entry(("domains", name), f"@{name}", real.smarthost)


def _line(entry: _Entry) -> str:
    smarthost = entry.smarthost
    relay = smarthost.host if smarthost.port is None else f"{smarthost.host}:{smarthost.port}"
    login = None if smarthost.user is None else Login(smarthost.user.encode(), _password(smarthost).encode())
    encryption, ca = Encryption(smarthost.tls), (smarthost.ca or "").encode()
    written = control.Smarthost(relay.encode(), encryption, ca, login)
    return control.format_smarthost(entry.key.encode(), written).decode()


def _password(smarthost: Smarthost) -> str:
    """Given, or in the file; ValueError with a sentence."""
    if smarthost.password is not None:
        return smarthost.password
    return names.login_password(first_line(smarthost.password_file or ""))


def _faults(path: Path, smarthost: Smarthost) -> Iterator[Told]:
    has_password = smarthost.password is not None or smarthost.password_file is not None
    if smarthost.user is not None and not has_password:
        told = "the smarthost has a `user` and no password; write `password_file: /run/secrets/smarthost`"
        yield Told((*path, "user"), told, key=True)
    if has_password and smarthost.user is None:
        told = "the smarthost has a password and no user; write `user:` beside it"
        yield Told((*path, "password" if smarthost.password else "password_file"), told, key=True)
    if smarthost.password is not None and smarthost.password_file is not None:
        yield Told((*path, "password_file"), "there is a `password` already; leave one of the two", key=True)
    elif smarthost.password_file is not None:
        try:
            _password(smarthost)
        except ValueError as error:
            yield Told((*path, "password_file"), str(error))
    if smarthost.tls == Encryption.OPTIONAL.value:
        if has_password:
            told = "with `tls: optional` the password could go in the clear; write starttls or implicit"
            yield Told((*path, "tls"), told)
        if smarthost.ca is not None:
            yield Told((*path, "ca"), "with `tls: optional` no certificate is verified; leave one", key=True)
    if smarthost.ca is not None:
        yield from _ca((*path, "ca"), smarthost.ca)


def _ca(path: Path, file: str) -> Iterator[Told]:
    try:
        with open(file, "rb") as opened:
            if _PEM not in opened.read():
                yield Told(path, f"the file `{file}` holds no certificate in PEM form; put the CA's there")
    except OSError as error:
        told = f"the file `{file}` cannot be read: {error.strerror}; put the CA's certificate there"
        yield Told(path, f"{told}, or take `ca` out")
