"""The arguments of the program tcpserver."""

import pytest

from appliance.net.arguments import Options, number_of, parse_arguments, port_of

REST = ["0", "25", "cat"]


def test_without_options_all_is_as_the_manual_says() -> None:
    assert (Options(), ["0", "25", "cat", "-v"]) == parse_arguments([*REST, "-v"], {})


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["-v"], {"verbosity": 2}),
        (["-vq"], {"verbosity": 0}),
        (["-qQ"], {"verbosity": 1}),
        (["-RHl0"], {"asks_ident": False, "asks_host": False, "local_name": "0"}),
        (["-l", ""], {"local_name": ""}),
        (["-c400", "-x", "r.cdb", "-X"], {"limit": 400, "rules": "r.cdb", "rules_may_be_missing": True}),
        (["-c", "none"], {"limit": 0}),
        (["-u7770", "-g", "2108"], {"uid": 7770, "gid": 2108}),
        (["-U"], {"uid": 12, "gid": 34}),
        (["-U", "-u7"], {"uid": 7, "gid": 34}),
        (["-1oDp", "-t3", "-b5"], None),
        (["-B", "hello\r\n"], {"banner": "hello\r\n"}),
    ],
)
def test_options_are_tcpservers(words: list[str], expected: dict[str, object] | None) -> None:
    wanted = (
        Options(shows_port=True, keeps_ip_options=True, delays=False, paranoid=True, ident_s=3, backlog=5)
        if expected is None
        else Options(**expected)  # type: ignore[arg-type]
    )

    assert (wanted, REST) == parse_arguments([*words, *REST], {"UID": "12", "GID": "34"})


def test_with_u_capital_and_nobody_named_nobody_is_meant() -> None:
    assert (Options(), REST) == parse_arguments(["-U", *REST], {})


@pytest.mark.parametrize(
    ("argv", "complaint"),
    [
        ([], ""),
        (["0", "25"], ""),
        (["-z", *REST], "illegal option -- z"),
        (["--long", *REST], "illegal option -- l"),
        (["-c"], "option requires an argument -- c"),
    ],
)
def test_what_makes_no_sense_is_refused(argv: list[str], complaint: str) -> None:
    with pytest.raises(ValueError, match=f"^{complaint}$"):
        parse_arguments(argv, {})


def test_a_number_is_the_digits_at_the_beginning() -> None:
    assert [12, 0, 0, 999999999] == [number_of(text) for text in ("12x", "x", "", "9" * 5000)]


def test_a_port_is_a_number_or_a_service() -> None:
    assert [25, 0, 25, 1] == [port_of(text) for text in ("25", "", "smtp", "65537")]
    with pytest.raises(OSError, match="not found"):
        port_of("no-such-service")
