"""Owns the model of config.yaml: every key with its type, default and meaning, as frozen values.

Only what works is a key. What one key says about another (does the alias lead anywhere?) is not asked here:
checks and targets do.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    Tag,
    ValidationError,
)

from appliance.site import names
from appliance.site.autoturn import AutoTurn, Turn
from appliance.site.listen import Listen
from appliance.site.submission import Submission
from appliance.site.tls import Certificate, Tls, TlsChoice
from appliance.site.values import (
    GENERATE,
    SCOPES,
    Address,
    AliasName,
    Bytes,
    ClientNetwork,
    Command,
    ControlText,
    Count,
    Day,
    FilePath,
    Hostname,
    Label,
    Listeners,
    MailboxName,
    Messages,
    Network,
    Part,
    Password,
    PasswordHash,
    Plain,
    Port,
    RouteDomain,
    Scopes,
    Seconds,
    SenderPattern,
    Targets,
    lines_of,
    one_or_many,
)


class Smarthost(Part):
    """A host that takes mail from us over TLS, with a password if it wants one."""

    host: Annotated[str, AfterValidator(names.relay_host)] = Field(
        description="Its name, which its certificate must bear, or its address."
    )
    port: Port | None = Field(None, description="Its port; without it 587, or 465 if `tls` is implicit.")
    user: Annotated[str, AfterValidator(names.login_user)] | None = Field(
        None, description="Our user there; without it nobody logs in."
    )
    password: Annotated[str, AfterValidator(names.login_password)] | None = Field(
        None, description="The user's password; better in a file."
    )
    password_file: FilePath | None = Field(
        None, description="A file with the user's password in its first line, such as /run/secrets/smarthost."
    )
    tls: Literal["starttls", "implicit", "optional"] = Field(
        "starttls",
        description="How it is encrypted: by STARTTLS, from the first byte, or, without a password, as any "
        "host: if it offers it, and by port 25.",
    )
    ca: FilePath | None = Field(
        None, description="A file with the CA's certificate, if it is none that the system trusts."
    )


class AppPassword(Part):
    """One more password of a mailbox, for one device or program, that can be taken away alone."""

    password: PasswordHash = Field(description="Its hash, as `toaster passwd` prints it.")
    scope: Scopes = Field(SCOPES, description="What it is good for: smtp to send, pop3 to fetch, or both.")
    networks: tuple[Network, ...] = Field(
        (), description="The networks it may be used from; without them from anywhere."
    )
    expires: Day | None = Field(
        None, description="The last day (UTC) it is good on, such as 2027-01-31; without it there is none."
    )


class Mailbox(Part):
    """One mailbox: a password to fetch its mail with, addresses to forward to, or both."""

    password: Password | None = Field(
        None,
        description="`generate`, or a hash: argon2id, as `toaster passwd` prints it, bcrypt, SHA-512 crypt "
        "or yescrypt; or `external`, to have `logins` asked.",
        examples=[GENERATE],
    )
    app_passwords: dict[Label, AppPassword] = Field(
        {}, description="More passwords, each for one device or program, by a name such as phone."
    )
    password_file: FilePath | None = Field(
        None,
        description="A file with the hash or the password in its first line, such as /run/secrets/alice.",
    )
    forward: Targets | None = Field(
        None, description="Addresses that get the mailbox's mail; a bare name is one of the same domain."
    )
    keep_copy: bool = Field(False, description="Whether mail that is forwarded stays in the mailbox as well.")
    quota: Bytes | None = Field(None, description="How much mail it takes, if not what `limits` says.")
    quota_messages: Messages | None = Field(None, description="How many messages it takes, likewise.")

    send_as: Annotated[
        tuple[SenderPattern, ...],
        BeforeValidator(lines_of),
        one_or_many(r"^(\*|[^\s{}|]+@[^\s{}|@]+)$"),
    ] = Field(
        (),
        description="Addresses that its mail may be sent by, besides those that lead to it: addresses,"
        " `*@example.org` for a domain, `*` for all.",
    )

    @property
    def has_password(self) -> bool:
        """Whether somebody may log in to it."""
        own = self.password is not None or self.password_file is not None
        return own or bool(self.app_passwords)

    @property
    def has_home(self) -> bool:
        """Whether it has a folder: unless all it does is to forward."""
        return self.forward is None or self.keep_copy or self.has_password


class Domain(Part):
    """A domain whose mail is received here: with mailboxes of its own, or in the name of another."""

    mailboxes: dict[MailboxName, Mailbox] = Field({}, description="The mailboxes, by the part before the @.")
    aliases: dict[AliasName, Targets] = Field(
        {}, description="Other names, each for one or more mailboxes, aliases or addresses."
    )
    catch_all: Targets | None = Field(
        None, description="Who gets mail to names that are no mailbox, alias or extension of a mailbox."
    )
    alias_of: Hostname | None = Field(
        None, description="The domain of this site that this one is another name for."
    )
    user: Address | MailboxName | None = Field(
        None,
        description="The mailbox that gets all mail of this domain, as NAME-anything by its .qmail files.",
    )
    autoturn: Turn | None = Field(
        None, description="The host that gets all mail of this domain when it connects; until then it waits."
    )
    smarthost: Smarthost | None = Field(
        None, description="Who takes mail to other hosts whose sender is of this domain."
    )


NextHop = Annotated[
    Annotated[str, AfterValidator(names.route), Tag("route")] | Annotated[Smarthost, Tag("smarthost")],
    Discriminator(lambda value: "smarthost" if isinstance(value, dict | Smarthost) else "route"),
]


class Relay(Part):
    """Mail that goes on to other hosts."""

    clients: tuple[ClientNetwork, ...] = Field(
        (),
        description="Networks whose hosts may send mail to anywhere through this host, without a password.",
    )
    smarthost: Smarthost | None = Field(
        None, description="Who takes all mail to other hosts for which there is no route."
    )
    routes: dict[RouteDomain, NextHop] = Field(
        {},
        description="Next hops by domain: example.org, .example.org for all below it, `*` for all others; "
        "`qmtp://` in front of one sends to it by QMTP; one with a password is written as a smarthost.",
    )


class Limits(Part):
    """What one appliance does at a time, and how long it tries."""

    concurrency_local: Count = Field(
        100, description="Deliveries to mailboxes at a time: they are synced in batches."
    )
    concurrency_remote: Count = Field(100, description="Deliveries to other hosts at a time.")
    connections: Count = Field(400, description="Connections at a time to each listening daemon.")
    connections_per_client: Count = Field(50, description="Connections at a time from one address.")
    message_size: Bytes = Field(
        50 * 1024**2, description="The largest message that is taken, such as 50M; 0 takes any size."
    )
    quota: Bytes = Field(0, description="How much mail each mailbox takes, such as 2G; 0: any amount.")
    quota_messages: Messages = Field(0, description="How many messages each mailbox takes; 0: any number.")
    queue_lifetime: Seconds = Field(604800, description="How long a delivery is tried again, such as 7d.")


class Programs(Part):
    """What a program of a .qmail file may use; one that uses more is stopped, and tried again later."""

    time: Annotated[Seconds, Field(ge=1)] = Field(600, description="How long it may run, such as 10m.")
    output: Bytes = Field(16 * 1024**2, description="How much it may print, such as 16M.")
    processes: Count = Field(
        100, description="How many processes it may be at a time; all of a mailbox's user, ten times as many."
    )
    memory: Bytes = Field(0, description="The address space of each of its processes, such as 1G; 0: any.")
    file_size: Bytes = Field(0, description="How large a file it may write, such as 100M; 0: any.")


class Bounces(Part):
    """What senders hear of mail that could not be delivered, or not yet."""

    format: Literal["qsbmf", "report"] = Field(
        "qsbmf", description="`qsbmf`, as qmail writes them, or `report`, the delivery reports of RFC 3464."
    )
    whole_up_to: Bytes = Field(
        0, description="How large a message may be to come back whole, not as its header alone; 0: any size."
    )
    delay_notice: Seconds = Field(
        0, description="When the sender is told, once, that a message still waits, such as 4h; 0: never."
    )


class Logs(Part):
    """Where the daemons' log lines go, and in which form."""

    format: Literal["qmail", "json"] = Field(
        "qmail", description="`qmail`, as qmail-log(5) has them, or `json`, an object a line."
    )
    folder: FilePath | None = Field(
        None,
        description="A folder that gets DAEMON.log and, when that is full, DAEMON.log.1, .2 and so on,"
        " such as /var/log/toaster; without it lines go to standard output, which the container keeps.",
    )
    size: Annotated[Bytes, Field(ge=4096)] = Field(
        100 * 1024, description="How large one of the files becomes, such as 100K."
    )
    number: Count = Field(
        10, description="How many of them are kept, the newest among them, for each daemon."
    )
    record: Listeners = Field(
        (), description="Listeners, such as smtp, all of whose traffic is logged, but for passwords."
    )


