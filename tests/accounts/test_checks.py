"""Owns the tests of decisions on passwords: right, wrong, kept, slowed, bounded."""

import ipaddress
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from appliance.accounts import checks, hashfiles
from appliance.accounts.checks import TOO_MANY, Checks
from appliance.accounts.exchange import Account, Beginning, Question, Salt
from appliance.accounts.limits import MOST_AT_ACCOUNT, MOST_FROM_ADDRESS, REFUSED, TRUSTED_TIMES, Limits
from appliance.accounts.passwords import hash_password, verify
from appliance.accounts.proofs import Proofs
from appliance.accounts.table import EXTERNAL, Entry, Password, Table
from appliance.formats.outcome import Temporary
from appliance.formats.scram import format_keys, make_keys
from tests.support import scram_client
from tests.support.hashes import HASHES
from tests.support.scram_client import NONCE, cram_md5
from tests.support.waiting import wait_for

ALICE = Account(b"alice@example.test", 5000, 5000, b"/mail/alice", b"Maildir")


@cache
def hash_of(password: bytes) -> str:
    return hash_password(password)


def table(*passwords: Password, files: list[str] | None = None) -> Table:
    """One with alice, if there is a password."""
    entries = {ALICE.name: Entry(ALICE, passwords)} if passwords else {}
    return Table(entries, files or [])


def secret(password: bytes = b"secret") -> Table:
    return table(Password(hash_of(password)))


def proofs() -> Proofs:
    return Proofs(make_keys, b"k" * 32)


def play(story: Callable[[Checks], Any], delay: float = 0.0, known: Table | None = None) -> Any:
    """What a story gives that is told with alice and her password, secret."""
    asked = Checks(
        lambda known_hash, question: verify(known_hash, question.password), proofs(), Limits(), delay=delay
    )
    asked.replace(known or secret())
    return story(asked)


def at_once(asked: Checks, questions: Iterable[Question]) -> list[object]:
    """The answers to questions each of which has a thread."""
    questions = list(questions)
    with ThreadPoolExecutor(len(questions)) as pool:
        return [*pool.map(asked.answer, questions)]


class Gate:
    """A verification of everybody's password but alice's that takes until the gate is opened."""

    def __init__(self) -> None:
        self.opened = threading.Event()

    def check(self, known_hash: str, question: Question) -> bool:
        return question.user == ALICE.name or (self.opened.wait(60) and False)


def test_right_wrong_and_unknown() -> None:
    def story(asked: Checks) -> list[object]:
        questions = [(b"alice@example.test", b"secret"), (b"alice@example.test", b"no"), (b"zed", b"secret")]
        return [asked.answer(Question(*question)) for question in questions]

    assert [ALICE, None, None] == play(story)


def test_a_name_is_known_in_any_case_but_a_password_is_not() -> None:
    def story(asked: Checks) -> list[object]:
        return [asked.answer(Question(b"Alice@Example.TEST", word)) for word in (b"secret", b"Secret")]

    assert [ALICE, None] == play(story)


def test_a_right_password_is_verified_once_and_then_remembered() -> None:
    verified = []

    def check(known_hash: str, question: Question) -> bool:
        verified.append(question.password)
        return True

    asked = Checks(check, proofs(), Limits(), delay=0.0)
    asked.replace(secret())
    assert [ALICE] * 200 == [asked.answer(Question(ALICE.name, b"secret")) for _ in range(200)]
    assert [b"secret"] == verified


def test_the_same_question_at_the_same_time_is_verified_once() -> None:
    def story(asked: Checks) -> list[object]:
        return at_once(asked, [Question(ALICE.name, b"secret")] * 200)

    assert [ALICE] * 200 == play(story)


def test_a_new_table_forgets_what_was_decided_by_the_old() -> None:
    def story(asked: Checks) -> list[object]:
        before = asked.answer(Question(ALICE.name, b"secret"))
        asked.replace(secret(b"other"))
        after = [asked.answer(Question(ALICE.name, word)) for word in (b"secret", b"other")]
        asked.replace(Table())
        return [before, *after, asked.answer(Question(ALICE.name, b"other"))]

    assert [ALICE, None, ALICE, None] == play(story)


def test_a_decision_by_the_old_table_is_not_remembered_for_the_new() -> None:
    def check(known_hash: str, question: Question) -> bool:
        asked.replace(Table())  # while it is verified
        return True

    asked = Checks(check, proofs(), Limits(), delay=0.0)
    asked.replace(secret())
    assert [ALICE, None] == [asked.answer(Question(ALICE.name, b"secret")) for _ in range(2)]


