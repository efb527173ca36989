"""Owns that the README's commands do what it says, with config.yaml as it is shipped."""

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.admin.checklist import send_command
from appliance.net.listeners import Listener
from tests.support.site import SMTP, Site, site
from tests.support.sources import CHECKOUT
from tests.support.waiting import until_it_works, wait_for

README = (CHECKOUT / "README.md").read_text()
BLOCKS = re.findall(r"^ *```sh\n(.*?)^ *```", README, re.DOTALL | re.MULTILINE)
COMMANDS = [shlex.split(line, comments=True) for block in BLOCKS for line in block.splitlines()]
IN_CONTAINER = ["docker", "compose", "exec", "toaster", "toaster"]
OF_TOASTER = [words[len(IN_CONTAINER) :] for words in COMMANDS if words[: len(IN_CONTAINER)] == IN_CONTAINER]
OF_MAKE = sorted(
    {*re.findall(r"`make (\w+)`", README), *(words[1] for words in COMMANDS if words[0] == "make")}
)


@pytest.fixture(scope="module")
def shipped() -> Iterator[Site]:
    with site((CHECKOUT / "config.yaml").read_text()) as new:
        new.up()
        yield new


def test_every_command_is_one_of_the_two_kinds() -> None:
    assert len(COMMANDS) == len(OF_TOASTER) + len([words for words in COMMANDS if words[0] == "make"])
    assert {"status", "passwd", "check", "diff", "apply", "route"} == {words[0] for words in OF_TOASTER}


@pytest.mark.parametrize("word", OF_MAKE)
def test_make_knows_the_word(word: str) -> None:
    listed = subprocess.run(["make", "-s"], cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout

    assert re.search(rf"^make {word} ", listed, re.MULTILINE)


@pytest.mark.parametrize("words", OF_TOASTER, ids=" ".join)
def test_toaster_does_it(shipped: Site, words: list[str]) -> None:
    # In its first second a daemon is about to run, says `status` with exit code 1.
    assert until_it_works(lambda: shipped.toaster(*words, stdin="a password\n"))


def test_the_two_commands_of_the_checklist_send_and_fetch_a_first_message(shipped: Site) -> None:
    send, fetch = (
        re.search(rf"^{title}\n  (.*)$", shipped.log, re.MULTILINE) for title in ("Send.*:", "Fetch it:")
    )
    assert send
    assert fetch
    new = shipped.place.mail / "example.test" / "alice" / "Maildir" / "new"

    subprocess.run(["sh", "-c", send[1]], check=True, capture_output=True, timeout=120)
    wait_for(lambda: list(new.iterdir()))
    fetched = subprocess.run(["sh", "-c", fetch[1]], check=True, capture_output=True, timeout=120).stdout

    assert b"\r\nDelivered-To: example.test-alice@example.test\r\n" in fetched


def test_curl_sends_the_first_message_where_swaks_is_missing(shipped: Site, tmp_path: Path) -> None:
    new = shipped.place.mail / "example.test" / "alice" / "Maildir" / "new"
    before = len(list(new.iterdir()))
    listener = Listener("smtp", "127.0.0.1", shipped.port(SMTP), False)
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PATH", str(tmp_path))
        command = send_command(listener, "alice@example.test")

    subprocess.run(["sh", "-c", command], check=True, capture_output=True, timeout=120)

    assert "curl" in command
    wait_for(lambda: len(list(new.iterdir())) > before)
