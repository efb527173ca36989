"""Owns the proof of formats/verp: each recipient his own sender, one address for what comes back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.formats.verp import bounce_recipient, expand_sender


@pytest.mark.parametrize(
    ("sender", "recipient", "expanded"),
    [
        (b"list-@x.test-@[]", b"joe@far.test", b"list-joe=far.test@x.test"),
        (b"list-@x.test-@[]", b"a@b@far.test", b"list-a@b=far.test@x.test"),
        (b"list-@x.test-@[]", b"no-at", b"list-@x.test-@[]"),
        (b"@x.test-@[]", b"joe@far.test", b"joe=far.test@x.test"),
        (b"list-@-@[]", b"joe@far.test", b"list-joe=far.test@"),
        (b"#@[]", b"joe@far.test", b"#@[]"),
        (b"-@[]", b"joe@far.test", b"-@[]"),
        (b"list-@[]", b"joe@far.test", b"list-@[]"),
        (b"s@x.test", b"joe@far.test", b"s@x.test"),
        (b"", b"joe@far.test", b""),
    ],
)
def test_a_sender_is_expanded_for_its_recipient(sender: bytes, recipient: bytes, expanded: bytes) -> None:
    assert expanded == expand_sender(sender, recipient)


@pytest.mark.parametrize(
    ("sender", "recipient"),
    [(b"list-@x.test-@[]", b"list-@x.test"), (b"s@x.test", b"s@x.test"), (b"#@[]", b"#@[]"), (b"", b"")],
)
def test_a_bounce_goes_to_the_list_itself(sender: bytes, recipient: bytes) -> None:
    assert recipient == bounce_recipient(sender)


@given(st.binary(), st.binary())
def test_any_sender_and_recipient_give_an_address(sender: bytes, recipient: bytes) -> None:
    """Whatever the addresses, a sender without the mark comes back as it is."""
    if not sender.endswith(b"-@[]"):
        assert sender == expand_sender(sender, recipient)
