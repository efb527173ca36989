"""Owns the playing of all dialogues against a whole appliance, wherever it runs.

Each dialogue has a client address of its own, told by the PROXY protocol: so no limit for one client is met,
rules may set its environment, and the Received line of each message tells which dialogue it is of.
"""

import contextlib
import io
import json
import re
import tarfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any, Protocol

from appliance.accounts.passwords import hash_password
from appliance.formats.logline import safe_text
from tests.support import dialogue
from tests.support.dialogue import CONTROL, NAMES, Dialogue, Queued
from tests.support.packages import qmtp
from tests.support.waiting import until_it_works, wait_for
from tests.support.wires import Line, Packages, trusting

SECRET, TWO_WORDS = hash_password(b"secret"), hash_password(b"two words")
USERS = ("joe", "ann", "sue", "may", "rae", "later")
PRIVATE = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"]  # whence a container's connections come
TLS = ("submissions", "pop3s")
_TOGETHER = 16  # dialogues at a time
_SECONDS = 60.0
_TOLD = re.compile(rb"ok \d+ qp (\d+)")
_CLIENT = re.compile(rb"^Received: from [^\n]*\(([0-9.]+)\)\n  by [^\n]*\n", re.MULTILINE)


class Appliance(Protocol):
    """What runs."""

    home: str
    mail: str
    source: str
    """The address that we connect from, its only proxy; empty if that is for the system to choose."""

    def address(self, listener: str) -> tuple[str, int]:
        """Where a listener is reached from here."""
        ...

    def apply(self, config: str) -> None:
        """Put another config.yaml in force."""
        ...

    def shell(self, command: str, given: bytes = b"", *, owner: bool = False) -> bytes:
        """What a command prints that runs where it runs, as root or as the owner of the mailboxes."""
        ...

    @property
    def log(self) -> str: ...


@dataclass
class Part:
    """A dialogue on the stage."""

    path: Path
    script: Dialogue
    client: str
    heard: list[bytes] = field(default_factory=list)
    fault: str = ""
    """What went wrong; empty if nothing did."""

    @property
    def mailbox(self) -> str:
        return f"{self.script.listener}-{self.script.name.replace('_', '-')}"[:60]

    @property
    def numbers(self) -> list[int]:
        """Of the messages that the client was told are in the queue."""
        told = [int(found[1]) for line in self.heard if (found := _TOLD.search(line))]
        return list(dict.fromkeys(told))  # by QMTP each recipient is told


Settings = dict[str, Any]


def _settings(script: Dialogue) -> Settings:
    return {name: value for name, value in script.control.items() if CONTROL.get(name) != value}


def _client(number: int, script: Dialogue) -> str:
    """Whose address tells what it may: 203.0.113.x send by QMQP, 198.51.100.x have rules of their own."""
    if script.listener == "qmqp":
        return f"203.0.113.{number % 250 + 1}"
    if script.environment:
        return f"198.51.100.{number % 250 + 1}"
    return f"10.0.{number // 250}.{number % 250 + 1}"


def _parts(paths: Sequence[Path]) -> list[list[Part]]:
    """All that can be played, grouped by what they need, those who need nothing first."""
    scripts = [(path, dialogue.read(path)) for path in paths]
    playable = [(path, script) for path, script in scripts if not script.alone]
    numbered = [Part(path, script, _client(number, script)) for number, (path, script) in enumerate(playable)]

    def key(part: Part) -> str:
        settings = _settings(part.script)
        return json.dumps(settings, sort_keys=True) if settings else ""

    return [list(group) for _, group in groupby(sorted(numbered, key=key), key)]


