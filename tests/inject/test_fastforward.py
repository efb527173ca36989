"""The program fastforward, with a small real queue."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.formats.cdb import make_cdb
from appliance.formats.envelope import Envelope
from appliance.formats.forwardtable import compile_forward
from appliance.formats.handin import Whole
from appliance.formats.outcome import Report, Verdict
from appliance.inject import fastforward
from tests.support.on_descriptor import on_descriptor_0
from tests.support.queue_server import QueueServer

MESSAGE = b"Subject: t\n\nb\n"


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {
        "TOASTER_HOME": str(tmp_path),
        "RECIPIENT": "a@h.test",
        "SENDER": "s@x.test",
        "DTLINE": "Delivered-To: a@h.test\n",
    }


def forward(tmp_path: Path, environ: dict[str, str], table: str, *options: str) -> int:
    """Run it on a table that setforward would make."""
    path = tmp_path / "table.cdb"
    path.write_bytes(make_cdb(compile_forward(table.encode())))
    with on_descriptor_0(tmp_path, MESSAGE):
        return fastforward.main([*options, str(path)], environ)


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ("A@h.test: b@x.test, c;", "from <s@x.test>\nto <b@x.test>\nto <c>\n"),
        ("a@h.test: b@h.test, o@x; b@h.test: a@h.test, o@x, p@x;", "from <s@x.test>\nto <p@x>\nto <o@x>\n"),
        ("a@h.test: b@h.test; @h.test: c@x;", "from <s@x.test>\nto <b@h.test>\n"),
        ("a@h.test: x@x, x@x, X@x;", "from <s@x.test>\nto <x@x>\nto <X@x>\n"),
        ("a@: ?own, b@h.test; b@h.test: ?other, c@x;", "from <own>\nto <b@h.test>\n"),
        ("a@h.test: |true, !false;", "run |true\nrun !false\nno forwarding\n"),
        ("a@h.test: b\\\té@x;", "from <s@x.test>\nto <b___@x>\n"),
    ],
)
def test_it_tells_what_it_would_do(
    tmp_path: Path, environ: dict[str, str], capsys: pytest.CaptureFixture[str], table: str, told: str
) -> None:
    assert (0, told) == (forward(tmp_path, environ, table, "-n"), capsys.readouterr().err)


@pytest.mark.parametrize("sender", ["", "#@[]"])
def test_a_bounce_gets_no_owner(
    tmp_path: Path, environ: dict[str, str], capsys: pytest.CaptureFixture[str], sender: str
) -> None:
    environ["SENDER"] = sender

    assert 0 == forward(tmp_path, environ, "a@h.test: ?own, b@x;", "-n")
    assert f"from <{sender}>\nto <b@x>\n" == capsys.readouterr().err


def test_one_message_goes_to_all(
    tmp_path: Path, environ: dict[str, str], queue: QueueServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 0 == forward(tmp_path, environ, "a@h.test: b@x.test, c@x.test;")

    envelope = Envelope(b"s@x.test", (b"b@x.test", b"c@x.test"))
    assert [Whole(1, envelope, b"Delivered-To: a@h.test\n" + MESSAGE)] == queue.requests
    assert "fastforward: qp 17\n" == capsys.readouterr().err


def test_what_the_table_does_not_know_bounces_or_is_passed_on(
    tmp_path: Path, environ: dict[str, str], queue: QueueServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 100 == forward(tmp_path, environ, "b@h.test: c;")
    assert fastforward.UNKNOWN == capsys.readouterr().err
    assert 0 == forward(tmp_path, environ, "b@h.test: c;", "-p")
    assert "" == capsys.readouterr().err
    assert 99 == forward(tmp_path, environ, "a@h.test: c;", "-p")
    assert 1 == len(queue.requests)


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"DEFAULT": "a", "EXT": "b", "HOST": "H.test"}, "from <s@x.test>\nto <found>\n"),
        ({"EXT": "a", "HOST": "h.test"}, "from <s@x.test>\nto <found>\n"),
        ({"HOST": "h.test"}, "fastforward: fatal: $DEFAULT or $EXT must be set\n"),
        ({"EXT": "a"}, "fastforward: fatal: $HOST must be set\n"),
    ],
)
def test_it_may_look_for_what_a_default_file_stands_for(
    tmp_path: Path,
    environ: dict[str, str],
    capsys: pytest.CaptureFixture[str],
    variables: dict[str, str],
    told: str,
) -> None:
    code = forward(tmp_path, environ | variables | {"RECIPIENT": "no"}, "a@h.test: found;", "-dn")

    assert (100 if "fatal" in told else 0, told) == (code, capsys.readouterr().err)


def test_without_a_recipient_it_cannot_be_run(
    tmp_path: Path, environ: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    del environ["RECIPIENT"]

    assert 100 == forward(tmp_path, environ, "", "-n")
    assert "fastforward: fatal: $RECIPIENT must be set\n" == capsys.readouterr().err


def test_a_list_may_hold_addresses_and_further_lists_but_no_commands(
    tmp_path: Path, environ: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    for name, content in {"l": f"&b@x\0|echo bad\0{tmp_path}/m\0", "m": f"&c@x\0{tmp_path}/l\0"}.items():
        (tmp_path / name).write_text(content)
        (tmp_path / name).chmod(0o644)

    assert 0 == forward(tmp_path, environ, f"a@h.test: {tmp_path}/l;", "-n")
    assert "from <s@x.test>\nto <b@x>\nto <c@x>\n" == capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("missing", "unable to read {}/missing: file does not exist"),
        ("closed", "{}/closed is not world-readable"),
        ("folder", "unable to read {}/folder: is a directory"),
    ],
)
def test_a_list_that_cannot_be_read_defers(
    tmp_path: Path, environ: dict[str, str], capsys: pytest.CaptureFixture[str], name: str, words: str
) -> None:
    (tmp_path / "closed").touch(0o600)
    (tmp_path / "folder").mkdir()

    assert 111 == forward(tmp_path, environ, f"a@h.test: {tmp_path}/{name};", "-n")
    assert f"fastforward: fatal: {words}\n".format(tmp_path) == capsys.readouterr().err


@pytest.mark.parametrize(("ended", "code"), [(100, 100), (99, 111), (0, 0)])
def test_a_commands_end_is_its_answer(
    tmp_path: Path, environ: dict[str, str], queue: QueueServer, ended: int, code: int
) -> None:
    assert code == forward(tmp_path, environ, f"a@h.test: b@x, |exit\\ {ended};")
    assert len(queue.requests) == (code == 0)


@pytest.mark.parametrize(("code", "verdict"), [(111, Verdict.TRY_AGAIN), (100, Verdict.NEVER)])
def test_the_queues_refusal_is_told(
    tmp_path: Path,
    environ: dict[str, str],
    queue: QueueServer,
    capsys: pytest.CaptureFixture[str],
    code: int,
    verdict: Verdict,
) -> None:
    queue.answer = lambda number: Report(verdict, b"no (#4.3.0)")

    assert code == forward(tmp_path, environ, "a@h.test: b@x;")
    assert "fastforward: fatal: no (#4.3.0)\n" == capsys.readouterr().err


def test_a_message_that_cannot_be_read_defers(
    tmp_path: Path, environ: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "t").write_bytes(make_cdb([(b":a@h.test", b"&b@x\0")]))

    with on_descriptor_0(tmp_path, None):
        assert 111 == fastforward.main([str(tmp_path / "t")], environ)
    assert "unable to read message: file descriptor not open" in capsys.readouterr().err


@pytest.mark.parametrize("argv", [[], ["-x"], ["-n"]])
def test_without_a_table_it_tells_its_usage(capsys: pytest.CaptureFixture[str], argv: list[str]) -> None:
    assert 100 == fastforward.main(argv, {})
    assert capsys.readouterr().err.endswith(fastforward.USAGE)


@settings(max_examples=50)
@given(st.binary(max_size=60) | st.binary(max_size=60).map(lambda tail: bytes(2048) + tail))
def test_any_table_is_answered(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "t").write_bytes(content)

    assert fastforward.main(["-n", str(tmp_path / "t")], {"RECIPIENT": "a@h"}) in (0, 100, 111)
