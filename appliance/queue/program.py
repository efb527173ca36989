"""Owns the program that stands in for the queue: QMAILQUEUE, qmail-queue's interface and exit codes.

The message goes to its descriptor 0, the envelope to 1; what it writes to 6 is its own sentence, if it ends
with 82: D or Z and words. Every exit code has the sentence that qmail's programs say (qmail-queue(8)).
"""

import fcntl
import os
import signal
from typing import BinaryIO

from appliance.formats.envelope import Envelope, format_envelope
from appliance.formats.outcome import FormatError, Permanent, Temporary

_ERROR_DESCRIPTOR = 6
_CUSTOM = 82
_LONGEST_SENTENCE = 255
_NOT_STARTED = "Zunable to exec qq (#4.3.0)"
_SENTENCES = {
    11: "Denvelope address too long for qq (#5.1.3)",
    31: "Dmail server permanently rejected message (#5.3.0)",
    51: "Zqq out of memory (#4.3.0)",
    52: "Zqq timeout (#4.3.0)",
    53: "Zqq write error or disk full (#4.3.0)",
    54: "Zqq read error (#4.3.0)",
    55: "Zqq unable to read configuration (#4.3.0)",
    56: "Zqq trouble making network connection (#4.3.0)",
    61: "Zqq trouble in home directory (#4.3.0)",
    **dict.fromkeys(range(62, 67), "Zqq trouble creating files in queue (#4.3.0)"),
    71: "Zmail server temporarily rejected message (#4.3.0)",
    72: "Zconnection to mail server timed out (#4.4.1)",
    73: "Zconnection to mail server rejected (#4.4.1)",
    74: "Zcommunication with mail server failed (#4.4.2)",
    81: "Zqq internal bug (#4.3.0)",
    91: "Zqq internal bug (#4.3.0)",
    115: "Denvelope address too long for qq (#5.1.3)",
    120: _NOT_STARTED,
}


def checked_wire(envelope: Envelope) -> bytes:
    """The bytes of an envelope; Permanent if an address could be read as something else."""
    try:
        return format_envelope(envelope)
    except FormatError as error:
        raise Permanent(f"{error} (#5.1.3)") from error


class QueueProgram:
    """Hands in messages by running a program for each."""

    def __init__(self, program: str) -> None:
        self._program = program

    def submit(self, envelope: Envelope, body: bytes) -> int:
        """Hand in a message; returns the number of the process that took it."""
        with _file(body) as message, _file(checked_wire(envelope)) as addresses, _file(b"") as said:
            try:
                child = self._start({0: message, 1: addresses, _ERROR_DESCRIPTOR: said})
            except OSError as failure:
                raise _refusal(_NOT_STARTED) from failure
            _, status = os.waitpid(child, 0)
            said.seek(0)
            sentence = said.read(_LONGEST_SENTENCE).decode("utf-8", "backslashreplace")
        if status:
            raise _refusal(_judge(status, sentence))
        return child

    def _start(self, descriptors: dict[int, BinaryIO]) -> int:
        actions = [(os.POSIX_SPAWN_DUP2, ours.fileno(), its) for its, ours in descriptors.items()]
        program = self._program
        return os.posix_spawnp(
            program, [program], os.environ, file_actions=actions, setsigdef=[signal.SIGPIPE]
        )


def _file(content: bytes) -> BinaryIO:
    """A file of no name, as qmail-queue may seek in its message; never one of the descriptors we set."""
    descriptor = os.memfd_create("qmail-queue")
    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, _ERROR_DESCRIPTOR + 1)
    os.close(descriptor)
    stream = open(moved, "w+b")  # noqa: SIM115 - the caller closes it
    stream.write(content)
    stream.seek(0)
    return stream


def _judge(status: int, sentence: str) -> str:
    """What is said of a program that did not take the message; D or Z in front."""
    if os.WIFSIGNALED(status):
        return "Zqq crashed (#4.3.0)"
    code = os.WEXITSTATUS(status)
    if code == _CUSTOM and len(sentence) > 2 and sentence[0] in "DZ":
        return sentence
    if code in _SENTENCES:
        return _SENTENCES[code]
    return "Dqq permanent problem (#5.3.0)" if 11 <= code <= 40 else "Zqq temporary problem (#4.3.0)"


def _refusal(sentence: str) -> Temporary | Permanent:
    return (Permanent if sentence.startswith("D") else Temporary)(sentence[1:])
