"""Owns the way of an address through the rendered files, step by step, as send and lspawn would go it.

It reads what the daemons read (control, users/cdb, .qmail files): it tells what is in force, by hand or not.
"""

import os
import pwd
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from appliance.formats import dotqmail
from appliance.formats.assign import Assignment, lookup
from appliance.formats.cdb import Cdb
from appliance.formats.outcome import FormatError, Temporary
from appliance.formats.rewrite import Route
from appliance.formats.smarthosts import Smarthost, Way, find_way, parse_smarthosts
from appliance.system.control import Control
from appliance.system.place import Place
from appliance.system.privileges import identity_of, is_root

_FARTHEST = 30  # forwards one after the other
_LONGEST_NAME = 31  # qmail-getpw(8)


class Step(NamedTuple):
    """One look: how many forwards led there, where was looked, and what was found."""

    depth: int
    where: str
    found: str


class End(NamedTuple):
    """What becomes of the mail: maildir, mbox, program, relay, refused or unknown, and where or why."""

    kind: str
    where: str


@dataclass
class Walk:
    """All that was looked at for one address."""

    place: Place
    steps: list[Step] = field(default_factory=list)
    ends: list[End] = field(default_factory=list)
    _seen: set[bytes] = field(default_factory=set)
    _way: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._control = Control(self.place.control)
        self._rewriter = self._control.rewriter()
        cdb = self.place.users / "cdb"
        self._users = Cdb(cdb.read_bytes()) if cdb.exists() else None

    def is_received(self, address: bytes) -> bool:
        """Whether rcpthosts lets a stranger hand in mail for the address (qmail-smtpd(8))."""
        hosts = self._control.lines("rcpthosts")
        domain = address.rpartition(b"@")[2].lower()
        allowed = {host.lower() for host in hosts or ()}
        found = hosts is None or b"@" not in address or not allowed.isdisjoint(_suffixes(domain))
        text = "is listed" if found else "is not listed: only relay.clients and this host may send there"
        name = _text(domain) if b"@" in address else "an address without a domain"
        self._step(0, "control/rcpthosts", f"{name} {text}")
        return found

    def go(self, address: bytes, depth: int = 0) -> None:
        """Note every step from the recipient to where the mail ends."""
        route = self._rewriter.rewrite(address)
        key = route.address.lower()
        if key in self._way or depth > _FARTHEST:
            self._step(depth, "loop", f"{_text(address)} leads here")
            self._end("unknown", f"a loop of forwards by {_text(address)}")
        elif key in self._seen:
            self._step(depth, "again", f"{_text(address)}, as above")
        else:
            self._seen.add(key)
            self._way.append(key)
            self._step(depth, *_rewriting(address, route))
            local, _, domain = route.address.rpartition(b"@")
            if route.channel == "remote":
                self._next_hop(domain, depth)
            else:
                self._user(local, depth)
            self._way.pop()

    def _step(self, depth: int, where: str, found: str) -> None:
        self.steps.append(Step(depth, where, found))

    def _end(self, kind: str, where: str) -> None:
        self.ends.append(End(kind, where))

    def _next_hop(self, domain: bytes, depth: int) -> None:
        smarthosts = self._smarthosts(depth)
        tables = self._control.table("smtproutes"), smarthosts, self._control.table("qmtproutes")
        way = find_way(domain, b"", *tables)
        if way is None or not way.key:  # else the recipient decides, whoever the sender is
            for key, smarthost in smarthosts.items():
                sent = find_way(domain, key, *tables)
                if b"@" in key and sent and sent.key == key:
                    self._relay(
                        depth, Way(key, smarthost.relay, smarthost), f" if {_text(key)} is the sender"
                    )
        if way is not None:
            self._relay(depth, way)
        else:
            self._step(depth, "DNS", f"the MX of {_text(domain)}, or else its address")
            self._end("relay", f"the MX of {_text(domain)}")

    def _smarthosts(self, depth: int) -> dict[bytes, Smarthost]:
        try:
            return parse_smarthosts(self._control.lines("smarthosts") or [])
        except (Temporary, FormatError) as error:
            self._step(depth, "control/smarthosts", f"cannot be looked at: {error}")
            return {}

    def _relay(self, depth: int, way: Way, condition: str = "") -> None:
        file, manner = ("qmtproutes", " by QMTP") if way.by_qmtp else ("smtproutes", "")
        if way.smarthost is not None:
            file = "smarthosts"
            manner = f" as user {_text(way.smarthost.login.user)}" if way.smarthost.login else ""
        self._step(depth, f"control/{file}", f"`{_text(way.key)}` goes to {_text(way.relay)}{manner}")
        self._end("relay", _text(way.relay) + manner + condition)

    def _user(self, local: bytes, depth: int) -> None:
        found = lookup(self._users, local) if self._users else None
        if found:
            entry = _entry(self._users, local) if self._users else ""
            self._step(
                depth, "users/assign", f"`{entry}` is user {_text(found.user)}, home {_text(found.home)}"
            )
        else:
            found = _account(local)
            if found:
                self._step(depth, "users", f"{_text(found.user)} is a user of this host")
            else:
                found = Assignment(
                    b"alias", *identity_of("alias"), os.fsencode(self.place.alias), b"-", local
                )
                self._step(depth, "users", f"nobody has the name {_text(local)}; alias takes it")
        self._instructions(found, depth)

    def _instructions(self, user: Assignment, depth: int) -> None:
        for candidate in dotqmail.candidates(user.dash, user.ext):
            path = os.path.join(user.home, candidate.name)
            try:
                with open(path, "rb") as file:
                    content = file.read()
            except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
                self._step(depth, _text(path), "is not there")
                continue
            except OSError as error:
                self._step(depth, _text(path), f"cannot be looked at: {error.strerror}")
                self._end("unknown", f"{_text(path)} can be read by its user and by root")
                return
            self._step(depth, _text(path), "decides")
            self._obey(user, content, depth)
            return
        if user.dash:
            self._step(depth, "so", "nobody has this name; mail to it is refused")
            self._end("refused", "no mailbox here by that name")
        else:
            self._step(depth, "control/defaultdelivery", "decides, as there is no .qmail file")
            self._obey(user, b"", depth)

    def _obey(self, user: Assignment, content: bytes, depth: int) -> None:
        default = (self._control.read("defaultdelivery") or b"./Maildir/").strip()
        for order in dotqmail.parse_dotqmail(content, False, dotqmail.default_of(user.user, default)):
            match order:
                case dotqmail.Maildir(path):
                    self._file(depth, "maildir", os.path.normpath(os.path.join(user.home, path)))
                case dotqmail.Mbox(path):
                    self._file(depth, "mbox", os.path.normpath(os.path.join(user.home, path)))
                case dotqmail.Program(command):
                    self._step(depth, "program", f"{_text(command)}, as user {_text(user.user)}")
                    self._end("program", _text(command))
                case dotqmail.Forward(address):
                    self._step(depth, "forward", f"to {_text(address)}")
                    self.go(address, depth + 1)
                case dotqmail.Fault(sentence):
                    self._step(depth, "fault", sentence)
                    self._end("unknown", sentence)

    def _file(self, depth: int, kind: str, path: bytes) -> None:
        self._step(depth, kind, _text(path))
        self._end(kind, _text(path))


