"""Owns the file of password hashes that others keep: `name@domain:hash[:...]` a line.

    alice@example.org:$y$j9T$...
    bob@example.org:$2y$10$...:whatever:else

It may be another program's file too (htpasswd, Dovecot's passwd-file): what stands behind a second colon says
nothing here, nor do empty lines and those that begin with #.
"""

from appliance.formats.outcome import FormatError
from appliance.formats.passwordhash import form_of

LARGEST = 16 << 20


def parse_line(line: bytes) -> tuple[bytes, str]:
    """Lower-cased name and hash; FormatError, in which neither password nor hash is shown."""
    name, colon, rest = line.partition(b":")
    known_hash = rest.partition(b":")[0].decode("latin-1")
    if not colon or b"@" not in name or b"\0" in line:
        raise FormatError("this is no line of name@domain:hash")
    try:
        form_of(known_hash)
    except FormatError as error:
        raise FormatError(f"{name.decode('utf-8', 'backslashreplace')}: {error}") from None
    return name.lower(), known_hash


def parse_hashes(content: bytes) -> tuple[dict[bytes, str], list[str]]:
    """The hashes by lower-cased name, the last of equal ones, and a sentence for each line that is none."""
    if len(content) > LARGEST:
        return {}, [f"it is larger than {LARGEST >> 20} MB"]
    hashes: dict[bytes, str] = {}
    faults = []
    for number, line in enumerate(content.split(b"\n"), 1):
        line = line.strip(b" \t\r")
        if line and not line.startswith(b"#"):
            try:
                name, known_hash = parse_line(line)
            except FormatError as error:
                faults.append(f"line {number}: {error}")
            else:
                hashes[name] = known_hash
    return hashes, faults
