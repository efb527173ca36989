"""Owns the tests of what must hold between the keys of config.yaml."""

from pathlib import Path

import pytest

from appliance.site.checks import check
from appliance.site.draft import Draft
from appliance.system.privileges import is_root
from tests.support.configs import ALICE, HASH, HEAD, SITE, with_domain
from tests.support.unchecked import unchecked


def told(text: str) -> list[tuple[str, str]]:
    return [("/".join(map(str, told.path)), told.text) for told in check(Draft(unchecked(text), frozenset()))]


def assert_one(path: str, said: str, text: str) -> None:
    found = told(text)
    assert [path] == [where for where, _ in found], found
    assert said in found[0][1]


def test_a_right_site_passes() -> None:
    assert [] == told(SITE)


@pytest.mark.parametrize(
    ("more", "path", "said"),
    [
        (
            "a.test: {alias_of: example.org, catch_all: x@y.test}",
            "a.test/alias_of",
            "its catch_all would be shadowed",
        ),
        (
            "a.test: {user: alice, mailboxes: {x: {password: generate}}, aliases: {y: x}}",
            "a.test/user",
            "all mail of `a.test` goes to `alice`, so its mailboxes and aliases would be shadowed",
        ),
        ("a.test: {user: alice, alias_of: example.org}", "a.test/user", "stand together"),
        ("a.test: {autoturn: 192.0.2.9, alias_of: example.org}", "a.test/autoturn", "stand together"),
        (
            "a.test: {autoturn: 192.0.2.9, mailboxes: {x: {password: generate}}}",
            "a.test/autoturn",
            "all mail of `a.test` goes to `192.0.2.9`, so its mailboxes would be shadowed",
        ),
        (
            "a.test: {alias_of: b.test}",
            "a.test/alias_of",
            "`b.test` is no domain of this site that has mailboxes",
        ),
        ("a.test: {alias_of: a.test}", "a.test/alias_of", "is no domain of this site that has mailboxes"),
        ("a.test: {user: nobody}", "a.test/user", "`nobody` is not the name of one mailbox"),
        ("a.test: {user: dave}", "a.test/user", "only forwards and has no folder"),
        ("a.test: {user: bob}", "a.test/user", "mail to `x@a.test` would go to `bob-x@example.org`"),
    ],
)
def test_a_domain_in_the_name_of_another_has_nothing_besides(more: str, path: str, said: str) -> None:
    inner = f"{ALICE}  bob: {{password: generate}}\n  dave: {{forward: d@e.test}}\naliases: {{bob-x: alice}}"

    assert_one(f"domains/{path}", said, with_domain(inner, more))


def test_a_virtual_domain_may_have_an_extension_as_its_user() -> None:
    assert [] == told(with_domain(ALICE, "a.test: {user: alice-a}\nb.test: {user: alice-b@example.org}"))


def test_a_mailbox_is_not_shadowed_by_an_alias() -> None:
    assert_one(
        "domains/example.org/aliases/alice",
        "the mailbox `alice` would be shadowed by the alias of the same name",
        with_domain(f"{ALICE}aliases: {{alice: x@elsewhere.test}}"),
    )


@pytest.mark.parametrize(
    ("mailbox", "key", "said"),
    [
        ("{}", "", "has no password and forwards to nobody"),
        ("{password: generate, password_file: /x}", "/password_file", "there is a `password` already"),
        ("{password: generate, keep_copy: true}", "/keep_copy", "`keep_copy` stands without `forward`"),
        ("{password_file: /does/not/exist}", "/password_file", "cannot be read: No such file or directory"),
    ],
)
def test_a_mailbox_makes_sense_by_itself(mailbox: str, key: str, said: str) -> None:
    assert_one(f"domains/example.org/mailboxes/x{key}", said, with_domain(f"{ALICE}  x: {mailbox}"))


