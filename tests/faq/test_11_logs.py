"""Owns question 11.5 of qmail's FAQ: log files by size and number without syslog, no line lost under load."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import clients
from tests.support.site import CONFIG, SMTP, Site, site
from tests.support.waiting import until_it_works, wait_for

BEYOND = 65536  # supervisor looks at the size after it has written what one read of a full pipe gave
LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (?:send|smtpd): \S.*")
EVENTS = ("new msg ", "info msg ", "starting delivery ", ": success: ", "end msg ")


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Site]:
    with site() as new:
        configure(new, "")
        new.up()
        yield new


def configure(site: Site, more: str) -> None:
    """Let logs lie in a folder; `more` are keys besides."""
    folder = site.folder / "logs"
    (site.folder / "config.yaml").write_text(f"{CONFIG}logs: {{folder: {folder}{more}}}\n")


def files(site: Site, name: str) -> dict[str, str]:
    """The log files of a daemon."""
    return {path.name: path.read_text() for path in (site.folder / "logs").glob(f"{name}.log*")}


def load(site: Site, count: int) -> None:
    """Many messages from many sessions at once, all delivered."""
    before = len(site.maildir("alice"))
    clients.smtp_source(site.port(SMTP), "alice@example.test", count, 20)
    wait_for(lambda: len(site.maildir("alice")) == before + count, 60)


def events(site: Site) -> Counter[str]:
    """How often send has told of each kind of event, in all files."""
    text = "".join(files(site, "send").values())
    return Counter({event: text.count(event) for event in EVENTS})


def test_q11_5_logs_without_syslog(own: Site) -> None:
    load(own, 300)
    wait_for(lambda: Counter(dict.fromkeys(EVENTS, 300)) == events(own))

    # As multilog: ten files of 100 KB unless told otherwise, each line with its time.
    rendered = (own.place.home / "supervisord.conf").read_text()
    assert {"stdout_logfile_maxbytes=102400", "stdout_logfile_backups=9"} <= set(rendered.splitlines())
    for name in ("send", "smtpd"):
        lines = [line for text in files(own, name).values() for line in text.splitlines()]
        assert [] == [line for line in lines if not LINE.fullmatch(line)]
    assert {"send.log", "send.log.1"} == set(files(own, "send"))
    assert "send: " not in own.log


def test_q11_5_size_and_number_of_files(own: Site) -> None:
    for path in (own.folder / "logs").iterdir():
        path.unlink()
    configure(own, ", size: 4K, number: 3")

    own.toaster("apply")
    until_it_works(lambda: own.toaster("status"), 30)
    load(own, 200)

    wait_for(lambda: {"send.log", "send.log.1", "send.log.2"} == set(files(own, "send")))
    for text in files(own, "send").values():
        assert len(text) < 4096 + BEYOND
        assert [] == [line for line in text.splitlines() if not LINE.fullmatch(line)]
