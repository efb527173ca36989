"""The programs that make tables and lists for other programs out of standard input, or print them."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from appliance.__main__ import main_of
from appliance.formats.cdb import make_cdb
from appliance.inject import tables
from tests.support.on_descriptor import on_descriptor_0

Main = Callable[[list[str], Mapping[str, str]], int]


@pytest.mark.parametrize(
    ("program", "text", "content"),
    [
        (tables.setforward, b"a@h: b@x;", make_cdb([(b":a@h", b"&b@x\0")])),
        (tables.setmaillist, b"b@x\n", b"&b@x\0"),
        (tables.ofmipname, b"a@h:A:b@x:\n", make_cdb([(b"a@h", b"A\0b@x")])),
    ],
)
def test_what_is_on_descriptor_0_comes_in_place_by_a_temporary_file(
    tmp_path: Path, program: Main, text: bytes, content: bytes
) -> None:
    with on_descriptor_0(tmp_path, text):
        assert 0 == program([str(tmp_path / "made"), str(tmp_path / "tmp")], {})
    assert (content, False) == ((tmp_path / "made").read_bytes(), (tmp_path / "tmp").exists())


@pytest.mark.parametrize(
    ("made", "temporary", "words"),
    [
        ("made", "no/tmp", "unable to create {0}/no/tmp: file does not exist"),
        ("no/made", "tmp", "unable to move {0}/tmp to {0}/no/made: file does not exist"),
    ],
)
def test_what_cannot_be_written_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], made: str, temporary: str, words: str
) -> None:
    with on_descriptor_0(tmp_path, b"a: b;"):
        assert 111 == tables.setforward([str(tmp_path / made), str(tmp_path / temporary)], {})
    assert f"setforward: fatal: {words}\n".format(tmp_path) == capsys.readouterr().err


@pytest.mark.parametrize(
    ("program", "content", "printed"),
    [
        (tables.printforward, make_cdb([(b":a@h", b"&b@x\0")]), b"a@h:\n, &b@x\n;\n"),
        (tables.printmaillist, b"&b\xf6@x\0", b"&b\xf6@x\n"),
    ],
)
def test_a_table_or_list_is_printed(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes], program: Main, content: bytes, printed: bytes
) -> None:
    with on_descriptor_0(tmp_path, content):
        assert 0 == program([], {})
    assert printed == capfdbinary.readouterr().out


@pytest.mark.parametrize(
    ("name", "words"),
    [("printforward", "bad database format"), ("printmaillist", "bad mailing list format")],
)
def test_what_is_none_is_not_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, words: str
) -> None:
    with on_descriptor_0(tmp_path, b"nothing of the kind"):
        assert 100 == main_of(name)([], {})
    assert ("", f"{name}: fatal: {words}\n") == capsys.readouterr()


@pytest.mark.parametrize("name", ["setforward", "setmaillist", "printforward", "printmaillist", "ofmipname"])
def test_an_input_that_cannot_be_read_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    with on_descriptor_0(tmp_path, None):
        assert 111 == main_of(name)([str(tmp_path / "a"), str(tmp_path / "b")], {})
    assert f"{name}: fatal: unable to read input: file descriptor not open\n" == capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("setforward", "setforward data.cdb data.tmp"),
        ("setmaillist", "setmaillist list.bin list.tmp"),
        ("ofmipname", "ofmipname cdb tmp"),
    ],
)
def test_without_its_arguments_each_tells_its_usage(
    capsys: pytest.CaptureFixture[str], name: str, words: str
) -> None:
    assert 100 == main_of(name)([], {})
    assert f"{name}: usage: {words}\n" == capsys.readouterr().err