@pytest.fixture
def paused(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The thousands of seconds for which each answer is held back; nobody waits for them."""
    thousands: list[int] = []
    monkeypatch.setattr(time, "sleep", lambda seconds: thousands.append(round(seconds / 1000)))
    return thousands


def test_wrong_passwords_cost_more_and_more_seconds_and_a_right_one_none(paused: list[int]) -> None:
    def story(asked: Checks) -> list[object]:
        return [asked.answer(Question(ALICE.name, word)) for word in (b"a", b"b", b"c", b"secret")]

    assert [None, None, None, ALICE] == play(story, 1000.0)
    assert [1, 2, 4] == paused


def test_an_unknown_user_is_slowed_alike(paused: list[int]) -> None:
    def story(asked: Checks) -> list[object]:
        return [asked.answer(Question(b"zed", word)) for word in (b"a", b"b", b"b")]

    assert [None, None, None] == play(story, 1000.0)
    assert [1, 2, 1] == paused


def test_an_unknown_user_takes_as_long_as_a_wrong_password() -> None:
    def story(asked: Checks) -> list[float]:
        took = []
        for user in (ALICE.name, b"zed"):
            best = 9.0
            for number in range(5):
                begin = time.process_time()
                asked.answer(Question(user, b"%d" % number))
                best = min(best, time.process_time() - begin)
            took.append(best)
        return took

    known, unknown = play(story)

    assert known / 3 < unknown < known * 3


def test_too_many_tries_at_one_account_are_put_off_and_another_account_is_not() -> None:
    gate = Gate()
    asked = Checks(gate.check, proofs(), Limits(), delay=0.0)
    asked.replace(secret())
    with ThreadPoolExecutor(40) as pool:
        tries = [pool.submit(asked.answer, Question(b"zed", b"%d" % n)) for n in range(40)]
        wait_for(lambda: 40 - checks.MOST_WAITING_FOR_ONE == sum(each.done() for each in tries))
        alice = asked.answer(Question(ALICE.name, b"secret"))
        put_off = [each.result() for each in tries if each.done()]
        gate.opened.set()

    assert ([TOO_MANY] * (40 - checks.MOST_WAITING_FOR_ONE), ALICE) == (put_off, alice)


def test_the_queue_is_bounded_for_all_accounts_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "MOST_WAITING", 5)
    gate = Gate()
    asked = Checks(gate.check, proofs(), Limits(), delay=0.0)
    with ThreadPoolExecutor(8) as pool:
        tries = [pool.submit(asked.answer, Question(b"%d" % n, b"x")) for n in range(8)]
        wait_for(lambda: 3 == sum(each.done() for each in tries))
        gate.opened.set()

    answers = [each.result() for each in tries]
    assert (3, 5) == (answers.count(TOO_MANY), answers.count(None))


def test_memory_of_decisions_and_accounts_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "KEPT", 3)

    def story(asked: Checks) -> tuple[int, int]:
        for number in range(6):
            asked.answer(Question(b"%d" % number, b"x"))
        return len(asked._decisions), len(asked._tries)

    assert (3, 3) == play(story)


def test_any_of_several_passwords_is_right_where_it_counts() -> None:
    phone = Password(hash_of(b"phone"), "phone", ("pop3",))
    old = Password(hash_of(b"old"), "old", (), "2020-12-31")

    def story(asked: Checks) -> list[bool]:
        tries = [
            (b"secret", b"smtp"),
            (b"phone", b"pop3"),
            (b"phone", b"smtp"),
            (b"phone", b"pop3"),
            (b"old", b"pop3"),
        ]
        return [asked.answer(Question(ALICE.name, *each)) is not None for each in tries]

    known = table(Password(hash_of(b"secret")), phone, old)
    assert [True, True, False, True, False] == play(story, known=known)


def test_an_account_none_of_whose_passwords_counts_is_as_an_unknown_one() -> None:
    def story(asked: Checks) -> list[object]:
        return [asked.answer(Question(ALICE.name, b"secret", scope)) for scope in (b"smtp", b"", b"pop3")]

    assert [None, None, ALICE] == play(story, known=table(Password(hash_of(b"secret"), "x", ("pop3",))))


def test_a_hash_in_a_file_counts_and_a_change_of_it_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hashfiles, "LOOK_SECONDS", 0.0)
    path = tmp_path / "passwd"
    path.write_text(f"alice@example.test:{HASHES['bcrypt']}\n")

    def story(asked: Checks) -> list[object]:
        before = asked.answer(Question(ALICE.name, b"secret"))
        path.write_text(f"alice@example.test:{hash_of(b'other')}\n")
        return [before, *[asked.answer(Question(ALICE.name, word)) for word in (b"secret", b"other")]]

    assert [ALICE, None, ALICE] == play(story, known=table(Password(EXTERNAL), files=[str(path)]))


def test_who_is_in_no_file_and_has_no_program_is_nobody() -> None:
    def story(asked: Checks) -> object:
        return asked.answer(Question(ALICE.name, b"secret"))

    assert play(story, known=table(Password(EXTERNAL))) is None


def test_a_program_is_asked_once_and_for_unknown_users_alike() -> None:
    heard = []

    def ask(known: str, question: Question) -> bool:
        heard.append((known, question.user))
        return question.password == b"secret"

    def story() -> list[object]:
        asked = Checks(ask, proofs(), Limits(), has_program=True, delay=0.0)
        asked.replace(table(Password(EXTERNAL)))
        users = [ALICE.name, ALICE.name, b"zed", b"zed"]
        return [asked.answer(Question(user, b"secret")) for user in users]

    assert [ALICE, ALICE, None, None] == story()
    assert [(EXTERNAL, ALICE.name), (EXTERNAL, b"zed")] == heard


def test_what_a_program_cannot_tell_is_temporary_and_not_remembered() -> None:
    def ask(known: str, question: Question) -> bool:
        raise Temporary("away (#4.3.0)")

    def story() -> list[object]:
        limits = Limits()
        asked = Checks(ask, proofs(), limits, has_program=True, delay=0.0)
        asked.replace(table(Password(EXTERNAL)))
        answers = [asked.answer(Question(ALICE.name, b"%d" % n, b"", b"192.0.2.1")) for n in range(40)]
        return [*{str(answer) for answer in answers}, limits.limited()]

    assert ["away (#4.3.0)", []] == story()


def test_an_unknown_user_is_verified_as_most_known_ones_are() -> None:
    heard = []

    def ask(known: str, question: Question) -> bool:
        heard.append(known)
        return True

    def story() -> object:
        asked = Checks(ask, proofs(), Limits(), delay=0.0)
        sorts = (HASHES["yescrypt"], HASHES["bcrypt"], HASHES["yescrypt"])
        asked.replace(table(*(Password(known) for known in sorts)))
        return asked.answer(Question(b"zed", b"secret"))

    assert (None, [HASHES["yescrypt"]]) == (story(), heard)


def guesses(count: int, address: bytes, user: bytes | None = None) -> list[Question]:
    return [Question(user or b"u%d" % n, b"guess %d" % n, b"pop3", address) for n in range(count)]


def test_too_many_wrong_passwords_are_refused_without_a_look_and_who_was_right_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(checks, "MOST_WAITING_FOR_ONE", 100)
    home, stranger = b"198.51.100.1", b"192.0.2.66"

    def story(asked: Checks) -> list[object]:
        asked.answer(Question(ALICE.name, b"secret", b"pop3", home))
        for question in guesses(MOST_FROM_ADDRESS, stranger) + guesses(MOST_AT_ACCOUNT, b"", ALICE.name):
            assert asked.answer(question) is None
        asked_from = [home, stranger, b"203.0.113.1"]
        return [asked.answer(Question(ALICE.name, b"secret", b"pop3", each)) for each in asked_from]

    cheap = table(Password(HASHES["bcrypt"]))
    assert [ALICE, REFUSED, REFUSED] == play(story, known=cheap)


def test_who_waited_while_the_limit_was_reached_learns_nothing() -> None:
    def check(known: str, question: Question) -> bool:
        if question.user == ALICE.name:
            for guess in guesses(MOST_FROM_ADDRESS, b"192.0.2.66"):
                asked.answer(guess)
        return question.password == b"secret"

    asked = Checks(check, proofs(), Limits(), delay=0.0)
    asked.replace(secret())
    assert REFUSED == asked.answer(Question(ALICE.name, b"secret", b"", b"192.0.2.66"))


STAMP = b"<1.2@h>"
STORED = "{PLAIN}secret"


def digest(password: bytes, user: bytes = ALICE.name, address: bytes = b"192.0.2.66") -> Question:
    """Somebody who proves by CRAM-MD5 that he knows that password."""
    return Question(user, cram_md5(password, STAMP), b"smtp", address, b"CRAM-MD5", STAMP)


def test_who_proves_that_he_knows_the_password_is_let_in_and_others_are_not() -> None:
    def story(asked: Checks) -> list[object]:
        questions = (
            digest(b"secret"),
            digest(b"wrong"),
            digest(b"secret", b"zed"),
            digest(b"secret", b"ALICE@example.TEST"),
        )
        return [asked.answer(question) for question in questions]

    assert [ALICE, None, None, ALICE] == play(story, known=table(Password(STORED)))


def test_scram_gets_the_servers_last_word_with_the_account() -> None:
    def story(asked: Checks) -> tuple[object, bytes]:
        salt = asked.salt(Beginning(ALICE.name, b"smtp"))
        said = b"r=%bx,s=%b,i=%d" % (NONCE, salt.text, salt.iterations)
        message = scram_client.message(ALICE.name, said)
        proof = scram_client.proof(b"secret", said, message)
        question = Question(ALICE.name, proof, b"smtp", b"", b"SCRAM-SHA-256", message)
        return asked.answer(question), scram_client.signature(b"secret", said, message)

    account, signature = play(
        story, known=table(Password(format_keys(make_keys(b"secret", b"salt-salt", 4096))))
    )

    assert ALICE._replace(signature=signature) == account


@pytest.mark.parametrize("limit", [{"scopes": ("pop3",)}, {"expires": "2001-01-01"}, {"networks": ()}])
def test_a_stored_secret_has_the_limits_of_any_password(limit: dict[str, Any]) -> None:
    networks = (ipaddress.ip_network("10.0.0.0/8"),) if "networks" in limit else ()
    known = Password(STORED, **{**limit, "networks": networks})

    def story(asked: Checks) -> object:
        return asked.answer(digest(b"secret"))

    assert play(story, known=table(known)) is None
    assert ALICE == play(story, known=table(known, Password(STORED)))


def test_a_salt_for_somebody_unknown_looks_as_one_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "passwd"
    path.write_text(f"alice@example.test:{format_keys(make_keys(b'x', b'nine-long', 5000))}\n")

    def story(asked: Checks) -> list[Salt]:
        return [asked.salt(Beginning(name)) for name in (b"zed", ALICE.name, b"ZED")]

    unknown, known, again = play(story, known=table(Password(EXTERNAL), files=[str(path)]))

    assert (5000, 5000, len(known.text), unknown) == (
        unknown.iterations,
        known.iterations,
        len(unknown.text),
        again,
    )
    assert known != unknown


def test_a_wrong_proof_costs_as_much_for_somebody_unknown(paused: list[int]) -> None:
    def story(asked: Checks) -> list[object]:
        return [asked.answer(digest(b"wrong", user)) for user in (ALICE.name, ALICE.name, b"zed", b"zed")]

    assert [None] * 4 == play(story, 1000.0, table(Password(STORED)))
    assert [1, 2, 1, 2] == paused


@pytest.mark.parametrize("user", [ALICE.name, b"zed"])
def test_who_guesses_by_proofs_is_limited_although_no_two_are_alike(user: bytes) -> None:
    def story(asked: Checks) -> list[object]:
        for _ in range(MOST_FROM_ADDRESS):
            asked.answer(digest(b"the same", user))
        return [
            asked.answer(each) for each in (digest(b"secret", user), digest(b"secret", user, b"198.51.100.1"))
        ]

    refused, elsewhere = play(story, known=table(Password(STORED)))

    assert (REFUSED, ALICE if user == ALICE.name else None) == (refused, elsewhere)


def test_guesses_by_proofs_from_everywhere_limit_the_account_but_not_who_was_right() -> None:
    def story(asked: Checks) -> list[object]:
        asked.answer(digest(b"secret", address=b"198.51.100.1"))
        for number in range(MOST_AT_ACCOUNT):
            asked.answer(digest(b"wrong", address=b"203.0.113.%d" % number))
        questions = [digest(b"secret", address=place) for place in (b"198.51.100.1", b"198.51.100.2")]
        questions.append(Question(ALICE.name, b"secret", b"smtp", b"198.51.100.1"))
        return [asked.answer(question) for question in questions]

    assert [ALICE, REFUSED, ALICE] == play(story, known=table(Password(STORED)))


def test_a_client_that_tries_in_vain_before_it_says_the_password_is_never_limited() -> None:
    def story(asked: Checks) -> list[object]:
        plain = Question(ALICE.name, b"secret", b"smtp", b"192.0.2.66")
        asked.answer(plain)
        for _ in range(MOST_FROM_ADDRESS * TRUSTED_TIMES):
            asked.answer(digest(b"secret"))
        return [asked.answer(each) for each in (plain, plain._replace(address=b"198.51.100.1"))]

    assert [ALICE, ALICE] == play(story)


def test_a_device_with_an_old_password_does_not_limit_its_owners_account() -> None:
    def story(asked: Checks) -> object:
        asked.answer(digest(b"secret"))
        for _ in range(MOST_AT_ACCOUNT):
            asked.answer(digest(b"old"))
        return asked.answer(digest(b"secret", address=b"198.51.100.1"))

    assert ALICE == play(story, known=table(Password(STORED)))


def test_a_user_of_endless_length_is_not_remembered_whole() -> None:
    def story(asked: Checks) -> int:
        asked.answer(Question(b"z" * 9000, b"x"))
        return max(map(len, asked._tries))

    assert 321 == play(story)


def test_a_client_that_comes_every_minute_costs_little() -> None:
    def story(asked: Checks) -> float:
        question = Question(ALICE.name, b"secret", b"pop3", b"192.0.2.1")
        asked.answer(question)
        begin = time.process_time()
        for _ in range(1000):
            asked.answer(question)
        return time.process_time() - begin

    assert play(story) < 5.0  # verified each time it would be twenty
