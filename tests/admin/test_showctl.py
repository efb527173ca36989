"""Owns the tests of the program qmail-showctl."""

import os
from pathlib import Path

import pytest

from appliance.admin import showctl


def told(folder: Path, capsys: pytest.CaptureFixture[str], **files: str) -> dict[str, str]:
    """What is said of each file; those to write are named with two underscores for a dot."""
    control = folder / "control"
    control.mkdir(exist_ok=True)
    for name, content in files.items():
        (control / name.replace("__", ".")).write_text(content)
    assert 0 == showctl.main([], {"TOASTER_HOME": str(folder)})
    blocks = capsys.readouterr().out.rstrip("\n").split("\n\n")
    return dict(block.split(": ", 1) for block in blocks)


def test_it_begins_with_what_is_built_in(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "control").mkdir()

    assert 0 == showctl.main([], {"TOASTER_HOME": str(tmp_path)})

    assert capsys.readouterr().out.startswith(
        f"qmail home directory: {tmp_path}.\n"
        "user-ext delimiter: -.\n"
        "paternalism (in decimal): 2.\n"
        "silent concurrency limit: 120.\n"
        "subdirectory split: 23.\n"
        "user ids: 7790, 7791, 7792, 0, 7793, 7794, 7795, 7796.\n"
        "group ids: 2107, 2108.\n"
        "\nbadmailfrom: (Default.) Any MAIL FROM is allowed.\n"
        "\nbouncefrom: (Default.) Bounce user name is MAILER-DAEMON.\n"
        "\nbouncehost: (Default.) Bounce host name is bouncehost.\n"
    )


def test_me_is_the_default_of_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = told(tmp_path, capsys, me="m.test\r\n", defaulthost="d.test")

    assert (
        "My name is m.test?.",
        "(Default.) Bounce host name is m.test?.",
        "Default host name is d.test.",
    ) == (
        found["me"],
        found["bouncehost"],
        found["defaulthost"],
    )
    assert "(Default.) 2B recipient user: postmaster." == found["doublebounceto"]


def test_without_me_it_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "(Default.) My name is undefined! Uh-oh." == told(tmp_path, capsys)["me"]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("12x\n", "Message lifetime in the queue is 12 seconds."),
        ("-5\n", "(Default.) Message lifetime in the queue is 604800 seconds."),
        ("", "(Default.) Message lifetime in the queue is 604800 seconds."),
        ("0\n", "Message lifetime in the queue is 0 seconds."),
    ],
)
def test_a_number_is_what_the_line_begins_with(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, expected: str
) -> None:
    assert expected == told(tmp_path, capsys, queuelifetime=content)["queuelifetime"]


def test_a_list_is_told_by_the_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = told(tmp_path, capsys, locals="a.test\n#x\n\nb.test", virtualdomains="v:t", percenthack="")

    assert (
        "\nMessages for a.test are delivered locally.\nMessages for b.test are delivered locally."
        == found["locals"]
    )
    assert ("\nVirtual domain: v:t", "") == (found["virtualdomains"], found["percenthack"])


def test_morercpthosts_matters_only_with_rcpthosts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = told(tmp_path, capsys, morercpthosts="x.test")
    after = told(tmp_path, capsys, rcpthosts="y.test")

    assert "\nNo rcpthosts; doesn't matter that morercpthosts has x.test." == before["morercpthosts"]
    assert "\nSMTP clients may send messages to recipients at x.test." == after["morercpthosts"]
    assert "Oops! morercpthosts exists but morercpthosts.cdb doesn't." == after["morercpthosts.cdb"]


def test_the_compiled_file_is_judged_by_its_source(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = [told(tmp_path, capsys), told(tmp_path, capsys, morercpthosts__cdb="")]
    found.append(told(tmp_path, capsys, morercpthosts=""))
    os.utime(tmp_path / "control" / "morercpthosts.cdb", (1, 1))
    found.append(told(tmp_path, capsys))

    assert [
        "(Default.) No effect.",
        "Oops! morercpthosts.cdb exists but morercpthosts doesn't.",
        "Modified recently enough; hopefully up to date.",
        "Oops! morercpthosts.cdb is older than morercpthosts.",
    ] == [entry["morercpthosts.cdb"] for entry in found]


def test_a_file_that_it_does_not_know_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "I have no idea what this file does." == told(tmp_path, capsys, foo="x")["foo"]


def test_what_cannot_be_read_is_a_111(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing = showctl.main([], {"TOASTER_HOME": str(tmp_path)})
    (tmp_path / "control" / "locals").mkdir(parents=True)
    unreadable = showctl.main([], {"TOASTER_HOME": str(tmp_path)})

    said = capsys.readouterr().out
    assert (111, 111) == (missing, unreadable)
    assert "Oops! Unable to chdir to control.\n" in said
    assert said.endswith("Oops! Unable to read controls (#4.3.0). locals: Is a directory\n")
