"""Owns the tests of `toaster diff`."""

import json
from pathlib import Path

import pytest

from appliance.admin.difference import differences
from appliance.site.render import UNKNOWN_HASH
from tests.support.command import make_mail_folder, run
from tests.support.configs import ALICE, HASH, SITE, with_domain


def test_a_file_that_is_the_same_is_no_difference() -> None:
    assert {} == differences({"control/me": "a\n"}, {"control/me": "a\n"})


def test_files_come_change_and_go() -> None:
    found = differences({"a": "1\n", "b": "1\n"}, {"b": "2\n", "c": "1\n"})

    assert {
        "a": ["--- a", "+++ /dev/null", "@@ -1 +0,0 @@", "-1"],
        "b": ["--- b", "+++ b", "@@ -1 +1 @@", "-1", "+2"],
        "c": ["--- /dev/null", "+++ c", "@@ -0,0 +1 @@", "+1"],
    } == found


def test_no_hash_is_shown_but_that_it_differs() -> None:
    other = HASH.replace("a" * 43, "b" * 43)

    found = differences({"passwords": f"a@b:{HASH}:1:1:/h:/m\n"}, {"passwords": f"a@b:{other}:1:1:/h:/m\n"})

    shown = "\n".join(found["passwords"])
    assert (False, 2, 1) == ("argon2" in shown, shown.count("(hash "), shown.count("-a@b:"))


def test_a_hash_that_is_still_to_be_made_is_called_so() -> None:
    found = differences({}, {"passwords": f"a@b:{UNKNOWN_HASH}:1:1:/h:/m\n"})

    assert f"+a@b:({UNKNOWN_HASH}):1:1:/h:/m" == found["passwords"][-1]


def test_no_password_is_shown_but_that_it_differs() -> None:
    line = "@example.org:smtp.isp.test|starttls||joe|{}\n"
    old, new = line.format("sec|ret"), line.format("sec|net")

    found = differences({"control/smarthosts": old}, {"control/smarthosts": new})

    shown = "\n".join(found["control/smarthosts"])
    assert (False, 2) == ("sec" in shown, shown.count("|joe|(password "))
    assert {} == differences({"control/smarthosts": old}, {"control/smarthosts": old})


def test_before_the_first_start_everything_would_be_new(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "config.yaml").write_text(SITE)

    assert 1 == run(tmp_path, "diff")
    told = capsys.readouterr().out
    assert "+++ control/me\n@@ -0,0 +1 @@\n+mail.example.org\n" in told
    assert ["config.yaml"] == [path.name for path in tmp_path.iterdir()]


def test_after_an_apply_nothing_would_change_until_the_config_does(
    open_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = open_folder / "config.yaml"
    config.write_text(with_domain(ALICE))
    make_mail_folder(open_folder)
    run(open_folder, "apply")
    capsys.readouterr()

    same = run(open_folder, "diff")
    told = capsys.readouterr().out
    config.write_text(with_domain(f"{ALICE}aliases: {{info: alice}}"))
    changed = run(open_folder, "diff", "--json")
    changes = json.loads(capsys.readouterr().out)["changes"]

    assert (0, "Nothing would change.\n", 1) == (same, told, changed)
    assert {"alias/.qmail-example:org-info", "control/senders", "users/assign"} == set(changes)


def test_what_is_there_by_hand_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "config.yaml").write_text(SITE)
    (tmp_path / "qmail" / "control").mkdir(parents=True)

    run(tmp_path, "diff")

    assert "control is there by hand and stays as it is." in capsys.readouterr().out


def test_a_faulty_config_is_a_two(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("x")

    assert 2 == run(tmp_path, "diff")
