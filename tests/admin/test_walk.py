"""Owns the tests of the way of an address through rendered files."""

import os
import pwd
from pathlib import Path

import pytest

from appliance.admin import walk
from appliance.admin.walk import End, Step, Walk
from appliance.site import mailboxes, render
from appliance.system.place import Place
from tests.support.command import make_mail_folder
from tests.support.configs import HASH, SITE, place_in, site_of, surroundings

ROUTES = "relay: {routes: {a.test: 'hop.test:26', .b.test: 10.0.0.5, c.b.test: hop.test}}\n"


@pytest.fixture
def place(open_folder: Path) -> Place:
    make_mail_folder(open_folder)
    site = site_of(f"{SITE}{ROUTES}control: {{percenthack: [example.org]}}\n")
    place = place_in(open_folder)
    render.render(site, place, surroundings())
    mailboxes.create(site, place, surroundings().mail_owner)
    return place


def walked(place: Place, address: str) -> Walk:
    found = Walk(place)
    found.go(address.encode())
    return found


def ends(place: Place, address: str) -> list[End]:
    return walked(place, address).ends


def test_a_mailbox_is_reached_by_five_looks(place: Place) -> None:
    home = place.mail / "example.org/alice"

    found = walked(place, "alice@example.org")

    assert [
        Step(
            0,
            "control/virtualdomains",
            "alice@example.org is under `example.org`: example.org-alice@example.org",
        ),
        Step(0, "users/assign", f"`=example.org-alice` is user vmail, home {home}"),
        Step(0, f"{home}/.qmail", "is not there"),
        Step(0, f"{home}/.qmaildefault", "is not there"),
        Step(0, "control/defaultdelivery", "decides, as there is no .qmail file"),
        Step(0, "maildir", f"{home}/Maildir"),
    ] == found.steps
    assert [End("maildir", f"{home}/Maildir")] == found.ends


def test_an_extension_shows_every_file_that_is_looked_for(place: Place) -> None:
    home = place.mail / "example.org/alice"

    steps = walked(place, "alice-books-old@example.org").steps

    assert ["`+example.org-alice-` is user vmail, home " + str(home)] == [
        s.found for s in steps if s.where == "users/assign"
    ]
    assert [
        (f"{home}/.qmail-books-old", "is not there"),
        (f"{home}/.qmail-books-default", "is not there"),
        (f"{home}/.qmail-default", "decides"),
    ] == [(step.where, step.found) for step in steps if ".qmail" in step.where]


def test_forwards_are_followed_and_set_in(place: Place) -> None:
    found = walked(place, "info@example.org")

    mail = place.mail / "example.org"
    assert [
        End("maildir", f"{mail}/alice/Maildir"),
        End("maildir", f"{mail}/bob/Maildir"),
        End("relay", "the MX of elsewhere.test"),
    ] == found.ends
    assert {0, 1, 2} == {step.depth for step in found.steps}


def test_a_catch_all_takes_the_rest(place: Place) -> None:
    assert [End("maildir", f"{place.mail}/example.org/alice/Maildir")] == ends(place, "whoever@example.net")


@pytest.mark.parametrize(
    ("address", "hop"),
    [
        ("x@A.test", "hop.test:26"),
        ("x@z.b.test", "10.0.0.5"),
        ("x@c.b.test", "hop.test"),
        ("x@b.test", "the MX of b.test"),
        ("x@y.test", "the MX of y.test"),
        ("x%a.test@example.org", "hop.test:26"),
    ],
)
def test_a_remote_address_has_a_next_hop(place: Place, address: str, hop: str) -> None:
    assert [End("relay", hop)] == ends(place, address)


def test_a_route_by_qmtp_is_asked_first(place: Place) -> None:
    by_hand(place, "qmtproutes", "b.test:\n:hub.test\n")

    assert [[End("relay", "hub.test by QMTP")], [End("relay", "the MX of b.test")]] == [
        ends(place, address) for address in ("x@a.test", "x@b.test")
    ]


def test_an_empty_route_excepts_from_shorter_ones(place: Place) -> None:
    by_hand(place, "smtproutes", "a.test:\n:isp.test\n")

    assert [[End("relay", "the MX of a.test")], [End("relay", "isp.test")]] == [
        ends(place, address) for address in ("x@a.test", "x@b.test")
    ]


def test_a_smarthost_takes_what_has_no_route_and_who_it_is_for_is_told(place: Place) -> None:
    by_hand(place, "smtproutes", "a.test:hop.test\nd.test:\n")
    lines = ("@example.org:out.test|starttls||ann|secret", ":isp.test:465|implicit||joe|secret")
    by_hand(place, "smarthosts", "\n".join([*lines, "b.test:partner.test|optional|||"]))

    found = walked(place, "x@far.test")

    by_sender = End("relay", "out.test as user ann if @example.org is the sender")
    assert [by_sender, End("relay", "isp.test:465 as user joe")] == found.ends
    assert ["`@example.org` goes to out.test as user ann", "`` goes to isp.test:465 as user joe"] == [
        step.found for step in found.steps if step.where == "control/smarthosts"
    ]
    assert [End("relay", "hop.test")] == ends(place, "x@a.test")
    assert [End("relay", "partner.test")] == ends(place, "x@b.test")
    assert [End("relay", "the MX of d.test")] == ends(place, "x@d.test")
    assert "secret" not in str(found)


