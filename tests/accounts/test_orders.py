"""Owns the tests of what root may order of authd, but for authd itself."""

from pathlib import Path

import pytest

from appliance.accounts.limits import MOST_FROM_ADDRESS, Limits, parse_client
from appliance.accounts.orders import LIFT, WHO, limited, obey
from appliance.formats.frame import FrameBuffer
from appliance.formats.outcome import Temporary


def test_who_is_limited_is_told_by_a_frame_each_and_lifted_by_name() -> None:
    limits = Limits(clock=lambda: 1000.0)
    for number in range(MOST_FROM_ADDRESS):
        limits.failed(parse_client(b"192.0.2.1"), b"u%d" % number, b"x")

    answers = [
        obey(limits, *order) for order in ((WHO, b""), (LIFT, b"192.0.2.1"), (LIFT, b"192.0.2.1"), (WHO, b""))
    ]

    assert [
        [(b"L", b"4600 192.0.2.1"), (b"E", b"")],
        [(b"E", b"1")],
        [(b"E", b"")],
        [(b"E", b"")],
    ] == [FrameBuffer(1000).receive(answer) for answer in answers]


def test_no_authd_is_temporary(tmp_path: Path) -> None:
    with pytest.raises(Temporary, match="authd is not answering"):
        limited(tmp_path / "s")
