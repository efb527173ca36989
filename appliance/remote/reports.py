"""Owns what came of a transaction: a field a recipient and one for the message, as qmail-remote reports.

    r | h sentence | s sentence      a recipient: accepted, refused for good, refused for now
    K | Z | D sentence               the message: taken, try again, never

qmail-rspawn makes one report of a recipient's field and the message's; so does `report_of`.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from appliance.formats.outcome import Report, Verdict
from appliance.protocols.smtp_client import Answered, Stage
from appliance.remote import sentences

_RECIPIENT = {Verdict.DONE: b"r", Verdict.NEVER: b"h", Verdict.TRY_AGAIN: b"s"}
_VERDICTS = {b"h": Verdict.NEVER, b"s": Verdict.TRY_AGAIN}


class Outcome(NamedTuple):
    """The fields; a recipient of whom the peer said nothing has none."""

    recipients: tuple[bytes | None, ...]
    message: Report

    @property
    def nobody_accepted(self) -> bool:
        """Whether every recipient was refused by himself."""
        return bool(self.recipients) and not {b"r", None} & {*self.recipients}


def never(sentence: bytes) -> Outcome:
    """A message that will reach nobody, before any recipient was named."""
    return Outcome((), Report(Verdict.NEVER, sentence))


def try_again(sentence: bytes) -> Outcome:
    """A message that reached nobody this time."""
    return Outcome((), Report(Verdict.TRY_AGAIN, sentence))


def judge(peer: bytes, recipients: int, answers: Iterable[Answered], *, critical: bool) -> Outcome:
    """What a dialogue's answers mean; `critical` if it ended after the dot and before its reply."""
    fields: list[bytes | None] = [None] * recipients
    for answer in answers:
        if answer.stage is Stage.RCPT:
            fields[answer.recipient] = _recipient_field(peer, answer)
        elif (report := _message_report(peer, answer)) is not None:
            return Outcome(tuple(fields), report)
    outcome = Outcome(tuple(fields), Report(Verdict.TRY_AGAIN, sentences.died(peer, critical=critical)))
    if outcome.nobody_accepted:
        return outcome._replace(message=Report(Verdict.NEVER, sentences.giving_up(peer)))
    return outcome


def judge_package(peer: bytes, recipients: int, responses: Sequence[Report], *, critical: bool) -> Outcome:
    """What a QMTP server's responses mean, in the order of the recipients; `critical` if some are missing.

    Each is the last word for its recipient. Who has none when others are accepted has a field for himself,
    since the message's report is the others'.
    """
    fields: list[bytes | None] = [_response_field(peer, response) for response in responses]
    missing = recipients - len(responses)
    died = sentences.died(peer, critical=critical)
    for response in responses:
        if response.verdict is Verdict.DONE:
            report = Report(Verdict.DONE, sentences.accepted(peer, response.text))
            return Outcome((*fields, *[b"s" + died] * missing), report)
    if missing:
        return Outcome((*fields, *[None] * missing), Report(Verdict.TRY_AGAIN, died))
    return Outcome(tuple(fields), Report(Verdict.NEVER, sentences.giving_up(peer)))


def report_of(outcome: Outcome, recipient: int) -> Report:
    """The one report for send of a recipient, by his place in the transaction."""
    field = outcome.recipients[recipient] if outcome.recipients else None
    if field is None or field == b"r":
        return outcome.message
    text = field[1:] if field.endswith(b"\n") else field[1:] + b"\n"  # a long reply was cut
    if outcome.nobody_accepted:
        text += outcome.message.text
    return Report(_VERDICTS[field[:1]], text)


def format_outcome(outcome: Outcome) -> bytes:
    """What qmail-remote prints: every field ended by a NUL."""
    fields = [field for field in outcome.recipients if field is not None]
    return b"".join(
        b"%b\0" % field for field in [*fields, outcome.message.verdict.value + outcome.message.text]
    )


def _recipient_field(peer: bytes, answer: Answered) -> bytes:
    if answer.reply is None:
        return b"h" + sentences.not_internationalized(peer)
    return _response_field(peer, Report(answer.reply.verdict, answer.reply.text))


def _response_field(peer: bytes, response: Report) -> bytes:
    letter = _RECIPIENT[response.verdict]
    return letter if letter == b"r" else letter + sentences.recipient_disliked(peer, response.text)


def _message_report(peer: bytes, answer: Answered) -> Report | None:
    """None for a consent on the way to the message."""
    if answer.reply is None:
        return Report(Verdict.NEVER, sentences.not_internationalized(peer))
    verdict = answer.reply.verdict
    if answer.stage in (Stage.GREETING, Stage.EHLO, Stage.HELO):
        verdict = Verdict.TRY_AGAIN  # a host that refuses us altogether may have a bad day
    elif answer.stage is Stage.MESSAGE and verdict is Verdict.DONE:
        return Report(verdict, sentences.accepted(peer, answer.reply.text))
    elif verdict is Verdict.DONE:
        return None
    return Report(verdict, _REFUSALS[answer.stage](peer, answer.reply.text))


_REFUSALS: dict[Stage, Callable[[bytes, bytes], bytes]] = {
    Stage.GREETING: sentences.greeting_failed,
    Stage.EHLO: sentences.name_rejected,
    Stage.HELO: sentences.name_rejected,
    Stage.MAIL: sentences.sender_rejected,
    Stage.DATA: sentences.data_failed,
    Stage.MESSAGE: sentences.message_failed,
}
