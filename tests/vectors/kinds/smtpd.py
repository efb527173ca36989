"""Owns the cases of qmail-smtpd, played against the listener smtpd.

The environment of the recorded program comes from the rules that tcprules makes, as tcpserver's would.
Behind it stand a queue that runs the recordings' stand-in for qmail-queue, and a check of recipients that
says yes, since qmail-smtpd asks nobody.
"""

import contextlib
import os
import re
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable
from itertools import zip_longest
from pathlib import Path

from appliance.formats import frame, handin
from appliance.formats.envelope import Envelope
from appliance.formats.frame import FrameBuffer
from appliance.formats.handin import Begin, End, Piece, Whole
from appliance.formats.outcome import Permanent, Report, Temporary, Verdict
from appliance.queue.program import QueueProgram
from tests.vectors.case import CannotPlay, Case, Difference, Json, compare
from tests.vectors.dialogue import talk
from tests.vectors.kinds.preparing import handed_in, prepare, take_for_queue
from tests.vectors.normalise import normalise
from tests.vectors.running import Manner, program, run, start
from tests.vectors.world import HOME, PATH, SCRATCH, daemon, place, place_files

_PORT = 25
EXTRAS = os.environ.get("EXTRAS")
"""What control/smtpextras is to be in every case: with 0 EHLO says what qmail-smtpd does."""
_STARTED_S = 100.0
_ENDED_S = 60.0
_NEWMRH = "qmail-newmrh"
_CODE = re.compile(rb"(?m)^([245]\d\d[ -])[245]\.\d\.\d+ ")
_STATUS = re.compile(rb"tcpserver: end \S+ status (\d+)")


def play(case: Case) -> list[Difference]:
    """Start the listener under the case's rules and talk to it."""
    place_files(case)
    if EXTRAS is not None:
        place(HOME / "control/smtpextras", EXTRAS)
    for sentence in prepare(case):
        if sentence != _NEWMRH:
            raise CannotPlay(sentence)
        run([program(sentence)], Manner())
    queue_program = QueueProgram(take_for_queue()["QMAILQUEUE"])
    _serve("queue", lambda connection: _take_mail(connection, queue_program))
    _serve("recipients", _say_yes)
    _write_rules(case.environment)
    log = SCRATCH / "smtpd.log"
    with log.open("wb") as stream:
        command = daemon("smtpd", f"smtp:127.0.0.1:{_PORT}")
        listener = start(command, Manner({"PATH": PATH}, cwd=HOME), subprocess.DEVNULL, stream, stream)
        connection = _connect(listener)
        if connection is None:
            return [Difference("(smtpd)", "a listener", log.read_text("utf-8", "replace"))]
        with connection:
            heard = talk(connection, case.record["dialogue"])
        status = _wait_for_status(log)
        listener.terminate()
        listener.wait(_ENDED_S)
    queued = {
        name: normalise(value) if isinstance(value, bytes) else value for name, value in handed_in().items()
    }
    got: dict[str, Json] = {"exit": status, "stderr": b""}
    return [
        *_compare_dialogues(case.record["dialogue"], _without_codes(heard)),
        *(
            difference
            for field, expected in case.expect.items()
            for difference in compare(field, expected, got.get(field))
        ),
        *compare("queue", _expected_queue(case), queued),
    ]


def _without_codes(heard: list[dict[str, Json]]) -> list[dict[str, Json]]:
    """Without enhanced status codes in front of replies, once our EHLO has announced them (RFC 2034)."""
    announced = False
    found = []
    for step in heard:
        text = step.get("recv") or b""
        found.append({**step, "recv": _CODE.sub(rb"\1", text)} if announced and text else step)
        announced = announced or b"ENHANCEDSTATUSCODES" in text
    return found


def _compare_dialogues(expected: list[Json], heard: list[Json]) -> list[Difference]:
    """Each step is a field of its own, by its verb."""
    differences: list[Difference] = []
    nothing: Json = {}
    for step, got in zip_longest(expected, heard, fillvalue=nothing):
        verb = str(step.get("send", "")).split(" ")[0].strip().upper()[:8]
        differences += compare(f"dialogue {verb}".strip(), [step], [got])
    return differences


def _expected_queue(case: Case) -> Json:
    """qmail-smtpd starts qmail-queue before the text comes; one that got no whole envelope queued nothing."""
    expected = case.record.get("expect_queue", {})
    return {"nothing_queued": True} if "envelope_raw" in expected else expected


def _write_rules(environment: dict[str, str]) -> None:
    """One rule for everybody, which sets the case's variables."""
    (HOME / "rules").mkdir()
    variables = "".join(f",{name}={_quoted(value)}" for name, value in environment.items())
    rules = [program("tcprules"), "rules/tcp.smtp.cdb", "rules/tcp.smtp.tmp"]
    run(rules, Manner(cwd=HOME), f":allow{variables}\n".encode())


def _quoted(value: str) -> str:
    """A value between two letters that are not in it."""
    quote = next(letter for letter in "\"'/|#" if letter not in value)
    return f"{quote}{value}{quote}"


def _connect(listener: "subprocess.Popen[bytes]") -> socket.socket | None:
    began = time.monotonic()
    while listener.poll() is None and time.monotonic() - began < _STARTED_S:
        with contextlib.suppress(ConnectionRefusedError):
            return socket.create_connection(("127.0.0.1", _PORT))
        time.sleep(0.02)
    return None


def _wait_for_status(log: Path) -> int | str:
    began = time.monotonic()
    while time.monotonic() - began < _ENDED_S:
        if found := _STATUS.search(log.read_bytes()):
            return int(found[1])
        time.sleep(0.02)
    return "no end of the connection in the log"


# -- what stands behind the listener -------------------------------------------------------------


def _serve(name: str, talk_to: Callable[[socket.socket], None]) -> None:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    path = HOME / "run" / f"{name}.sock"
    listener.bind(str(path))
    path.chmod(0o666)
    listener.listen()

    def accept() -> None:
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=talk_to, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()


def _say_yes(connection: socket.socket) -> None:
    buffer = FrameBuffer(64 * 1024)
    while received := connection.recv(65536):
        for _, payload in buffer.receive(received):
            (number,) = struct.unpack_from(">I", payload)
            connection.sendall(frame.format_frame(b"A", struct.pack(">Ic", number, b"K")))


def _take_mail(connection: socket.socket, queue_program: QueueProgram) -> None:
    buffer = FrameBuffer(handin.FRAME_LIMIT)
    large: dict[int, tuple[Envelope, bytearray]] = {}
    while received := connection.recv(65536):
        for kind, payload in buffer.receive(received):
            request = handin.parse_request(kind, payload)
            if isinstance(request, Begin):
                large[request.number] = (request.envelope, bytearray())
            elif isinstance(request, Piece):
                large[request.number][1].extend(request.chunk)
            elif isinstance(request, Whole | End):
                if isinstance(request, Whole):
                    large[request.number] = (request.envelope, bytearray(request.body))
                report = _hand_on(queue_program, *large.pop(request.number))
                connection.sendall(handin.format_answer(request.number, report))


def _hand_on(queue_program: QueueProgram, envelope: Envelope, body: bytearray) -> Report:
    try:
        return Report(Verdict.DONE, b"%d" % queue_program.submit(envelope, bytes(body)))
    except Temporary as refusal:
        return Report(Verdict.TRY_AGAIN, refusal.sentence.encode())
    except Permanent as refusal:
        return Report(Verdict.NEVER, refusal.sentence.encode())
