"""Who a daemon's peer is."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from appliance.net.lookups import Lookups
from appliance.net.peer import Peer
from appliance.protocols.proxy import Endpoint
from appliance.system.place import Place
from tests.support.nameserver import NameServer, Records
from tests.support.sources import CHECKOUT

RECORDS: Records = {
    "5.0.0.127.in-addr.arpa": {"PTR": ["five.test"]},
    "five.test": {"A": ["127.0.0.5"]},
    "6.0.0.127.in-addr.arpa": {"PTR": ["five.test"]},
}


def found(folder: Path, names: NameServer, address: str, *, asks_host: bool) -> str | None:
    (folder / "control").mkdir(exist_ok=True)
    (folder / "control" / "nameserver").write_text(f"{names.at}\n")
    lookups = Lookups(Place.from_environ({"TOASTER_HOME": str(folder)}))
    peer = Peer(Endpoint("127.0.0.1", 25), Endpoint(address, 1), "mx.test")
    known = asyncio.run(lookups.find_out(peer, asks_host=asks_host, asks_user=False))
    assert peer == known._replace(remote_host=None)
    return known.remote_host


def test_a_name_is_one_that_leads_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TOASTER_NAMESERVER", raising=False)
    with NameServer(RECORDS) as names:
        addresses = ("127.0.0.5", "127.0.0.6", "127.0.0.7")
        assert ["five.test", None, None] == [found(tmp_path, names, a, asks_host=True) for a in addresses]

        names.asked.clear()
        assert None is found(tmp_path, names, "127.0.0.5", asks_host=False)
        assert [] == names.asked


def test_a_daemon_does_without_the_resolver_until_a_rule_wants_it() -> None:
    shown = "import sys, appliance.net.tcpserver; sys.exit('dns' in sys.modules)"

    assert 0 == subprocess.run([sys.executable, "-c", shown], cwd=CHECKOUT, check=False).returncode
