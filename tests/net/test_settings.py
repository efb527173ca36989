"""What listeners go by."""

from pathlib import Path

import pytest

from appliance.formats.outcome import Temporary
from appliance.net.settings import Settings
from appliance.system.place import Place


def settings(folder: Path, **files: str) -> Settings:
    control = folder / "control"
    control.mkdir(exist_ok=True)
    for name, content in files.items():
        (control / name).write_text(content)
    return Settings.read(Place.from_environ({"TOASTER_HOME": str(folder)}))


def test_without_control_files_all_is_as_it_is_documented(tmp_path: Path) -> None:
    found = settings(tmp_path)

    assert (400, 50, "0", frozenset()) == (
        found.concurrency,
        found.concurrency_per_address,
        found.local_host,
        found.recorded,
    )
    assert not found.is_proxy("10.0.0.1")


def test_control_files_say_otherwise(tmp_path: Path) -> None:
    found = settings(
        tmp_path,
        me="mx.test\n",
        concurrencyincoming="40\n",
        concurrencyperip="4\n",
        recordio="smtp\npop3\n",
        proxynetworks="10.0.0.0/8\nfd00::/8\n",
    )

    assert ("mx.test", 40, 4) == (found.local_host, found.concurrency, found.concurrency_per_address)
    assert {"smtp", "pop3"} == found.recorded
    assert [True, True, False] == [found.is_proxy(a) for a in ("10.1.2.3", "fd00::1", "192.0.2.1")]


def test_a_network_that_is_none_is_temporary(tmp_path: Path) -> None:
    with pytest.raises(Temporary, match="proxynetworks: b'10.0.0.0/99' is no network"):
        settings(tmp_path, proxynetworks="10.0.0.0/99\n")
