"""Owns the command that plays recorded cases against our programs: `python -m tests.vectors.play FOLDER`."""

import argparse
import compileall
import os
import sys
import time
from collections.abc import Callable, Iterator
from difflib import unified_diff
from functools import partial
from pathlib import Path

import appliance
from tests.vectors import alone, world
from tests.vectors.alone import Failed
from tests.vectors.case import CannotPlay, Case, Difference, read_cases
from tests.vectors.differs import Rule, is_meant, is_stale, read_rules, read_wordings, reworded
from tests.vectors.kinds import (
    daemontools,
    dotforward,
    extra,
    fastforward,
    inject,
    local,
    mess822,
    pop3,
    qmqp,
    qmtp,
    queue,
    remote,
    remotedns,
    serialmail,
    showctl,
    smtpd,
    spawn,
    tcprules,
    tools,
    ucspi,
    users,
    whole,
)

KINDS: dict[str, Callable[[Case], list[Difference]]] = {
    "bounce": whole.play,
    "daemontools": daemontools.play,
    "dotforward": dotforward.play,
    "extra": extra.play,
    "fastforward": fastforward.play,
    "inject": inject.play,
    "local": local.play,
    "mess822": mess822.play,
    "pop3": pop3.play,
    "qmqp": qmqp.play,
    "qmtp": qmtp.play,
    "queue": queue.play,
    "remote": remote.play,
    "remotedns": remotedns.play,
    "routing": whole.play,
    "serialmail": serialmail.play,
    "showctl": showctl.play,
    "smtpd": smtpd.play,
    "spawn": spawn.play,
    "tcprules": tcprules.play,
    "tools": tools.play,
    "ucspi": ucspi.play,
    "users": users.play,
}
"""How the cases of each family are played."""

_DAEMONTOOLS = {
    "envdir",
    "envuidgid",
    "fghack",
    "multilog",
    "setuidgid",
    "softlimit",
    "tai64n",
    "tai64nlocal",
}
WITHOUT_PLAYER = frozenset({"splogger"} | _DAEMONTOOLS)
"""Programs still to be built, or none of ours (splogger): a run tells of their cases and plays them, and they
fail, only with --only."""

PEOPLE = "lab-passwd.txt"
_DIFFERS = Path(__file__).with_name("differs.md")
_SHOWN_LINES = 60


def main() -> int:
    """Play; 0 if every case passed, 1 if not, 2 if nothing can be played so."""
    arguments = _arguments()
    if os.geteuid() != 0:
        print("Private name spaces need root.", file=sys.stderr)
        return 2
    families = arguments.families or sorted(
        family for family in KINDS if (arguments.folder / f"{family}.jsonl").exists()
    )
    unknown = [family for family in families if family not in KINDS]
    if unknown:
        print(
            f"No player for {' '.join(unknown)}; there is one for {' '.join(sorted(KINDS))}.", file=sys.stderr
        )
        return 2
    try:
        people = _people(arguments.folder)
        cases = [case for case in read_cases(arguments.folder, families) if arguments.only in case.name]
    except (OSError, ValueError) as error:
        print(f"Cannot read the cases: {error}", file=sys.stderr)
        return 2
    compileall.compile_dir(str(Path(appliance.__file__).parent), quiet=1)
    left_out = [] if arguments.only else [case for case in cases if case.tool in WITHOUT_PLAYER]
    cases = [case for case in cases if case not in left_out]
    tally = _Tally(read_rules(_DIFFERS), verbose=arguments.verbose)
    wordings = read_wordings(_DIFFERS)
    told = {"expect", "expect_queue"}
    cases = [
        Case({**case.record, **reworded({n: v for n, v in case.record.items() if n in told}, wordings)})
        for case in cases
    ]
    for name, result in alone.run_all(_tasks(cases, people), arguments.jobs):
        tally.take(name, result)
    return tally.close(left_out)


def _people(folder: Path) -> str:
    """The users of the recording machine: the folder's own, or those of the recordings we know."""
    own = folder / PEOPLE
    return (own if own.exists() else Path(__file__).with_name("people.txt")).read_text()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="play", description="Play recorded cases of the real tools.")
    parser.add_argument("folder", type=Path, help="where the .jsonl files lie")
    parser.add_argument("families", nargs="*", help="which files; none: all that can be played")
    parser.add_argument("-v", "--verbose", action="store_true", help="name the cases that pass, too")
    parser.add_argument("-j", "--jobs", type=int, default=2 * (os.cpu_count() or 1), help="cases at once")
    parser.add_argument("--only", default="", metavar="TEXT", help="cases whose name has this text in it")
    return parser.parse_args()


def _tasks(cases: list[Case], people: str) -> Iterator[tuple[str, Callable[[], list[Difference]]]]:
    return ((case.name, partial(_play, case, people)) for case in cases)


def _play(case: Case, people: str) -> list[Difference]:
    world.enter(people)
    try:
        return KINDS[case.family](case)
    except CannotPlay as reason:
        return [Difference("(not played)", "", str(reason))]


class _Tally:
    """What has passed, what has failed, and how it is told."""

    def __init__(self, rules: list[Rule], *, verbose: bool) -> None:
        self._rules = rules
        self._verbose = verbose
        self._passed = self._listed = self._failed = 0
        self._began = time.monotonic()

    def take(self, name: str, result: list[Difference] | Failed) -> None:
        """Count one case and tell of it."""
        if isinstance(result, Failed):
            self._fail(name, [Difference("(the player)", "a result", result.reason)])
        elif result and not is_meant(self._rules, name, result):
            self._fail(name, result)
        elif not result and is_stale(self._rules, name):
            self._fail(name, [Difference("(the list)", "a difference that is listed", "none")])
        else:
            self._passed += 1
            self._listed += bool(result)
            if self._verbose:
                print(f"{name}: {'ok, differs as listed' if result else 'ok'}", flush=True)

    def _fail(self, name: str, differences: list[Difference]) -> None:
        self._failed += 1
        print(f"{name}: FAILED", flush=True)
        for difference in differences:
            print(f"  {difference.field}:")
            for line in _difference_lines(difference):
                print(f"    {line}")

    def close(self, left_out: list[Case]) -> int:
        """Sum up; the exit code."""
        if left_out:
            tools = " ".join(sorted({case.tool for case in left_out}))
            print(f"{len(left_out)} cases not played, since their programs are none of ours: {tools}")
        print(f"{time.monotonic() - self._began:.0f} seconds, listed differences: {self._listed}")
        print(f"{self._passed} passed, {self._failed} failed", flush=True)
        return 1 if self._failed else 0


def _difference_lines(difference: Difference) -> list[str]:
    """Lines that both have stand with two blanks, what was recorded with -, what we gave with +."""
    sides = (difference.expected.splitlines(), difference.got.splitlines())
    lines = [line for line in unified_diff(*sides, n=2, lineterm="") if not line.startswith(("---", "+++"))]
    shown = [line[:400] for line in lines[:_SHOWN_LINES]]
    return (
        shown if len(lines) <= _SHOWN_LINES else [*shown, f"... and {len(lines) - _SHOWN_LINES} lines more"]
    )


if __name__ == "__main__":
    sys.exit(main())