def _rewriting(address: bytes, route: Route) -> tuple[str, str]:
    became = f": {_text(route.address)}"
    if route.key is not None and route.channel == "local":
        return "control/virtualdomains", f"{_text(address)} is under `{_text(route.key)}`{became}"
    if route.key is not None:
        return "control/virtualdomains", f"{_text(address)} is excepted by `{_text(route.key)}`: remote"
    if route.channel == "local":
        return "control/locals", f"{_text(route.address.rpartition(b'@')[2])} is this host{became}"
    return "control/locals, virtualdomains", f"{_text(route.address)} is not listed: remote"


def _suffixes(domain: bytes) -> Iterator[bytes]:
    """The domain, then .suffix from the longest."""
    yield domain
    dot = domain.find(b".")
    while dot >= 0:
        yield domain[dot:]
        dot = domain.find(b".", dot + 1)


def _entry(users: Cdb, local: bytes) -> str:
    """The beginning of the line of users/assign that counts."""
    name = b"!" + local.lower()
    if users.get(name + b"\0") is not None:
        return f"={_text(local.lower())}"
    end = next(end for end in range(len(name), 0, -1) if users.get(name[:end]) is not None)
    return f"+{_text(name[1:end])}"


def _account(local: bytes) -> Assignment | None:
    """A user of the password file, by qmail-getpw's rules: not root, the home there and his own."""
    end = len(local)
    while end > 0:
        name = _text(local[:end].lower())
        try:
            found = pwd.getpwnam(name) if end <= _LONGEST_NAME else None
            if (
                found
                and found.pw_uid
                and os.stat(found.pw_dir).st_uid == found.pw_uid
                and _may_be(found.pw_uid)
            ):
                dash = b"-" if end < len(local) else b""
                home = os.fsencode(found.pw_dir)
                return Assignment(name.encode(), found.pw_uid, found.pw_gid, home, dash, local[end + 1 :])
        except (KeyError, ValueError, OSError):
            pass
        end = local.rfind(b"-", 0, end)
    return None


def _may_be(uid: int) -> bool:
    return is_root() or uid == os.geteuid()


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")
