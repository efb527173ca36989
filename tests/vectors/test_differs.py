"""The list of meant differences, and what it covers."""

import base64
from pathlib import Path

import pytest

from tests.vectors.case import Difference, plain
from tests.vectors.differs import is_meant, is_stale, read_rules, read_wordings, reworded

LIST = """\
| cases | fields | ours | reason |
|---|---|---|---|
| `queue/todo-*`, `queue/x` | `layout names` | `[]` | Since. |
| `queue/*` | `layout owner` | `qmailq` | So. |
"""
SENTENCES = "- `Sorry it failed.` is `It failed.`\n"
NAMES = Difference("layout names", "- a", "[]")
OWNER = Difference("layout owner", "qmails", "qmailq")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "differs.md").write_text(LIST)
    return tmp_path / "differs.md"


def test_a_case_that_differs_as_listed_is_meant(folder: Path) -> None:
    assert is_meant(read_rules(folder), "queue/todo-one", [NAMES, OWNER])


def test_a_row_counts_where_its_text_stands_whatever_other_rows_say_of_the_case(folder: Path) -> None:
    folder.write_text(LIST + "| `queue/*` | `layout owner` | `root` | Or so. |\n")

    assert is_meant(read_rules(folder), "queue/todo-one", [NAMES, OWNER])


@pytest.mark.parametrize(
    ("case", "differences"),
    [
        ("queue/other", [NAMES]),
        ("queue/todo-one", [NAMES, Difference("exit", "0", "1")]),
        ("queue/todo-one", [NAMES._replace(got="- b")]),
        ("queue/todo-one", []),
    ],
)
def test_any_other_difference_is_not(folder: Path, case: str, differences: list[Difference]) -> None:
    assert not is_meant(read_rules(folder), case, differences)


def test_only_a_listed_name_goes_stale(folder: Path) -> None:
    rules = read_rules(folder)

    assert (True, False) == (is_stale(rules, "queue/x"), is_stale(rules, "queue/todo-one"))


def test_a_listed_line_is_put_into_our_words_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "differs.md").write_text(SENTENCES)
    wordings = read_wordings(tmp_path / "differs.md")
    encoded = {"b64": base64.b64encode(b"\xff\nSorry it failed.\n").decode()}
    recorded = {
        "a": "x\nSorry it failed.\nSorry it failed.\r\n",
        "b": [" Sorry it failed.", encoded, 3, True],
    }

    ours = reworded(recorded, wordings)

    assert {
        "a": b"x\nIt failed.\nIt failed.\r\n",
        "b": [b" Sorry it failed.", b"\xff\nIt failed.\n", 3, True],
    } == plain(ours)


def test_the_list_that_we_keep_has_a_reason_in_each_row() -> None:
    rows = [
        line.strip("|").split("|")
        for line in Path(__file__).with_name("differs.md").read_text().splitlines()
        if line.startswith("| `")
    ]

    assert rows
    assert [] == [row for row in rows if len(row) != 4 or len(row[3].strip()) < 20]
