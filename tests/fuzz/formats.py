"""Owns the fuzzing targets among the formats: what owners and strangers write, and inner frames."""

import re
from collections.abc import Callable

from appliance.formats import (
    address,
    addrlist,
    aliases,
    assign,
    composed,
    control,
    date822,
    dotqmail,
    envelope,
    forwardlist,
    forwardtable,
    handin,
    header,
    mailboxes,
    maildirsize,
    moment,
    netstring,
    qsbmf,
    readable,
    smarthosts,
    tcprules,
    token822,
    verp,
)
from appliance.formats.cdb import Cdb, make_cdb
from appliance.formats.forwardlist import Completion
from appliance.formats.frame import FrameBuffer
from appliance.formats.logline import Structure, safe_text
from appliance.formats.outcome import FormatError, Permanent, Temporary
from appliance.formats.rewrite import Rewriter
from appliance.protocols import spawn
from appliance.queue import record
from tests.fuzz.run import Answer, Play, Target, told

COMPLETION = Completion(b"host.test", b"domain.test", b"plus.test")
REWRITER = Rewriter(
    [b"lab.test"], {b"virtual.test": b"joe", b".sub.test": b"sub"}, [b"lab.test"], b"env.test", b"me"
)
LIMIT = 64 * 1024
_ODD_DOMAIN = re.compile(rb"""[<>"\\]""")  # no quoting saves such a domain, and none exists

ADDRESSES = (
    b"joe@lab.test",
    b'"a b"@[127.0.0.1]',
    b"<@a,@b:joe@lab.test> SIZE=10 BODY=8BITMIME",
    b"list-@h-@[]",
    b"",
)
FIELDS = (
    b'To: Joe (a (nested) comment) <@route:joe@lab>, sue, a.b+, "quoted \\" name" <x@[1.2.3.4]>;\n',
    b"Cc: friends: joe@a, sue@b;, other\n\t<o@c.d>\n",
)
MESSAGE = (
    b"From x Mon\nReceived: a\nDelivered-To: joe@lab.test\nDate: 22 Nov 2026 23:27:52 -0000\n f\n\nbody\n"
)
ASSIGN = b"=joe:joe:1000:1000:/home/joe:::\n+list-:list:1001:1001:/home/list:-::\n.\n"
RULES = (
    b'127.0.0.1:allow,RELAYCLIENT=""\n10.1-3.:deny\n=.test:allow,X=/a/\njoe@1.2.3.4:deny\n[::1]:deny\n:deny\n'
)


def _parses(parse: Callable[[bytes], Answer]) -> Play:
    """A parser of one text: FormatError is an answer."""

    def play(pieces: list[bytes]) -> Answer:
        try:
            return parse(b"".join(pieces))
        except (FormatError, Permanent, Temporary) as error:
            return str(error)[:40]

    return play


def _receives(make: Callable[[], Callable[[bytes], list[Answer]]]) -> Play:
    """A parser of a stream."""

    def play(pieces: list[bytes]) -> Answer:
        receive = make()
        events: list[Answer] = []
        try:
            for piece in pieces:
                events += receive(piece)
        except FormatError as error:
            events.append(error)
        return len(events), told(events[-1:])

    return play


def _address(text: bytes) -> Answer:
    address.parse_path(text)
    path, rest = address.split_path(text)
    if path is not None and not _ODD_DOMAIN.search(path.rpartition(b"@")[2]):
        assert path == address.parse_path(b"<" + address.quote(path) + b">")  # on the wire and back
    address.check_address(text)
    return address.parse_parameters(rest), address.split_address(text)[1] is None


def _rewrite(text: bytes) -> Answer:
    route = REWRITER.rewrite(text)
    verp.bounce_recipient(text)
    verp.expand_sender(text, b"joe@lab.test")
    return route.channel, route.address == text


def _control(text: bytes) -> Answer:
    control.parse_line(text)
    control.parse_table(text)
    return len(control.parse_lines(text)), control.parse_integer(text, 7)


