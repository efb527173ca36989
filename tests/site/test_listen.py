"""Owns the tests of the keys about ports."""

import pytest
from pydantic import ValidationError

from appliance.site.listen import Listen
from appliance.site.values import Plain


def test_what_is_unencrypted_and_old_is_closed_unless_it_is_asked_for() -> None:
    closed = {name for name, port in Listen() if port is None}

    assert {"qmtp", "qmqp", "ofmip"} == closed
    assert (26, None) == (Listen(ofmip=26).ofmip, Listen.model_validate({"smtp": None}).smtp)


@pytest.mark.parametrize("wrong", [{"smtp": 0}, {"ofmip": 65536}, {"pop3": "110"}, {"imap": 143}])
def test_what_is_no_such_port_is_refused(wrong: dict[str, Plain]) -> None:
    with pytest.raises(ValidationError):
        Listen.model_validate(wrong)
