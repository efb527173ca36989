"""Owns question 11.5 of qmail's FAQ: log files by size and number without syslog, no line lost under load."""

import re
import secrets
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import clients
from tests.support.letter import letter
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
    """The log files of a daemon, the oldest first."""
    paths = (site.folder / "logs").glob(f"{name}.log*")
    try:
        return {
            path.name: path.read_text() for path in sorted(paths, key=lambda path: path.name, reverse=True)
        }
    except FileNotFoundError:  # they got their next names meanwhile
        return files(site, name)


def torn(site: Site, name: str) -> list[str]:
    """What is no line of a log; one may go on in the next file."""
    return [line for line in "".join(files(site, name).values()).splitlines() if not LINE.fullmatch(line)]


def load(site: Site, count: int) -> None:
    """Many messages from many sessions at once, all delivered."""
    subject = secrets.token_hex(8)
    clients.smtp_source(site.port(SMTP), "alice@example.test", count, 20, subject)
    wait_for(lambda: len(clients.with_token(site.maildir("alice"), subject)) == count)


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
        wait_for(lambda: not torn(own, name))  # noqa: B023 - asked at once
    assert {"send.log", "send.log.1"} == set(files(own, "send"))
    assert "send: " not in own.log


def test_q11_5_size_and_number_of_files(own: Site) -> None:
    for path in (own.folder / "logs").iterdir():
        path.unlink()
    configure(own, ", size: 4K, number: 3")

    own.toaster("apply")
    until_it_works(lambda: own.toaster("status"))
    first = letter()
    until_it_works(lambda: clients.swaks(own.port(SMTP), "alice@example.test", first.content))
    load(own, 200)

    wait_for(lambda: {"send.log", "send.log.1", "send.log.2"} == set(files(own, "send")))
    assert all(len(text) < 4096 + BEYOND for text in files(own, "send").values())
    # The first line may have begun in a file that is gone.
    wait_for(lambda: len(torn(own, "send")) <= 1)
