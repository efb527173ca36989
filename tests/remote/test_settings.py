"""Owns the tests of what control files say of remote deliveries."""

from pathlib import Path

import pytest

from appliance.formats.outcome import Temporary
from appliance.remote.settings import read_settings
from appliance.system.control import Control


def write(folder: Path, **files: str) -> Control:
    for name, content in files.items():
        (folder / name).write_text(content)
    return Control(folder)


def test_a_missing_file_is_its_default(tmp_path: Path) -> None:
    settings = read_settings(write(tmp_path, me="mx.lab.test\n"), {})

    assert (b"mx.lab.test", {}, 25) == (settings.helohost, settings.routes, settings.port)
    assert (60, 1200, 20) == (settings.timeout_connect, settings.timeout_remote, settings.connections)
    assert settings.may_start_tls(b"far.test")


def test_every_file_counts(tmp_path: Path) -> None:
    control = write(
        tmp_path,
        me="mx.lab.test\n",
        helohost="out.lab.test\n",
        smtproutes="Far.test:relay.test:26\n:127.0.0.1\n",
        timeoutconnect="5\n",
        timeoutremote="0\n",
        concurrencynexthop="3\n",
    )

    settings = read_settings(control, {"TOASTER_SMTP_PORT": "2525"})

    assert (b"out.lab.test", 2525) == (settings.helohost, settings.port)
    assert {b"far.test": b"relay.test:26", b"": b"127.0.0.1"} == settings.routes
    assert (5, 1, 3) == (settings.timeout_connect, settings.timeout_remote, settings.connections)


def test_without_a_name_of_our_own_there_are_no_settings(tmp_path: Path) -> None:
    with pytest.raises(Temporary):
        read_settings(Control(tmp_path), {})


@pytest.mark.parametrize(
    ("names", "may"),
    [
        ((b"far.test", b"mx.far.test", b"192.0.2.9"), True),
        ((b"OLD.test", b"mx.far.test", b"192.0.2.9"), False),
        ((b"far.test", b"mx.old.test", b"192.0.2.9"), True),
        ((b"far.test", b"mx.broken.test", b"192.0.2.9"), False),
        ((b"broken.test", b"mx.far.test", b"192.0.2.9"), True),
        ((b"far.test", b"mx.far.test", b"192.0.2.1"), False),
    ],
)
def test_hosts_without_tls_are_named_by_domain_name_address_or_suffix(
    tmp_path: Path, names: tuple[bytes, ...], may: bool
) -> None:
    control = write(tmp_path, me="mx.lab.test\n", notlshosts="old.test\n.broken.test\n192.0.2.1\n")

    assert may is read_settings(control, {}).may_start_tls(*names)


def test_a_star_is_every_host(tmp_path: Path) -> None:
    control = write(tmp_path, me="mx.lab.test\n", notlshosts="*\n")

    assert not read_settings(control, {}).may_start_tls(b"far.test")
