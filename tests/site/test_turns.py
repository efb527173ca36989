"""Owns the tests of what must hold for a domain whose mail waits."""

import pytest

from appliance.site.draft import Draft
from appliance.site.turns import faults
from tests.support.configs import ALICE, with_domain
from tests.support.unchecked import unchecked


def told(text: str) -> list[tuple[str, str]]:
    found = faults(Draft(unchecked(text), frozenset()))
    return [("/".join(map(str, told.path)), told.text) for told in found]


@pytest.mark.parametrize(
    ("value", "path", "said"),
    [
        ("mx.ppp.test", "", "nobody could have the mail of `ppp.test` sent"),
        ("{host: 192.0.2.9, logins: [eve@example.org]}", "/logins", "`eve@example.org` is no mailbox"),
        ("{host: 192.0.2.9, logins: [alice@far.test]}", "/logins", "`alice@far.test` is no mailbox"),
        ("{host: 192.0.2.9, logins: [dave@example.org]}", "/logins", "with a password"),
    ],
)
def test_somebody_can_have_the_mail_sent(value: str, path: str, said: str) -> None:
    inner = f"{ALICE}  dave: {{forward: d@e.test}}"

    ((where, text),) = told(with_domain(inner, f"ppp.test: {{autoturn: {value}}}"))
    assert f"domains/ppp.test/autoturn{path}" == where
    assert said in text


def test_a_line_by_hand_is_read() -> None:
    assert [] == told(f"{with_domain(ALICE)}control: {{autoturn: 'ppp.test:h|192.0.2.9|'}}\n")
    ((where, text),) = told(f"{with_domain(ALICE)}control: {{autoturn: 'ppp.test'}}\n")
    assert "control/autoturn" == where
    assert "this is not domain:next hop|addresses|logins; write it so" in text