class Stage:
    """One appliance, and what became of each dialogue."""

    def __init__(self, appliance: Appliance, certificate: str) -> None:
        """`certificate` is where the appliance finds a PEM file with its key."""
        self._appliance = appliance
        self._certificate = certificate
        self._told: set[int] = set()
        self.faults: dict[Path, str] = {}

    def play(self, paths: Sequence[Path]) -> None:
        """Play them all; `faults` says of each what went wrong."""
        groups = _parts(paths)
        boxes = [part.mailbox for part in groups[0] if part.script.listener.startswith("pop3")]
        for number, group in enumerate(groups):
            host = f"site{number}.lab.test" if number else NAMES["host"]
            settings = _settings(group[0].script)
            extra = [part.mailbox for part in group if part.script.listener.startswith("pop3")]
            self._appliance.apply(self.config(settings, sorted({*boxes, *extra}), host))
            self._set_rules(group)
            until_it_works(lambda host=host: self._greets(host), _SECONDS)  # type: ignore[misc]
            if number == 0:
                self._prepare()
            self._play_group(group, host)

    def config(self, settings: Mapping[str, str], boxes: Sequence[str], host: str) -> str:
        """The config.yaml under which dialogues with these settings are played."""
        control: dict[str, Any] = {"rcpthosts": ["lab.test", ".sub.test", "Host.Lab.Test"], "smtpdworkers": 1}
        control["smtpgreeting"] = host
        control |= {name: value.splitlines() for name, value in settings.items() if name not in CONTROL}
        mailboxes: dict[str, Any] = {name: {"password": SECRET} for name in USERS}
        mailboxes["shown"] = {"password": "generate"}  # the checklist shows it: so all is up
        mailboxes |= {name: {"password": TWO_WORDS} for name in boxes}
        mailboxes["full"] = {"password": SECRET, "quota_messages": 1}
        tls = {"certificate": self._certificate, "key": self._certificate}
        return json.dumps(
            {
                "version": 1,
                "hostname": NAMES["host"],
                "postmaster": "joe@lab.test",
                "domains": {"lab.test": {"mailboxes": mailboxes, "aliases": {"info": "sue"}}},
                "listen": {"qmtp": 209, "qmqp": 628},
                "limits": {"message_size": 0, "connections": 1000},
                "submission": {"check_from": False, "messages_per_day": 0, "recipients_per_day": 0},
                "relay": {"clients": ["203.0.113.0/24"], "routes": {"*": "127.0.0.1:1"}},
                "proxy": {"networks": [self._appliance.source] if self._appliance.source else PRIVATE},
                "control": control,
                **({"tls": tls} if settings.get("servercert", "given").strip() else {}),
            },
            indent=1,
        )

    def _set_rules(self, group: list[Part]) -> None:
        """As who is at home there would: tcprules, and nobody needs a signal."""
        by_listener: dict[str, list[str]] = defaultdict(list)
        for part in group:
            if part.script.environment:
                said = "".join(f',{name}="{value}"' for name, value in part.script.environment.items())
                by_listener[part.script.listener].append(f"{part.client}:allow{said}\n")
        for name, lines in by_listener.items():
            rules = "".join(lines) + ":allow\n"
            made = f"{self._appliance.home}/rules/tcp.{name}"
            self._appliance.shell(f"tcprules {made}.cdb {made}.tmp", rules.encode())

    def _wire(self, listener: str, client: str) -> Line:
        host, port = self._appliance.address(listener)
        header = f"PROXY TCP4 {client} 127.0.0.1 4000 25\r\n".encode()
        kind = Packages if listener in ("qmtp", "qmqp") else Line
        context = trusting() if listener in TLS else None
        return kind((host, port), source=self._appliance.source, header=header, context=context)

    def _greets(self, host: str) -> None:
        try:
            with contextlib.closing(self._wire("smtp", "10.9.9.9")) as wire:
                assert f"220 {host} ESMTP\r\n".encode() == wire.hear()
            with contextlib.closing(self._wire("pop3", "10.9.9.9")) as wire:
                assert wire.hear().startswith(b"+OK ")
        except OSError as error:
            raise AssertionError("it does not even listen") from error

    def _prepare(self) -> None:
        """`full` is, and nobody can tell about `later`, whose home anybody could write to."""
        self._appliance.shell(f"chmod o+w {self._appliance.mail}/lab.test/later", owner=True)
        with contextlib.closing(self._wire("qmtp", "10.9.9.8")) as wire:  # smtpd keeps what it was told
            wire.say(qmtp(b"\n", b"sue@lab.test", b"full@lab.test"))
            found = _TOLD.search(wire.hear())
        assert found
        self._told.add(int(found[1]))
        self._wait_for_deliveries({int(found[1]): 1})

    def _play_group(self, group: list[Part], host: str) -> None:
        for part in group:
            own = f"{part.mailbox}@lab.test"
            names = {
                **NAMES,
                "host": host if part.script.listener not in ("pop3", "pop3s") else NAMES["host"],
            }
            if part.script.listener.startswith("pop3"):
                names |= {"mailbox": own, "MAILBOX": own.upper()}
            part.script = dialogue.read(part.path, names)
        self._appliance.shell(f"tar -x -C {self._appliance.mail}", _archive(group), owner=True)
        with ThreadPoolExecutor(_TOGETHER) as pool:
            list(pool.map(self._play_one, group))
        self._told |= {number for part in group for number in part.numbers}
        expected = {
            number: len(queued.envelope.partition(" > ")[2].split(", "))
            for part in group
            for number, queued in zip(part.numbers, part.script.queued, strict=False)
        }
        with contextlib.suppress(AssertionError):  # each dialogue says what it misses
            self._wait_for_deliveries(expected)
        self._look_at_mail(group)

    def _play_one(self, part: Part) -> None:
        try:
            with contextlib.closing(self._wire(part.script.listener, part.client)) as wire:
                part.heard = dialogue.play(part.script, wire, part.heard)
        except (AssertionError, OSError) as error:
            part.fault = f"{error!r:.400} after {part.heard[-3:]}"

    def _wait_for_deliveries(self, messages: Mapping[int, int]) -> None:
        """Until each of these messages has been tried for so many recipients."""

        def all_tried() -> bool:
            envelopes, ended = self._sent()
            return all(
                number in envelopes and len(envelopes[number]) > count and number not in ended
                for number, count in messages.items()
            )

        wait_for(all_tried, _SECONDS)

    def _sent(self) -> tuple[dict[int, list[str]], set[int]]:
        """By send's log: sender and recipients of each message; and the messages that are being delivered."""
        envelopes: dict[int, list[str]] = {}
        running: dict[str, int] = {}
        for line in self._appliance.log.splitlines():
            if found := re.search(r" send: info msg (\d+): bytes \d+ from <(.*)> qp ", line):
                envelopes[int(found[1])] = [found[2]]
            elif found := re.search(
                r" send: starting delivery (\d+): msg (\d+) to (?:local|remote) (.*)", line
            ):
                # A domain of config.yaml is a virtual one, whose name comes in front of the local part.
                envelopes.setdefault(int(found[2]), [""]).append(found[3].removeprefix("lab.test-"))
                running[found[1]] = int(found[2])
            elif found := re.search(r" send: delivery (\d+): ", line):
                running.pop(found[1], None)
        return envelopes, set(running.values())

    def _look_at_mail(self, group: list[Part]) -> None:
        envelopes, _ = self._sent()
        files = _files(
            # 1: a message left the queue meanwhile.
            self._appliance.shell(
                f"tar -c {self._appliance.mail} {self._appliance.home}/queue/mess || [ $? = 1 ]"
            )
        )
        texts = defaultdict(set)
        for content in files.values():
            header = content.partition(b"\n\n")[0] + b"\n"
            if found := _CLIENT.search(header):
                texts[found[1].decode()].add(content[found.end() :])
        for part in group:
            part.fault = part.fault or _fault_of_mail(part, envelopes, texts[part.client])
            if part.script.listener.startswith("pop3"):
                part.fault = part.fault or _fault_of_files(part, files)
            self.faults[part.path] = part.fault

    def smuggled(self) -> set[int]:
        """Messages that listeners put into the queue and told no client of."""
        found = re.findall(r" send: info msg (\d+): .* uid (\d+)$", self._appliance.log, re.MULTILINE)
        by_number = {int(number): uid for number, uid in found}
        listeners = {by_number[number] for number in self._told}
        return {number for number, uid in by_number.items() if uid in listeners} - self._told


