"""Owns the tests of what control files say of remote deliveries."""

from pathlib import Path

import pytest

from appliance.formats.outcome import Temporary
from appliance.remote.settings import read_settings
from appliance.remote.tls import TlsHosts
from appliance.system.control import Control


def write(folder: Path, **files: str) -> Control:
    for name, content in files.items():
        (folder / name).write_text(content)
    return Control(folder)


def test_a_missing_file_is_its_default(tmp_path: Path) -> None:
    settings = read_settings(write(tmp_path, me="mx.lab.test\n"), {})

    assert (b"mx.lab.test", {}, 25) == (settings.helohost, settings.routes, settings.port)
    assert (60, 1200, 20) == (settings.timeout_connect, settings.timeout_remote, settings.connections)
    assert ({}, TlsHosts()) == (settings.smarthosts, settings.tls)


def test_every_file_counts(tmp_path: Path) -> None:
    control = write(
        tmp_path,
        me="mx.lab.test\n",
        helohost="out.lab.test\n",
        smtproutes="Far.test:relay.test:26\n:127.0.0.1\n",
        qmtproutes="Far.test:hub.test\n",
        timeoutconnect="5\n",
        timeoutremote="0\n",
        concurrencynexthop="3\n",
    )

    settings = read_settings(control, {"TOASTER_SMTP_PORT": "2525", "TOASTER_QMTP_PORT": "2209"})

    assert (b"out.lab.test", 2525) == (settings.helohost, settings.port)
    assert {b"far.test": b"relay.test:26", b"": b"127.0.0.1"} == settings.routes
    assert ({b"far.test": b"hub.test"}, 2209) == (settings.qmtp_routes, settings.qmtp_port)
    assert (5, 1, 3) == (settings.timeout_connect, settings.timeout_remote, settings.connections)


def test_without_a_name_of_our_own_there_are_no_settings(tmp_path: Path) -> None:
    with pytest.raises(Temporary):
        read_settings(Control(tmp_path), {})


def test_smarthosts_and_hosts_of_tls_are_read(tmp_path: Path) -> None:
    control = write(
        tmp_path,
        me="mx.lab.test\n",
        notlshosts="Old.test\n",
        tlshosts="Far.test\n",
        smarthosts="@example.org:smtp.isp.test|starttls||joe|secret\n",
    )

    settings = read_settings(control, {})

    assert TlsHosts({b"far.test": b""}, never=frozenset({b"old.test"})) == settings.tls
    assert b"smtp.isp.test" == settings.smarthosts[b"@example.org"].relay


def test_a_smarthost_that_cannot_be_understood_leaves_no_settings(tmp_path: Path) -> None:
    control = write(tmp_path, me="mx.lab.test\n", smarthosts=":smtp.isp.test|joe|secret\n")

    with pytest.raises(Temporary, match="smarthosts") as caught:
        read_settings(control, {})

    assert "secret" not in caught.value.sentence
