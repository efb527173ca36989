"""Owns the check of homes and .qmail files: which one counts, and which may not be trusted."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from appliance.formats.dotqmail import Forward, Maildir, Mbox
from appliance.formats.outcome import Permanent, Temporary
from appliance.local.instructions import (
    FILE_WRITABLE,
    HOME_WRITABLE,
    NO_MAILBOX,
    Found,
    enter_home,
    find,
    forward_sender,
)
from appliance.protocols.spawn import Instruction
from tests.support.folders import open_folder
from tests.support.mailroom import SOMEBODY, as_user, instruction_for


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "home").mkdir(mode=0o755)
    monkeypatch.chdir(tmp_path / "home")
    return tmp_path / "home"


def box(name: str) -> tuple[Mbox]:
    return (Mbox(b"./" + name.encode()),)


def test_entering_a_home_makes_it_the_working_folder(home: Path) -> None:
    os.chdir("/")

    assert not enter_home(bytes(home))
    assert str(home) == os.getcwd()


def test_a_home_may_be_writable_by_its_group_and_tells_when_it_is_sticky(home: Path) -> None:
    home.chmod(0o1775)

    assert enter_home(bytes(home))


def test_a_home_that_the_world_may_write_defers(home: Path) -> None:
    home.chmod(0o777)

    with pytest.raises(Temporary) as refusal:
        enter_home(bytes(home))
    assert HOME_WRITABLE == refusal.value.sentence


@pytest.mark.parametrize("name", ["nowhere", "relative", "file"])
def test_a_home_that_is_none_defers(home: Path, name: str) -> None:
    (home / "file").touch()
    path = {"nowhere": bytes(home / "nowhere"), "relative": b".", "file": bytes(home / "file")}[name]
    words = "not a directory" if name == "file" else "file does not exist"

    with pytest.raises(Temporary) as refusal:
        enter_home(path)
    assert f"Unable to switch to {path.decode()}: {words}. (#4.3.0)" == refusal.value.sentence


@pytest.mark.parametrize(
    ("extension", "name", "default"),
    [
        ("", "plain", None),
        ("a-b", "exact", None),
        ("a-c", "adef", b"c"),
        ("B", "def", b"B"),
        ("a-default", "adef", b"default"),
        ("first.last", "dots", None),
    ],
)
def test_the_nearest_file_counts(home: Path, extension: str, name: str, default: bytes | None) -> None:
    files = {"": "plain", "-a-b": "exact", "-a-default": "adef", "-default": "def", "-first:last": "dots"}
    for ending, word in files.items():
        (home / f".qmail{ending}").write_text(f"./{word}\n")

    assert Found(box(name), default) == find(instruction_for(home, extension))


def test_a_plain_address_without_a_file_has_the_default_delivery(home: Path) -> None:
    assert Found((Maildir(b"./Maildir/"),), None) == find(instruction_for(home))


def test_the_default_delivery_may_be_a_file_named_for_the_user(home: Path) -> None:
    central = (Mbox(b"/var/mail/alice"),)
    instruction = instruction_for(home, default_delivery=b"/var/mail/$USER")

    assert central == find(instruction).orders
    (home / ".qmail").touch()
    assert central == find(instruction).orders
    (home / ".qmail").write_text("./$USER\n")
    assert box("$USER") == find(instruction).orders


def test_an_extension_without_a_file_is_nobody(home: Path) -> None:
    (home / ".qmail").write_text("./plain\n")

    with pytest.raises(Permanent) as refusal:
        find(instruction_for(home, "x"))
    assert NO_MAILBOX == refusal.value.sentence


@pytest.mark.parametrize("kind", ["folder", "dangling link", "fifo"])
def test_what_is_no_file_counts_as_absent(home: Path, kind: str) -> None:
    path = home / ".qmail-x"
    if kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path.symlink_to("nowhere")
    (home / ".qmail-default").write_text("./def\n")

    assert box("def") == find(instruction_for(home, "x")).orders


def test_a_file_that_the_world_may_write_defers(home: Path) -> None:
    (home / ".qmail").write_text("./Mailbox\n")
    (home / ".qmail").chmod(0o666)

    with pytest.raises(Temporary) as refusal:
        find(instruction_for(home))
    assert FILE_WRITABLE == refusal.value.sentence


def test_the_x_bit_allows_forwards_only(home: Path) -> None:
    (home / ".qmail").write_text("&a@x.test\n./Mailbox\n")
    (home / ".qmail").chmod(0o744)

    orders = find(instruction_for(home)).orders

    assert Forward(b"a@x.test") == orders[0]
    assert not isinstance(orders[1], Mbox)


def test_a_file_that_may_not_be_read_defers() -> None:
    """As the recipient, who is not its owner: in a child, since root reads everything."""
    with open_folder() as home:
        (home / ".qmail").write_text("./Mailbox\n")
        (home / ".qmail").chmod(0)

        def is_deferred() -> bool:
            os.chdir(home)
            try:
                find(instruction_for(home))
            except Temporary as refusal:
                return "Unable to open .qmail: access denied. (#4.3.0)" == refusal.sentence
            return False

        assert as_user(SOMEBODY.uid, is_deferred)


@pytest.mark.parametrize(("name", "call"), [("open", find), ("fstat", find), ("stat", forward_sender)])
def test_a_disk_that_fails_defers_and_says_how(
    home: Path, monkeypatch: pytest.MonkeyPatch, name: str, call: Callable[[Instruction], object]
) -> None:
    def fail(*_: object) -> int:
        raise OSError(5, "EIO")

    (home / ".qmail").write_text("./Maildir/\n")
    instruction = instruction_for(home)
    with monkeypatch.context() as broken:
        broken.setattr(os, name, fail)
        with pytest.raises(Temporary) as refusal:
            call(instruction)

    assert refusal.value.sentence.endswith("input/output error. (#4.3.0)")


@pytest.mark.parametrize(
    ("files", "sender"),
    [
        ([], b"s@x.test"),
        (["-list-owner"], b"alice-LIST-owner@h.test"),
        (["-list-owner", "-list-owner-default"], b"alice-LIST-owner-@h.test-@[]"),
        (["-list-owner-default"], b"s@x.test"),
    ],
)
def test_the_owner_of_a_list_gets_its_bounces(home: Path, files: list[str], sender: bytes) -> None:
    for ending in files:
        (home / f".qmail{ending}").mkdir()  # whatever it is, only its being there counts

    assert sender == forward_sender(instruction_for(home, "LIST"))
