"""What tcpserver does with a connection: names, rules, environment, with a name server on loopback."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.formats.tcprules import compile_rules
from tests.support.nameserver import NameServer, Records
from tests.support.tcpserver import TcpServer, tcpserver

RECORDS: Records = {
    "1.0.0.127.in-addr.arpa": {"PTR": ["local.test"]},
    "5.0.0.127.in-addr.arpa": {"PTR": ["Five.test"]},
    "five.test": {"A": ["127.0.0.5"]},
    "6.0.0.127.in-addr.arpa": {"PTR": ["liar.test"]},
    "liar.test": {"A": ["127.0.0.99"]},
}
TOLD = 'echo "$PROTO ${TCPLOCALHOST-none} ${TCPREMOTEHOST-none} ${TCPREMOTEINFO-none} ${FOO-none}"'


@pytest.fixture(scope="module")
def names() -> Iterator[NameServer]:
    with NameServer(RECORDS) as server:
        yield server


def told(tmp_path: Path, options: list[str], source: str, names: NameServer, **environ: str) -> bytes:
    with tcpserver(tmp_path, options, "sh", "-c", TOLD, TOASTER_NAMESERVER=names.at, **environ) as server:
        return server.call(source=source)


def denied(server: TcpServer, source: str) -> bool:
    """Whether a client hears nothing, and the log says deny."""
    return server.call(source=source) == b"" and any(
        line.startswith("tcpserver: deny ") and f":{source}:" in line for line in server.log
    )


def rules(tmp_path: Path, text: bytes) -> str:
    path = tmp_path / "rules.cdb"
    path.write_bytes(compile_rules(text))
    return str(path)


@pytest.mark.parametrize(
    ("options", "source", "expected"),
    [
        (["-Rh"], "127.0.0.5", b"TCP local.test five.test none none\n"),
        (["-Rhl0"], "127.0.0.6", b"TCP 0 liar.test none none\n"),
        (["-Rpl0"], "127.0.0.6", b"TCP 0 none none none\n"),
        (["-Rpl0"], "127.0.0.5", b"TCP 0 five.test none none\n"),
        (["-Rhl0"], "127.0.0.7", b"TCP 0 none none none\n"),
        (["-rHl0", "-t5"], "127.0.0.5", b"TCP 0 none none none\n"),
    ],
)
def test_the_environment_says_who_is_there_and_nothing_stale(
    tmp_path: Path, names: NameServer, options: list[str], source: str, expected: bytes
) -> None:
    stale = {"TCPREMOTEHOST": "stale", "TCPREMOTEINFO": "stale", "TCPLOCALHOST": "stale"}

    assert expected == told(tmp_path, options, source, names, **stale)


@pytest.mark.parametrize(
    ("source", "foo"),
    [("127.0.0.5", b"exact"), ("127.0.0.6", b"test"), ("127.0.0.9", b"net"), ("127.0.1.9", b"two words")],
)
def test_the_first_rule_that_fits_counts(tmp_path: Path, names: NameServer, source: str, foo: bytes) -> None:
    text = b'=five.test:allow,FOO="exact"\n=.test:allow,FOO="test"\n127.0.0.9:allow,FOO="net"\n'
    cdb = rules(tmp_path, text + b':allow,FOO="two words",PROTO="MINE"\n')

    assert told(tmp_path, ["-Rhx", cdb], source, names).endswith(b" " + foo + b"\n")


def test_rules_deny_and_are_read_anew_for_each_connection(tmp_path: Path, names: NameServer) -> None:
    cdb = rules(tmp_path, b"127.0.0.5:deny\n")
    with tcpserver(tmp_path, ["-vRHl0", "-x", cdb], "echo", "in") as server:
        assert denied(server, "127.0.0.5")
        server.wait_for_log("tcpserver: status: 0/40")
        assert any(line.endswith(" status 25600") for line in server.log)
        assert b"in\n" == server.call(source="127.0.0.6")

        rules(tmp_path, b"127.0.0.6:deny\n")

        assert b"in\n" == server.call(source="127.0.0.5")
        assert denied(server, "127.0.0.6")


@pytest.mark.parametrize(
    ("content", "reason"),
    [(None, "file does not exist"), (b"", "protocol error"), (b"\xff" * 3000, "protocol error")],
)
def test_without_readable_rules_a_connection_is_dropped(
    tmp_path: Path, content: bytes | None, reason: str
) -> None:
    cdb = tmp_path / "rules.cdb"
    if content is not None:
        cdb.write_bytes(content)
    with tcpserver(tmp_path, ["-RHl0", "-x", str(cdb)], "echo", "in") as server:
        assert b"" == server.call()

    assert [f"tcpserver: warning: dropping connection, unable to read {cdb}: {reason}"] == server.log


def test_with_x_capital_missing_rules_allow(tmp_path: Path) -> None:
    with tcpserver(tmp_path, ["-XRHl0", "-x", str(tmp_path / "none.cdb")], "echo", "in") as server:
        assert b"in\n" == server.call()


def test_a_banner_comes_before_anything_is_asked(tmp_path: Path) -> None:
    cdb = rules(tmp_path, b":deny\n")
    with tcpserver(tmp_path, ["-RHl0", "-x", cdb, "-B", "hello\r\n"], "cat") as server:
        assert b"hello\r\n" == server.call()


def test_a_strangers_name_cannot_forge_a_log_line(tmp_path: Path) -> None:
    records: Records = {"5.0.0.127.in-addr.arpa": {"PTR": [r"a%\010b." + "x" * 60 + "." + "y" * 60]}}
    with (
        NameServer(records) as names,
        tcpserver(tmp_path, ["-vRl0"], "true", TOASTER_NAMESERVER=names.at) as server,
    ):
        server.call(source="127.0.0.5")
        log = server.wait_for_log("tcpserver: status: 0/40")

    [line] = [line for line in log if line.startswith("tcpserver: ok ")]
    assert " a?\\010b." in line
    assert "...:127.0.0.5::" in line


def test_a_program_that_is_not_there_is_told_of(tmp_path: Path) -> None:
    with tcpserver(tmp_path, ["-RHl0"], "no-such-program") as server:
        assert b"" == server.call()

    told = "tcpserver: warning: dropping connection, unable to run no-such-program: file does not exist"
    assert [told] == server.log
