"""Owns the tests of authd as a process."""

import asyncio
import os
import signal
import socket
import stat
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from appliance.accounts import orders
from appliance.accounts.async_client import salt_async
from appliance.accounts.client import Beginning, Salt, check
from appliance.accounts.exchange import Question, format_question, parse_answer
from appliance.accounts.limits import MOST_FROM_ADDRESS
from appliance.formats.frame import FrameBuffer, format_frame
from appliance.formats.outcome import Temporary
from appliance.system.privileges import IDENTITIES, is_root
from tests.support import scram_client
from tests.support.pop3_rig import OWNER, Pop3Rig, pop3_rig
from tests.support.waiting import wait_for

ALICE = "alice@example.test"


@pytest.fixture
def rig() -> Iterator[Pop3Rig]:
    with pop3_rig() as rig:
        rig.add(ALICE, "secret")
        yield rig


def login(rig: Pop3Rig, user: str, password: str, address: bytes = b"") -> bytes | None:
    account = check(rig.place.socket("authd"), Question(user.encode(), password.encode(), b"pop3", address))
    return None if account is None else account.name


def test_the_right_password_gives_the_account_and_its_numbers(rig: Pop3Rig) -> None:
    rig.start("authd")

    account = check(rig.place.socket("authd"), Question(ALICE.encode(), b"secret"))

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


def put_off(user: str, action: Callable[[], object]) -> bool:
    """Whether another user, if we are root and can be one, is told that there is no answer now."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            if is_root():
                os.setuid(IDENTITIES[user].uid)
            action()
            code = 0
        except Temporary:
            code = 7
        finally:
            os._exit(code)
    ended = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert ended in (0, 7)
    return ended == 7


def test_another_user_may_not_ask(rig: Pop3Rig) -> None:
    rig.start("authd")

    # Only root can be somebody else; anybody else is himself, and may ask his own daemon.
    assert is_root() == put_off("qmailr", lambda: login(rig, ALICE, "secret"))
    if is_root():
        wait_for(lambda: "a peer that may not ask about passwords" in rig.log)


def test_term_ends_it(rig: Pop3Rig) -> None:
    rig.start("authd")
    process = rig.running["authd"]

    rig.stop()

    assert 0 == process.returncode


def guess(rig: Pop3Rig, count: int) -> None:
    """Different wrong passwords by a stranger, each at another account, which costs no ever longer pauses."""
    with ThreadPoolExecutor(8) as pool:
        for number in range(count):
            pool.submit(login, rig, f"u{number}@example.test", f"guess {number}", b"192.0.2.66")


def test_who_is_limited_is_told_and_lifted_and_outlives_a_restart(rig: Pop3Rig) -> None:
    rig.start("authd")
    assert ALICE.encode() == login(rig, ALICE, "secret", b"198.51.100.1")
    guess(rig, MOST_FROM_ADDRESS)
    before = orders.limited(rig.place.socket("authd"))

    rig.stop()
    rig.start("authd")
    after = orders.limited(rig.place.socket("authd"))

    assert (["192.0.2.66"], [int(found.until) for found in before]) == (
        [found.name for found in after],
        [int(found.until) for found in after],
    )
    with pytest.raises(Temporary, match="too many wrong passwords"):
        login(rig, ALICE, "secret", b"192.0.2.66")
    assert ALICE.encode() == login(rig, ALICE, "secret", b"198.51.100.1")
    assert [True, False] == [orders.lift(rig.place.socket("authd"), "192.0.2.66") for _ in range(2)]
    assert ALICE.encode() == login(rig, ALICE, "secret", b"192.0.2.66")
    assert "limited: 192.0.2.66 until " in rig.log


def test_what_it_keeps_is_its_own_and_holds_no_password(rig: Pop3Rig) -> None:
    rig.start("authd")
    login(rig, ALICE, "hunter2", b"192.0.2.66")
    rig.stop()

    kept = rig.place.state / "authd" / "limits"
    owner = IDENTITIES["qmailp"].uid if is_root() else os.getuid()
    assert (owner, 0o600, 0o700) == (
        kept.stat().st_uid,
        stat.S_IMODE(kept.stat().st_mode),
        stat.S_IMODE(kept.parent.stat().st_mode),
    )
    assert "192.0.2.66" in kept.read_text()
    assert "hunter2" not in kept.read_text() + rig.log


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b'{"key": 1}'])
def test_a_damaged_note_of_who_is_limited_is_told_and_counting_begins_anew(
    rig: Pop3Rig, content: bytes
) -> None:
    (rig.place.state / "authd").mkdir()
    (rig.place.state / "authd" / "limits").write_bytes(content)
    (rig.place.state / "authd" / "limits").chmod(0o644)
    rig.start("authd")

    assert ALICE.encode() == login(rig, ALICE, "secret")
    assert "warning: counting wrong passwords anew: " in rig.log


@pytest.mark.skipif(not is_root(), reason="only root can be somebody else")
def test_who_asks_about_passwords_may_not_lift_a_limit(rig: Pop3Rig) -> None:
    rig.start("authd")

    assert put_off("qmaild", lambda: orders.lift(rig.place.socket("authd"), "192.0.2.66"))


def test_a_program_is_asked_about_whoever_has_his_password_there(rig: Pop3Rig) -> None:
    path = rig.folder / "check"
    path.write_text(f"""#!{sys.executable} -IS
