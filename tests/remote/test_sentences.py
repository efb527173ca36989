"""Owns the tests of the sentences of a remote delivery."""

from appliance.remote import sentences


def test_a_host_that_is_in_no_dns_is_shown_in_print() -> None:
    assert b"Sorry, I couldn't find any host named far.test. (#5.1.2)\n" == sentences.no_such_host(
        b"far.test"
    )
    assert b"Sorry, I couldn't find any host named ?a???. (#5.1.2)\n" == sentences.no_such_host(
        b"\0a \xc3\xa9"
    )


def test_a_lost_connection_warns_of_a_duplicate_only_after_the_dot() -> None:
    assert b"Connected to ::1 but connection died. (#4.4.2)\n" == sentences.died(b"::1", critical=False)
    expected = b"Connected to ::1 but connection died. Possible duplicate! (#4.4.2)\n"
    assert expected == sentences.died(b"::1", critical=True)


def test_what_the_host_said_follows_on_a_line_of_its_own() -> None:
    expected = b"1.2.3.4 does not like recipient.\nRemote host said: 550 no\n"
    assert expected == sentences.recipient_disliked(b"1.2.3.4", b"550 no\n")
    assert b"1.2.3.4 does not like recipient.\n" == sentences.recipient_disliked(b"1.2.3.4", b"")


def test_tls_that_fails_says_with_whom_and_why_in_print() -> None:
    expected = b"Connected to 1.2.3.4 but TLS with a.test failed: caf?. (#4.7.5)\n"
    assert expected == sentences.tls_failed(b"1.2.3.4", b"a.test", "caf\xe9")
    assert b"Unable to read the CA certificates in /run/?.pem. (#4.3.0)\n" == sentences.no_ca(
        b"/run/\xe9.pem"
    )


def test_a_refused_login_names_the_smarthost() -> None:
    expected = b"Connected to ::1 but smarthost a.test refused our user and password. (#4.7.8)\n"
    assert expected + b"Remote host said: 535 no\n" == sentences.login_refused(b"::1", b"a.test", b"535 no\n")
