"""Owns the check of the order of a delivery: each step is answered by the test, nothing is delivered."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.formats.envelope import Envelope
from appliance.formats.outcome import Permanent, Report, Temporary, Verdict
from appliance.local.delivery import Answer, Forwarding, Step, Terms, advance, cannot_forward, deliver, query
from appliance.local.instructions import NO_MAILBOX, STICKY
from appliance.local.programs import Limits, Order
from appliance.mailbox.maildir import MaildirDelivery
from appliance.mailbox.mbox import MboxDelivery
from appliance.mailbox.quota import OVER_QUOTA
from appliance.protocols.spawn import Instruction
from tests.support.mailroom import BODY, instruction_for, make_maildir

HEAD = b"Return-Path: <s@x.test>\nDelivered-To: alice@h.test\n"
LIMITS = Limits(seconds=60.0)
TERMS = Terms({b"PATH": b"/bin", b"DEFAULT": b"inherited"}, LIMITS)
Answers = Sequence[Answer | Temporary | Permanent]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir(mode=0o755)
    return tmp_path / "home"


def play(
    instruction: Instruction, answers: Answers = (), body: bytes = BODY
) -> tuple[list[Step], Report | None]:
    """The steps up to the last answer, and the report if there is one then."""
    steps = deliver(instruction, body, TERMS)
    taken: list[Step] = []
    for answer in [None, *answers]:
        outcome = advance(steps, answer)
        if isinstance(outcome, Report):
            return taken, outcome
        taken.append(outcome)
    steps.close()
    return taken, None


def write(home: Path, text: str, ending: str = "") -> None:
    (home / f".qmail{ending}").write_text(text)


def done(text: bytes) -> Report:
    return Report(Verdict.DONE, text)


def deferred(sentence: str) -> Report:
    return Report(Verdict.TRY_AGAIN, sentence.encode() + b"\n" if sentence else b"")


def refused(sentence: str) -> Report:
    return Report(Verdict.NEVER, sentence.encode() + b"\n" if sentence else b"")


def test_the_default_delivery_goes_to_the_maildir(home: Path) -> None:
    steps, report = play(instruction_for(home), [None])

    assert [MaildirDelivery(bytes(home / "./Maildir") + b"/", HEAD, BODY)] == [
        step._replace(maildir=step.maildir.replace(b"/./", b"/"))
        for step in steps
        if isinstance(step, MaildirDelivery)
    ]
    assert done(b"did 1+0+0\n") == report


def test_an_mbox_has_its_from_line(home: Path) -> None:
    write(home, "/var/spool/alice\n")

    (step, *_), report = play(instruction_for(home), [None])

    assert isinstance(step, MboxDelivery)
    assert (b"/var/spool/alice", b"/var/spool/alice", HEAD) == (step.path, step.name, step.head)
    assert step.from_line.startswith(b"From s@x.test ")
    assert done(b"did 1+0+0\n") == report


def test_forwards_are_queued_once_and_last(home: Path) -> None:
    write(home, "&bob@x.test\n./Mailbox\ncarol\n")

    steps, report = play(instruction_for(home), [None, 4711])

    assert [MboxDelivery, Forwarding] == [type(step) for step in steps]
    envelope = Envelope(b"s@x.test", (b"bob@x.test", b"carol"))
    assert Forwarding(envelope, b"Delivered-To: alice@h.test\n", BODY) == steps[1]
    assert done(b"did 1+2+0\nqp 4711\n") == report


def test_forwards_of_a_list_come_from_its_owner(home: Path) -> None:
    write(home, "&bob@x.test\n", "-list")
    write(home, "", "-list-owner")

    ((step), *_), _ = play(instruction_for(home, "list"))

    assert isinstance(step, Forwarding)
    assert b"alice-list-owner@h.test" == step.envelope.sender


def test_a_failed_line_ends_the_delivery_and_nothing_is_forwarded(home: Path) -> None:
    write(home, "&bob@x.test\n./A/\n./B/\n./C/\n")

    steps, report = play(instruction_for(home), [None, Temporary("Unable to chdir to maildir. (#4.2.1)")])

    assert 2 == len(steps)
    assert deferred("Unable to chdir to maildir. (#4.2.1)") == report


def test_a_program_has_its_command_home_and_variables(home: Path) -> None:
    write(home, "|cat >x \n", "-default")

    (step, *_), report = play(instruction_for(home, "Ext"), [0])

    assert isinstance(step, Order)
    assert (b"cat >x", bytes(home), BODY, LIMITS) == (step.command, step.home, step.body, step.limits)
    found = step.environment
    assert (b"/bin", b"alice", b"Ext") == (found[b"PATH"], found[b"USER"], found[b"DEFAULT"])
    assert done(b"did 0+0+1\n") == report


def test_an_inherited_default_is_no_default(home: Path) -> None:
    write(home, "|true\n")

    (step, *_), _ = play(instruction_for(home))

    assert isinstance(step, Order)
    assert b"DEFAULT" not in step.environment


@pytest.mark.parametrize(
    ("code", "report"),
    [
        *((code, refused("")) for code in (100, 64, 65, 70, 76, 77, 78, 112)),
        *((code, deferred("")) for code in (1, 2, 66, 71, 74, 75, 111, 127, 255)),
    ],
)
def test_the_exit_code_of_a_program_decides(home: Path, code: int, report: Report) -> None:
    write(home, "|exit\n./after\n")

    assert report == play(instruction_for(home), [code])[1]


def test_exit_99_skips_the_rest_but_not_the_forwards_before(home: Path) -> None:
    write(home, "&one@x.test\n|exit 99\n&two@x.test\n./after\n")

    steps, report = play(instruction_for(home), [99, 5])

    assert [Order, Forwarding] == [type(step) for step in steps]
    assert isinstance(steps[1], Forwarding)
    assert (b"one@x.test",) == steps[1].envelope.recipients
    assert done(b"did 0+1+1\nqp 5\n") == report


@pytest.mark.parametrize("refusal", [Temporary("qq busy (#4.3.0)"), Permanent("no. (#5.3.0)")])
def test_a_refusal_of_the_queue_is_the_deliverys(home: Path, refusal: Temporary | Permanent) -> None:
    write(home, "&bob@x.test\n")

    _, report = play(instruction_for(home), [cannot_forward(refusal)])

    temporary = deferred("Unable to forward message: qq busy (#4.3.0).")
    permanent = refused("Unable to forward message: no. (#5.3.0).")
    assert report == (temporary if isinstance(refusal, Temporary) else permanent)


def test_the_first_line_must_not_be_blank_and_the_x_bit_allows_no_file(home: Path) -> None:
    write(home, " \n./Mailbox\n")
    blank = play(instruction_for(home))[1]
    write(home, "./Mailbox\n")
    (home / ".qmail").chmod(0o744)

    assert deferred("Uh-oh: first line of .qmail file is blank. (#4.2.1)") == blank
    refusal = "Uh-oh: .qmail has file delivery but has x bit set. (#4.7.0)"
    assert deferred(refusal) == play(instruction_for(home))[1]


def test_the_checks_come_in_the_order_of_qmail_local(home: Path) -> None:
    looping = b"Delivered-To: alice-x@h.test\n\n"
    instruction = instruction_for(home, "x")

    home.chmod(0o1777)
    writable = play(instruction, body=looping)[1]
    home.chmod(0o1755)
    sticky = play(instruction, body=looping)[1]
    home.chmod(0o755)
    loop = play(instruction, body=looping)[1]
    nobody = play(instruction)[1]

    assert deferred("Uh-oh: home directory is writable. (#4.7.0)") == writable
    assert deferred(STICKY) == sticky
    assert refused("This message is looping: it already has my Delivered-To line. (#5.4.6)") == loop
    assert refused(NO_MAILBOX) == nobody


def test_a_query_finds_what_a_delivery_would_find(home: Path) -> None:
    write(home, "./x\n", "-x")
    answers = [query(instruction_for(home, extension)) for extension in ("", "x", "y")]
    home.chmod(0o1755)
    sticky = query(instruction_for(home))

    assert [done(b""), done(b""), refused(NO_MAILBOX)] == answers
    assert done(b"") == sticky


def full_maildir(home: Path) -> None:
    make_maildir(home / "Maildir")
    (home / "Maildir/maildirsize").write_text("100S\n100 1\n")


def test_a_query_says_that_a_maildir_is_full(home: Path) -> None:
    full_maildir(home)

    assert refused(OVER_QUOTA) == query(instruction_for(home))


def test_a_program_may_keep_mail_from_a_maildir_that_is_full(home: Path) -> None:
    full_maildir(home)
    write(home, "|exit 99\n./Maildir/\n")
    write(home, "./Maildir/\n|exit 99\n", "-x")

    assert [done(b""), refused(OVER_QUOTA)] == [query(instruction_for(home, name)) for name in ("", "x")]


def test_a_query_for_a_home_that_is_missing_cannot_tell(home: Path) -> None:
    home.rmdir()

    assert Verdict.TRY_AGAIN == query(instruction_for(home)).verdict


@given(content=st.binary(max_size=200))
def test_any_bytes_as_a_qmail_file_end_in_a_report(home: Path, content: bytes) -> None:
    (home / ".qmail").write_bytes(content)

    steps, report = play(instruction_for(home), [0] * 300)

    assert report is not None
    assert len(steps) <= content.count(b"\n") + 1
