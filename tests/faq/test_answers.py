"""Owns the agreement of tests/faq and docs/faq.md: what is played is answered, what is answered is played."""

import re
from pathlib import Path

from tests.support.sources import CHECKOUT


def test_every_question_that_is_played_is_answered_and_every_answer_is_played() -> None:
    tests = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    page = (CHECKOUT / "docs" / "faq.md").read_text()

    played = set(re.findall(r"^def test_q0?(\d+)_(\d+)_", tests, re.MULTILINE))
    answered = re.findall(r"^\*\*(\d+)\.(\d+) ", page, re.MULTILINE)

    assert played == set(answered)
    assert sorted(answered, key=lambda number: (int(number[0]), int(number[1]))) == answered
