"""Owns what the container must be like: small, narrow, each daemon under its user, quick to stop."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from appliance.__main__ import ONE_SHOTS
from appliance.system.privileges import IDENTITIES
from tests.support.container import Container, Process
from tests.support.site import ALWAYS
from tests.support.sources import CHECKOUT
from tests.support.waiting import wait_for

MEGABYTE = 1_000_000
IDLE_LIMIT = 120 * MEGABYTE
USERS = {
    "smtpd": "qmaild",
    "authd": "qmailp",
    "send": "qmailq",
    "lspawn": "root",
    "rspawn": "qmailr",
    "popup": "qmaild",
    "pop3d": "root",
}


def inspected(container: Container) -> dict[str, dict[str, object]]:
    told = subprocess.run(["docker", "inspect", container.id], capture_output=True, check=True).stdout
    found: dict[str, dict[str, object]] = json.loads(told)[0]
    return found


def daemons(container: Container) -> dict[str, list[Process]]:
    """The processes of each daemon, by the name on its command line."""
    named: dict[str, list[Process]] = {name: [] for name in ALWAYS}
    for process in container.processes():
        if found := re.search(r"-m appliance (\w+)", process.command):
            named.setdefault(found[1], []).append(process)
    return named


def test_each_daemon_runs_as_its_user(container: Container) -> None:
    users = {name: {process.uid for process in found} for name, found in daemons(container).items()}

    assert {name: IDENTITIES[user].uid for name, user in USERS.items()} == {
        name: min(uids) for name, uids in users.items() if name in USERS
    }
    assert {name for name, user in USERS.items() if user == "root"} == {n for n in USERS if 0 in users[n]}


def test_no_process_of_root_has_a_socket_of_the_network(container: Container) -> None:
    of_root = [process for process in container.processes() if process.uid == 0]

    assert of_root
    assert {} == {process.command: tcp for process in of_root if (tcp := network_sockets(process.pid))}


def network_sockets(pid: int) -> set[str]:
    """Inodes of the TCP sockets that a process has open; a health check may have ended since."""
    try:
        descriptors = [os.readlink(path) for path in Path(f"/proc/{pid}/fd").iterdir() if path.is_symlink()]
        tables = [Path(f"/proc/{pid}/net/{name}").read_text().splitlines()[1:] for name in ("tcp", "tcp6")]
    except (FileNotFoundError, ProcessLookupError):
        return set()
    tcp = {f"socket:[{line.split()[9]}]" for table in tables for line in table}
    return tcp & set(descriptors)


def test_docker_compose_top_shows_each_daemon(container: Container) -> None:
    shown = container.compose("top")

    assert [] == [name for name in ALWAYS if f"appliance {name}" not in shown]


def test_supervisor_is_the_first_process(container: Container) -> None:
    assert "supervisord" in container.run("cat", "/proc/1/cmdline")


def test_svc_and_svstat_answer_by_name(container: Container) -> None:
    services = {f"/service/{name}" for name in ALWAYS if name != "send"} | {"/service/qmail"}

    before = services_up(container, "svstat", "/service/*")  # no shell has expanded it
    container.run("svc", "-t", "/service/qmail")

    assert services == before.keys()
    old = before["/service/qmail"]
    wait_for(lambda: services_up(container, "svstat", "qmail").get("qmail", old) != old)
    assert services == services_up(container, "sh", "-c", "svstat /service/*").keys()


def services_up(container: Container, *command: str) -> dict[str, str]:
    """The process of each service that svstat says is up."""
    return dict(re.findall(r"^(\S+): up \(pid (\d+)\) \d+ seconds$", container.run(*command), re.MULTILINE))


def test_the_root_file_system_is_read_only_and_capabilities_are_few(container: Container) -> None:
    told = container.run("sh", "-c", "touch /probe 2>&1 || true; grep -h CapBnd /proc/1/status")

    assert "Read-only file system" in told
    assert 5 >= int(told.split()[-1], 16).bit_count()


def test_no_daemon_can_read_the_configuration(container: Container) -> None:
    container.run("test", "-r", "/etc/toaster/config.yaml")
    told = container.run("sh", "-c", "stat -c '%a %u' /etc/toaster")

    assert "700 0" == told.strip()


def test_the_image_is_at_most_200_megabytes(container: Container, capsys: pytest.CaptureFixture[str]) -> None:
    told = subprocess.run(
        ["docker", "image", "inspect", "-f", "{{.Size}}", str(inspected(container)["Image"])],
        capture_output=True,
        check=True,
    )
    with capsys.disabled():
        print(f"\nimage: {int(told.stdout) / MEGABYTE:.0f} MB")

    assert 200 * MEGABYTE >= int(told.stdout)


WITHOUT_BYTE_CODE = """
import sys
from importlib.util import cache_from_source
from pathlib import Path
for folder in {"."} | {*filter(None, sys.path)}:
    for path in Path(folder).rglob("*.py"):
        if not Path(cache_from_source(path)).exists():
            print(path)
"""


def test_byte_code_of_every_module_is_in_the_image(container: Container) -> None:
    assert "" == container.run("python", "-c", WITHOUT_BYTE_CODE)


@pytest.mark.parametrize("module", ["asyncio.streams", "supervisor.options", "appliance.receive.smtpd"])
def test_a_daemon_carries_no_docstrings(container: Container, module: str) -> None:
    asked = f"import sys; sys.path.append('.'); import {module} as m; print(m.__doc__)"

    assert "None" == container.run("python", "-Ic", asked).strip()  # -I: whatever the environment is


def test_the_command_toaster_has_its_texts(container: Container) -> None:
    shipped = json.loads((CHECKOUT / "docs/config.schema.json").read_text())

    assert "Order and see everything" in container.run("toaster", "--help")
    assert "Tell whether config.yaml is right." in container.run("toaster", "check", "--help")
    assert shipped == json.loads(container.run("toaster", "schema"))


def test_it_stops_within_ten_seconds_by_itself(container: Container) -> None:
    container.compose("stop", "--timeout", "10")  # then Docker kills it, and the code is 137
    code = container.compose("ps", "-a", "--format", "{{.ExitCode}}").strip()
    container.compose("up", "-d", "--wait")

    assert code == "0"


def test_the_idle_appliance_needs_little_memory(
    container: Container, capsys: pytest.CaptureFixture[str]
) -> None:
    """It has just been started by the test before: no worker of a mailbox's owner lives for a while still."""
    processes = wait_for(lambda: only_daemons(container))
    shares = {process: pss(process.pid) for process in processes}
    with capsys.disabled():
        print()
        for process, share in shares.items():
            print(f"PSS {share / MEGABYTE:6.1f} MB  uid {process.uid:<5} {process.command[:70]}")
        print(f"PSS {sum(shares.values()) / MEGABYTE:6.1f} MB  in all")

    assert IDLE_LIMIT >= sum(shares.values())


def only_daemons(container: Container) -> list[Process]:
    """All processes, once none of them is one that runs and ends, as the health check does."""
    found = container.processes()
    return [] if any(re.search(f"appliance ({'|'.join(ONE_SHOTS)})", one.command) for one in found) else found


def pss(pid: int) -> int:
    """Proportional set size in bytes (proc(5), smaps_rollup); none of a process that has ended since."""
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    found = re.search(r"^Pss:\s+(\d+) kB", rollup, re.MULTILINE)
    return int(found[1]) * 1024 if found else 0
