"""What send makes of the control files, and its defaults (qmail-send(8))."""

from pathlib import Path

import pytest

from appliance.formats.outcome import Temporary
from appliance.send.settings import read_settings
from appliance.system.control import Control


def write(folder: Path, **control: str) -> Control:
    for name, content in control.items():
        (folder / name).write_text(content)
    return Control(folder)


def test_the_defaults_are_qmails(tmp_path: Path) -> None:
    settings = read_settings(write(tmp_path, me="mx.lab.test\n"))

    assert (10, 20) == settings.concurrency
    assert 604800 == settings.lifetime
    assert (b"MAILER-DAEMON", b"mx.lab.test") == settings.bouncer[:2]
    assert b"postmaster@mx.lab.test" == settings.bouncer.doublebounceto
    assert "local" == settings.rewriter.rewrite(b"alice@mx.lab.test").channel


def test_each_file_has_its_say(tmp_path: Path) -> None:
    control = write(
        tmp_path,
        me="mx.lab.test\n",
        concurrencylocal="3\n",
        concurrencyremote="4\n",
        queuelifetime="60\n",
        bouncefrom="BOUNCER\n",
        bouncehost="bounce.lab.test\n",
        doublebounceto="dbl\n",
        doublebouncehost="dbl.lab.test\n",
        locals="lab.test\n",
        virtualdomains="virtual.test:bob\n",
        percenthack="lab.test\n",
        envnoathost="lab.test\n",
    )

    settings = read_settings(control)

    assert ((3, 4), 60) == (settings.concurrency, settings.lifetime)
    assert (b"BOUNCER", b"bounce.lab.test") == settings.bouncer[:2]
    assert b"dbl@dbl.lab.test" == settings.bouncer.doublebounceto
    assert b"bob-x@virtual.test" == settings.rewriter.rewrite(b"x%virtual.test@lab.test").address
    assert ("local", b"alice@lab.test") == settings.rewriter.rewrite(b"alice")[:2]


def test_an_empty_file_is_an_empty_name(tmp_path: Path) -> None:
    settings = read_settings(write(tmp_path, me="mx.lab.test\n", bouncefrom="", doublebounceto="\n"))

    assert b"" == settings.bouncer.bouncefrom
    assert b"@mx.lab.test" == settings.bouncer.doublebounceto


def test_without_me_send_says_so(tmp_path: Path) -> None:
    with pytest.raises(Temporary, match="me are missing"):
        read_settings(Control(tmp_path))


def test_who_gets_copies_is_known_by_the_name_that_bounces_give_him(tmp_path: Path) -> None:
    (tmp_path / "me").write_text("mx.lab.test\n")
    (tmp_path / "virtualdomains").write_text("lab.test:lab\n")
    (tmp_path / "queueextra").write_text("# QUEUE_EXTRA\nlog\nlog@lab.test\n")

    settings = read_settings(Control(tmp_path))

    assert (b"log", b"log@lab.test") == settings.queue_extra
    assert {b"log@mx.lab.test", b"log@lab.test"} == settings.copy_recipients


def test_an_address_that_no_queue_takes_is_no_setting(tmp_path: Path) -> None:
    (tmp_path / "me").write_text("mx.lab.test\n")
    (tmp_path / "queueextra").write_bytes(b"lo\0g\n")

    with pytest.raises(Temporary, match="queueextra: the address has the control byte 0 in it"):
        read_settings(Control(tmp_path))


def test_an_unknown_form_of_bounces_is_told(tmp_path: Path) -> None:
    (tmp_path / "me").write_text("mx.lab.test\n")
    (tmp_path / "bounceformat").write_text("report\n")
    assert read_settings(Control(tmp_path)).reports
    (tmp_path / "bounceformat").write_text("dsn\n")

    with pytest.raises(Temporary, match="bounceformat: write qsbmf or report"):
        read_settings(Control(tmp_path))
