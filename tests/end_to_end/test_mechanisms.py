"""Owns the mechanisms of AUTH and APOP end to end: real mail programs send and fetch by each."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from appliance.accounts.passwords import scram_keys
from tests.end_to_end.test_submission import HOST, Client, World, curl, mine, msmtp, snail, swaks
from tests.support.certificate import self_signed
from tests.support.clients import Mailbox, run
from tests.support.letter import letter
from tests.support.nexthop import NextHop
from tests.support.pop3_rig import deliver
from tests.support.site import POP3, POP3S, descendants, site
from tests.support.waiting import wait_for

PASSWORD = "correct-horse"
SECRET, KEYS, HASH = "alice@example.test", "bob@example.test", "dora@example.test"
"""Whose password is stored as it is, as keys for SCRAM, as argon2id."""
CONFIG = f"""\
version: 1
hostname: {HOST}
postmaster: {SECRET}
tls: {{certificate: PEM, key: PEM}}
relay: {{routes: {{far.test: '127.0.0.1:PORT'}}}}
domains:
  example.test:
    mailboxes:
      alice: {{password: '{{PLAIN}}{PASSWORD}'}}
      bob: {{password: '{scram_keys(PASSWORD.encode())}'}}
      dora: {{password: generate}}
"""


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with NextHop() as sink, site() as new:
        pem = self_signed(new.folder / "server.pem", HOST)
        pem.chmod(0o644)
        (new.folder / "config.yaml").write_text(
            CONFIG.replace("PEM", str(pem)).replace("PORT", str(sink.port))
        )
        new.up()
        yield World(new, sink, pem)


def login(world: World, user: str) -> Mailbox:
    password = PASSWORD if user != HASH else world.site.mailbox(user).password
    return Mailbox(world.site.port(POP3), user, password)


SENDERS: dict[str, tuple[Client, str]] = {
    "swaks_cram": (swaks("--tls", "--auth", "CRAM-MD5", at=0), SECRET),
    "swaks_plain": (swaks("--tls", "--auth", "PLAIN", at=0), SECRET),
    "swaks_plain_with_keys": (swaks("--tls", "--auth", "PLAIN", at=0), KEYS),
    "swaks_login_with_keys": (swaks("--tls-on-connect", "--auth", "LOGIN", at=1), KEYS),
    "swaks_whatever_works": (swaks("--tls", "--auth", at=0), HASH),
    "msmtp_scram": (msmtp("--auth=scram-sha-256", at=0), KEYS),
    "msmtp_scram_with_a_secret": (msmtp("--auth=scram-sha-256", "--tls-starttls=off", at=1), SECRET),
    "msmtp_cram": (msmtp("--auth=cram-md5", at=0), SECRET),
    "curl_cram": (curl("--login-options", "AUTH=CRAM-MD5", scheme="smtps", at=1), SECRET),
    "snail_cram": (snail("submissions", "smtp-auth=cram-md5", at=1), SECRET),
}


@pytest.mark.parametrize(("client", "user"), SENDERS.values(), ids=SENDERS)
def test_a_mail_program_sends_by_a_mechanism(world: World, client: Client, user: str) -> None:
    new = mine()
    new = new._replace(content=new.content.replace(b"alice@", user.partition("@")[0].encode() + b"@"))

    client(world, login(world, user), new)

    assert user.encode() == wait_for(lambda: world.taken(new)).sender


REFUSED: dict[str, tuple[Client, str, str]] = {
    "swaks_cram_with_keys": (swaks("--tls", "--auth", "CRAM-MD5", at=0), KEYS, "535"),
    "swaks_cram_with_a_hash": (swaks("--tls", "--auth", "CRAM-MD5", at=0), HASH, "535"),
    "swaks_digest": (swaks("--tls", "--auth", "DIGEST-MD5", at=0), SECRET, "AUTH"),
    "swaks_ntlm": (swaks("--tls", "--auth", "NTLM", at=0), SECRET, "AUTH"),
    "msmtp_scram_with_a_hash": (msmtp("--auth=scram-sha-256", at=0), HASH, "535"),
    "msmtp_scram_sha_1": (msmtp("--auth=scram-sha-1", at=0), SECRET, "authentication method"),
}


@pytest.mark.parametrize(("client", "user", "told"), REFUSED.values(), ids=REFUSED)
def test_a_mechanism_that_nothing_is_stored_for_is_refused(
    world: World, client: Client, user: str, told: str
) -> None:
    with pytest.raises(AssertionError, match=told):
        client(world, login(world, user), mine())


Fetch = Callable[[World, Mailbox, Path], bytes]


def mpop(auth: str, *, tls: bool = False) -> Fetch:
    def fetch(world: World, mailbox: Mailbox, folder: Path) -> bytes:
        for name in ("tmp", "new", "cur"):
            (folder / "Maildir" / name).mkdir(parents=True)
        settings = folder / "mpoprc"
        trust = f"tls on\ntls_starttls on\ntls_trust_file {world.pem}\ntls_host_override {HOST}\n"
        settings.write_text(
            f"account default\nhost 127.0.0.1\nport {mailbox.port}\nuser {mailbox.user}\n"
            f'password "{mailbox.password}"\nauth {auth}\n{trust if tls else "tls off"}\n'
            f"keep on\nuidls_file {folder}/uidls\ndelivery maildir {folder}/Maildir\n"
        )
        settings.chmod(0o600)
        run(["mpop", "-q", "-C", settings])
        return b"".join(path.read_bytes() for path in (folder / "Maildir/new").iterdir())

    return fetch


def curl_fetch(options: str, scheme: str = "pop3") -> Fetch:
    def fetch(world: World, mailbox: Mailbox, folder: Path) -> bytes:
        port = world.site.port(POP3S) if scheme == "pop3s" else mailbox.port
        where = [f"{scheme}://{HOST}/1", "--connect-to", f"::127.0.0.1:{port}", "--cacert", str(world.pem)]
        who = ["--user", f"{mailbox.user}:{mailbox.password}", "--login-options", f"AUTH={options}"]
        return run(["curl", "-sS", *where, *who])

    return fetch


def fetchmail(protocol: str, auth: str) -> Fetch:
    def fetch(world: World, mailbox: Mailbox, folder: Path) -> bytes:
        settings = folder / "fetchmailrc"
        settings.write_text(
            f"poll 127.0.0.1 service {mailbox.port} protocol {protocol} auth {auth}\n"
            f"  user '{mailbox.user}' password '{mailbox.password}' sslproto ''\n"
            f"  keep fetchall no rewrite mda 'cat >{folder}/fetched'\n"
        )
        settings.chmod(0o600)
        once = ["--nodetach", "--invisible", "--pidfile", f"{folder}/pid"]
        run(["fetchmail", "-f", settings, *once], environ={"FETCHMAILHOME": str(folder)})
        return (folder / "fetched").read_bytes()

    return fetch


FETCHERS: dict[str, tuple[Fetch, str]] = {
    "mpop_apop": (mpop("apop"), SECRET),
    "mpop_cram": (mpop("cram-md5"), SECRET),
    "mpop_scram": (mpop("scram-sha-256"), KEYS),
    "mpop_scram_with_a_secret": (mpop("scram-sha-256"), SECRET),
    "mpop_scram_under_tls": (mpop("scram-sha-256", tls=True), KEYS),
    "mpop_plain_under_tls": (mpop("plain", tls=True), KEYS),
    "mpop_login_under_tls": (mpop("login", tls=True), HASH),
    "mpop_user": (mpop("user"), HASH),
    "curl_apop": (curl_fetch("+APOP"), SECRET),
    "curl_cram": (curl_fetch("CRAM-MD5"), SECRET),
    "curl_plain_under_tls": (curl_fetch("PLAIN", "pop3s"), HASH),
    "curl_login_under_tls": (curl_fetch("LOGIN", "pop3s"), KEYS),
    "fetchmail_apop": (fetchmail("APOP", "password"), SECRET),
    "fetchmail_cram": (fetchmail("POP3", "cram-md5"), SECRET),
}


@pytest.mark.parametrize(("fetch", "user"), FETCHERS.values(), ids=FETCHERS)
def test_a_mail_program_fetches_by_a_mechanism(world: World, fetch: Fetch, user: str, tmp_path: Path) -> None:
    new = letter()
    maildir = world.site.place.mail / "example.test" / user.partition("@")[0] / "Maildir"
    for path in maildir.glob("[nc]*/*"):
        path.unlink()
    deliver(maildir, "1.a", new.content)

    assert new.token.encode() in fetch(world, login(world, user), tmp_path)


@pytest.mark.parametrize("auth", ["apop", "cram-md5", "scram-sha-256"])
def test_who_has_nothing_stored_for_it_is_refused(world: World, auth: str, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="auth[a-z]+ failed"):
        mpop(auth)(world, login(world, HASH), tmp_path)


def test_no_password_goes_over_the_wire_in_the_clear(world: World, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="mpop ends with"):
        mpop("plain")(world, login(world, SECRET), tmp_path)


def test_no_process_of_the_network_and_no_log_has_seen_a_secret(world: World) -> None:
    place = world.site.place
    readable = [path for path in place.control.iterdir() if path.is_file()]

    assert (
        b"smtp:SCRAM-SHA-256 CRAM-MD5\npop3:SCRAM-SHA-256 CRAM-MD5 APOP\n"
        == (place.control / "saslmechanisms").read_bytes()
    )
    assert PASSWORD not in world.site.log
    assert not any(PASSWORD.encode() in path.read_bytes() for path in readable)
    assert world.site.running
    shown = [commandline(pid) for pid in descendants(world.site.running.pid)]
    assert any(b"authd" in words for words in shown)
    assert not any(b"{PLAIN}" in words for words in shown)


def commandline(pid: int) -> bytes:
    """What `ps` shows of a process, if it has not ended since."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""
