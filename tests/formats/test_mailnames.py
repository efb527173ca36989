"""The table of names and addresses for outgoing mail."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.formats.cdb import Cdb, make_cdb
from appliance.formats.mailboxes import Mailbox
from appliance.formats.mailnames import compile_names, find_name
from appliance.formats.outcome import FormatError

TABLE = (
    b"joe@sun:Joe Q:J.Q@sun.test:\n# joe@sun:no:no:\nsue@sun::sue@x:more:\nkim@sun:Kim:kim@x\n\njoe@sun:2:3:"
)
PART = st.binary(max_size=20).map(lambda text: text.translate(None, b":\n\0#"))


@pytest.mark.parametrize(
    ("sender", "mailbox"),
    [
        (b"joe@sun", Mailbox(b"J.Q@sun.test", b"Joe Q")),
        (b"sue@sun", Mailbox(b"sue@x", b"")),
        (b"kim@sun", None),
        (b"Joe@sun", None),
        (b"# joe@sun", None),
    ],
)
def test_a_sender_stands_for_a_name_and_an_address(sender: bytes, mailbox: Mailbox | None) -> None:
    assert mailbox == find_name(Cdb(make_cdb(compile_names(TABLE))), sender)


def test_a_record_that_is_none_is_damage() -> None:
    with pytest.raises(FormatError, match="no NUL"):
        find_name(Cdb(make_cdb([(b"joe", b"Joe")])), b"joe")


@given(st.dictionaries(PART, st.tuples(PART, PART)))
def test_each_line_is_found_again(names: dict[bytes, tuple[bytes, bytes]]) -> None:
    cdb = Cdb(make_cdb(compile_names(b"".join(b"%s:%s:%s:\n" % (key, *who) for key, who in names.items()))))

    assert all(Mailbox(address, name) == find_name(cdb, key) for key, (name, address) in names.items())


@given(st.binary(max_size=200), st.binary(max_size=10))
def test_any_bytes_are_a_table(text: bytes, sender: bytes) -> None:
    find_name(Cdb(make_cdb(compile_names(text))), sender)