def _fault_of_mail(part: Part, envelopes: Mapping[int, list[str]], texts: set[bytes]) -> str:
    expected = [_envelope(queued) for queued in part.script.queued]
    found = [envelopes.get(number, []) for number in part.numbers]
    found = [[sender, *sorted(recipients)] for sender, *recipients in (one or [""] for one in found)]
    if expected != found:
        return f"the envelopes are {found} and not {expected}"
    wanted = {b"".join(line + b"\n" for line in queued.text) for queued in part.script.queued}
    return "" if wanted == texts else f"the texts are {sorted(texts)!s:.400} and not {sorted(wanted)!s:.400}"


def _envelope(queued: Queued) -> list[str]:
    sender, _, recipients = queued.envelope.partition(" > ")
    return [_logged(sender), *sorted(map(_logged, recipients.split(", ")))]


def _logged(address: str) -> str:
    return safe_text(address.encode("utf-8", "surrogateescape"))


def _fault_of_files(part: Part, files: Mapping[str, bytes]) -> str:
    home = f"lab.test/{part.mailbox}/Maildir/"
    found = {
        path.partition(home)[2]
        for path in files
        if home in path and path.partition(home)[2][:4] in ("new/", "cur/")
    }
    wanted = part.script.files_at_the_end
    return "" if found == wanted else f"the files are {sorted(found)} and not {sorted(wanted)}"


def _archive(group: list[Part]) -> bytes:
    """What lies in the mailboxes from the start, as a tar stream."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for part in group:
            for number, message in enumerate(part.script.stored):
                entry = tarfile.TarInfo(f"lab.test/{part.mailbox}/Maildir/{message.path}")
                entry.size, entry.mtime, entry.uid, entry.gid = (
                    len(message.content),
                    10**9 + number,
                    5000,
                    5000,
                )
                entry.mode = 0o600
                archive.addfile(entry, io.BytesIO(message.content))
    return stream.getvalue()


def _files(archive: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        return {
            entry.name: content.read()
            for entry in opened
            if entry.isfile() and (content := opened.extractfile(entry)) is not None
        }
