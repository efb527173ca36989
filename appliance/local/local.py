"""Owns the program qmail-local (qmail-local(8)): one delivery from start to end, the message on descriptor 0.

    qmail-local [ -nN ] user homedir local dash ext domain sender aliasempty

Programs of .qmail write straight to our standard output and error. -n prints what would be done.
Exit code 0, 111 or 100.
"""

import os
import signal
import stat
import sys
import time
from collections.abc import Mapping
from getopt import GetoptError, getopt

from appliance.formats import dotqmail
from appliance.formats.outcome import Permanent, Report, Temporary, Verdict
from appliance.local import instructions
from appliance.local.delivery import (
    Answer,
    Forwarding,
    Step,
    Terms,
    advance,
    deliver,
    refused,
)
from appliance.local.forwards import forward
from appliance.local.programs import CRASHED, Limits, Order, spawn
from appliance.mailbox import maildir, mbox
from appliance.mailbox.body import Body, Stored
from appliance.protocols.spawn import Instruction
from appliance.queue.client import Queue, queue_of
from appliance.system.place import Place

USAGE = "qmail-local: usage: qmail-local [ -nN ] user homedir local dash ext domain sender aliasempty\n"
EXIT_CODES = {Verdict.DONE: 0, Verdict.TRY_AGAIN: 111, Verdict.NEVER: 100}

_LOCK_PAUSE_S = 0.1


def main(argv: list[str], environ: Mapping[str, str]) -> int:
    """Deliver the message on descriptor 0; see the head of this file."""
    try:
        options, words = getopt(argv, "nN")
    except GetoptError as error:
        return _misused(f"qmail-local: illegal option -- {error.opt}\n")
    if len(words) != len(Instruction._fields) or not words[1].startswith("/"):
        return _misused("")
    instruction = Instruction(*(os.fsencode(word) for word in words))
    os.umask(0o077)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    if options and options[-1][0] == "-n":
        report = _print_orders(instruction)
    else:
        report = run(instruction, _body_of(0), environ)
    os.write(1 if report.verdict is Verdict.DONE else 2, report.text)
    return EXIT_CODES[report.verdict]


def _misused(words: str) -> int:
    sys.stderr.write(words + USAGE)
    return 100


def _body_of(descriptor: int) -> Body:
    """The message; a pipe is read now, since each program shall read it from its start."""
    state = os.fstat(descriptor)
    if stat.S_ISREG(state.st_mode):
        return Stored(descriptor, state.st_size)
    with open(descriptor, "rb", closefd=False) as message:
        return message.read()


def _print_orders(instruction: Instruction) -> Report:
    """-n: the orders, a line each, up to the first that would be refused."""
    counts = {"file": 0, "forward": 0, "program": 0}
    try:
        if instructions.enter_home(instruction.home):
            os.write(2, b"Warning: home directory is sticky.\n")
        for order in instructions.find(instruction).orders:
            if isinstance(order, dotqmail.Fault):
                raise Temporary(order.sentence)
            word, what = _WORDS[type(order)]
            counts[what] += 1
            os.write(1, b"%s %s\n" % (word, order[0]))
    except (Temporary, Permanent) as refusal:
        return refused(refusal)
    return Report(Verdict.DONE, b"did %d+%d+%d\n" % tuple(counts.values()))


_WORDS: dict[type, tuple[bytes, str]] = {
    dotqmail.Mbox: (b"mbox", "file"),
    dotqmail.Maildir: (b"maildir", "file"),
    dotqmail.Forward: (b"forward", "forward"),
    dotqmail.Program: (b"program", "program"),
}


def run(instruction: Instruction, body: Body, environ: Mapping[str, str]) -> Report:
    """Deliver and wait for each step."""
    terms = Terms({os.fsencode(name): os.fsencode(text) for name, text in environ.items()}, Limits())
    queue = queue_of(Place.from_environ(environ).socket("queue"), environ)
    steps = deliver(instruction, body, terms)
    outcome = advance(steps, None)
    while not isinstance(outcome, Report):
        try:
            answer = _take(outcome, queue)
        except (Temporary, Permanent) as refusal:
            outcome = advance(steps, refusal)
        else:
            outcome = advance(steps, answer)
    return outcome


def _take(step: Step, queue: Queue) -> Answer:
    match step:
        case maildir.MaildirDelivery():
            (failure,) = maildir.deliver([step], maildir.Names(plain=True))
            if failure is not None:
                raise failure
        case mbox.MboxDelivery():
            _append(step)
        case Order():
            status = os.waitpid(spawn(step, 1, 2), 0)[1]
            if not os.WIFEXITED(status):
                raise Temporary(CRASHED)
            return os.WEXITSTATUS(status)
        case Forwarding():
            return forward(step, queue)
    return None


def _append(delivery: mbox.MboxDelivery) -> None:
    descriptor = mbox.open_box(delivery)
    try:
        patience = time.monotonic() + mbox.LOCK_PATIENCE_S
        while not mbox.try_lock(descriptor):
            if time.monotonic() > patience:
                raise Temporary(mbox.LOCKED)
            time.sleep(_LOCK_PAUSE_S)
        mbox.append(descriptor, delivery)
    finally:
        os.close(descriptor)
