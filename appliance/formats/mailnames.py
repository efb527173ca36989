"""Owns ofmipname's table: whose mail goes out under which name and address (ofmipname(8)).

    joe@sun.af.mil:Joe Shmoe:J.Shmoe@sun.af.mil:

As a cdb: the return path, rewritten, is the key; name, NUL and address are its record.
"""

from collections.abc import Iterator

from appliance.formats.cdb import Cdb
from appliance.formats.mailboxes import Mailbox
from appliance.formats.outcome import FormatError


def compile_names(text: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The records of a table's lines; comments, and lines without a third colon, say nothing."""
    for line in text.split(b"\n"):
        match line.split(b":", 3):
            case [key, name, address, _] if not line.startswith(b"#"):
                yield key, name + b"\0" + address


def find_name(cdb: Cdb, sender: bytes) -> Mailbox | None:
    """Who a return path stands for, None for nobody; FormatError for a damaged table."""
    record = cdb.get(sender)
    if record is None:
        return None
    name, zero, address = record.partition(b"\0")
    if not zero:
        raise FormatError("a record has no NUL between name and address")
    return Mailbox(address, name)