class Logins(Part):
    """Who knows passwords of mailboxes with `password: external`: files in their order, then a program."""

    files: tuple[FilePath, ...] = Field(
        (),
        description="Files of lines NAME@DOMAIN:HASH, which user qmailp can read; a change counts at once.",
    )
    program: Command = Field(
        (),
        description="A program with checkpassword's interface, by its path and with its arguments, such as "
        "/usr/local/bin/checkpassword-ldap.",
    )
    user: Literal["qmailp", "root"] = Field("qmailp", description="Whom the program runs as.")


class Proxy(Part):
    """A proxy in front that tells the client's address by the PROXY protocol."""

    networks: tuple[Network, ...] = Field(
        (), description="The proxies' networks; from these, and no others, the PROXY header is expected."
    )


class Site(Part):
    """All of config.yaml."""

    version: Literal[1] = Field(description="The version of this format: 1.")
    hostname: Hostname = Field(description="The name by which this host greets others; its DNS name.")
    postmaster: Address = Field(
        description="Who reads what is addressed to the postmaster, and failed bounces."
    )
    domains: dict[Hostname, Domain] = Field({}, description="The domains whose mail is received, by name.")
    relay: Relay = Field(Relay(), description="Whose mail goes on to other hosts, and by which way.")
    listen: Listen = Field(Listen(), description="Which ports answer.")
    submission: Submission = Field(
        Submission(), description="What is asked of mail that users send with their passwords."
    )
    limits: Limits = Field(Limits(), description="How much at a time, how large, how long.")
    programs: Programs = Field(Programs(), description="What programs of .qmail files may use.")
    bounces: Bounces = Field(Bounces(), description="What senders hear of mail that is not delivered.")
    archive: Address | None = Field(
        None, description="A mailbox here, or an address elsewhere, that gets a copy of every message."
    )
    logs: Logs = Field(Logs(), description="Where log lines go, in which form, how many are kept.")
    tls: TlsChoice | None = Field(
        None,
        description="The certificate, or `generate` for a self-signed one; without it nothing is offered "
        "over TLS.",
    )
    logins: Logins = Field(Logins(), description="Who else knows passwords: files of hashes, a program.")
    proxy: Proxy = Field(Proxy(), description="Proxies that tell the client's address.")
    control: dict[Annotated[str, AfterValidator(names.control_name)], ControlText] = Field(
        {}, description="Control files by hand; they win over what is rendered, and null leaves one out."
    )
    allow_ephemeral: bool = Field(
        False,
        description="Whether mail is taken although queue and mailboxes are on no volume and will be lost.",
    )


