"""Owns the rendering: a site and its surroundings in, the files of templates/ filled in, one tree in force.

A template's path is the path of its file. What renders to nothing is not written: a control file that is
missing has its default. The same site gives the same bytes.
"""

import functools
import ipaddress
import shlex
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jinja2

from appliance.formats import tcprules
from appliance.formats.assign import compile_assign
from appliance.formats.cdb import make_cdb
from appliance.formats.maildirsize import format_limits
from appliance.formats.mailnames import compile_names
from appliance.formats.outcome import Permanent, Temporary
from appliance.formats.senders import format_senders
from appliance.site import certificates, deliveries, mechanisms, passwords, smarthosts, tree
from appliance.site.addresses import Name
from appliance.site.autoturn import line
from appliance.site.model import Mailbox, Site
from appliance.site.names import QMTP
from appliance.site.senders import senders
from appliance.site.surroundings import Surroundings
from appliance.site.tree import File, Plan
from appliance.system.place import Place

TEMPLATES = Path(__file__).resolve().parents[2] / "templates"
UNKNOWN_HASH = "made-when-applied"
"""Stands in a plan for a hash that is not there yet."""

_HIGHEST_PORT = 65535
_NAMES = "control/ofmipnames"
_ENDING = ".j2"
_ALIAS_FILE = "alias/.qmail.j2"
_PRIVATE = {
    "passwords": (0o400, "qmailp"),
    "control/smarthosts": (0o400, "qmailr"),
    "supervisord.conf": (0o600, "root"),
}


def render(site: Site, place: Place, surroundings: Surroundings) -> Path:
    """Make what is missing of passwords, certificate, log folder; render, put the tree in force; gives it.

    Permanent: a folder or port is impossible. Temporary: a password file is gone, or the log folder cannot be
    written to. OSError: the disk.
    """
    deliveries.check_places(place)
    if site.logs.folder:
        _make_log_folder(Path(site.logs.folder))
    certificates.make(site, place)
    hashes = passwords.settled(site, place, surroundings.hash_password)
    rendered = tree.put_in_force(place, plan(site, place, surroundings, hashes), surroundings.identity_of)
    tree.link(place)
    return rendered


def _make_log_folder(folder: Path) -> None:
    """Closed to others. supervisor would start no daemon whose log it cannot open."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        told = f"unable to write log files in {folder}: {error.strerror}"
        raise Temporary(f"{told}; mount a volume there, or take logs: folder: out (#4.3.0)") from None


def planned(site: Site, place: Place, surroundings: Surroundings) -> Plan:
    """What `render` would write, nothing made: a hash that is not there yet is UNKNOWN_HASH."""
    known = passwords.kept(site, place)
    return plan(site, place, surroundings, {name: value or UNKNOWN_HASH for name, value in known.items()})


def plan(site: Site, place: Place, surroundings: Surroundings, hashes: Mapping[Name, str]) -> Plan:
    """All files of a tree; of the disk only templates, smarthosts' passwords and files of hashes are read."""
    environment = _environment()
    values = _values(site, place, surroundings, hashes)
    texts = {
        name.removesuffix(_ENDING): environment.get_template(name).render(values)
        for name in environment.list_templates(extensions=[_ENDING[1:]])
        if name != _ALIAS_FILE
    }
    alias_file = environment.get_template(_ALIAS_FILE)
    for name, file in deliveries.alias_files(site, place):
        texts[f"alias/{name}"] = alias_file.render(file=file)
    texts |= {f"control/{name}": text or "" for name, text in site.control.items()}
    made = {name: File(text.encode(), *_PRIVATE.get(name, ())) for name, text in texts.items()}
    by_hand = {f"control/{name}" for name, text in site.control.items() if text is not None}
    return {
        **{name: file for name, file in made.items() if file.content.strip() or name in by_hand},
        **dict(_compiled(made)),
    }


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["percent"] = _percent
    environment.filters["word"] = lambda value: _percent(shlex.quote(value))
    return environment


def _compiled(made: Plan) -> Iterator[tuple[str, File]]:
    for name, file in made.items():
        if name == "users/assign":
            yield "users/cdb", File(compile_assign(file.content))
        elif name == _NAMES:
            yield f"{name}.cdb", File(make_cdb(compile_names(file.content)))
        elif name.startswith("rules/"):
            yield f"{name}.cdb", File(tcprules.compile_rules(file.content))


