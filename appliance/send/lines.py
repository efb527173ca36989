"""Owns the sentences of send's log, those of qmail-log(5)."""

from collections.abc import Iterable

from appliance.formats.logline import safe_text
from appliance.formats.outcome import Report, Verdict
from appliance.send.acceptance import Accepted
from appliance.send.channel import Channel

_WORDS = {Verdict.DONE: "success", Verdict.TRY_AGAIN: "deferral", Verdict.NEVER: "failure"}


def info(accepted: Accepted) -> str:
    """Who sent a new message, how large it is and who handed it in."""
    origin = accepted.origin
    sender = safe_text(accepted.envelope.sender)
    return (
        f"info msg {accepted.number}: bytes {accepted.size} from <{sender}> qp {origin.pid} uid {origin.uid}"
    )


def starting(delivery: int, number: int, channel: str, address: bytes) -> str:
    """A delivery starts."""
    return f"starting delivery {delivery}: msg {number} to {channel} {safe_text(address)}"


def delivery(number: int, report: Report) -> str:
    """A delivery ended."""
    return f"delivery {number}: {_WORDS[report.verdict]}: {safe_text(report.text)}"


def status(channels: Iterable[Channel], suffix: str = "") -> str:
    """How many deliveries run, of how many that may."""
    counts = " ".join(f"{channel.name} {len(channel.open)}/{channel.limit}" for channel in channels)
    return f"status: {counts}{suffix}"
