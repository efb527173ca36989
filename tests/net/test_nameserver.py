"""Owns the tests of one question to one name server; tests/net/test_resolver asks more of them."""

import subprocess
import sys

import pytest

from appliance.formats.dns import Answer, Mx, Server
from appliance.formats.outcome import Verdict
from appliance.net.loop import run
from appliance.net.nameserver import Question, pointer_of
from tests.support.nameserver import SERVFAIL, NameServer, Records
from tests.support.sources import CHECKOUT

RECORDS: Records = {
    "far.test": {"MX": ["10 mx.far.test"]},
    "void.test": {"A": ["192.0.2.1"]},
    "bad.test": SERVFAIL,
}


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        (b"far.test", Answer(Verdict.DONE, (Mx(10, b"mx.far.test"),))),
        (b"void.test", Answer(Verdict.NEVER)),
        (b"none.test", Answer(Verdict.NEVER)),
        (b"bad.test", None),
    ],
)
def test_an_answer_is_what_a_server_knows(name: bytes, answer: Answer | None) -> None:
    with NameServer(RECORDS) as server:
        found, keep_s = run(Question(name, "MX").ask(Server("127.0.0.1", server.port)))

    assert (answer, True) == (found, 0 <= keep_s <= 3600)


@pytest.mark.parametrize("name", [b"", b"a..test", b"a" * 64 + b".test", "ö".encode("latin-1")])
def test_what_can_be_no_name_is_no_question(name: bytes) -> None:
    with pytest.raises(ValueError, match="can be no name"):
        Question(name, "MX")


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("192.0.2.1", b"1.2.0.192.in-addr.arpa."),
        ("::ffff:192.0.2.1", b"1.2.0.192.in-addr.arpa."),
        ("2001:db8::1", b"1." + b"0." * 23 + b"8.b.d.0.1.0.0.2.ip6.arpa."),
    ],
)
def test_names_of_an_address_are_found_below_arpa(address: str, name: bytes) -> None:
    assert name == pointer_of(address)


def test_who_has_not_asked_yet_has_no_dnspython_in_memory() -> None:
    asked = "import sys, appliance.remote.rspawn; sys.exit('dns' in sys.modules)"

    assert 0 == subprocess.run([sys.executable, "-c", asked], cwd=CHECKOUT, check=False).returncode