def _values(
    site: Site, place: Place, surroundings: Surroundings, hashes: Mapping[Name, str]
) -> dict[str, Any]:
    """What the templates may name."""
    return {
        "site": site,
        "place": place,
        "places": [(name.upper(), folder) for name, folder in place._asdict().items()],
        "surroundings": surroundings,
        "virtual_domains": list(deliveries.virtual_domains(site)),
        "local_domains": deliveries.local_domains(site),
        "received_domains": deliveries.received_domains(site),
        "default_host": next(iter(site.domains), site.hostname),
        "parent_domain": _parent(site.hostname),
        "doublebounce": deliveries.doublebounce(site),
        "assignments": list(deliveries.assignments(site, place, surroundings)),
        "quotas": [(name, format_limits(limits).decode()) for name, limits in deliveries.quotas(site)],
        "qmtp_routes": _qmtp_routes(site),
        "smtp_routes": {domain: hop for domain, hop in site.relay.routes.items() if isinstance(hop, str)},
        "smarthosts": smarthosts.lines(site),
        "turns": [line(name, found.autoturn) for name, found in site.domains.items() if found.autoturn],
        "clients": [tcprules.format_network(ipaddress.ip_network(network)) for network in site.relay.clients],
        "certificates": certificates.pairs(site, place),
        "accounts": [
            (account, *told)
            for account in deliveries.accounts(site, place, surroundings)
            for told in passwords.fields(_mailbox(site, account.name), hashes.get(account.name))
        ],
        "mechanisms": mechanisms.lines(site, hashes),
        "asked": [site.logins.user, *site.logins.program] if site.logins.program else [],
        "senders": [line.decode() for line in format_senders(senders(site))],
        "smtp": listeners(surroundings, "smtp", site.listen.smtp)
        + listeners(surroundings, "ofmip", site.listen.ofmip)
        + _submission(site, surroundings),
        "qmtp": listeners(surroundings, "qmtp", site.listen.qmtp),
        "qmqp": listeners(surroundings, "qmqp", site.listen.qmqp),
        "pop3": listeners(surroundings, "pop3", site.listen.pop3)
        + (listeners(surroundings, "pop3s", site.listen.pop3s) if site.tls else []),
    }


def _mailbox(site: Site, name: Name) -> Mailbox:
    return site.domains[name.domain].mailboxes[name.local]


def _submission(site: Site, surroundings: Surroundings) -> list[str]:
    """No password without TLS: so without a certificate there is no submission."""
    if site.tls is None:
        return []
    ports = {"submission": site.listen.submission, "submissions": site.listen.submissions}
    return [told for name, port in ports.items() for told in listeners(surroundings, name, port)]


def _qmtp_routes(site: Site) -> dict[str, str]:
    """control/qmtproutes. It is asked before smtproutes, so a route by SMTP stands in it without a relay."""
    routes = {
        domain: hop.removeprefix(QMTP) if isinstance(hop, str) and hop.startswith(QMTP) else ""
        for domain, hop in site.relay.routes.items()
    }
    return routes if any(routes.values()) else {}


def listeners(surroundings: Surroundings, name: str, port: int | None) -> list[str]:
    """What a daemon is told to listen on; nothing if the port is closed. Permanent: there is no such port."""
    if port is None:
        return []
    if port + surroundings.port_base > _HIGHEST_PORT:
        raise Permanent(
            f"port {port} of {name} and PORT_BASE {surroundings.port_base} are more than {_HIGHEST_PORT}"
        )
    tls = ":tls" if name.endswith("s") else ""
    hosts = (f"[{address}]" if ":" in address else address for address in surroundings.addresses)
    return [f"{name}:{host}:{port + surroundings.port_base}{tls}" for host in hosts]


def _parent(hostname: str) -> str:
    """The domain that a host lies in; a name of two labels is a domain by itself."""
    parent = hostname.partition(".")[2]
    return parent if "." in parent else hostname


def _percent(value: object) -> str:
    """A value of supervisord.conf, where % begins an expansion."""
    return str(value).replace("%", "%%")
