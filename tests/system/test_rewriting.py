"""What rewrites hosts, out of control files."""

from pathlib import Path

import pytest

from appliance.formats.outcome import Temporary
from appliance.system.control import Control
from appliance.system.rewriting import read_rewriting, setting


def control(folder: Path, **files: str) -> Control:
    for name, text in files.items():
        (folder / name).write_text(text)
    return Control(folder)


def test_a_variable_overrides_a_file_and_a_word_stands_in_for_both(tmp_path: Path) -> None:
    given = control(tmp_path, idhost="i.test\n")

    assert b"i.test" == setting(given, {}, "idhost", "IDHOST")
    assert b"env" == setting(given, {"QMAILIDHOST": "env"}, "idhost", "IDHOST")
    assert b"PLUS" == setting(given, {}, "plusdomain", "PLUS")


def test_the_rules_are_a_users_or_the_hosts_or_the_defaults(tmp_path: Path) -> None:
    given = control(tmp_path, me="m.test\n", defaulthost="dh\n", defaultdomain="dd.test\n")
    rules, id_host = read_rewriting(given, {})
    assert (b"a@dh.dd.test", b"a@x.m.test", b"m.test") == (
        rules.address(b"a"),
        rules.address(b"a@x+"),
        id_host,
    )

    control(tmp_path, rewrite="# c\n=:h\n", idhost="i\n")
    rules, id_host = read_rewriting(given, {"QMAILIDHOST": "j"})
    assert (b"a@h", b"j") == (rules.address(b"a"), id_host)
    assert b"a@own" == read_rewriting(given, {}, [b"=:own"])[0].address(b"a")


def test_rules_that_cannot_be_read_defer(tmp_path: Path) -> None:
    (tmp_path / "rewrite").mkdir()

    with pytest.raises(Temporary, match="rewrite"):
        read_rewriting(Control(tmp_path), {})
