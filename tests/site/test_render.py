"""Owns the tests of rendering: the files of a site, the same bytes each time, nothing after a fault."""

import configparser
import re
import shlex
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.accounts.table import parse_table
from appliance.formats import assign, control, dotqmail, tcprules
from appliance.formats.cdb import Cdb
from appliance.formats.mailboxes import Mailbox
from appliance.formats.mailnames import find_name
from appliance.formats.outcome import Permanent, Temporary
from appliance.formats.rewrite import Rewriter
from appliance.send.send import STAY_DOWN
from appliance.site import passwords, tree
from appliance.site.addresses import Name, find
from appliance.site.faults import ConfigFaults
from appliance.site.load import load_bytes
from appliance.site.render import UNKNOWN_HASH, listeners, plan, planned, render
from appliance.site.tree import Plan
from appliance.system.place import Place
from tests.support.certificate import self_signed
from tests.support.configs import ALICE, HASH, HEAD, SITE, place_in, site_of, surroundings, with_domain

PLACE = Place(Path("/var/qmail"), Path("/mail"), Path("/state"), Path("/run"), Path("/config.yaml"))


@pytest.fixture(autouse=True)
def _cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "_COST", 2)


def planned_for(text: str = SITE) -> Plan:
    site = site_of(text)
    hashes = {name: HASH for name, _ in passwords.with_password(site)}
    return plan(site, PLACE, surroundings(root=True), hashes)


def text_of(files: Plan, path: str) -> str:
    return files[path].content.decode()


def test_the_tree_has_what_the_daemons_read() -> None:
    files = planned_for()

    assert {"control", "users", "alias", "rules", "passwords", "supervisord.conf"} == {
        path.partition("/")[0] for path in files
    }
    assert [] == [path for path in files if path.endswith(".j2")]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("me", "mail.example.org\n"),
        ("rcpthosts", "mail.example.org\nexample.org\nexample.net\nnowhere.test\n"),
        (
            "virtualdomains",
            "example.org:example.org\nexample.net:example.org\nnowhere.test:example.org-bob\n",
        ),
        ("defaultdomain", "example.org\n"),
        ("defaulthost", "example.org\n"),
        ("plusdomain", "example.org\n"),
        ("doublebounceto", "alice\n"),
        ("doublebouncehost", "example.org\n"),
        ("concurrencylocal", "100\n"),
        ("concurrencyremote", "100\n"),
        ("concurrencyincoming", "400\n"),
        ("concurrencyperip", "50\n"),
        ("databytes", "52428800\n"),
        ("queuelifetime", "604800\n"),
        ("defaultdelivery", "./Maildir/\n"),
    ],
)
def test_a_control_file_says_what_the_site_says(name: str, content: str) -> None:
    assert content == text_of(planned_for(), f"control/{name}")


def test_what_is_not_said_has_no_control_file() -> None:
    files = planned_for()

    assert set() == {
        f"control/{n}" for n in ("smtproutes", "proxynetworks", "servercert", "serverkey")
    } & set(files)


def test_locals_is_there_even_if_it_lists_nothing() -> None:
    """A missing locals would make the host's own name local, though it is a virtual domain."""
    files = planned_for(with_domain(ALICE).replace("hostname: mail.", "hostname: "))

    assert [] == control.parse_lines(files["control/locals"].content)
    assert [b"mail.example.org"] == control.parse_lines(planned_for()["control/locals"].content)


def test_routes_certificate_and_proxies_have_their_files(tmp_path: Path) -> None:
    pem = self_signed(tmp_path / "pem")
    files = planned_for(
        f"{SITE}tls: {{certificate: {pem}, key: {pem}, others: [{{certificate: {pem}, key: {pem}}}]}}\n"
        "relay: {routes: {a.test: 10.0.0.5, .b.test: 'hop:26', '*': isp.test}}\n"
        "proxy: {networks: [10.0.0.0/8]}\nlogs: {record: [smtp, pop3]}\n"
    )

    assert "a.test:10.0.0.5\n.b.test:hop:26\n:isp.test\n" == text_of(files, "control/smtproutes")
    assert "10.0.0.0/8\n" == text_of(files, "control/proxynetworks")
    assert "smtp\npop3\n" == text_of(files, "control/recordio")
    assert [f"{pem}\n{pem}\n"] * 2 == [text_of(files, f"control/server{n}") for n in ("cert", "key")]
    configuration = text_of(files, "supervisord.conf")
    assert "pop3s:127.0.0.1:2995:tls" in configuration
    assert "submission:127.0.0.1:2587 submissions:127.0.0.1:2465:tls" in configuration


