"""With `logs: {format: json}` every daemon's lines are objects, and send's tell a message's whole way."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.clients import swaks
from tests.support.letter import letter
from tests.support.site import CONFIG, SMTP, Site, site
from tests.support.waiting import wait_for


@pytest.fixture
def own() -> Iterator[Site]:
    with site(f"{CONFIG}logs: {{format: json}}\n") as new:
        new.up()
        yield new


def lines(own: Site) -> list[dict[str, Any]]:
    """What the daemons wrote in whole lines; the checklist and supervisor write for people."""
    return [json.loads(line) for line in own.log.split("\n")[:-1] if line.startswith("{")]


def test_a_message_is_followed_by_its_number(own: Site) -> None:
    new = letter()

    swaks(own.port(SMTP), "alice@example.test", new.content)
    wait_for(lambda: any(line["event"] == "end" for line in lines(own)))

    written = lines(own)
    assert {"send", "smtpd", "lspawn"} <= {line["program"] for line in written}
    assert not [line for line in own.log.splitlines() if "Z send: " in line]
    (info,) = [line for line in written if line["event"] == "info"]
    assert "sender@outside.test" == info["sender"]
    way = [line["event"] for line in written if line.get("msg") == info["msg"]]
    assert ["new", "info", "starting", "delivery", "end"] == way
    (delivery,) = [line for line in written if line["event"] == "delivery"]
    assert ("success", "local", "did_1+0+0/") == (delivery["result"], delivery["channel"], delivery["text"])
    assert delivery["recipient"].endswith("alice@example.test")