_PARTS: dict[str, type[Part]] = {
    "relay": Relay,
    "listen": Listen,
    "submission": Submission,
    "limits": Limits,
    "bounces": Bounces,
    "logs": Logs,
    "tls": Tls,
    "logins": Logins,
    "proxy": Proxy,
}


def part_at(path: tuple[str | int, ...]) -> type[Part] | None:
    """What lies at a path of config.yaml, None if its keys are the owner's own names."""
    match path:
        case ():
            return Site
        case (str(key),):
            return _PARTS.get(key)
        case ("domains", _):
            return Domain
        case ("domains", _, "mailboxes", _):
            return Mailbox
        case ("domains", _, "mailboxes", _, "app_passwords", _):
            return AppPassword
        case ("domains", _, "autoturn"):
            return AutoTurn
        case ("relay", "smarthost") | ("relay", "routes", _) | ("domains", _, "smarthost"):
            return Smarthost
        case ("tls", "others", _):
            return Certificate
    return None


Wrong = Mapping[str, Any]
"""What pydantic says of one wrong value: type, loc, msg, input, ctx."""


def validated(plain: Plain) -> tuple[Site | None, list[Wrong]]:
    """The site, or else everything that is wrong with it at once."""
    try:
        return Site.model_validate(plain), []
    except ValidationError as error:
        wrongs: list[Wrong] = [
            {**wrong, "loc": _untagged(wrong["loc"])} for wrong in error.errors(include_url=False)
        ]
    # A list whose items are wrong counts as empty, too; that would be told twice.
    blamed = {wrong["loc"][:-1] for wrong in wrongs}
    return None, [
        dict(wrong) for wrong in wrongs if wrong["type"] != "too_short" or wrong["loc"] not in blamed
    ]


def _untagged(path: tuple[str | int, ...]) -> tuple[str | int, ...]:
    """The path without the kind of a route or of TLS, which pydantic puts into it."""
    if path[:2] == ("relay", "routes") and path[3:4] in (("route",), ("smarthost",)):
        return path[:3] + path[4:]
    return path[:1] + path[2:] if path[:1] == ("tls",) else path


def json_schema() -> dict[str, Any]:
    """The JSON Schema of config.yaml, for editors."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Site.model_json_schema(),
        "title": "config.yaml of a Toaster mail host",
    }