def test_app_passwords_alone_are_passwords() -> None:
    app = f'{{phone: {{password: "{HASH}", scope: [pop3], networks: [10.0.0.1], expires: 2020-01-01}}}}'

    assert [] == told(with_domain(f"{ALICE}  x: {{app_passwords: {app}}}"))


def test_a_password_that_is_elsewhere_needs_somebody_who_knows_it(open_folder: Path) -> None:
    (open_folder / "passwd").touch()
    text = with_domain(f"{ALICE}  x: {{password: external}}")

    assert_one("domains/example.org/mailboxes/x/password", "nobody is named who knows the password", text)
    assert [] == told(f"{text}logins: {{files: [{open_folder}/passwd]}}\n")
    assert [] == told(f"{text}logins: {{program: /bin/true}}\n")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            "alice@example.org:hunter2",
            "line 1: alice@example.org: this is no password hash of a form known here",
        ),
        ("# x\nalice@example.org:{SSHA}hunter2=", "line 2: alice@example.org: this is no password hash"),
        (f"alice:{HASH}", "line 1: this is no line of name@domain:hash"),
        (f"alice@example.org:{HASH.replace('t=2', 't=99')}", "wants more than a login may cost"),
    ],
)
def test_what_is_wrong_in_a_file_of_hashes_is_told(open_folder: Path, content: str, said: str) -> None:
    (open_folder / "passwd").write_text(content)
    text = f"{SITE}logins: {{files: [{open_folder}/passwd]}}\n"

    assert_one("logins/files/0", said, text)
    assert "hunter2" not in str(told(text))


def test_a_file_of_hashes_that_authd_cannot_read_is_told(open_folder: Path) -> None:
    path = open_folder / "passwd"
    assert_one("logins/files/0", "qmailp cannot read the file", f"{SITE}logins: {{files: [{path}]}}\n")
    path.touch(0o000)
    if is_root():
        text = f"{SITE}logins: {{files: {path}}}\n".replace(f"{path}", f"[{path}]")
        assert_one("logins/files/0", "Permission denied; put it there, and let user", text)


@pytest.mark.parametrize("program", ["checkpassword", "/no/such", "/etc/passwd", "/tmp"])
def test_a_program_must_be_one(program: str) -> None:
    assert_one("logins/program/0", "is no program that can be run", f"{SITE}logins: {{program: {program}}}\n")


@pytest.mark.parametrize(
    ("content", "count"), [(f"{HASH}\n", 0), ("plain\n", 0), ("", 1), ("\n", 1), ("$argon2id$x", 1)]
)
def test_a_password_file_holds_a_password_or_its_hash(tmp_path: Path, content: str, count: int) -> None:
    (tmp_path / "secret").write_text(content)

    assert count == len(told(with_domain(f"{ALICE}  x: {{password_file: {tmp_path}/secret}}")))


def test_a_name_must_fit_in_the_name_of_a_file() -> None:
    long = ".".join(["abcdefghi"] * 23 + ["x"])

    found = told(
        with_domain(ALICE, f"{long}: {{mailboxes: {{x: {{password: generate}}}}, aliases: {{yy: x}}}}")
    )

    assert [True, True] == ["too long for the name of a file" in text for _, text in found]


def test_two_addresses_cannot_have_one_name_in_users_assign() -> None:
    text = with_domain(
        f"{ALICE}",
        "example.co: {aliases: {op.test-a: x@y.test}}\n"
        "example.co-op.test: {mailboxes: {a: {forward: x@y.test}}}",
    )

    assert_one("domains/example.co-op.test/mailboxes/a", "have one name in users/assign", text)


@pytest.mark.parametrize("name", ["qmqp", "ofmip"])
def test_what_is_for_clients_alone_is_not_opened_for_nobody(name: str) -> None:
    listening = f"{with_domain(ALICE)}listen: {{{name}: 628}}\n"

    assert_one(f"listen/{name}", f"{name.upper()} is for the hosts of `relay: clients` alone", listening)
    assert [] == told(f"{listening}relay: {{clients: [10.0.0.0/8]}}\n")


