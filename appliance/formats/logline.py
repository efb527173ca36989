"""Owns the text that may stand in a log line (qmail-log(5)), and the line's other form, an object of JSON.

A newline becomes `/`; `%`, blanks and all bytes that are not printable ASCII become `_`, so a line has as
many words as its writer gave it, and no peer can forge another.
"""

import json
import re

_SAFE = bytes(
    ord("/") if i == 10 else i if 33 <= i <= 126 and i != ord("%") else ord("_") for i in range(256)
)


def safe_text(text: bytes) -> str:
    """Write bytes from outside, an address or a delivery report, as one word of a log line."""
    return text.translate(_SAFE).decode("ascii")


_NUMBERS = {
    "msg",
    "delivery",
    "size",
    "recipients",
    "qp",
    "uid",
    "local",
    "local_limit",
    "remote",
    "remote_limit",
}
_EVENTS = [
    re.compile(pattern, re.DOTALL)
    for pattern in (
        r"(?P<event>new) msg (?P<msg>\d+)",
        r"(?P<event>info) msg (?P<msg>\d+): bytes (?P<size>\d+) from <(?P<sender>.*)>"
        r" qp (?P<qp>\d+) uid (?P<uid>\d+)",
        r"(?P<event>starting) delivery (?P<delivery>\d+): msg (?P<msg>\d+)"
        r" to (?P<channel>\w+) (?P<recipient>.*)",
        r"(?P<event>delivery) (?P<delivery>\d+): (?P<result>success|deferral|failure): (?P<text>.*)",
        r"(?P<event>status): local (?P<local>\d+)/(?P<local_limit>\d+)"
        r" remote (?P<remote>\d+)/(?P<remote_limit>\d+)(?: (?P<text>.+))?",
        r"(?P<event>bounce|delay) msg (?P<msg>\d+) qp (?P<qp>\d+)",
        r"(?P<event>end) msg (?P<msg>\d+)",
        r"(?P<event>triple bounce): discarding bounce/(?P<msg>\d+)",
        r"(?P<event>drop|hold|release) msg (?P<msg>\d+): by uid (?P<uid>\d+)(?:; (?P<text>.*))?",
        r"(?P<event>login) (?P<login>\S+) from (?P<client>\S+)",
        r"(?P<event>submission) (?P<login>\S+) from (?P<client>\S+): sender <(?P<sender>.*)>"
        r" recipients (?P<recipients>\d+) bytes (?P<size>\d+): (?P<text>.*)",
        r"(?P<event>alert|warning|status): (?P<text>.*)",
    )
]

Facts = dict[str, str | int]


class Structure:
    """Puts the lines of one program into the other form, in the order in which they are written."""

    def __init__(self) -> None:
        self._open: dict[int, Facts] = {}  # the deliveries that have no result yet: as many as may run

    def format(self, time: str, program: str, text: str) -> str:
        """A line as an object of JSON, without the newline."""
        return json.dumps({"time": time, "program": program, **self.facts(text)})

    def facts(self, text: str) -> Facts:
        """What a line tells, by name; a line of no known kind is the event `line` with its text.

        The end of a delivery tells of which message and recipient it was, as its start did.
        """
        found = next((match for kind in _EVENTS if (match := kind.fullmatch(text))), None)
        if found is None:
            return {"event": "line", "text": text}
        facts: Facts = {
            name: int(value) if name in _NUMBERS else value
            for name, value in found.groupdict().items()
            if value is not None
        }
        if facts["event"] == "starting":
            self._open[int(found["delivery"])] = facts
        elif facts["event"] == "delivery":
            facts = {**self._open.pop(int(found["delivery"]), {}), **facts}
        return facts