def test_a_smarthost_of_some_senders_leaves_the_dns_to_the_others(place: Place) -> None:
    by_hand(place, "smarthosts", "@example.org:out.test|starttls|||\n")

    expected = [End("relay", "out.test if @example.org is the sender"), End("relay", "the MX of far.test")]
    assert expected == ends(place, "x@far.test")


def test_smarthosts_that_cannot_be_understood_are_told(place: Place) -> None:
    by_hand(place, "smarthosts", ":isp.test|joe|secret\n")

    [step] = [step for step in walked(place, "x@far.test").steps if step.where == "control/smarthosts"]

    assert step.found.startswith("cannot be looked at: smarthosts: ")
    assert "secret" not in step.found


def by_hand(place: Place, name: str, text: str) -> None:
    """A control file that somebody wrote into what is rendered."""
    (place.control / name).write_text(text)


def test_a_virtual_domain_may_except_an_address(place: Place) -> None:
    by_hand(place, "virtualdomains", "x@example.org:\nexample.org:example.org\n")

    found = walked(place, "x@example.org")

    assert (
        "x@example.org is excepted by `x@example.org`: remote",
        [End("relay", "the MX of example.org")],
    ) == (
        found.steps[0].found,
        found.ends,
    )


def test_a_name_that_nobody_has_is_refused(place: Place) -> None:
    found = walked(place, "nobody-at-all@mail.example.org")

    assert [End("refused", "no mailbox here by that name")] == found.ends
    assert "nobody has the name nobody-at-all; alias takes it" in [step.found for step in found.steps]


def test_the_postmaster_of_the_host_is_found(place: Place) -> None:
    assert [End("maildir", f"{place.mail}/example.org/alice/Maildir")] == ends(place, "postmaster")


def test_every_kind_of_order_is_told(place: Place) -> None:
    home = place.mail / "example.org/alice"
    (home / ".qmail").write_text("./Mbox\n|cat\n/abs/Maildir/\n# comment\n&x@y.test\n")
    (home / ".qmail-broken").write_text("\n./x/\n")

    assert [
        End("mbox", f"{home}/Mbox"),
        End("program", "cat"),
        End("maildir", "/abs/Maildir"),
        End("relay", "the MX of y.test"),
    ] == ends(place, "alice@example.org")
    assert ["unknown"] == [end.kind for end in ends(place, "alice-broken@example.org")]


def test_a_loop_is_told_and_ends(place: Place) -> None:
    home = place.mail / "example.org/alice"
    (home / ".qmail").write_text("&alice@example.net\n&info@example.org\n")

    found = walked(place, "alice@example.org")

    assert ["loop", "loop"] == [step.where for step in found.steps if "leads here" in step.found]
    assert End("unknown", "a loop of forwards by alice@example.net") in found.ends


def test_who_is_reached_by_two_ways_is_told_once(place: Place) -> None:
    (place.mail / "example.org/alice/.qmail").write_text("&info@nowhere.test\n&info@nowhere.test\n")

    found = walked(place, "alice@example.org")

    assert ["info@nowhere.test, as above"] == [step.found for step in found.steps if step.where == "again"]


def test_what_cannot_be_read_is_undecided(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    home = place.mail / "example.org/alice"

    def closed(path: object, mode: str = "r") -> object:
        if os.fsdecode(path).startswith(str(home)):  # type: ignore[arg-type]
            raise PermissionError(13, "Permission denied")
        return open(path, mode)  # type: ignore[call-overload]

    monkeypatch.setattr(walk, "open", closed, raising=False)

    assert [End("unknown", f"{home}/.qmail can be read by its user and by root")] == ends(
        place, "alice@example.org"
    )


@pytest.mark.parametrize(
    ("address", "received"),
    [
        ("a@example.org", True),
        ("a@Example.NET", True),
        ("a@sub.example.org", False),
        ("a@x.wild.test", True),
        ("a@wild.test", False),
        ("a", True),
    ],
)
def test_rcpthosts_says_from_whom_mail_is_taken(place: Place, address: str, received: bool) -> None:
    with (place.control / "rcpthosts").open("a") as file:
        file.write(".wild.test\n")

    assert received == Walk(place).is_received(address.encode())


def test_a_user_of_this_host_gets_his_mail(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    me = os.geteuid() or 7777
    home = tmp_path / "home"
    home.mkdir()
    if os.geteuid() == 0:
        os.chown(home, me, me)

    def getpwnam(name: str) -> object:
        if name != "joe":
            raise KeyError(name)
        return type("Account", (), {"pw_uid": me, "pw_gid": me, "pw_dir": str(home)})

    monkeypatch.setattr(pwd, "getpwnam", getpwnam)
    (home / ".qmail-list").write_text("&x@y.test\n")

    assert [End("maildir", f"{home}/Maildir")] == ends(place, "Joe@mail.example.org")
    assert [End("relay", "the MX of y.test")] == ends(place, "joe-list@mail.example.org")
    (place.control / "defaultdelivery").write_text("/var/mail/$USER\n")
    assert [End("mbox", "/var/mail/joe")] == ends(place, "Joe@mail.example.org")


def test_a_folder_without_users_assign_is_walked_as_well(place: Place) -> None:
    (place.users / "cdb").unlink()

    assert ["refused"] == [end.kind for end in ends(place, "nobody@mail.example.org")]
    assert HASH not in str(walked(place, "alice@example.org").steps)
