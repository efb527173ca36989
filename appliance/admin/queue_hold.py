"""Owns `toaster queue hold` and `release`: which messages are not to be tried for now."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

import click

from appliance.admin import output
from appliance.admin.context import Context
from appliance.formats.handin import Word
from appliance.formats.outcome import Report, Verdict
from appliance.queue import census, client
from appliance.queue.layout import SPLIT, Layout
from appliance.system.place import Place

_NUMBER = click.IntRange(1, 2**64 - 1)


class Choice(NamedTuple):
    """Which messages are meant: by number, by patterns of sender and recipients left, or all."""

    numbers: tuple[int, ...]
    sender: str | None
    recipient: str | None
    everything: bool


def _choice_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--all", "everything", is_flag=True, help="All messages."),
        click.option("--to", metavar="PATTERN", help="Those with a recipient left like *@far.test."),
        click.option("--from", "from_", metavar="PATTERN", help="Those whose sender is like *@far.test."),
        click.argument("numbers", type=_NUMBER, nargs=-1, metavar="[NUMBER]..."),
    ):
        command = option(command)
    return command


def _choice(numbers: tuple[int, ...], from_: str | None, to: str | None, everything: bool) -> Choice:
    if bool(numbers) + (from_ is not None or to is not None) + everything != 1:
        raise click.UsageError("tell NUMBERs of messages, or --from and --to, or --all")
    return Choice(numbers, from_ and from_.lower(), to and to.lower(), everything)


@click.command()
@_choice_options
@click.pass_obj
def hold(
    context: Context, numbers: tuple[int, ...], from_: str | None, to: str | None, everything: bool
) -> None:
    """Do not try messages until they are released: not by schedule, signal or order, nor after a restart.

    Whom a message is being delivered to just now still gets it. A held message does not grow too old.

    \b
    Example:
        toaster queue hold 1234
        toaster queue hold --to '*@slow.test'
    """
    place = context.place
    chosen = chosen_of(place, _choice(numbers, from_, to, everything))
    _order(place, Word.HOLD, chosen)


@click.command()
@_choice_options
@click.pass_obj
def release(
    context: Context, numbers: tuple[int, ...], from_: str | None, to: str | None, everything: bool
) -> None:
    """Let messages that are held be tried again, at once.

    One that is older than queuelifetime by now bounces if it fails; `rejuvenate` it for another lifetime.

    \b
    Example:
        toaster queue release 1234
        toaster queue release --all
    """
    place = context.place
    choice = _choice(numbers, from_, to, everything)
    layout = Layout(place.queue)
    chosen = chosen_of(place, choice)
    _order(place, Word.RELEASE, chosen if numbers else [n for n in chosen if layout.is_held(n)])


def chosen_of(place: Place, choice: Choice) -> list[int]:
    """The numbers of the messages that a choice means, in order. OSError."""
    if choice.numbers or not (place.queue / "info").exists():
        return list(choice.numbers)
    layout = Layout(place.queue)
    if choice.everything:
        settled = {number for part in range(SPLIT) for number in layout.numbers("info", part)}
        return sorted(settled | census.unsettled(place.queue))
    return sorted({number for number, sender, left in _envelopes(place) if _is_meant(choice, sender, left)})


def _envelopes(place: Place) -> Iterator[tuple[int, bytes, list[bytes]]]:
    for number, found in census.all_arriving(place.queue).items():
        yield number, found.envelope.sender, list(found.envelope.recipients)
    for message in census.waiting(place.queue):
        left = [recipient.address for _, recipient in message.recipients if not recipient.done]
        yield message.number, message.sender, left


def _is_meant(choice: Choice, sender: bytes, recipients: list[bytes]) -> bool:
    def is_like(address: bytes, pattern: str) -> bool:
        return fnmatchcase(address.decode("utf-8", "surrogateescape").lower(), pattern)

    return (choice.sender is None or is_like(sender, choice.sender)) and (
        choice.recipient is None or any(is_like(address, choice.recipient) for address in recipients)
    )


def _order(place: Place, word: Word, chosen: list[int]) -> None:
    """Order it; tell the sentence of each, or count the sentences of many. What was done lasts afterwards."""
    if not chosen:
        output.say("no message is meant")
        return
    reports = client.orders(place.socket("queue"), word, output.progress(word.name.lower(), chosen))
    counts: Counter[Report] = Counter()
    for number, report in zip(chosen, reports, strict=True):
        counts[report] += 1
        if len(chosen) == 1:
            _tell(f"message {number}", report)
    Layout(place.queue).sync_holds(chosen)
    if len(chosen) > 1:
        for report, count in counts.most_common():
            _tell(f"{count} messages" if count > 1 else "1 message", report)
    _end(counts)


def _tell(whose: str, report: Report) -> None:
    sentence = f"{whose}: {report.text.decode('utf-8', 'backslashreplace')}"
    if report.verdict is Verdict.DONE:
        output.say(sentence, output.GOOD)
    else:
        output.complain(sentence)


def _end(counts: Iterable[Report]) -> None:
    if any(report.verdict is not Verdict.DONE for report in counts):
        raise SystemExit(1)
