"""Owns the proof of formats/dsn: what Python's mail parser reads in a report is what was put in."""

from email import message_from_bytes
from email.message import Message
from email.policy import default

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.formats.dsn import About, format_report
from appliance.formats.qsbmf import GIVING_UP, Bouncer, News, format_failure

BOUNCER = Bouncer(b"MAILER-DAEMON", b"mx.lab.test", b"postmaster@mx.lab.test")
EPOCH = 1795390072
BOUNDARY = b"0123456789abcdef"
HEADER = b"From: alice@lab.test\nSubject: t\n"
MESSAGE = HEADER + b"\nbody\n"
NO_MAILBOX = b"Sorry, no mailbox here by that name. (#5.1.1)\n"
ABOUT = About(HEADER, EPOCH - 60)


def whole(
    failures: bytes, *, about: About = ABOUT, copy: bytes = MESSAGE, is_header_only: bool = False
) -> bytes:
    """The whole report as it is sent."""
    news = News(b"alice@lab.test", failures, is_header_only=is_header_only)
    before, after = format_report(BOUNCER, news, about, EPOCH, BOUNDARY)
    return before + copy + after


def parts(report: bytes) -> list[Message]:
    """The parts, after the look whether it is a report without a defect."""
    read = message_from_bytes(report, policy=default)
    assert "multipart/report" == read.get_content_type()
    assert "delivery-status" == read.get_param("report-type")
    assert [] == [defect for part in read.walk() for defect in part.defects]
    return below(read)


def below(message: Message) -> list[Message]:
    """What a message of several parts consists of."""
    return [part for part in message.get_payload() if isinstance(part, Message)]


def of_recipient(failures: bytes, about: About = ABOUT) -> dict[str, str]:
    """The fields of the only recipient."""
    _, status, _ = parts(whole(failures, about=about))
    _, fields = below(status)
    return dict(fields.items())


def reason(text: bytes) -> bytes:
    return format_failure(b"nosuch@lab.test", text)


def test_a_report_has_three_parts_that_are_read_as_they_were_written() -> None:
    failures = reason(NO_MAILBOX) + format_failure(b"joe bloggs@lab.test", NO_MAILBOX)

    report = whole(failures)
    text, status, copy = parts(report)

    read = message_from_bytes(report)
    assert ("MAILER-DAEMON@mx.lab.test", "alice@lab.test") == (read["From"], read["To"])
    assert ("failure notice", "auto-replied") == (read["Subject"], read["Auto-Submitted"])
    assert b"Hi. This is the qmail-send program at mx.lab.test.\n" in report
    assert text.get_content_type() == "text/plain"
    assert str(text.get_payload()).endswith(failures.decode()[:-1])
    of_message, *recipients = below(status)
    assert [("Reporting-MTA", "dns; mx.lab.test"), ("Arrival-Date", "22 Nov 2026 23:26:52 -0000")] == list(
        of_message.items()
    )
    assert ["rfc822; nosuch@lab.test", 'rfc822; "joe bloggs"@lab.test'] == [
        fields["Final-Recipient"] for fields in recipients
    ]
    assert "message/rfc822" == copy.get_content_type()


def test_a_recipient_s_fields_tell_what_failed() -> None:
    assert {
        "Final-Recipient": "rfc822; nosuch@lab.test",
        "Action": "failed",
        "Status": "5.1.1",
        "Diagnostic-Code": "x-qmail; Sorry, no mailbox here by that name. (#5.1.1)",
    } == of_recipient(reason(NO_MAILBOX))


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (b"No. (#5.7.1)\nAnd once more. (#5.2.2)\n", "5.2.2"),
        (b"192.0.2.1 does not like recipient.\nRemote host said: 550 5.1.10 gone\n", "5.1.10"),
        (b"192.0.2.1 does not like recipient.\nRemote host said: 550-no\n550 never\n", "5.0.0"),
        (b"192.0.2.1 failed on DATA command.\nRemote host said: 451 4x\n" + GIVING_UP, "4.0.0"),
        (b"The disk was full.\n" + GIVING_UP, "4.4.7"),
        (b"a program's words (#9.9.9) (#5.1)\n", "5.0.0"),
        (b"", "5.0.0"),
    ],
)
def test_the_status_is_the_code_that_the_reason_brings(text: bytes, status: str) -> None:
    assert status == of_recipient(reason(text))["Status"]


