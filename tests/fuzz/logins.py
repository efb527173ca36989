"""Owns the fuzzing targets around passwords: what authd is asked, reads, remembers; SCRAM's messages."""

from appliance.accounts import exchange
from appliance.accounts.limits import Limits, client_name, parse_client
from appliance.accounts.proofs import Proofs
from appliance.accounts.table import parse_table
from appliance.formats.outcome import FormatError
from appliance.formats.passwordfile import parse_hashes
from appliance.formats.saslprep import prepared
from appliance.formats.scram import Keys, format_keys, make_keys, parse_keys
from appliance.protocols import scram
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
    PROOFS.maybe_proof(question, ["{PLAIN}secret", KEYS, "external"])
    return client_name(parse_client(question.address)), question.scope[:5], question.mechanism[:5]


def _made(password: bytes, salt: bytes, iterations: int) -> Keys:
    return make_keys(password, salt, 1)


PROOFS = Proofs(_made, b"k" * 32)
KEYS = format_keys(make_keys(b"secret", b"salt-salt", 4096))


def _salt(pieces: list[bytes]) -> Answer:
    payload = b"".join(pieces)
    answers: list[str] = []
    for read in (exchange.parse_beginning, lambda text: exchange.parse_salt(b"K", text)):
        try:
            answers.append(type(read(payload)).__name__)
        except FormatError as error:
            answers.append(str(error))
    return answers


def _stored(pieces: list[bytes]) -> Answer:
    """Keys that are read are written as they were, but for base64 that could be written otherwise."""
    text = b"".join(pieces)
    assert prepared(prepared(text)) == prepared(text)
    try:
        keys = parse_keys(text.decode("latin-1"))
    except FormatError as error:
        return str(error)[:40]
    assert keys == parse_keys(format_keys(keys))
    return len(keys.salt)


def _scram(pieces: list[bytes]) -> Answer:
    message = b"".join(pieces)
    answers: list[str] = []
    for read in (scram.parse_first, lambda said: scram.parse_final(said, b"n,,", b"abc")):
        try:
            answers.append(type(read(message)).__name__)
        except FormatError as error:
            answers.append(str(error)[:30])
    return answers


TARGETS = (
    Target("hashes", _hashes, (b"# x\na@b.test:%b:more\nb@b.test:secret\nc@b.test:{PLAIN}x\n" % BCRYPT,)),
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
        (
            b"a@b.test\0secret\0pop3\0192.0.2.1\0\0",
            b"\0\0\0::ffff:192.0.2.1\0\0",
            b"a\0b\0\0fe80::1%e\0APOP\0<1.2@h>",
            b"a\0b\0smtp\0\0SCRAM-SHA-256\0n=a,r=b,r=bc,s=c2FsdA==,i=4096,c=biws,r=bc",
        ),
    ),
    Target("salt", _salt, (b"a@b.test\0pop3\0192.0.2.1", b"4096\0c2FsdA==")),
    Target("stored", _stored, (KEYS.encode(), b"{PLAIN}secret", "I\xadX \u2168 \u0627".encode())),
    Target(
        "scram", _scram, (b"n,a=x,n=a=2Cb=3D,r=abc,e=f", b"y,,n=a,r=b", b"c=biws,r=abc,p=%b=" % (b"A" * 43))
    ),
)
