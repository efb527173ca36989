"""Owns the tests of svc, svstat and svok, with a real supervisord and stand-ins for the daemons."""

import os
import re
import signal
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from appliance.admin import supervisor, svc
from appliance.admin.supervisor import Life
from appliance.system.place import Place
from tests.support.configs import place_in
from tests.support.supervised import has_begun, notes_of, supervised
from tests.support.waiting import wait_for

Captured = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    own = place_in(tmp_path_factory.mktemp("svc"))
    with supervised(own, ["send", "smtpd"]):
        yield own


def environ_of(place: Place) -> Mapping[str, str]:
    return {f"TOASTER_{name.upper()}": str(path) for name, path in place._asdict().items()}


def called(place: Place, program: Callable[[list[str], Mapping[str, str]], int], *words: str) -> int:
    return program([*words], environ_of(place))


def told_by_svstat(place: Place, capsys: Captured, service: str = "/service/smtpd") -> str:
    capsys.readouterr()
    assert 0 == called(place, svc.svstat, service)
    return capsys.readouterr().out


def up(place: Place, name: str = "smtpd") -> int:
    """The process of a program that runs and has written that it does."""
    called(place, svc.main, "-u", f"/service/{name}")
    wait_for(lambda: supervisor.life(place, name).state == "RUNNING")
    pid = supervisor.life(place, name).pid
    wait_for(lambda: has_begun(place, name, pid))
    return pid


@pytest.mark.parametrize(
    "service", ["/service/qmail", "/service/send/", "send", "qmail-send", "/var/service/qmail"]
)
def test_send_has_many_names(place: Place, capsys: Captured, service: str) -> None:
    pid = up(place, "send")

    told = told_by_svstat(place, capsys, service)

    assert re.fullmatch(rf"{service}: up \(pid {pid}\) \d+ seconds\n", told), told


def test_down_keeps_it_down_and_up_starts_it(place: Place, capsys: Captured) -> None:
    before = up(place)

    assert 0 == called(place, svc.main, "-d", "/service/smtpd")
    wait_for(lambda: not supervisor.life(place, "smtpd").pid)
    told = told_by_svstat(place, capsys)

    assert re.fullmatch(r"/service/smtpd: down \d+ seconds, normally up\n", told), told
    assert before != up(place)


def test_send_goes_down_by_term_and_a_mark_which_up_takes_away(place: Place, capsys: Captured) -> None:
    before = up(place, "send")
    os.kill(before, signal.SIGSTOP)  # it has still much to do

    assert 0 == called(place, svc.main, "-p", "/service/qmail")
    wait_for(lambda: ", paused\n" in told_by_svstat(place, capsys, "/service/qmail"))
    place.send_down.touch()
    assert ", paused, want down\n" in told_by_svstat(place, capsys, "/service/qmail")
    assert 0 == called(place, svc.main, "-u", "/service/qmail")
    assert (False, before) == (place.send_down.exists(), supervisor.life(place, "send").pid)

    # TERM ends this stand-in as it ends no send: supervisor starts it again.
    assert 0 == called(place, svc.main, "-d", "/service/qmail")
    assert place.send_down.exists()
    wait_for(lambda: before != supervisor.life(place, "send").pid)
    up(place, "send")


def test_a_send_that_hangs_is_killed_and_stays_down(place: Place, capsys: Captured) -> None:
    os.kill(up(place, "send"), signal.SIGSTOP)
    place.send_down.touch()

    assert 0 == called(place, svc.main, "-k", "/service/qmail")
    wait_for(lambda: not supervisor.life(place, "send").pid)

    assert "down" in told_by_svstat(place, capsys, "/service/qmail")
    up(place, "send")


@pytest.mark.parametrize("letter", ["-t", "-k", "-a", "-i"])
def test_what_a_signal_ends_is_started_again(place: Place, letter: str) -> None:
    before = up(place)

    assert 0 == called(place, svc.main, letter, "smtpd")

    wait_for(lambda: supervisor.life(place, "smtpd").pid not in (0, before))


def test_hup_is_heard_and_nothing_ends(place: Place) -> None:
    before, heard = up(place), len(notes_of(place, "smtpd"))

    assert 0 == called(place, svc.main, "-h", "/service/smtpd")

    wait_for(lambda: "HUP" in notes_of(place, "smtpd")[heard:])
    assert before == supervisor.life(place, "smtpd").pid


def test_a_pause_ends_with_cont(place: Place, capsys: Captured) -> None:
    up(place)

    called(place, svc.main, "-p", "smtpd")
    wait_for(lambda: ", paused" in told_by_svstat(place, capsys))
    called(place, svc.main, "-c", "smtpd")

    wait_for(lambda: ", paused" not in told_by_svstat(place, capsys))


