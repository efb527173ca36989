"""Owns the tests of SCRAM's messages: those of the RFCs, those that are none, and any bytes."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.formats.outcome import FormatError
from appliance.protocols.scram import LONGEST, Final, First, format_salt, parse_final, parse_first

PROOF = base64.b64encode(b"p" * 32)


def test_a_first_message_is_read() -> None:
    bare = b"n=user,r=fyko+d2lbbFgONRv9qkxdawL"

    assert First(b"n,,", b"", b"user", b"fyko+d2lbbFgONRv9qkxdawL", bare) == parse_first(b"n,," + bare)


@pytest.mark.parametrize(
    ("message", "header", "authorized", "user"),
    [
        (b"y,,n=user,r=x", b"y,,", b"", b"user"),
        (b"n,a=ann@lab.test,n=joe@lab.test,r=x", b"n,a=ann@lab.test,", b"ann@lab.test", b"joe@lab.test"),
        (b"n,,n=a=2Cb=3Dc,r=x", b"n,,", b"", b"a,b=c"),
        ("n,,n=j\xf6rg@lab.test,r=x,e=more".encode(), b"n,,", b"", "j\xf6rg@lab.test".encode()),
    ],
)
def test_headers_and_names_may_be_written_so(
    message: bytes, header: bytes, authorized: bytes, user: bytes
) -> None:
    assert First(header, authorized, user, b"x", message.removeprefix(header)) == parse_first(message)


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"n,,n=user",
        b"n,,n=,r=x",
        b"n,,n=user,r=",
        b"n,,r=x,n=user",
        b"n=user,r=x",
        b"p=tls-unique,,n=user,r=x",
        b"n,,m=what,n=user,r=x",
        b"n,,n=us=er,r=x",
        b"n,,n=us=2cer,r=x",
        b"n,a==,n=user,r=x",
        b"n,,n=us\0er,r=x",
        b"n,,n=user,r=x y",
        b"n,,n=user,r=x\n",
        b"n,,n=user,r=x,",
        b"n,,n=user,r=" + b"x" * LONGEST,
    ],
)
def test_what_is_no_first_message_is_refused(message: bytes) -> None:
    with pytest.raises(FormatError):
        parse_first(message)


def test_a_last_message_is_read() -> None:
    assert Final(PROOF, b"c=biws,r=xy") == parse_final(b"c=biws,r=xy,p=" + PROOF, b"n,,", b"xy")
    assert Final(PROOF, b"c=eSws,r=xy,e=f") == parse_final(b"c=eSws,r=xy,e=f,p=" + PROOF, b"y,,", b"xy")


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"c=biws,r=xy",
        b"c=biws,r=xz,p=" + PROOF,
        b"c=eSws,r=xy,p=" + PROOF,
        b"c=cD10bHMtdW5pcXVlLCw=,r=xy,p=" + PROOF,
        b"c=biws,r=xy,p=" + PROOF[:-1],
        b"c=biws,r=xy,p=" + PROOF + b",e=f",
        b"c=biws,r=xy,e=\0,p=" + PROOF,
        b"c=biws,r=xy,e=" + b"x" * LONGEST + b",p=" + PROOF,
    ],
)
def test_a_last_message_of_another_exchange_or_none_is_refused(message: bytes) -> None:
    with pytest.raises(FormatError):
        parse_final(message, b"n,,", b"xy")


def test_a_salt_stands_with_its_iterations() -> None:
    assert b"s=c2FsdA==,i=4096" == format_salt(4096, b"c2FsdA==")


@given(st.binary(min_size=1).filter(lambda name: b"\0" not in name))
def test_any_name_comes_out_as_it_went_in(name: bytes) -> None:
    """Whatever the name, written as SCRAM writes it."""
    written = name.replace(b"=", b"=3D").replace(b",", b"=2C")

    assert name == parse_first(b"n,,n=" + written + b",r=x").user


@given(st.binary() | st.text("nyacrp=,2CDx").map(str.encode))
def test_any_bytes_are_a_message_or_this_one_error(message: bytes) -> None:
    """Whatever is said, it is read or FormatError."""
    for read in (parse_first, lambda said: parse_final(said, b"n,,", b"x")):
        try:
            read(message)
        except FormatError:
            continue
        assert b"\0" not in message