def test_what_is_asked_of_submission_has_its_files() -> None:
    names = ("checkfrom", "hideclient", "submissionmessages", "submissionrecipients", "submissionburst")
    usual = planned_for()
    other = planned_for(
        f"{SITE}submission: {{check_from: false, hide_client: true, messages_per_day: 0, burst: 1h}}\n"
    )

    assert ["1\n", "", "1000\n", "5000\n", "43200\n"] == [
        usual[f"control/{name}"].content.decode() if f"control/{name}" in usual else "" for name in names
    ]
    assert ["", "1\n", "0\n", "5000\n", "3600\n"] == [
        other[f"control/{name}"].content.decode() if f"control/{name}" in other else "" for name in names
    ]
    assert "info@example.org:alice@example.org\n" in text_of(usual, "control/senders")


def test_routes_by_qmtp_have_a_file_of_their_own_that_excepts_the_others() -> None:
    files = planned_for(f"{SITE}relay: {{routes: {{a.test: 10.0.0.5, '*': 'qmtp://hub.test:2209'}}}}\n")

    assert "a.test:10.0.0.5\n" == text_of(files, "control/smtproutes")
    assert "a.test:\n:hub.test:2209\n" == text_of(files, "control/qmtproutes")


def test_smarthosts_are_for_rspawn_alone_and_it_can_read_them(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("se|cret\n")
    files = planned_for(
        f"{SITE}relay:\n"
        f"  smarthost: {{host: smtp.isp.test, user: joe, password_file: {tmp_path}/secret}}\n"
        "  routes: {a.test: {host: 10.0.0.5, tls: optional}, b.test: hop}\n"
    )

    file = files["control/smarthosts"]
    assert (0o400, "qmailr") == (file.mode, file.owner)
    assert b":smtp.isp.test|starttls||joe|se|cret\na.test:10.0.0.5|optional|||\n" == file.content
    assert "b.test:hop\n" == text_of(files, "control/smtproutes")


def test_smarthosts_by_hand_are_for_rspawn_alone_as_well() -> None:
    files = planned_for(f"{SITE}control: {{smarthosts: ':smtp.isp.test|starttls||joe|secret'}}\n")

    assert (0o400, "qmailr") == files["control/smarthosts"][1:]


def test_control_by_hand_wins_is_added_or_leaves_out() -> None:
    files = planned_for(
        f"{SITE}control: {{me: other.test, percenthack: [a.test], defaulthost: null, badmailfrom: ''}}"
    )

    assert ("other.test\n", "a.test\n", False) == (
        text_of(files, "control/me"),
        text_of(files, "control/percenthack"),
        "control/defaulthost" in files,
    )
    assert "\n" == text_of(files, "control/badmailfrom")


def test_bounces_and_the_archive_have_their_files() -> None:
    files = planned_for(
        f"{SITE}archive: log@far.test\nbounces: {{format: report, whole_up_to: 1M, delay_notice: 4h}}\n"
    )
    names = ("queueextra", "bounceformat", "bouncemaxbytes", "delaynotice")

    assert ["log@far.test\n", "report\n", "1048576\n", "14400\n"] == [
        text_of(files, f"control/{name}") for name in names
    ]
    assert set() == {f"control/{name}" for name in names} & set(planned_for())


def test_what_programs_may_use_has_its_files() -> None:
    files = planned_for(
        f"{SITE}programs: {{time: 1m, output: 1M, processes: 20, memory: 1G, file_size: 2M}}\n"
    )
    names = ("timeoutprogram", "programoutput", "programprocesses", "programmemory", "programfilesize")

    assert ["60\n", "1048576\n", "20\n", "1073741824\n", "2097152\n"] == [
        text_of(files, f"control/{name}") for name in names
    ]
    assert ["600\n", "16777216\n", "100\n", "0\n", "0\n"] == [
        text_of(planned_for(), f"control/{name}") for name in names
    ]


def test_relay_clients_are_the_only_ones_who_may_relay() -> None:
    files = planned_for(f"{SITE}relay: {{clients: [192.0.2.0/25, 10.0.0.0/8, '2001:db8::/32']}}")
    rules = Cdb(files["rules/tcp.smtp.cdb"].content)

    asked = ("192.0.2.7", "192.0.2.200", "10.1.2.3", "172.17.0.1", "127.0.0.1", "2001:db8::9", "::1")
    found = {ip: tcprules.lookup(rules, ip) for ip in asked}
    may = {ip: rule.environment for ip, rule in found.items() if rule and rule.allow}

    relays = {"RELAYCLIENT": ""}
    assert {
        "192.0.2.7": relays,
        "10.1.2.3": relays,
        "2001:db8::9": relays,
        "192.0.2.200": {},
        "172.17.0.1": {},
        "127.0.0.1": {},
        "::1": {},
    } == may


@pytest.mark.parametrize("name", ["qmqp", "ofmip"])
def test_relay_clients_alone_may_use_qmqp_and_ofmip_and_relay_by_qmtp(name: str) -> None:
    files = planned_for(f"{SITE}relay: {{clients: [192.0.2.0/25, '2001:db8::/32']}}")
    assert files["rules/tcp.qmtp"].content.strip() == files["rules/tcp.smtp"].content.strip()

    rules = Cdb(files[f"rules/tcp.{name}.cdb"].content)
    asked = ("192.0.2.7", "192.0.2.200", "127.0.0.1", "2001:db8::9")
    found = {ip: tcprules.lookup(rules, ip) for ip in asked}

    assert ["192.0.2.7", "2001:db8::9"] == [ip for ip, rule in found.items() if rule and rule.allow]


def test_smtpd_mends_mail_if_it_is_asked_to_and_names_become_a_cdb() -> None:
    assert "ofmipnames" not in "".join(planned_for())
    files = planned_for(
        f"{SITE}relay: {{clients: [192.0.2.0/25]}}\nlisten: {{ofmip: 26}}\n"
        "control: {ofmipnames: 'joe@x.test:Joe:J@sun.test:'}\n"
    )

    assert b" ofmip:127.0.0.1:2026" in files["supervisord.conf"].content
    cdb = Cdb(files["control/ofmipnames.cdb"].content)
    assert Mailbox(b"J@sun.test", b"Joe") == find_name(cdb, b"joe@x.test")


def test_mail_that_waits_for_its_host_is_sent_by_a_daemon_of_its_own() -> None:
    assert "program:autoturn" not in supervisor_of(planned_for()).sections()
    files = planned_for(f"{SITE}  ppp.test: {{autoturn: 192.0.2.9}}\n")

    assert "ppp.test:192.0.2.9|192.0.2.9/32|\n" == text_of(files, "control/autoturn")
    command = supervisor_of(files).get("program:autoturn", "command")
    owner = surroundings().mail_owner
    assert f"/usr/bin/python3 -m appliance autoturn {owner.uid} {owner.gid}" == command


@pytest.mark.parametrize("name", ["tcp.pop3", "tcp.pop3s", "tcp.submission", "tcp.submissions"])
def test_everybody_may_come_and_say_who_he_is(name: str) -> None:
    rule = tcprules.lookup(Cdb(planned_for()[f"rules/{name}.cdb"].content), "192.0.2.1")

    assert (True, {}) == (rule and rule.allow, rule and rule.environment)


def test_passwords_are_for_authd_alone_and_it_can_read_them() -> None:
    file = planned_for()["passwords"]

    table = parse_table(file.content)
    assert (0o400, "qmailp", []) == (file.mode, file.owner, table.faults)
    account = table.entries[b"alice@example.org"].account
    assert (5000, b"/mail/example.org/alice", b"/mail/example.org/alice/Maildir") == (
        account.uid,
        account.home,
        account.maildir,
    )


def test_authd_reads_app_passwords_and_who_else_is_asked(open_folder: Path) -> None:
    (open_folder / "passwd").touch()
    apps = f'{{phone: {{password: "{HASH}", scope: smtp, expires: 2027-01-31, networks: ["fd00::/8"]}}}}'
    mailboxes = f"{ALICE}  x: {{password: external, app_passwords: {apps}}}"
    logins = f"logins: {{files: [{open_folder}/passwd], program: [/bin/echo, 100% sure], user: root}}\n"

    files = planned_for(with_domain(mailboxes) + logins)

    table = parse_table(files["passwords"].content)
    external, phone = table.entries[b"x@example.org"].passwords
    assert ([f"{open_folder}/passwd"], [], "external") == (table.files, table.faults, external.known_hash)
    assert ("phone", ("smtp",), "2027-01-31", "(IPv6Network('fd00::/8'),)") == (
        *phone[1:4],
        str(phone.networks),
    )
    assert "-m appliance authd root /bin/echo '100%% sure'\n" in text_of(files, "supervisord.conf")


def test_a_site_without_accounts_has_a_passwords_file_as_well() -> None:
    table = parse_table(planned_for(HEAD.replace("alice@", "alice@not."))["passwords"].content)

    assert ({}, [], []) == (table.entries, table.files, table.faults)


def test_a_tree_always_has_a_home_for_alias() -> None:
    files = planned_for(with_domain(ALICE).replace("hostname: mail.", "hostname: "))

    assert [path for path in files if path.startswith("alias/")]


def resolved(files: Plan, address: str) -> list[bytes]:
    """Where mail ends by the rendered files alone, as send and lspawn would read them."""
    controls = {
        name: files[f"control/{name}"].content
        for name in ("locals", "virtualdomains", "me")
        if f"control/{name}" in files
    }
    rewriter = Rewriter(
        control.parse_lines(controls["locals"]),
        control.parse_table(controls["virtualdomains"]),
        None,
        None,
        control.parse_line(controls["me"]),
    )
    route = rewriter.rewrite(address.encode())
    if route.channel == "remote":
        return [route.address]
    found = assign.lookup(Cdb(files["users/cdb"].content), route.address.rpartition(b"@")[0])
    if found is None:
        found = assign.Assignment(
            b"alias", 1, 1, b"/var/qmail/alias", b"-", route.address.rpartition(b"@")[0]
        )
    if found.home != b"/var/qmail/alias":
        return [found.home + b"/" + found.dash + found.ext]
    for candidate in dotqmail.candidates(found.dash, found.ext):
        file = files.get(f"alias/{candidate.name.decode()}")
        if file:
            ends = []
            for order in dotqmail.parse_dotqmail(file.content):
                match order:
                    case dotqmail.Forward(target):
                        ends += resolved(files, target.decode())
                    case dotqmail.Maildir(path):
                        ends.append(path)
            return ends
    return []


@pytest.mark.parametrize(
    ("address", "ends"),
    [
        ("alice@example.org", [b"/mail/example.org/alice/"]),
        ("ALICE@Example.Net", [b"/mail/example.org/alice/"]),
        ("alice-books@example.org", [b"/mail/example.org/alice/-books"]),
        ("bob@example.org", [b"/mail/example.org/bob/Maildir/", b"bob@elsewhere.test"]),
        ("bob-x@example.org", [b"/mail/example.org/bob/-x"]),
        ("carl@example.org", [b"carl@elsewhere.test", b"/mail/example.org/alice/"]),
        ("carl-x@example.org", [b"carl@elsewhere.test", b"/mail/example.org/alice/"]),
        (
            "info@example.org",
            [b"/mail/example.org/alice/", b"/mail/example.org/bob/Maildir/", b"bob@elsewhere.test"],
        ),
        ("P.D.Q.Bach@example.org", [b"/mail/example.org/alice/"]),
        ("anybody@example.org", [b"/mail/example.org/alice/"]),
        ("x@nowhere.test", [b"/mail/example.org/bob/-x"]),
        ("postmaster@example.org", [b"/mail/example.org/alice/"]),
        ("abuse@nowhere.test", [b"/mail/example.org/bob/-abuse"]),
        ("root@mail.example.org", [b"/mail/example.org/alice/"]),
        ("nobody@mail.example.org", []),
        ("x@elsewhere.test", [b"x@elsewhere.test"]),
    ],
)
def test_mail_ends_where_the_site_says(address: str, ends: list[bytes]) -> None:
    assert ends == resolved(planned_for(), address)


names = st.text(alphabet="ab-", min_size=1, max_size=4).filter(lambda name: name[0] != "-")


@settings(max_examples=40)
@given(
    mailboxes=st.sets(names, max_size=4),
    aliases=st.sets(names, max_size=4),
    catch_all=st.booleans(),
    asked=names,
)
def test_qmails_files_and_the_sites_order_always_agree(
    mailboxes: set[str], aliases: set[str], catch_all: bool, asked: str
) -> None:
    """Whatever names there are, an address ends where mailbox, alias, extension, catch-all say."""
    boxes = "".join(f"  {name}: {{password: generate}}\n" for name in sorted(mailboxes))
    others = "".join(f"  {name}: {name}@alias.test\n" for name in sorted(aliases - mailboxes))
    text = with_domain(
        f"{ALICE}{boxes}aliases:{others and chr(10)}{others or ' {}' + chr(10)}"
        + ("catch_all: all@catch.test" if catch_all else "")
    )
    site, files = site_of(text), planned_for(text)

    found = find(site, Name("example.org", asked))

    wanted = {
        None: [],
        "mailbox": [f"/mail/example.org/{asked}/"],
        "alias": [f"{asked}@alias.test"],
        "catch_all": ["all@catch.test"],
    }
    kind = found and found.kind
    if found and kind == "extension":
        wanted[kind] = [f"/mail/example.org/{found.name.local}/-{asked.removeprefix(found.name.local + '-')}"]
    assert wanted[kind] == [end.decode() for end in resolved(files, f"{asked}@example.org")]


def supervisor_of(files: Plan) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser(inline_comment_prefixes=(";", "#"))
    parser.read_string(text_of(files, "supervisord.conf"))
    return parser


def test_supervisor_starts_the_daemons_in_order_and_then_the_checklist() -> None:
    parser = supervisor_of(planned_for())
    programs = [name for name in parser.sections() if name.startswith("program:")]

    assert [
        f"program:{n}" for n in ("authd", "lspawn", "rspawn", "send", "pop3d", "smtpd", "popup", "checklist")
    ] == sorted(programs, key=lambda name: parser.getint(name, "priority"))
    assert [] == [name for name in programs if parser.has_option(name, "user")]
    assert {"/dev/stdout"} == {parser.get(name, "stdout_logfile") for name in programs}
    assert ("false", "0") == (
        parser.get("program:checklist", "autorestart"),
        parser.get("program:checklist", "startsecs"),
    )


def test_a_daemon_is_started_again_unless_send_is_to_stay_down() -> None:
    parser = supervisor_of(planned_for())
    daemons = [name for name in parser.sections() if parser.has_option(name, "exitcodes")]

    assert {("unexpected", str(STAY_DOWN))} == {
        (parser.get(name, "autorestart"), parser.get(name, "exitcodes"))
        for name in daemons
        if name != "program:checklist"
    }
    assert ("INT", "TERM") == (
        parser.get("program:send", "stopsignal"),
        parser.get("program:smtpd", "stopsignal"),
    )


def test_daemons_are_told_where_to_listen() -> None:
    parser = supervisor_of(planned_for())

    assert "/usr/bin/python3 -m appliance smtpd smtp:127.0.0.1:2025" == parser.get("program:smtpd", "command")
    assert "/usr/bin/python3 -m appliance popup pop3:127.0.0.1:2110" == parser.get("program:popup", "command")


def test_qmtp_and_qmqp_are_closed_until_they_are_asked_for() -> None:
    assert {"program:qmtpd", "program:qmqpd"}.isdisjoint(supervisor_of(planned_for()).sections())

    listening = f"{SITE}listen: {{qmtp: 209, qmqp: 628}}\nrelay: {{clients: [10.0.0.0/8]}}"
    parser = supervisor_of(planned_for(listening))

    assert "/usr/bin/python3 -m appliance qmtpd qmtp:127.0.0.1:2209" == parser.get("program:qmtpd", "command")
    assert "/usr/bin/python3 -m appliance qmqpd qmqp:127.0.0.1:2628" == parser.get("program:qmqpd", "command")


def test_a_closed_port_needs_no_daemon() -> None:
    parser = supervisor_of(planned_for(f"{SITE}listen: {{smtp: null, pop3: null}}"))

    assert set() == {"program:smtpd", "program:popup", "program:pop3d"} & set(parser.sections())


def test_odd_folders_reach_the_daemons_as_they_are(tmp_path: Path) -> None:
    place = place_in(Path("/opt/100% of it, with (blanks) @home~"))
    here = surroundings(root=True)
    odd = type(here)(**{**vars(here), "python": "/opt/a b/100%/python"})
    parser = configparser.ConfigParser(inline_comment_prefixes=(";", "#"))  # expands %% as supervisor does
    parser.read_string(
        plan(site_of(), place, odd, {Name("example.org", "alice"): HASH})["supervisord.conf"].content.decode()
    )

    environment = parser.get("supervisord", "environment")
    assert ["/opt/a b/100%/python", "-m"] == shlex.split(parser.get("program:authd", "command"))[:2]
    assert f"{place.home}" in re.findall(r'TOASTER_HOME="([^"]*)"', environment)
    assert f"{place.run}/supervisor.sock" == parser.get("unix_http_server", "file")


@pytest.mark.parametrize(
    ("addresses", "base", "wanted"),
    [
        (("0.0.0.0", "::"), 0, ["smtp:0.0.0.0:25", "smtp:[::]:25"]),
        (("127.0.0.1",), 3000, ["smtp:127.0.0.1:3025"]),
    ],
)
def test_listeners_are_on_every_address(addresses: tuple[str, ...], base: int, wanted: list[str]) -> None:
    here = type(surroundings())(**{**vars(surroundings()), "addresses": addresses, "port_base": base})

    assert (wanted, []) == (listeners(here, "smtp", 25), listeners(here, "smtp", None))


def test_a_port_beyond_all_ports_is_refused() -> None:
    with pytest.raises(Permanent, match="more than 65535"):
        listeners(surroundings(), "smtp", 65000)


def test_rendering_twice_gives_the_same_bytes_and_the_same_tree(tmp_path: Path) -> None:
    site, place = site_of(with_domain(ALICE)), place_in(tmp_path)

    first = render(site, place, surroundings())
    content = {path: path.read_bytes() for path in first.rglob("*") if path.is_file()}
    second = render(site, place, surroundings())

    assert (first, content) == (
        second,
        {path: path.read_bytes() for path in second.rglob("*") if path.is_file()},
    )
    assert "mail.example.org\n" == (place.control / "me").read_text()


def test_a_faulty_config_changes_nothing(tmp_path: Path) -> None:
    place = place_in(tmp_path)
    first = render(site_of(with_domain(ALICE)), place, surroundings())
    before = {path: path.lstat().st_mtime_ns for path in tmp_path.rglob("*")}

    with pytest.raises(ConfigFaults):
        render(load_bytes(b"version: 2"), place, surroundings())

    assert before == {path: path.lstat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert first == tree.current(place).resolve()


def test_an_impossible_folder_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(Permanent):
        render(site_of(), place_in(tmp_path / "a:b"), surroundings())

    assert [] == list(tmp_path.iterdir())


def test_looking_at_what_would_be_rendered_makes_nothing(tmp_path: Path) -> None:
    files = planned(site_of(with_domain(ALICE)), place_in(tmp_path), surroundings())

    assert (True, []) == (UNKNOWN_HASH in text_of(files, "passwords"), list(tmp_path.iterdir()))


def test_no_template_evaluates_what_the_owner_wrote() -> None:
    files = planned_for(f"{SITE}control: {{smtpgreeting: 'x {{{{ 7 * 7 }}}} {{% raw %}}'}}")

    assert "x {{ 7 * 7 }} {% raw %}\n" == text_of(files, "control/smtpgreeting")


def test_every_template_renders_to_text_of_whole_lines() -> None:
    files = planned_for()

    assert [] == [p for p, f in files.items() if not p.endswith("cdb") and not f.content.endswith(b"\n")]


def test_log_lines_go_to_standard_output_or_to_files_of_each_daemon() -> None:
    lines = "logs: {folder: /var/log/100%, size: 20K, number: 3}\n"
    parser = supervisor_of(planned_for(SITE + lines))
    kept = {
        name: tuple(
            parser.get(name, f"stdout_logfile{ending}", fallback="")
            for ending in ("", "_maxbytes", "_backups")
        )
        for name in ("program:send", "program:checklist")
    }

    assert {
        "program:send": ("/var/log/100%%/send.log", "20480", "2"),
        "program:checklist": ("/dev/stdout", "0", ""),
    } == kept


def test_each_daemon_is_told_the_form_of_its_log_lines() -> None:
    parser = supervisor_of(planned_for(f"{SITE}logs: {{format: json}}\n"))

    assert "TOASTER_LOG_FORMAT=json" == parser.get("program:send", "environment")
    assert not supervisor_of(planned_for()).has_option("program:send", "environment")


def test_a_log_folder_is_made(tmp_path: Path) -> None:
    render(site_of(HEAD + f"logs: {{folder: {tmp_path}/deep/logs}}\n"), place_in(tmp_path), surroundings())

    assert 0o700 == (tmp_path / "deep" / "logs").stat().st_mode & 0o777


def test_a_log_folder_that_cannot_be_is_told_and_nothing_is_rendered(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    site = site_of(HEAD + f"logs: {{folder: {tmp_path}/file/logs}}\n")

    with pytest.raises(Temporary, match="unable to write log files in .*/file/logs: Not a directory; mount"):
        render(site, place_in(tmp_path), surroundings())
    assert not tree.current(place_in(tmp_path)).exists()
