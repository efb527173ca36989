"""Owns the tests of authd as a process."""

import os
import signal
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.accounts.client import check
from appliance.accounts.exchange import Question, format_question, parse_answer
from appliance.formats.frame import FrameBuffer, format_frame
from appliance.formats.outcome import Temporary
from appliance.system.privileges import IDENTITIES, is_root
from tests.support.pop3_rig import OWNER, Pop3Rig, pop3_rig
from tests.support.waiting import wait_for

ALICE = "alice@example.test"


@pytest.fixture
def rig() -> Iterator[Pop3Rig]:
    with pop3_rig() as rig:
        rig.add(ALICE, "secret")
        yield rig


def login(rig: Pop3Rig, user: str, password: str) -> bytes | None:
    account = check(rig.place.socket("authd"), user.encode(), password.encode())
    return None if account is None else account.name


def test_the_right_password_gives_the_account_and_its_numbers(rig: Pop3Rig) -> None:
    rig.start("authd")

    account = check(rig.place.socket("authd"), ALICE.encode(), b"secret")

    assert account is not None
    assert (ALICE.encode(), OWNER if is_root() else os.getuid()) == (account.name, account.uid)
    assert Path(os.fsdecode(account.home), os.fsdecode(account.maildir)).is_dir()


def test_wrong_password_and_unknown_user_get_the_same_answer(rig: Pop3Rig) -> None:
    rig.start("authd")
    answers = []
    for user in (ALICE.encode(), b"zed@example.test"):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(rig.place.socket("authd")))
            connection.sendall(format_question(Question(user, b"wrong")))
            answers.append(connection.recv(100))

    assert answers[0] == answers[1]


def test_it_runs_as_qmailp_and_the_hashes_are_his_alone(rig: Pop3Rig) -> None:
    rig.start("authd")
    owner = IDENTITIES["qmailp"].uid if is_root() else os.getuid()
    process = Path(f"/proc/{rig.running['authd'].pid}/status").read_text()

    assert f"Uid:\t{owner}\t{owner}\t{owner}\t{owner}\n" in process
    status = rig.place.passwords.stat()
    assert (owner, 0o400) == (status.st_uid, stat.S_IMODE(status.st_mode))


def test_hup_takes_the_new_table_and_forgets_the_old_decisions(rig: Pop3Rig) -> None:
    rig.start("authd")
    assert ALICE.encode() == login(rig, ALICE, "secret")
    rig.entries.clear()
    rig.add("bob@example.test", "other")

    rig.running["authd"].send_signal(signal.SIGHUP)

    assert b"bob@example.test" == wait_for(lambda: login(rig, "bob@example.test", "other"))
    assert login(rig, ALICE, "secret") is None


def test_a_table_that_vanished_leaves_the_old_one_in_force(rig: Pop3Rig) -> None:
    rig.start("authd")
    rig.place.passwords.unlink()

    rig.running["authd"].send_signal(signal.SIGHUP)

    wait_for(lambda: "Unable to read passwords" in rig.log)
    assert ALICE.encode() == login(rig, ALICE, "secret")


def test_without_a_table_nobody_is_refused_but_put_off(rig: Pop3Rig) -> None:
    rig.place.passwords.unlink()
    rig.start("authd")

    with pytest.raises(Temporary, match=r"Unable to read passwords \(#4\.3\.0\)"):
        login(rig, ALICE, "secret")


def test_a_faulty_line_is_told_and_the_others_count(rig: Pop3Rig) -> None:
    rig.entries["mallory"] = b"mallory:plain:0:0:/root:Maildir"
    rig.write_passwords()
    rig.start("authd")

    assert ALICE.encode() == login(rig, ALICE, "secret")
    assert login(rig, "mallory", "plain") is None
    assert "warning: passwords: line 2: " in rig.log


def test_several_questions_on_one_connection_are_answered_in_order(rig: Pop3Rig) -> None:
    rig.start("authd")
    words = (b"secret", b"wrong", b"secret")
    buffer = FrameBuffer(1000)
    frames: list[tuple[bytes, bytes]] = []
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(rig.place.socket("authd")))
        connection.sendall(b"".join(format_question(Question(ALICE.encode(), word)) for word in words))
        while len(frames) < 3:
            frames += buffer.receive(connection.recv(1000))

    assert [True, False, True] == [parse_answer(*frame) is not None for frame in frames]


@pytest.mark.parametrize("wire", [format_frame(b"X", b"a\0b\0c\0d"), b"\xff\xff\xff\xff", b"\0\0\0\0"])
def test_a_peer_that_talks_nonsense_is_dropped_and_the_others_served(rig: Pop3Rig, wire: bytes) -> None:
    rig.start("authd")
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(rig.place.socket("authd")))
        connection.sendall(wire)
        assert b"" == connection.recv(100)

    assert ALICE.encode() == login(rig, ALICE, "secret")


def test_another_user_may_not_ask(rig: Pop3Rig) -> None:
    rig.start("authd")
    pid = os.fork()
    if pid == 0:
        if is_root():
            os.setuid(IDENTITIES["qmailr"].uid)
        try:
            login(rig, ALICE, "secret")
        except Temporary:
            os._exit(7)
        os._exit(0)

    # Only root can be somebody else; anybody else is himself, and may ask his own daemon.
    expected = 7 if is_root() else 0
    assert expected == os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert is_root() == ("a peer that may not ask about passwords" in rig.log)


def test_term_ends_it(rig: Pop3Rig) -> None:
    rig.start("authd")
    process = rig.running["authd"]

    rig.stop()

    assert 0 == process.returncode
