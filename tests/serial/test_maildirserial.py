"""The program maildirserial with clients of every kind."""

import os
import shlex

import pytest

from tests.support.serial_rig import PREFIX, SerialRig

CALLED_WRONGLY = "maildirserial: usage: maildirserial [ -b ] [ -t lifetime ] dir prefix client [ arg ... ]\n"


def saying(report: str) -> tuple[str, ...]:
    """A client that reports the same of each message."""
    return ("sh", "-c", f"tr '\\0' '\\n' | while read name; do printf '%s\\0{report}\\n' $name; done")


def test_what_is_sent_goes_and_the_oldest_goes_first(rig: SerialRig) -> None:
    os.utime(rig.put("2", "joe@far.test"), (100, 100))
    rig.put("1", "sue@far.test")

    ran = rig.serial(*saying("Kok"))

    assert 0 == ran.returncode
    told = [f"maildirserial: info: new/{name} succeeded: ok\n" for name in "21"]
    assert "".join(told) == ran.stderr
    assert [] == rig.left


def test_mail_with_another_prefix_stays_and_is_not_counted(rig: SerialRig) -> None:
    (rig.maildir / "new" / "1").write_bytes(b"Return-Path: <s@x>\nDelivered-To: near-joe@far.test\n\n")

    ran = rig.serial(*saying("Kok"))

    assert (0, "", ["1"]) == (ran.returncode, ran.stderr, rig.left)


def test_a_failure_for_now_is_tried_once_in_a_run(rig: SerialRig) -> None:
    rig.put("1", "joe@far.test")

    ran = rig.serial(*saying("Zlater"))

    assert (111, ["1"], b"") == (ran.returncode, rig.left, rig.bounce)
    assert "maildirserial: info: new/1 failed temporarily: later\n" == ran.stderr


def test_a_failure_for_good_bounces_only_if_asked(rig: SerialRig) -> None:
    rig.put("1", "joe@far.test")

    assert (111, ["1"]) == (rig.serial(*saying("Dno"), options=()).returncode, rig.left)
    assert b"" == rig.bounce

    assert (0, []) == (rig.serial(*saying("Dno")).returncode, rig.left)
    assert b"\n<joe@far.test>:\nno\n\n--- Below" in rig.bounce


def test_what_is_too_old_has_failed_for_good(rig: SerialRig) -> None:
    os.utime(rig.put("1", "joe@far.test"), (100, 100))
    rig.put("2", "sue@far.test")

    ran = rig.serial(*saying("Zlater"), options=("-b", "-t3600"))

    assert (111, ["2"]) == (ran.returncode, rig.left)
    assert b"\n<joe@far.test>:\nlater\nThis message is too old. Giving up.\n\n" in rig.bounce


@pytest.mark.parametrize(
    ("code", "starts", "client"),
    [
        (111, 3, ("sh", "-c", "echo start >>starts")),
        (100, 1, ("sh", "-c", "echo start >>starts; exit 100")),
        (111, 1, ("sh", "-c", "echo start >>starts; kill -9 $$")),
    ],
)
def test_a_client_that_gets_nowhere_is_given_up(
    rig: SerialRig, code: int, starts: int, client: tuple[str, ...]
) -> None:
    rig.put("1", "joe@far.test")

    assert code == rig.serial(*client).returncode
    assert (starts, ["1"]) == ((rig.maildir / "starts").read_text().count("start"), rig.left)


def test_what_is_sent_goes_though_nobody_hears_of_it(rig: SerialRig) -> None:
    rig.put("1", "joe@far.test")
    words = shlex.join(("maildirserial", "-b", "--", "Maildir", PREFIX, *saying("Kok")))

    rig.run("sh", "-c", f"{words} 2>&1 | true")
    assert [] == rig.left


def test_a_client_that_is_no_program_is_told_of(rig: SerialRig) -> None:
    rig.put("1", "joe@far.test")

    ran = rig.serial("no-such-client")

    assert 111 == ran.returncode
    assert 3 == ran.stderr.count("maildirserial: fatal: unable to run no-such-client: file does not exist\n")


def test_a_client_cannot_remove_what_it_was_not_given(rig: SerialRig) -> None:
    rig.put("1", "joe@far.test")
    other = rig.folder / "other"
    other.touch()

    assert 100 == rig.serial("sh", "-c", "printf '../other\\0Kok\\n'; exit 100").returncode
    assert other.exists()


@pytest.mark.parametrize("words", [(), ("Maildir",), ("Maildir", ""), ("-x", "Maildir", "", "true")])
def test_it_says_how_it_is_called(rig: SerialRig, words: tuple[str, ...]) -> None:
    ran = rig.run("maildirserial", *words)

    assert (100, CALLED_WRONGLY) == (ran.returncode, ran.stderr)


def test_a_folder_that_is_not_there_is_told_of(rig: SerialRig) -> None:
    ran = rig.run("maildirserial", "nowhere", "", "true")

    assert (111, "maildirserial: fatal: unable to chdir to nowhere: file does not exist\n") == (
        ran.returncode,
        ran.stderr,
    )
