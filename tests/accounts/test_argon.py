"""Owns the tests of argon2id."""

import subprocess
import sys

from appliance.accounts.argon import make, verify
from tests.support.sources import CHECKOUT


def test_a_password_is_that_of_its_hash_and_no_other_is() -> None:
    known_hash = make(b"p\xff")

    assert [True, False, False] == [verify(known_hash, said) for said in (b"p\xff", b"P\xff", b"")]


def test_what_is_no_hash_is_nobodys() -> None:
    assert not verify("$argon2id$v=19$m=19456,t=2,p=1$", b"")
    assert not verify("none", b"none")


def test_authd_has_no_argon2_in_memory_before_the_first_password() -> None:
    asked = (
        "import sys, appliance.accounts.authd; sys.exit('argon2' in sys.modules or 'inspect' in sys.modules)"
    )

    assert 0 == subprocess.run([sys.executable, "-c", asked], cwd=CHECKOUT, check=False).returncode
