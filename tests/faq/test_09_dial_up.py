"""Owns question 9.4 of qmail's FAQ: mail that is kept for a host until it is there."""

from tests.support.by_hand import Internet, instruct, lies_in, took


def test_q09_4_mail_is_kept_for_a_host_that_dials_in() -> None:
    with Internet() as internet, internet.host("isp.test", "127.0.0.8") as isp:
        turn = isp.user("turn")
        instruct(turn, ".qmail-ppp-default", "./Maildir/")
        isp.shell("echo ppp.test:turn-ppp >> control/virtualdomains")
        isp.shell("echo ppp.test >> control/rcpthosts; svc -h /service/qmail")
        new = isp.receive("joe@ppp.test")
        assert b"Delivered-To: turn-ppp-joe@ppp.test\n" in lies_in(turn / "Maildir", new)
        sending = f"maildirsmtp {turn}/Maildir turn-ppp- 127.0.0.9 isp.test"
        each_minute = f"TOASTER_SMTP_PORT={internet.port} setlock -nx {turn}/seriallock {sending}"

        assert "away" in isp.shell(f"{each_minute} 2>/dev/null || echo away")
        assert 1 == len([*(turn / "Maildir" / "new").iterdir()])

        with internet.sink("ppp.test", "127.0.0.9") as sink:
            assert "succeeded: 127.0.0.9" in isp.shell(f"{each_minute} 2>&1")

            assert (b"joe@ppp.test",) == took(sink, new)
        assert [] == [*(turn / "Maildir" / "new").iterdir()]
