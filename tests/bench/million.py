"""Owns the bench of a very large queue: it is made, an appliance starts on it, its operator asks about it.

make bench ONLY=million COUNT=1000000                    all of it
python -m tests.bench.million /var/qmail/queue 1000000   the queue alone
"""

import os
import smtplib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from appliance.queue.layout import SPLIT, Layout, prepare
from appliance.system import privileges
from tests.bench import processes
from tests.support.nexthop import NextHop
from tests.support.site import CONFIG, SMTP, Site, site
from tests.support.sources import CHECKOUT

FIRST = 1000
"""The first message's number; it is one of part 11, as the others come it is in no order on the disk."""
BODY = b"Received: (qmail 1 invoked by uid 1); 1 Jan 2026 00:00:00 -0000\nSubject: it waits\n\nbody\n"
LINKS = 60_000
"""Names that one body may have (ext4 allows 65,000): send only ever reads or removes a body."""
HOUR_S, DAY_S = 3600, 86400
DUE = "due.test"
PATIENCE_S = 300.0

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC


def make(queue: Path, count: int) -> None:
    """Let so many messages wait, each due in an hour or later, but for the last one, which is due already.

    The same files as send leaves: info and remote of each; bodies are one file by many names.
    """
    words = [sys.executable, "-m", "tests.bench.million", str(queue), str(count)]
    subprocess.run(words, cwd=CHECKOUT, check=True)


def main(argv: list[str]) -> int:
    """Make a queue of that name with so many messages: QUEUE COUNT."""
    queue, numbers, now = Path(argv[0]), range(FIRST, FIRST + int(argv[1])), int(time.time())
    prepare(queue, privileges.identity_of("qmailq"))
    privileges.become("qmailq")
    Layout(queue).lay_out()
    with ProcessPoolExecutor(os.cpu_count()) as workers:
        made = [workers.submit(write_part, queue, part, numbers, now) for part in range(SPLIT)]
    return max(future.result() for future in made)


def write_part(queue: Path, part: int, numbers: range, now: int) -> int:
    """The files of those messages that belong to one part of the queue; 0."""
    mine = range(numbers.start + (part - numbers.start) % SPLIT, numbers.stop, SPLIT)
    mess, info, remote = (
        os.open(queue / name / str(part), os.O_RDONLY | os.O_DIRECTORY) for name in ("mess", "info", "remote")
    )
    for index, number in enumerate(mine):
        name = str(number)
        if index % LINKS == 0:
            body = name
            _create(mess, name, BODY, now)
        else:
            os.link(body, name, src_dir_fd=mess, dst_dir_fd=mess)
        _create(info, name, b"Fsender@outside.test\0", now - DAY_S + number % DAY_S)
        is_last = number == numbers[-1]
        host = DUE.encode() if is_last else b"host%d.test" % (number % 1000)
        # 7919 and DAY_S have no common divisor: times are spread, and in another order than the numbers.
        when = now - 1 if is_last else now + HOUR_S + number * 7919 % DAY_S
        _create(remote, name, b"Tsomeone@%b\0" % host, when)
    for folder in (mess, info, remote):
        os.close(folder)
    return 0


def _create(folder: int, name: str, content: bytes, when: int) -> None:
    descriptor = os.open(name, _NEW, 0o600, dir_fd=folder)
    os.write(descriptor, content)
    os.utime(descriptor, (when, when))
    os.close(descriptor)


def run(count: int, folder: Path | None) -> int:
    """Make the queue, in a folder on a disk, measure, print, and remove everything; 0."""
    tempfile.tempdir = str(folder) if folder else None
    with NextHop() as sink, site(config(sink.port)) as new:
        new.place.home.mkdir(mode=0o755)
        began = time.monotonic()
        _say(f"making {count:,} messages ...")
        make(new.place.queue, count)
        _tell("made", time.monotonic() - began, "s")
        for name, figure, unit in measure(new, sink):
            _tell(name, figure, unit)
        _say("deleting ...")
    return 0


def config(sink: int) -> str:
    """A config.yaml by which what is due goes to a port of this machine."""
    return f'{CONFIG}relay: {{routes: {{{DUE}: "127.0.0.1:{sink}"}}}}\n'


def measure(new: Site, sink: NextHop) -> Iterator[tuple[str, float, str]]:
    """What is found: name, figure, unit. The appliance is started."""
    began = time.monotonic()
    new.start()
    yield "new_mail_accepted_after", _until(lambda: _hand_in(new)) - began, "s"
    yield "new_mail_delivered_after", _until(lambda: bool(new.maildir("alice"))) - began, "s"
    yield "due_mail_sent_after", _until(lambda: bool(sink.messages)) - began, "s"
    _until(lambda: "mailbox " in new.log)  # the checklist: every daemon is there
    (pid,) = new.daemons()["send"]
    yield "send_memory", processes.proportional_megabytes(pid), "MB"
    yield "send_memory_at_most", processes.peak_megabytes(pid), "MB"
    for asked in ("qmail-qstat", "toaster status", "toaster queue list", "toaster queue list --group"):
        words = asked.split()
        name = "_".join(words).replace("-", "_").replace("___", "_")  # toaster_queue_list_group
        seconds, megabytes = _ask(new, words)
        yield name, seconds, "s"
        yield f"{name}_memory", megabytes, "MB"
    began = time.monotonic()
    new.down()
    yield "stopped_after", time.monotonic() - began, "s"


def _hand_in(new: Site) -> bool:
    try:
        with smtplib.SMTP("127.0.0.1", new.port(SMTP), timeout=5) as session:
            session.sendmail("sender@outside.test", "alice@example.test", "Subject: new\n\nnew\n")
    except (OSError, smtplib.SMTPException):
        return False
    return True


def _until(question: Callable[[], bool]) -> float:
    """When it was true; seconds of the monotonic clock."""
    end = time.monotonic() + PATIENCE_S
    while not question():
        if time.monotonic() > end:
            raise TimeoutError(f"not within {PATIENCE_S:.0f} s")
        time.sleep(0.02)
    return time.monotonic()


def _ask(new: Site, words: list[str]) -> tuple[float, float]:
    """How long a program of ours takes, and how large it gets: seconds, megabytes."""
    began = time.monotonic()
    program = subprocess.Popen(
        [sys.executable, "-m", "appliance", *words], env=new.environ, stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(program.pid, 0)
    program.returncode = os.waitstatus_to_exitcode(status)
    if program.returncode:
        raise RuntimeError(f"{' '.join(words)} ends with {program.returncode}")
    return time.monotonic() - began, usage.ru_maxrss / 1024


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _tell(name: str, figure: float, unit: str) -> None:
    print(f"{name:<36}{figure:>10.1f} {unit}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