@pytest.mark.parametrize(
    ("text", "peer"),
    [
        (
            b"192.0.2.1 does not like recipient.\nRemote host said: 550 no\nGiving up on 192.0.2.1.\n",
            "192.0.2.1",
        ),
        (b"Connected to 2001:db8::1 but sender was rejected.\nRemote host said: 550 no\n", "2001:db8::1"),
        (b"192.0.2.1 failed after I sent the message.\nRemote host said: 550 no\n", "192.0.2.1"),
    ],
)
def test_what_another_host_said_is_told_as_his(text: bytes, peer: str) -> None:
    fields = of_recipient(reason(text))

    assert f"dns; [{peer}]" == fields["Remote-MTA"]
    assert fields["Diagnostic-Code"].startswith("smtp; 550 no")


def test_a_message_that_is_delayed_is_tried_on() -> None:
    about = About(HEADER, EPOCH - 14400, EPOCH + 590400)
    report = whole(reason(b"Not now.\n"), about=about, copy=HEADER, is_header_only=True)

    fields = of_recipient(reason(b"Not now.\n"), about)

    assert ("delayed", "4.0.0") == (fields["Action"], fields["Status"])
    assert "29 Nov 2026 19:27:52 -0000" == fields["Will-Retry-Until"]
    assert b"\nSubject: delivery is delayed\n" in report
    assert b"Hi. This is the" not in report  # or list software would take it for a bounce
    assert "text/rfc822-headers" == parts(report)[2].get_content_type()


@pytest.mark.parametrize(
    ("address", "written"),
    [
        ("jürgen@bücher.test", r"utf-8; j\x{FC}rgen@b\x{FC}cher.test"),
        ("ü+ =\\@x.test", r"utf-8; \x{FC}\x{2B}\x{20}\x{3D}\x{5C}@x.test"),
    ],
)
def test_an_address_beyond_ascii_is_written_in_ascii(address: str, written: str) -> None:
    fields = of_recipient(format_failure(address.encode(), NO_MAILBOX))

    assert written == fields["Final-Recipient"]


@pytest.mark.parametrize(
    ("header", "is_header_only", "kind"),
    [
        ("Subject: hé\n".encode(), False, "message/global"),
        ("Subject: hé\n".encode(), True, "message/global-headers"),
        (b"Subject: h\xe9\n", False, "message/rfc822"),
        (b"Subject: h\xe9\n", True, "text/rfc822-headers"),
    ],
)
def test_a_header_beyond_ascii_is_called_so_if_it_is_utf_8(
    header: bytes, is_header_only: bool, kind: str
) -> None:
    report = whole(reason(NO_MAILBOX), about=About(header, EPOCH), is_header_only=is_header_only)

    assert b"\nContent-Type: %s\n" % kind.encode() in report


def test_a_long_reason_is_folded_and_cut() -> None:
    report = whole(reason(b"word " * 1000))

    status = report.partition(b"Diagnostic-Code:")[2].partition(b"\n\n")[0]
    assert max(map(len, status.split(b"\n"))) < 100
    assert len(status) < 1200


@given(
    st.lists(st.tuples(st.binary(max_size=30), st.binary(max_size=60)), min_size=1, max_size=5),
    st.binary(max_size=200),
)
def test_whatever_recipients_and_reasons_are_the_report_is_read_and_the_copy_stays(
    failures: list[tuple[bytes, bytes]], message: bytes
) -> None:
    """Any bytes: three parts, a block a recipient, each with its fields, and every byte of the message."""
    paragraphs = b"".join(format_failure(recipient, text) for recipient, text in failures)

    report = whole(paragraphs, copy=message)

    _, status, copy = below(message_from_bytes(report))
    assert b"\n\n" + message + b"\n--%s--\n" % BOUNDARY == report[-len(message) - len(BOUNDARY) - 8 :]
    blocks = below(status)
    assert len(failures) == len(blocks) - 1
    assert all({"Final-Recipient", "Action", "Status"} <= set(block.keys()) for block in blocks[1:])
    assert copy.get_content_type() == "message/rfc822"