def test_a_signal_for_what_is_down_is_nothing_to_tell(place: Place, capsys: Captured) -> None:
    up(place)
    called(place, svc.main, "-d", "smtpd")
    wait_for(lambda: not supervisor.life(place, "smtpd").pid)
    capsys.readouterr()

    assert 0 == called(place, svc.main, "-hdt", "smtpd")
    assert ("", "") == capsys.readouterr()


@pytest.mark.parametrize(
    ("letter", "word"), [("-x", "never exits"), ("-o", "started again whenever it ends")]
)
def test_what_supervisor_cannot_do_is_a_warning(
    place: Place, capsys: Captured, letter: str, word: str
) -> None:
    up(place)
    capsys.readouterr()

    assert 0 == called(place, svc.main, letter, "smtpd")

    told = capsys.readouterr().err
    assert told.startswith("svc: warning: smtpd ")
    assert word in told


def test_a_wrong_letter_is_answered_with_the_letters_there_are(place: Place, capsys: Captured) -> None:
    assert (100, svc.USAGE) == (called(place, svc.main, "-z", "smtpd"), capsys.readouterr().err)


def test_a_folder_without_supervise_is_told_as_daemontools_does(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "svc").mkdir()
    (tmp_path / "file").touch()

    codes = [called(place, program, *words) for program, words in ((svc.svstat, []), (svc.main, ["-u"]))]
    assert [0, 0] == codes
    assert ("", "") == capsys.readouterr()

    called(place, svc.svstat, "svc", "nowhere", "file", "/service/nobody")
    called(place, svc.main, "-u", "svc", "nowhere")
    told = capsys.readouterr()
    assert [
        "svc: unable to open supervise/ok: file does not exist",
        "nowhere: unable to chdir: file does not exist",
        "file: unable to chdir: not a directory",
        "/service/nobody: unable to chdir: file does not exist",
    ] == told.out.splitlines()
    assert [
        "svc: warning: unable to control svc: file does not exist",
        "svc: warning: unable to chdir to nowhere: file does not exist",
    ] == told.err.splitlines()


def test_a_star_that_no_shell_expanded_is_every_daemon(place: Place, capsys: Captured) -> None:
    up(place)
    capsys.readouterr()

    assert 0 == called(place, svc.svstat, "/service/*")
    assert ["/service/qmail", "/service/smtpd"] == [
        line.partition(":")[0] for line in capsys.readouterr().out.splitlines()
    ]


def test_without_supervisor_it_says_so(tmp_path: Path, capsys: Captured) -> None:
    own = place_in(tmp_path)
    own.home.mkdir()
    (own.home / "supervisord.conf").write_text("[program:send]\n")

    called(own, svc.svstat, "/service/qmail")
    called(own, svc.main, "-h", "/service/qmail")

    told = capsys.readouterr()
    assert "/service/qmail: supervise not running\n" == told.out
    assert "svc: warning: unable to control /service/qmail: supervise not running\n" == told.err


def test_whom_it_does_not_concern_is_told_so(
    place: Place, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    def closed(place: Place, name: str) -> Life:
        raise supervisor.Unreachable(PermissionError(13, "Permission denied"))

    monkeypatch.setattr(supervisor, "life", closed)
    called(place, svc.main, "-d", "smtpd")

    assert "unable to open supervise/ok: access denied\n" in told_by_svstat(place, capsys)
    monkeypatch.undo()
    assert supervisor.life(place, "smtpd")


@pytest.mark.parametrize(
    ("told", "life", "flags"),
    [
        ("up (pid 12) 5 seconds", Life("RUNNING", 12, 95), (False, False)),
        ("up (pid 12) 0 seconds, paused, want down", Life("STOPPING", 12, 105), (True, True)),
        ("down 5 seconds, normally up", Life("STOPPED", 0, 95), (True, False)),
        ("down 0 seconds, normally up, want up", Life("BACKOFF", 0, 0), (False, False)),
    ],
)
def test_the_sentence_is_that_of_daemontools(told: str, life: Life, flags: tuple[bool, bool]) -> None:
    assert told == svc.sentence(life, 100.5, *flags)


def test_svok_tells_by_its_exit_whether_somebody_looks_after_a_daemon(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "svc").mkdir()

    assert [0, 0, 100] == [called(place, svc.svok, name) for name in ("/service/qmail", "smtpd", "svc")]
    assert ("", "") == capsys.readouterr()
    assert 111 == called(place, svc.svok, "nowhere")
    assert "svok: fatal: unable to chdir to nowhere: file does not exist\n" == capsys.readouterr().err
    assert 100 == called(place, svc.svok)


def test_svok_says_no_when_supervisor_does_not_run(tmp_path: Path) -> None:
    own = place_in(tmp_path)
    own.home.mkdir(parents=True, exist_ok=True)
    (own.home / "supervisord.conf").write_text("[program:smtpd]\n")

    assert 100 == called(own, svc.svok, "smtpd")