def _field(text: bytes) -> Answer:
    tokens = token822.parse_tokens(text)
    token822.unquote(tokens)
    return told(addrlist.rewrite_list(tokens, lambda found: found))[:8], len(tokens) % 8


def _mailboxes(text: bytes) -> Answer:
    found = mailboxes.parse_mailboxes(text.replace(b"\n", b""))
    field = mailboxes.format_mailboxes(b"To", found)
    assert found == mailboxes.parse_mailboxes(field.removeprefix(b"To:").replace(b"\n", b""))
    return [(mailbox.address is None, mailbox.name is None) for mailbox in found[:6]]


def _moment(text: bytes) -> Answer:
    found = moment.parse_moment(text)
    return found and (moment.format_moment(found)[-5:], moment.format_iso(moment.Moment.of(found.epoch))[:4])


def _readable(text: bytes) -> Answer:
    head, _ = header.split_written(text)
    received = readable.format_received_line(text, b"")
    return readable.format_readable(head, moment.Moment.of).count(b"\n"), received.count(b"\n")


def _header(text: bytes) -> Answer:
    head, body = header.split_message(text)
    assert head + body == text
    list(header.fields(head))
    counter = header.HopCounter()
    for byte in text[:200]:
        counter.receive(bytes([byte]))
    return header.hops(head), header.is_automatic(head), header.is_looping(head, b"joe@lab.test")


def _composed(text: bytes) -> Answer:
    found = composed.parse_composed(text)
    return len(found.fields), [composed.name_of(field)[:12] for field in found.fields[:4]]


def _envelope(text: bytes) -> Answer:
    answers: list[Answer] = []
    for parse in (envelope.parse_envelope, envelope.parse_todo, envelope.parse_info, envelope.parse_channel):
        try:
            answers.append(type(parse(text)).__name__)
        except FormatError as error:
            answers.append(str(error)[:30])
    return answers


def _forwardlist(text: bytes) -> Answer:
    return [(entry.is_file, entry.is_include) for entry in forwardlist.read_entries(text, includes=True)][:6]


def _aliases(text: bytes) -> Answer:
    return len(list(aliases.compile_aliases(text, COMPLETION))), len(
        aliases.compile_include(text, COMPLETION)
    ) % 9


def _table(text: bytes) -> Answer:
    forwardtable.parse_orders(text)
    forwardtable.format_list(forwardtable.compile_list(text))
    return len(list(forwardtable.compile_forward(text)))


def _cdb(text: bytes) -> Answer:
    table = Cdb(text)
    found = assign.lookup(table, b"list-x"), tcprules.lookup(table, "127.0.0.1", "a.test", "joe")
    return [type(one).__name__ for one in found]


def _assign(text: bytes) -> Answer:
    return assign.lookup(Cdb(assign.compile_assign(text)), b"list-x")


def _rules(text: bytes) -> Answer:
    return tcprules.lookup(Cdb(tcprules.compile_rules(text)), "127.0.0.1", "a.test", "joe")


def _logline(text: bytes) -> Answer:
    line = Structure().format("now", "send", text.decode("latin-1"))
    assert "\n" not in line
    assert safe_text(text).isprintable()
    return line[:70]


def _bounce(text: bytes) -> Answer:
    qsbmf.parse_failures(text)
    return len(qsbmf.parse_bounce(text).failures)


def _netstring() -> Callable[[bytes], list[Answer]]:
    buffer = netstring.NetstringBuffer(LIMIT)
    return lambda piece: [*buffer.receive(piece)]


def _frames() -> Callable[[bytes], list[Answer]]:
    frames = FrameBuffer(LIMIT)

    def receive(piece: bytes) -> list[Answer]:
        answers: list[Answer] = []
        for kind, payload in frames.receive(piece):
            for parse in (handin.parse_request, handin.parse_answer, spawn.parse_spawn_frame):
                try:
                    answers.append(type(parse(kind, payload)).__name__)
                except FormatError as error:
                    answers.append(str(error)[:20])
        assert frames.pending <= LIMIT + 4
        return answers

    return receive