import os, sys
user, password, stamp, rest = os.read(3, 513).split(b"\\0")
if password != b"elsewhere":
    sys.exit(1 if password != b"away" else 111)
os.execv(sys.argv[1], sys.argv[1:])
""")
    path.chmod(0o755)
    rig.entries[ALICE] = rig.entries[ALICE].replace(rig.entries[ALICE].split(b":")[1], b"external")
    rig.write_passwords()
    rig.arguments["authd"] = ["qmailp", str(path)]
    rig.start("authd")

    assert [ALICE.encode(), None] == [login(rig, ALICE, word) for word in ("elsewhere", "secret")]
    with pytest.raises(Temporary, match="ended with 111"):
        login(rig, ALICE, "away")


def test_a_program_without_a_known_user_is_a_wrong_call(rig: Pop3Rig) -> None:
    rig.arguments["authd"] = ["nobody-known", "/bin/true"]
    rig.start_only("authd")

    assert 100 == rig.running["authd"].wait(60)
    assert "usage: authd [USER PROGRAM" in rig.log


def test_a_proof_is_taken_and_the_salt_of_an_unknown_user_outlives_a_restart(rig: Pop3Rig) -> None:
    line = rig.entries[ALICE]
    rig.entries[ALICE] = line.replace(line.split(b":")[1], b"{PLAIN}secret")
    rig.write_passwords()

    def salts() -> list[Salt]:
        rig.start("authd")
        path = rig.place.socket("authd")
        return [asyncio.run(salt_async(path, Beginning(name))) for name in (ALICE.encode(), b"zed@a.test")]

    before = salts()
    said = b"r=%bx,s=%b,i=%d" % (scram_client.NONCE, before[0].text, before[0].iterations)
    message = scram_client.message(ALICE.encode(), said)
    proof = scram_client.proof(b"secret", said, message)
    question = Question(ALICE.encode(), proof, mechanism=b"SCRAM-SHA-256", challenge=message)
    account = check(rig.place.socket("authd"), question)
    rig.stop()

    assert before == salts()
    assert account is not None
    assert scram_client.signature(b"secret", said, message) == account.signature
    kept = rig.place.state / "authd" / "salts"
    owner = IDENTITIES["qmailp"].uid if is_root() else os.getuid()
    assert (owner, 0o600, 32) == (kept.stat().st_uid, stat.S_IMODE(kept.stat().st_mode), kept.stat().st_size)
