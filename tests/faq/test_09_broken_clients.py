"""Owns question 9.3 of qmail's FAQ, mail of broken clients: each test types what the answer says."""

import secrets
import smtplib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.by_hand import Host, Internet, lies_in, tcpserver, took
from tests.support.letter import Letter
from tests.support.nexthop import NextHop
from tests.support.site import OFMIP
from tests.support.waiting import LIMIT_S, until_it_works, wait_for

FIXUP = """\
| bouncesaying 'Permission denied' [ "@$HOST" != "@fixme" ]
| qmail-inject -f "$SENDER" -- "$DEFAULT"
"""
BROKEN, GOOD = "127.0.0.41", "127.0.0.42"
"""Clients that may send to anywhere; the first one's messages are to be mended."""

NAMES = "joe@client.af.mil:Joe Shmoe:J.Shmoe@af.mil:"

MORE = f"""\
relay: {{clients: [{GOOD}]}}
listen: {{smtp: 25, ofmip: 26}}
control: {{ofmipnames: '{NAMES}'}}
"""

BODY = b"\nno date, no Message-ID, no domains\n"
FROM_CLIENT = b"From: User <user@client>\nTo: fred, <joe@pokey>\n" + BODY


@pytest.fixture(scope="module")
def pokey(internet: Internet) -> Iterator[Host]:
    """Set up as the answer says, while it runs; as in 9.2 it knows a client already."""
    with internet.host("pokey.af.mil", "127.0.0.3", more=MORE) as new:
        new.shell("echo af.mil > control/defaulthost")
        new.shell("echo fixme:fixup >> control/virtualdomains")
        new.shell("svc -h /service/qmail")
        new.shell(f"cat >alias/.qmail-fixup-default <<'END'\n{FIXUP}END")
        new.shell(f"""sed -i '1i {BROKEN}:allow,RELAYCLIENT="@fixme"' rules/tcp.smtp""")
        new.shell("tcprules rules/tcp.smtp.cdb rules/tcp.smtp.tmp < rules/tcp.smtp")
        yield new


@pytest.fixture(scope="module")
def joe(pokey: Host) -> Path:
    return pokey.user("joe") / "Maildir"


def test_q09_3_mail_of_a_broken_client_is_mended(pokey: Host, joe: Path, far: NextHop) -> None:
    broken = Letter("no date", BODY)
    pokey.receive("joe@pokey.af.mil", BROKEN, FROM_CLIENT)
    pokey.receive("Fred.Bloggs@far.test", BROKEN, FROM_CLIENT)

    text = lies_in(joe, broken)
    assert (b"Fred.Bloggs@far.test",) == took(far, broken)
    (taken,) = (message for message in far.messages if broken.token.encode() in message.body)
    assert b"stranger@outside.test" == taken.sender
    for mended in (text, taken.body.replace(b"\r\n", b"\n")):
        assert b"\nFrom: User <user@client.af.mil>\n" in mended
        assert b"\nTo: fred@af.mil, <joe@pokey.af.mil>\n" in mended
        assert b"\nDate: " in mended
        assert b"@pokey.af.mil>\n" in mended.partition(b"\nMessage-ID: <")[2]


def test_q09_3_mail_of_other_clients_stays_as_it_is(pokey: Host, joe: Path, far: NextHop) -> None:
    new = pokey.receive("joe@pokey.af.mil", GOOD)
    assert new.is_in(lies_in(joe, new))
    assert (b"ann@far.test",) == took(far, pokey.receive("ann@far.test", GOOD))

    assert pokey.refuses("eve@far.test")


def test_q09_3_nobody_else_gets_at_the_mender(pokey: Host, internet: Internet) -> None:
    assert pokey.refuses("eve@far.test@fixme")
    with internet.sink("outside.test", "127.0.0.8") as outside:
        since = len(pokey.site.log)
        new = pokey.receive("fixup-eve@far.test@pokey.af.mil")
        pokey.wait_for_log("failure: Permission_denied/", since)

        assert (b"stranger@outside.test",) == took(outside, new)
        assert b"Permission denied" in outside.messages[0].body


def through_ofmipd(sink: NextHop, where: tuple[str, int], client: str) -> str:
    """What becomes of a message that joe's broken client sends to far.test, as lines without a CR."""
    new = Letter(secrets.token_hex(8), b"")

    def hand_in() -> None:
        try:
            with smtplib.SMTP(*where, "client", LIMIT_S, (client, 0)) as session:
                session.sendmail("joe@client", "ann@far.test", f"From: x\nTo: ann\n\n{new.token}\n".encode())
        except (ConnectionRefusedError, smtplib.SMTPServerDisconnected) as error:
            raise AssertionError(where) from error

    until_it_works(hand_in)
    took(sink, new)
    (taken,) = (message for message in sink.messages if new.token.encode() in message.body)
    assert b"J.Shmoe@af.mil" == taken.sender
    return taken.body.replace(b"\r\n", b"\n").decode()


def test_q09_3_ofmipd_mends_mail_and_writes_from_lines_by_a_database(pokey: Host, far: NextHop) -> None:
    port = pokey.site.port(OFMIP)
    # smtpd notices within a second that defaulthost was written.
    text = wait_for(
        lambda: text if "ann@af.mil" in (text := through_ofmipd(far, (pokey.address, port), GOOD)) else ""
    )
    assert '\nFrom: "Joe Shmoe" <J.Shmoe@af.mil>\nTo: ann@af.mil\n' in text
    assert "\nDate: " in text
    assert "@pokey.af.mil>\n" in text.partition("\nMessage-ID: <")[2]

    with socket.create_connection((pokey.address, pokey.site.port(OFMIP)), LIMIT_S, (BROKEN, 0)) as nobodys:
        assert b"" == nobodys.recv(1)


def test_q09_3_ofmipd_by_hand_under_tcpserver(pokey: Host, far: NextHop) -> None:
    pokey.shell(f"echo '{NAMES}' | ofmipname names.cdb names.tmp")
    pokey.shell(f"printf '{BROKEN}:allow\\n:deny\\n' | tcprules tcp.ofmip.cdb tcp.ofmip.tmp")
    pokey.shell("printf '=:hq.af.mil\\n?client:client.af.mil\\n-sun:af.mil\\n' > control/rewrite")

    with tcpserver(pokey.site, "ofmipd names.cdb", "tcp.ofmip.cdb") as port:
        text = through_ofmipd(far, ("127.0.0.1", port), BROKEN)
        assert '\nFrom: "Joe Shmoe" <J.Shmoe@af.mil>\nTo: ann@hq.af.mil\n' in text
        with socket.create_connection(("127.0.0.1", port), LIMIT_S, (GOOD, 0)) as nobodys:
            assert b"" == nobodys.recv(1)
    pokey.shell("rm control/rewrite")
