"""Owns the order of a delivery (qmail-local(8)): the checks, the lines of .qmail one by one, forwards last.

A delivery is a generator: it yields what is to be done next (a message for a Maildir, an mbox, a program, the
queue), is sent what came of it, and returns its report. So a worker runs many side by side, and the
program qmail-local one from start to end.

A failure ends the delivery where it stands; what was done before it is done again by the next try.
"""

import os
import time
from collections.abc import Generator, Mapping
from typing import NamedTuple

from appliance.formats import dotqmail
from appliance.formats.envelope import Envelope
from appliance.formats.outcome import NEVER_CODES, Permanent, Report, Temporary, Verdict
from appliance.local import instructions
from appliance.local.environment import Lines, lines_of, variables
from appliance.local.programs import Limits, Order
from appliance.mailbox import quota
from appliance.mailbox.body import Body, has_header_line
from appliance.mailbox.maildir import MaildirDelivery
from appliance.mailbox.mbox import MboxDelivery
from appliance.protocols.spawn import Instruction

LOOPING = "This message is looping: it already has my Delivered-To line. (#5.4.6)"

_SKIP_THE_REST = 99
_NEEDS_NEW_SENDER = (dotqmail.Program, dotqmail.Forward)


class Terms(NamedTuple):
    """What all deliveries of a process share: the environment under the variables, what programs may use."""

    environment: Mapping[bytes, bytes]
    limits: Limits


class Forwarding(NamedTuple):
    """A message for the queue: the line put in front and the body."""

    envelope: Envelope
    head: bytes
    body: Body


Step = MaildirDelivery | MboxDelivery | Order | Forwarding
Answer = int | None
"""A program's exit code, a message's number; failures are thrown in as Temporary and Permanent."""
Steps = Generator[Step, Answer, Report]


def deliver(instruction: Instruction, body: Body, terms: Terms) -> Steps:
    """Deliver a message to one recipient; `advance` with None gives what is to be done first."""
    try:
        return (yield from _deliver(instruction, body, terms))
    except (Temporary, Permanent) as refusal:
        return refused(refusal)


def advance(steps: Steps, answer: Answer | Temporary | Permanent) -> Step | Report:
    """Go on with what came of the last step (None at first): the next one, or the report at the end."""
    try:
        if isinstance(answer, Temporary | Permanent):
            return steps.throw(answer)
        return steps.send(answer)
    except StopIteration as end:
        report: Report = end.value
        return report


def query(instruction: Instruction) -> Report:
    """Whether a delivery would find somebody with room: done, never, or why it cannot be told now."""
    try:
        instructions.enter_home(instruction.home)  # a sticky home holds mail, it does not refuse it
        for order in instructions.find(instruction).orders:
            if isinstance(order, dotqmail.Program):
                break  # it may end the delivery before the Maildirs behind it
            if isinstance(order, dotqmail.Maildir):
                quota.check_room(os.path.join(instruction.home, order.path))
    except (Temporary, Permanent) as refusal:
        return refused(refusal)
    return Report(Verdict.DONE, b"")


def cannot_forward(refusal: Temporary | Permanent) -> Temporary | Permanent:
    """What a delivery says when the queue refused its forwards."""
    return type(refusal)(f"Unable to forward message: {refusal.sentence.removesuffix('.')}.")


def refused(refusal: Temporary | Permanent) -> Report:
    """The report of a delivery that ends so; a program that refused has said why itself."""
    verdict = Verdict.TRY_AGAIN if isinstance(refusal, Temporary) else Verdict.NEVER
    text = refusal.sentence + "\n" if refusal.sentence else ""
    return Report(verdict, text.encode("utf-8", "surrogateescape"))


def _deliver(instruction: Instruction, body: Body, terms: Terms) -> Steps:
    if instructions.enter_home(instruction.home):
        raise Temporary(instructions.STICKY)
    lines = lines_of(instruction, time.time())
    if has_header_line(body, lines.delivered_to):
        raise Permanent(LOOPING)
    found = instructions.find(instruction)
    new_sender = b""
    if any(isinstance(order, _NEEDS_NEW_SENDER) for order in found.orders):
        new_sender = instructions.forward_sender(instruction)
    letter = _Letter(instruction, body, lines, new_sender)
    return (yield from _carry_out(found, letter, terms))


class _Letter(NamedTuple):
    instruction: Instruction
    body: Body
    lines: Lines
    new_sender: bytes


def _carry_out(found: instructions.Found, letter: _Letter, terms: Terms) -> Steps:
    files = programs = 0
    forwards: list[bytes] = []
    for order in found.orders:
        match order:
            case dotqmail.Fault():
                raise Temporary(order.sentence)
            case dotqmail.Forward():
                forwards.append(order.address)
            case dotqmail.Program():
                programs += 1
                code = yield _program(order.command, found, letter, terms)
                if code == _SKIP_THE_REST:
                    break
                if code:
                    raise Permanent("") if code in NEVER_CODES else Temporary("")
            case _:
                files += 1
                yield _file(order, letter)
    text = b"did %d+%d+%d\n" % (files, len(forwards), programs)
    if forwards:
        number = yield _forwarding(forwards, letter)
        text += b"qp %d\n" % (number or 0)
    return Report(Verdict.DONE, text)


def _file(order: dotqmail.Maildir | dotqmail.Mbox, letter: _Letter) -> MaildirDelivery | MboxDelivery:
    path = os.path.join(letter.instruction.home, order.path)
    head = letter.lines.return_path + letter.lines.delivered_to
    if isinstance(order, dotqmail.Maildir):
        return MaildirDelivery(path, head, letter.body)
    return MboxDelivery(path, order.path, letter.lines.from_line, head, letter.body)


def _program(command: bytes, found: instructions.Found, letter: _Letter, terms: Terms) -> Order:
    environment = dict(terms.environment)
    environment.pop(b"DEFAULT", None)
    environment |= variables(letter.instruction, letter.lines, letter.new_sender, found.default)
    return Order(command, letter.instruction.home, environment, letter.body, terms.limits)


def _forwarding(addresses: list[bytes], letter: _Letter) -> Forwarding:
    return Forwarding(Envelope(letter.new_sender, tuple(addresses)), letter.lines.delivered_to, letter.body)
