"""Owns the tests of `toaster apply`, with a real supervisord and stand-ins for the daemons."""

import json
from pathlib import Path

import pytest

from appliance.formats.outcome import Temporary
from appliance.site import mailboxes, tree
from tests.support.command import make_mail_folder, run
from tests.support.configs import ALICE, place_in, with_domain
from tests.support.supervised import notes_of, supervised
from tests.support.waiting import wait_for


@pytest.fixture
def folder(open_folder: Path) -> Path:
    make_mail_folder(open_folder)
    (open_folder / "config.yaml").write_text(with_domain(ALICE))
    return open_folder


def files_below(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_without_daemons_it_renders_and_says_so(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = run(folder, "apply")

    told = capsys.readouterr().out
    assert (0, True, True) == (code, "In force: " in told, "No daemon is running here." in told)
    assert "mail.example.org\n" == (folder / "qmail/control/me").read_text()
    assert (folder / "mail/example.org/alice/Maildir/new").is_dir()


def test_a_second_time_nothing_changes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(folder, "apply")
    before = files_below(folder / "state")
    capsys.readouterr()

    assert 0 == run(folder, "apply")
    assert "Nothing changed in what is rendered." in capsys.readouterr().out
    assert before == files_below(folder / "state")


def test_faults_are_told_and_what_was_in_force_stays(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(folder, "apply")
    before = files_below(folder / "state")
    (folder / "config.yaml").write_text(with_domain(f"{ALICE}catch_all: alise\naliases: {{a: a}}"))
    capsys.readouterr()

    code = run(folder, "apply")

    told = capsys.readouterr()
    assert (1, 2, True) == (code, told.out.count("config.yaml:"), "2 faults; nothing was changed" in told.err)
    assert before == files_below(folder / "state")


def test_a_mailbox_that_cannot_be_made_changes_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "mail/example.org").write_text("in the way")

    code = run(folder, "apply")

    assert (1, True) == (code, "unable to make the mailbox" in capsys.readouterr().err)
    assert not tree.current(place_in(folder)).exists()


def test_running_daemons_read_again(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = place_in(folder)
    with supervised(place, ["send", "smtpd", "pop3d"]):
        assert 0 == run(folder, "apply", "--json")
        found = json.loads(capsys.readouterr().out)
        wait_for(lambda: all("HUP" in notes_of(place, name) for name in ("send", "smtpd")))

    assert (True, ["send", "smtpd"], ["supervisord.conf"], []) == (
        found["changed"],
        found["read_again"],
        found["by_hand"],
        found["supervisor"],
    )
    assert str(tree.current(place).resolve()) == found["tree"]


def test_what_the_daemons_do_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with supervised(place_in(folder), ["send"]):
        run(folder, "apply")

    told = capsys.readouterr().out
    assert "Told to read again: send" in told
    assert "supervisord.conf is there by hand and stays as it is." in told


def test_a_config_elsewhere_can_be_applied(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text(with_domain(ALICE).replace("mail.example.org", "other.example.org"))

    assert 0 == run(folder, "apply", "--config", str(other))
    assert "other.example.org\n" == (folder / "qmail/control/me").read_text()


def test_a_mail_owner_who_is_no_user_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def nobody(*words: object) -> None:
        raise Temporary("unable to work as user 5000; it may not be a user here (#4.3.0)")

    monkeypatch.setattr(mailboxes, "create", nobody)

    assert 1 == run(folder, "apply")
    assert "unable to work as user 5000" in capsys.readouterr().err