def _record(text: bytes) -> Answer:
    try:
        return record.parse_message(text).body_offset
    except FormatError:
        return len(record.parse_progress(text))


def _framed(kind: bytes, payload: bytes) -> bytes:
    return (len(payload) + 1).to_bytes(4, "big") + kind + payload


FRAMES = tuple(_framed(bytes([kind]), b"\0\0\0\1Fa@b\0Tc@d\0\0body") for kind in range(0x41, 0x5B))
TARGETS = (
    Target("address", _parses(_address), ADDRESSES),
    Target(
        "rewrite", _parses(_rewrite), (b"a%b@lab.test", b"x@virtual.test", b"list-@host-@[]", b"x@a.sub.test")
    ),
    Target("control", _parses(_control), (b"# note\n\nme.test \n10\na.test:b\n:all\n",)),
    Target("field", _parses(_field), FIELDS),
    Target("header", _parses(_header), (MESSAGE,)),
    Target("composed", _parses(_composed), (MESSAGE, *FIELDS)),
    Target(
        "date",
        _parses(lambda text: date822.parse_date(text.decode("latin-1"))),
        (b"22 Nov 2026 23:27:52 -0000",),
    ),
    Target("mailboxes", _parses(_mailboxes), FIELDS),
    Target("moment", _parses(_moment), (b"Fri, 02 Jan 98 12:00:01 EST (x)", b"by a; 2 Jan 1998 12:00 -0000")),
    Target("readable", _parses(_readable), (MESSAGE.partition(b"\n")[2], *FIELDS)),
    Target(
        "dotqmail",
        _parses(lambda text: told(dotqmail.parse_dotqmail(text))),
        (b"|a\n&b@c\n./Maildir/\n# x\n+list\n",),
    ),
    Target(
        "envelope", _parses(_envelope), (b"Fa@b\0Tc@d\0\0", b"u1\0p2\0Fa\0Tb\0", b"Fa\0", b"Ta@b\0Dc@d\0")
    ),
    Target("forwardlist", _parses(_forwardlist), (b'joe, "|prog x", /file, <a@b>, :include:/list, \\sue\n',)),
    Target("aliases", _parses(_aliases), (b"joe: sue, |x\n  folded\n# no\nlist: :include:/a\n",)),
    Target(
        "forwardtable", _parses(_table), (b"joe: sue, |x;\n@h: y;\nlist: ?owner, a@b\n", b"&a@b\0./file\0")
    ),
    Target(
        "cdb", _parses(_cdb), (assign.compile_assign(ASSIGN), tcprules.compile_rules(RULES), make_cdb([]))
    ),
    Target("assign", _parses(_assign), (ASSIGN,)),
    Target("tcprules", _parses(_rules), (RULES,)),
    Target(
        "logline",
        _parses(_logline),
        (b"new msg 5", b"delivery 1: success: did_1+0+0/", b"info msg 5: bytes 9 from <>"),
    ),
    Target(
        "bounce",
        _parses(_bounce),
        (
            qsbmf.format_failure(b"a@b", b"no such user\n"),
            b"From: x\n\nHi. This is the\n\n<a@b>:\nx\n\n---\n\nReturn-Path: <>\n",
        ),
    ),
    Target(
        "smarthosts",
        _parses(lambda text: len(smarthosts.parse_smarthosts(text.split(b"\n")))),
        (b"a.test:h:25 u p\n",),
    ),
    Target(
        "maildirsize", _parses(maildirsize.parse_maildirsize), (b"2000S,10C\n1000 2\n-5 -1\n", b"0S\n0 0\n")
    ),
    Target("netstrings", _parses(netstring.parse_netstrings), (b"5:hello,0:,", b"0000000003:abc,")),
    Target(
        "netstring",
        _receives(_netstring),
        (b"5:hello,0:,", b"003:abc,"),
    ),
    Target("frames", _receives(_frames), FRAMES),
    Target("record", _parses(_record), (b"\0" * 60, bytes(range(80)))),
)