def test_a_port_is_given_once() -> None:
    assert_one(
        "listen/pop3", "port 25 is the port of smtp already", f"{with_domain(ALICE)}listen: {{pop3: 25}}\n"
    )


def test_closed_ports_are_no_clash() -> None:
    assert [] == told(f"{with_domain(ALICE)}listen: {{pop3: null, smtp: null}}\n")


def test_certificates_are_looked_at_too() -> None:
    text = f"{with_domain(ALICE)}tls: {{certificate: /nowhere, key: /dev/null}}\n"

    assert_one("tls/certificate", "cannot be read", text)


def test_targets_and_loops_are_looked_at_too() -> None:
    found = told(with_domain(f"{ALICE}aliases: {{a: a, b: nobody}}"))

    assert ["domains/example.org/aliases/b", "domains/example.org/aliases/a"] == [path for path, _ in found]


def test_a_mailbox_with_a_wrong_password_is_not_said_to_have_none() -> None:
    site = unchecked(with_domain(f"{ALICE}  x: {{}}"))
    path = ("domains", "example.org", "mailboxes", "x", "password")

    assert [] == list(check(Draft(site, frozenset({path}))))


@pytest.mark.parametrize(
    "path", [("domains", "b.test"), ("domains",), ("domains", "example.org", "mailboxes", "bob")]
)
def test_a_domain_that_names_what_was_taken_out_is_left_alone(path: tuple[str, ...]) -> None:
    more = "a.test: {alias_of: b.test}" if path[-1] != "bob" else "a.test: {user: bob}"

    assert [] == list(check(Draft(unchecked(with_domain(ALICE, more)), frozenset({path}))))


def test_no_domain_at_all_is_right_for_a_host_that_only_sends() -> None:
    assert [] == told(HEAD.replace("alice@example.org", "alice@elsewhere.test"))


@pytest.mark.parametrize(
    "address", ["info", "carl", "postmaster", "bob", "x@example.net", "root@mail.example.org"]
)
def test_an_archive_must_not_send_its_copies_on(address: str) -> None:
    """What it sends is a new message, and the copy of that would come back to it."""
    whole = address if "@" in address else f"{address}@example.org"
    text = SITE.replace("    catch_all: alice\n", "") + f"archive: {whole}\n"

    if address == "x@example.net":
        assert_one("archive", "the archive is `x@example.net`, which is no mailbox", text)
    else:
        assert_one("archive", f"`{whole}` sends its mail on", text)


@pytest.mark.parametrize("address", ["alice@example.org", "alice-log@example.net", "log@elsewhere.test"])
def test_an_archive_is_a_mailbox_that_keeps_mail_or_lies_elsewhere(address: str) -> None:
    assert [] == told(f"{SITE}archive: {address}\n")


@pytest.mark.parametrize("key", ["quota", "quota_messages"])
def test_a_mailbox_that_only_forwards_needs_no_quota(key: str) -> None:
    lines = f"{ALICE}  b: {{forward: x@y.test, KEY: 1000}}".replace("KEY", key)

    assert_one(f"domains/example.org/mailboxes/b/{key}", "keeps no mail", with_domain(lines))
    assert [] == told(with_domain(lines.replace("1000", "0")))


def test_who_cannot_log_in_cannot_send_as_anybody() -> None:
    inner = f"{ALICE}  bob: {{forward: alice, send_as: news@far.test}}"

    assert_one("domains/example.org/mailboxes/bob/send_as", "nobody can log in", with_domain(inner))


def test_submission_has_ports_of_its_own() -> None:
    assert_one(
        "listen/submissions",
        "port 587 is the port of submission already",
        f"{with_domain(ALICE)}listen: {{submissions: 587}}\n",
    )
