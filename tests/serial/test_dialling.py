"""The programs maildirsmtp and maildirqmtp."""

from tests.support.nexthop import NextHop
from tests.support.qmtp_server import QmtpServer
from tests.support.serial_rig import PREFIX, SerialRig


def test_maildirsmtp_sends_what_a_maildir_holds(rig: SerialRig) -> None:
    rig.put("1", "joe@far.test")

    with NextHop() as sink:
        words = ("maildirsmtp", "Maildir", PREFIX, "127.0.0.1", "helo.test")
        assert 0 == rig.run(*words, TOASTER_SMTP_PORT=str(sink.port)).returncode

        assert [(b"joe@far.test",)] == [message.recipients for message in sink.messages]


def test_maildirqmtp_sends_what_a_maildir_holds(rig: SerialRig) -> None:
    rig.put("1", "joe@far.test")

    with QmtpServer() as sink:
        words = ("maildirqmtp", "Maildir", PREFIX, "127.0.0.1")
        assert 0 == rig.run(*words, TOASTER_QMTP_PORT=str(sink.port)).returncode

        assert [(b"joe@far.test",)] == [package.recipients for package in sink.packages]


def test_they_say_how_they_are_called(rig: SerialRig) -> None:
    assert "maildirsmtp: usage: maildirsmtp dir prefix host helohost\n" == rig.run("maildirsmtp").stderr
    assert 100 == rig.run("maildirqmtp", "Maildir").returncode
