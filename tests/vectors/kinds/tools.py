"""Owns the cases of the small programs that users and scripts call."""

from pathlib import Path

from appliance.queue.layout import Layout
from tests.vectors import world
from tests.vectors.case import CannotPlay, Case, Difference, compare, compare_fields
from tests.vectors.kinds.local import normalised_files
from tests.vectors.kinds.preparing import handed_in, prepare, take_for_queue
from tests.vectors.normalise import normalised
from tests.vectors.running import Manner, program, run
from tests.vectors.world import HOME, SCRATCH, place_files

_LOOKED_AT = (Path("/home"), HOME / "control")


def play(case: Case) -> list[Difference]:
    """Run the program where the case says, with a stand-in for qmail-queue."""
    place_files(case)
    if left := prepare(case):
        raise CannotPlay(left[0])
    (HOME / "queue").mkdir()
    Layout(HOME / "queue").lay_out()  # that of a host without mail
    before, folders = world.look(*_LOOKED_AT), world.look_for_folders(*_LOOKED_AT)
    environment = case.environment | take_for_queue()
    if "PATH" not in environment:
        environment["PATH"] = f"{SCRATCH}:{world.PATH}"
    linked = SCRATCH / case.tool
    path = str(linked) if linked.is_symlink() else program(case.tool)
    cwd = Path(case.record.get("cwd", "/home/alice"))
    ended = run([path, *case.argv], Manner(environment, case.user, cwd), case.stdin)
    differences = compare_fields(case.expect, normalised(ended._asdict()))
    if "expect_queue" in case.record:
        differences += compare("queue", case.record["expect_queue"], normalised(handed_in()))
    if "expect_files" in case.record:
        made = world.changes(before, world.look(*_LOOKED_AT))
        now = world.look_for_folders(*_LOOKED_AT)
        made |= {path: entry for path, entry in now.items() if path not in folders}
        differences += compare("files", case.record["expect_files"], normalised_files(made))
    return differences
