"""Owns the cases of the whole system: a message handed in, delivered, bounced or left waiting."""

from tests.vectors import send_log, system
from tests.vectors.case import CannotPlay, Case, Difference, Json, compare
from tests.vectors.kinds.preparing import prepare
from tests.vectors.normalise import normalise
from tests.vectors.system import System
from tests.vectors.world import place_files

_START = "qmail-start "
_SINK = "smtproutes sends everything remote to a sink that accepts"
_QUEUED = "message queued by user qmaild through qmail-queue "


def play(case: Case) -> list[Difference]:
    """Run the daemons, hand the message in, wait, stop, look."""
    place_files(case)
    default_delivery = "./Maildir/"
    for sentence in prepare(case):
        if sentence.startswith(_START):
            default_delivery = sentence.removeprefix(_START)
        elif sentence != _SINK and not sentence.startswith(_QUEUED):
            raise CannotPlay(sentence)
    flag, sender, *recipients = case.argv
    if flag != b"--sender":
        raise CannotPlay(f"argv without --sender: {case.argv}")
    before = system.mailboxes()
    with System(default_delivery) as ours:
        ours.start_send()
        handed = system.hand_in(case.stdin, system.envelope(sender, recipients))
        if handed.exit != 0:
            return [Difference("(qmail-queue)", "exit code 0", f"exit code {handed.exit}")]
        ours.wait_until_quiet()
        ours.stop_send()
    return _compare(case, ours, before)


def _compare(case: Case, ours: System, before: dict[str, bytes]) -> list[Difference]:
    expect = case.expect
    made = {path: content for path, content in system.mailboxes().items() if before.get(path) != content}
    got: dict[str, Json] = {
        "queue_drained": system.is_drained(),
        "routes": send_log.routes(ours.log),
        "remote": [
            {name: _normalised(value) for name, value in vars(mail).items()} for mail in ours.heard.mails
        ],
        "files": {path: normalise(content) for path, content in made.items()},
        "left_in_queue": system.left_in_queue(),
    }
    differences = send_log.compare_logs("log", expect.pop("log").encode(), ours.log)
    for name, expected in expect.items():
        differences += compare(name, expected, got.get(name))
    return differences


def _normalised(value: Json) -> Json:
    return normalise(value) if isinstance(value, bytes) else value
