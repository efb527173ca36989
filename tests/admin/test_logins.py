"""Owns the tests of `toaster logins`, with an authd that answers as ours does."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from appliance.accounts.limits import MOST_FROM_ADDRESS, Limits, parse_client
from appliance.accounts.orders import obey
from appliance.admin import logins
from appliance.formats.frame import FrameBuffer
from tests.support.command import run
from tests.support.configs import place_in

NOW = 1_800_000_000.0
ENDS = "2027-01-15T09:00:00Z"


@contextmanager
def authd(folder: Path, *addresses: bytes) -> Iterator[None]:
    """One that has limited these."""
    limits = Limits(clock=lambda: NOW)
    for address in addresses:
        for number in range(MOST_FROM_ADDRESS):
            limits.failed(parse_client(address), b"u%d" % number, address)
    path = place_in(folder).socket("authd")
    path.parent.mkdir(exist_ok=True)
    with socket.create_server(str(path), family=socket.AF_UNIX) as listener:

        def serve() -> None:
            while True:
                connection, _ = listener.accept()
                with connection:
                    frames = FrameBuffer(1000).receive(connection.recv(1000))
                    if not frames:
                        return
                    connection.sendall(obey(limits, *frames[0]))

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield
        with socket.socket(socket.AF_UNIX) as last:
            last.connect(str(path))
        thread.join()


def test_who_is_limited_is_shown_with_its_end(open_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with authd(open_folder, b"192.0.2.7", b"2001:db8::1"):
        assert 0 == run(open_folder, "logins")

    assert f"limited\t192.0.2.7\t{ENDS}\nlimited\t2001:db8::/64\t{ENDS}\n" == capsys.readouterr().out


def test_programs_get_it_too_and_status_tells_it(
    open_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with authd(open_folder, b"192.0.2.7"):
        run(open_folder, "logins", "--json")
        by_logins = json.loads(capsys.readouterr().out)
        run(open_folder, "status", "--json")
        by_status = json.loads(capsys.readouterr().out)
        run(open_folder, "status")

    assert {"limited": [{"name": "192.0.2.7", "until": NOW + 3600, "ends": ENDS}]} == by_logins
    assert [{"name": "192.0.2.7", "until": NOW + 3600}] == by_status["limited"]
    assert f"limited\t192.0.2.7\t{ENDS}\n" in capsys.readouterr().out


def test_a_limit_is_lifted(open_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with authd(open_folder, b"192.0.2.7"):
        codes = [run(open_folder, "logins", "--lift", "192.0.2.7") for _ in range(2)]

    told = capsys.readouterr()
    assert ([0, 1], "192.0.2.7 was not limited.\n") == (codes, told.err)
    assert "Nobody is limited.\n" * 2 == told.out


def test_without_authd_it_is_a_one_and_status_goes_on(
    open_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 1 == run(open_folder, "logins")
    assert "authd is not answering: " in capsys.readouterr().err
    assert [] == logins.limited(place_in(open_folder))
