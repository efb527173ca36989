"""What was handed in, read out of a recording whose words do not say it."""

from collections.abc import Mapping

from tests.vectors.case import Case
from tests.vectors.queue_files import compare_layouts, recorded_envelope, recorded_prefix

INFO = "info msg {{MSG%d}}: bytes {{BYTES}} from <s@x.test> qp {{PID}} uid 7791\n"


def case(log: str, layout: Mapping[str, object], virtualdomains: str = "") -> Case:
    config = {"/var/qmail/control/virtualdomains": virtualdomains}
    return Case({"family": "queue", "name": "n", "config": config, "expect": {"log": log, "layout": layout}})


def test_files_and_log_tell_the_recipients_each_once() -> None:
    log = (
        INFO % 1
        + "starting delivery 1: msg {{MSG1}} to local a@l\nstarting delivery 2: msg {{MSG1}} to local b@l\n"
    )
    layout = {"local/{{INODE1 mod 23}}/{{INODE1}}": {"bytes": "Db@l\0Tc@l\0"}}

    assert (b"s@x.test", [b"b@l", b"c@l", b"a@l"]) == recorded_envelope(case(log, layout))


def test_a_virtual_domains_prefix_was_not_handed_in() -> None:
    log = INFO % 1 + "starting delivery 1: msg {{MSG1}} to local bob-joe@v.test\n"

    assert [b"joe@v.test"] == recorded_envelope(case(log, {}, "v.test:bob\n"))[1]


def test_the_second_message_shows_what_its_domain_became() -> None:
    log = INFO % 1 + INFO % 2 + "starting delivery 2: msg {{MSG2}} to local bob-hup-alice@l\n"

    assert b"bob-hup" == recorded_prefix(case(log, {}), b"alice@l")


def test_attributes_of_files_are_fields_of_their_own() -> None:
    expected = {"info/1": {"bytes": "F\0", "mode": "0600", "owner": "qmails"}, "mess/1": {"bytes": "b"}}
    got = {"info/1": {"bytes": b"F\0", "mode": "0600", "owner": "qmailq"}}

    assert ["layout names", "layout owner"] == [
        difference.field for difference in compare_layouts(expected, got)
    ]
