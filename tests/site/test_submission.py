"""Owns the tests of the keys about mail that users send."""

import pytest
from pydantic import ValidationError

from appliance.site.submission import Submission
from appliance.site.values import Plain


def test_a_stolen_password_sends_for_so_long_and_under_its_own_name_alone() -> None:
    usual = Submission()

    assert (True, 1000, 5000, 12 * 3600) == (
        usual.check_from,
        usual.messages_per_day,
        usual.recipients_per_day,
        usual.burst,
    )


def test_a_burst_is_a_time() -> None:
    assert 7200 == Submission.model_validate({"burst": "2h"}).burst


@pytest.mark.parametrize(
    "wrong", [{"burst": "much"}, {"messages_per_day": -1}, {"check_from": 1}, {"bcc": True}]
)
def test_what_is_no_such_key_or_value_is_refused(wrong: dict[str, Plain]) -> None:
    with pytest.raises(ValidationError):
        Submission.model_validate(wrong)
