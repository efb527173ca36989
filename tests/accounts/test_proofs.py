"""Owns the tests of proofs: who knows the password by what is stored of it, and what a stranger learns."""

import base64

import pytest

from appliance.accounts.exchange import Question, Salt
from appliance.accounts.passwords import ITERATIONS
from appliance.accounts.proofs import Proof, Proofs, could_prove
from appliance.accounts.table import EXTERNAL
from appliance.formats.scram import Keys, format_keys, make_keys
from tests.support import scram_client
from tests.support.hashes import HASHES

ALICE, STAMP = b"alice@example.test", b"<1896.697170952@postoffice.reston.mci.net>"
SECRET = "{PLAIN}tanstaaftanstaaf"


def keys(password: bytes, salt: bytes = b"0123456789abcdef") -> str:
    return format_keys(make_keys(password, salt, 4096))


def _made(password: bytes, salt: bytes, iterations: int) -> Keys:
    return make_keys(password, salt, iterations)


def proofs(key: bytes = b"k" * 32, usual: str | None = keys(b"somebody's")) -> Proofs:
    found = Proofs(_made, key)
    found.replace([usual] if usual else [])
    return found


def server_first(salt: Salt) -> bytes:
    return b"r=%bMORE,s=%b,i=%d" % (scram_client.NONCE, salt.text, salt.iterations)


def by_scram(password: bytes, stored: list[str], found: Proofs | None = None) -> Proof | None:
    """What somebody proves who says that this is his password."""
    found = found or proofs()
    said = server_first(found.salt(ALICE, stored))
    message = scram_client.message(ALICE, said)
    answer = scram_client.proof(password, said, message)
    question = Question(ALICE, answer, mechanism=b"SCRAM-SHA-256", challenge=message)
    proof = found.maybe_proof(question, stored)
    assert proof is None or proof.signature == scram_client.signature(password, said, message)
    return proof


def by(mechanism: bytes, answer: bytes, stored: list[str], challenge: bytes = STAMP) -> Proof | None:
    question = Question(ALICE, answer, mechanism=mechanism, challenge=challenge)
    return proofs().maybe_proof(question, stored)


def test_the_example_of_cram_md5() -> None:
    proof = by(b"CRAM-MD5", b"b913a602c7eda7a495b4e6e7334d3890", [SECRET])

    assert Proof(SECRET) == proof
    assert proof is not None
    assert b"tanstaaftanstaaf" == proof.password


def test_the_example_of_apop() -> None:
    stamp = b"<1896.697170952@dbc.mtview.ca.us>"

    assert Proof("{PLAIN}tanstaaf") == by(
        b"APOP", b"c4c9334bac560ecc979e58001b3e22fb", ["{PLAIN}tanstaaf"], stamp
    )


@pytest.mark.parametrize("mechanism", [b"CRAM-MD5", b"APOP", b"SCRAM-SHA-256", b"SCRAM-SHA-1", b"PLAIN"])
@pytest.mark.parametrize(
    "answer", [b"", b"tanstaaftanstaaf", b"b913a602c7eda7a495b4e6e7334d3891", b"\xff\xfe"]
)
def test_a_wrong_answer_proves_nothing(mechanism: bytes, answer: bytes) -> None:
    assert by(mechanism, answer, [SECRET, keys(b"x"), EXTERNAL, HASHES["bcrypt"]]) is None


def test_a_digest_of_another_challenge_proves_nothing() -> None:
    digest = scram_client.cram_md5(b"tanstaaftanstaaf", STAMP)

    assert by(b"CRAM-MD5", digest, [SECRET], STAMP + b"x") is None
    assert by(b"APOP", digest, [SECRET]) is None


@pytest.mark.parametrize("stored", [SECRET, keys(b"tanstaaftanstaaf")])
def test_scram_takes_keys_and_a_password_that_is_stored_as_it_is(stored: str) -> None:
    proof = by_scram(b"tanstaaftanstaaf", [HASHES["bcrypt"], EXTERNAL, stored])

    assert proof is not None
    assert stored == proof.stored
    assert by_scram(b"tanstaaf", [stored]) is None


def test_of_several_keys_those_count_that_have_the_salt_of_the_first() -> None:
    first, same, other = keys(b"one"), keys(b"two"), keys(b"three", b"another salt here")
    stored = [first, same, other, "{PLAIN}four"]

    assert [first, same, None, "{PLAIN}four"] == [
        proof and proof.stored
        for proof in (by_scram(word, stored) for word in (b"one", b"two", b"three", b"four"))
    ]


def test_keys_are_not_shown_as_a_password() -> None:
    proof = by_scram(b"one", [keys(b"one")])

    assert proof is not None
    assert keys(b"one").encode() == proof.password


def test_a_salt_for_nobody_is_always_the_same_and_looks_as_the_others_do() -> None:
    known, unknown = proofs().salt(ALICE, [keys(b"x")]), proofs().salt(b"zed", [])

    assert unknown == proofs().salt(b"zed", []) == proofs().salt(b"zed", [HASHES["bcrypt"], SECRET, EXTERNAL])
    assert (known.iterations, len(base64.b64decode(known.text))) == (
        4096,
        len(base64.b64decode(unknown.text)),
    )
    others = {proofs().salt(b"ann", []), proofs(b"l" * 32).salt(b"zed", []), known}
    assert 4 == len(others | {unknown})


def test_where_nobody_has_keys_a_salt_looks_as_those_made_here() -> None:
    salt = proofs(usual=None).salt(b"zed", [])

    assert (ITERATIONS, 16) == (salt.iterations, len(base64.b64decode(salt.text)))


def test_the_keys_of_a_password_that_is_stored_as_it_is_are_made_once() -> None:
    made = []

    def make(password: bytes, salt: bytes, iterations: int) -> Keys:
        made.append(password)
        return make_keys(password, salt, iterations)

    found = Proofs(make, b"k" * 32)
    found.replace([keys(b"x")])

    assert all(by_scram(b"tanstaaftanstaaf", [SECRET], found) for _ in range(3))
    assert [b"tanstaaftanstaaf"] == made


def test_what_a_form_serves_is_known_before_it_is_tried() -> None:
    mechanisms = (b"SCRAM-SHA-256", b"CRAM-MD5", b"APOP", b"\xff")

    assert [True, False, False, False] == [could_prove(name, [keys(b"x")]) for name in mechanisms]
    assert [True, True, True, False] == [could_prove(name, [EXTERNAL, SECRET]) for name in mechanisms]
    assert not any(could_prove(name, [HASHES["bcrypt"], EXTERNAL]) for name in mechanisms)
