"""Owns the proxies of docs/proxy.md: haproxy and nginx, configured as there, in front of a whole site."""

import contextlib
import re
import smtplib
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.support.letter import letter
from tests.support.ports import free_ports
from tests.support.site import CONFIG, SMTP, Site, site
from tests.support.sources import CHECKOUT
from tests.support.waiting import wait_for

PAGE = (CHECKOUT / "docs" / "proxy.md").read_text()
PATIENCE_S = 60
HERE = "127.0.0.4"
"""Where clients call from; the proxies, for all that Toaster sees, from 127.0.0.1."""


def example(first: str) -> str:
    """The block of the page that begins with a line."""
    found = re.search(rf"^    {re.escape(first)}\n(?:    .*\n|\n(?=    ))+", PAGE, re.MULTILINE)
    assert found
    return re.sub("^    ", "", found[0], flags=re.MULTILINE)


@pytest.fixture(scope="module")
def own() -> Iterator[Site]:
    networks = "proxy: {networks: [127.0.0.1]}\n"
    with site(f"{CONFIG}{networks}relay: {{clients: ['{HERE}']}}\n") as new:
        new.up()
        yield new


@contextlib.contextmanager
def running(name: str, folder: Path, own: Site) -> Iterator[int]:
    """The port where a proxy takes mail, which is configured as the page has it."""
    [port] = free_ports(1)
    target = f"127.0.0.1:{own.port(SMTP)}"
    if name == "haproxy":
        text = example("listen smtp").replace("bind :25", f"bind 127.0.0.1:{port}")
        words = ["haproxy", "-db", "-f"]
    else:
        text = example("stream {").replace("listen 25;", f"listen 127.0.0.1:{port};")
        modules = "/usr/lib/nginx/modules/ngx_stream_module.so"
        text = (
            f"load_module {modules};\ndaemon off;\npid {folder}/pid;\nerror_log stderr;\nevents {{}}\n{text}"
        )
        words = ["nginx", "-c"]
    assert text.count("10.0.0.5:25") == 1
    (folder / name).write_text(text.replace("10.0.0.5:25", target))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([*words, str(folder / name)], stdout=log, stderr=log)
    try:
        yield port
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize("name", ["haproxy", "nginx"])
def test_the_client_is_who_calls_the_proxy(own: Site, tmp_path: Path, name: str) -> None:
    new = letter()
    with running(name, tmp_path, own) as port:
        wait_for(lambda: is_open(port))
        with smtplib.SMTP("127.0.0.1", port, "client.test", PATIENCE_S, (HERE, 0)) as session:
            session.sendmail("a@outside.test", "alice@example.test", new.content.replace(b"\n", b"\r\n"))
            session.mail("a@outside.test")
            assert 250 == session.rcpt("joe@far.test")[0]
        before = len(own.log)
        if name == "haproxy":  # looks every other second whether the port is open
            wait_for(lambda: own.log[before:].count(": end ") >= 2)
        assert "warning" not in own.log[before:]
        assert "deny" not in own.log[before:]

    wait_for(lambda: own.has("alice", new))
    (arrived,) = [message for message in own.maildir("alice") if new.is_in(message)]
    assert f"(HELO client.test) ({HERE})\n".encode() in arrived


def test_what_the_page_says_for_config_yaml_is_right(own: Site, tmp_path: Path) -> None:
    lines = re.findall(r"^    (proxy: .*)$", PAGE, re.MULTILINE)
    lines += [line for line in re.findall(r"`([^`]+)`", PAGE) if line.startswith(("proxy: {", "relay: {"))]

    assert len(lines) == 3
    for line in lines:
        (tmp_path / "config.yaml").write_text(f"{CONFIG}{line}\n")
        assert "is right" in own.toaster("check", "--config", str(tmp_path / "config.yaml"))


def test_traefik_and_compose_are_told_in_yaml() -> None:
    assert {"tcp"} == yaml.safe_load(example("tcp:")).keys()
    assert {"networks": {"default": {"enable_ipv6": True}}} == yaml.safe_load(example("networks:"))
