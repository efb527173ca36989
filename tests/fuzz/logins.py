"""Owns the fuzzing targets of authd: what it is asked, what it reads, what it remembers."""

from appliance.accounts import exchange
from appliance.accounts.limits import Limits, client_name, parse_client
from appliance.accounts.table import parse_table
from appliance.formats.outcome import FormatError
from appliance.formats.passwordfile import parse_hashes
from tests.fuzz.run import Answer, Target
from tests.support.hashes import HASHES

BCRYPT = HASHES["bcrypt"].encode()
LINE = b"a@b.test:%b:5000:5000:/mail/a:Maildir" % BCRYPT


def _hashes(pieces: list[bytes]) -> Answer:
    hashes, faults = parse_hashes(b"".join(pieces))
    return len(hashes), [fault.rpartition(": ")[2][:30] for fault in faults[:4]]


def _table(pieces: list[bytes]) -> Answer:
    table = parse_table(b"".join(pieces))
    return len(table.entries), len(table.files), [fault.partition(": ")[2][:20] for fault in table.faults[:4]]


def _limits(pieces: list[bytes]) -> Answer:
    limits = Limits()
    try:
        limits.load(b"".join(pieces))
    except ValueError as error:
        return str(error)[:30]
    limits.failed(parse_client(b"192.0.2.1"), b"a@b.test", b"x")
    Limits().load(limits.dump())
    return len(limits.limited())


def _question(pieces: list[bytes]) -> Answer:
    payload = b"".join(pieces)
    try:
        question = exchange.parse_question(b"C", payload)
    except FormatError as error:
        return str(error)
    return client_name(parse_client(question.address)), question.scope[:5]


TARGETS = (
    Target("hashes", _hashes, (b"# x\na@b.test:%b:more\nb@b.test:secret\n" % BCRYPT,)),
    Target(
        "passwords", _table, (LINE + b"\n</a/file\n", LINE + b":phone:smtp,pop3:2027-01-31:10.0.0.0/8,::/0")
    ),
    Target(
        "limits",
        _limits,
        (
            b'{"key": "00", "addresses": {"192.0.2.1": [1, 2e9, "ab"]}, "accounts": {}, '
            b'"trusted": [["192.0.2.1", "a@b.test", 1.5]]}',
        ),
    ),
    Target(
        "authd",
        _question,
        (b"a@b.test\0secret\0pop3\0192.0.2.1", b"\0\0\0::ffff:192.0.2.1", b"a\0b\0\0fe80::1%e"),
    ),
)
