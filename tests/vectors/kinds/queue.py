"""Owns the cases of the queue: what lies there before and after the first try, signals, age, retries."""

import ast
import json
import re
import signal
import time
from collections.abc import Callable

from appliance.send.schedule import LOCAL, REMOTE, next_retry
from tests.vectors import queue_files, send_log, system
from tests.vectors.case import CannotPlay, Case, Difference, Json, compare, to_bytes
from tests.vectors.kinds import tcpto
from tests.vectors.normalise import normalise
from tests.vectors.running import Manner, program, run
from tests.vectors.system import QUEUE, System
from tests.vectors.world import HOME, place_files

_BY_USER = re.compile(r"qmail-queue run by user (\S+), sender (.*), recipients (\[.*\])", re.DOTALL)
_EXACTLY = re.compile(r"qmail-queue run by (\S+) with exactly these envelope bytes on fd 1: (.*)", re.DOTALL)
_AGED = re.compile(r"set (\d+) s back")
_USUAL_AGE_S = 700000
_WEEK_S = 604800

Got = dict[str, Json]


def play(case: Case) -> list[Difference]:
    """Play by the case's group."""
    place_files(case)
    if case.group not in _GROUPS:
        raise CannotPlay(f"group {case.group}")
    got = _GROUPS[case.group](case)
    return [
        difference
        for name, expected in case.expect.items()
        for difference in _compare(name, expected, got.get(name))
    ]


def _compare(name: str, expected: Json, got: Json) -> list[Difference]:
    if name == "layout" and got is not None:
        return queue_files.compare_layouts(expected, got)
    if name == "after" and got is not None:
        return queue_files.compare_layouts(expected["layout"], got["layout"], "after layout")
    if name in ("log", "log_first", "first_log") and got is not None:
        return send_log.compare_logs(name, to_bytes(expected), got)
    return compare(name, expected, got)


# -- before the first try ------------------------------------------------------------------------


def _before(case: Case) -> Got:
    """send runs, since it is who takes mail; without the spawns nothing is tried."""
    user, envelope = "qmaild", b""
    for sentence in case.setup:
        if found := _BY_USER.fullmatch(sentence):
            user = found[1]
            envelope = system.envelope(
                _literal(found[2]), [_literal(each) for each in ast.literal_eval(found[3])]
            )
        elif found := _EXACTLY.fullmatch(sentence):
            user, envelope = found[1], to_bytes(json.loads(found[2]))
        elif sentence != "qmail-send is not running":
            raise CannotPlay(sentence)
    with System(daemons=()) as ours:
        ours.start_send()
        handed = system.hand_in(case.stdin, envelope, user)
        return {"exit": handed.exit, **_queue_as_seen()}


def _literal(written: str) -> bytes:
    """An address as Python writes it, or as it is."""
    text = (
        ast.literal_eval(written)
        if written[:1] in ("'", '"', "b") and written[-1:] in ("'", '"')
        else written
    )
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")


def _queue_as_seen() -> Got:
    seen: Got = {"layout": queue_files.layout()}
    for name in ("qmail-qread", "qmail-qstat"):
        ended = run([program(name)], Manner())
        stdout = re.sub(rb"#\d+  \d+  <", b"#{{INODE1}}  {{BYTES}}  <", normalise(ended.stdout))
        seen[name] = ended._asdict() | {"stdout": stdout}
    return seen


# -- after the first try -------------------------------------------------------------------------


def _after(case: Case) -> Got:
    words = " ".join(case.setup)
    sender, recipients = queue_files.recorded_envelope(case)
    envelope = system.envelope(sender, recipients)
    with System() as ours:
        ours.start_send()
        got: Got = {"exit": system.hand_in(case.stdin, envelope).exit}
        ours.wait_until_quiet()
        if "SIGALRM" in words:
            time.sleep(1.1)
            ours.signal_send(signal.SIGALRM)
            ours.wait_until_quiet()
        got |= _queue_as_seen()
        if "SIGHUP" in words:
            _move_domain(case, recipients[0])
            ours.signal_send(signal.SIGHUP)
            ours.wait_for_turn()
            system.hand_in(case.stdin, envelope)
            ours.wait_until_quiet()
            got["after"] = {"layout": queue_files.layout()}
        ours.stop_send()
    return {**got, "log": ours.log}


def _move_domain(case: Case, recipient: bytes) -> None:
    """Make the recipient's domain virtual, as the words say; what it became the recorded log shows."""
    domain = recipient.rpartition(b"@")[2]
    locals_ = HOME / "control" / "locals"
    kept = [line for line in locals_.read_bytes().splitlines() if line != domain]
    locals_.write_bytes(b"".join(line + b"\n" for line in kept))
    prefix = queue_files.recorded_prefix(case, recipient)
    (HOME / "control" / "virtualdomains").write_bytes(b"%b:%b\n" % (domain, prefix))


def _aged(case: Case) -> Got:
    found = _AGED.search(" ".join(case.setup))
    age = int(found[1]) if found else _USUAL_AGE_S
    sender, recipients = queue_files.recorded_envelope(case)
    with System() as ours:
        ours.start_send()
        system.hand_in(case.stdin, system.envelope(sender, recipients))
        ours.wait_until_quiet()
        ours.stop_send()
        first = ours.log
        before = system.mailboxes()
        for path in QUEUE.rglob("*"):
            if path.is_file() and path.relative_to(QUEUE).parts[0] in ("info", "local", "remote"):
                system.set_times(path, int(path.stat().st_mtime) - age)
        ours.start_send()
        ours.wait_until_quiet()
        ours.stop_send()
    made = {path: normalise(text) for path, text in system.mailboxes().items() if before.get(path) != text}
    return {"log_first": first, "log": ours.log, "files": made}


# -- the queue itself ----------------------------------------------------------------------------


def _tree(case: Case) -> Got:
    with System(daemons=()) as ours:
        ours.start_send()
        return {"tree": queue_files.tree()}


def _lock(case: Case) -> Got:
    with System(daemons=()) as ours:
        ours.start_send()
        if case.setup != ["qmail-start while another one runs"]:
            return {"exit": ours.wait_for_send(), "log": ours.log}
        second = run(ours.send_command, Manner())
        ours.stop_send()
        return {
            "exit": second.exit,
            "output": send_log.without_stamps(second.stdout + second.stderr),
            "first_log": ours.log,
        }


def _retry(case: Case) -> Got:
    """Times that send's own function gives; nobody can wait for a week of them."""
    # Some words give the formula, some only mean it; then the name says the channel.
    channel = LOCAL if "+ 10)" in " ".join(case.setup) or "local" in case.name else REMOTE
    if "pairs" in case.expect:
        return {"pairs": [[age, next_retry(age, 0, channel)] for age, _ in case.expect["pairs"]]}
    times = [0]
    while times[-1] <= _WEEK_S:
        times.append(next_retry(times[-1], 0, channel))
    return {
        "seconds_after_birth": times,
        "last_one_is_the_first_past_604800": times[-1] > _WEEK_S >= times[-2],
    }


def _timeouts(case: Case) -> Got:
    return {"steps": tcpto.play(case)}


_GROUPS: dict[str, Callable[[Case], Got]] = {
    "before-preprocessing": _before,
    "qmail-queue": _before,
    "after-preprocessing": _after,
    "lifetime": _aged,
    "tree": _tree,
    "lock": _lock,
    "tcpto": _timeouts,
    "retry": _retry,
}
