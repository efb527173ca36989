"""Owns `toaster passwd`: what config.yaml stores of a password, or a new app password with its line."""

import sys

import click

from appliance.accounts.passwords import STORE
from appliance.site import names
from appliance.site.passwords import new_password
from appliance.site.values import SCOPES

_LONGEST = 1024


@click.command()
@click.option(
    "--app", "label", metavar="NAME", help="Make a password for one device or program, such as phone."
)
@click.option("--scope", type=click.Choice(SCOPES), help="What it is good for; without it for all.")
@click.option("--network", "networks", multiple=True, metavar="CIDR", help="Where it may be used from.")
@click.option("--expires", metavar="DAY", help="Its last day, such as 2027-01-31.")
@click.option(
    "--form",
    type=click.Choice(list(STORE)),
    default="argon2id",
    show_default=True,
    help="What is stored: a hash; keys for SCRAM; or, for APOP and CRAM-MD5, the password itself.",
)
def passwd(
    label: str | None, scope: str | None, networks: tuple[str, ...], expires: str | None, form: str
) -> None:
    """Make the hash of a password, for config.yaml.

    The password is asked for twice, or read from standard input if that is no terminal. What is printed goes
    under the mailbox, in quotes: `alice: {password: "$argon2id$..."}`.

    With --app a password is made; it is shown on standard error, once. The line that is printed goes under
    `app_passwords:` of the mailbox.

    \b
    Example:
        toaster passwd
        toaster passwd < /run/secrets/alice
        toaster passwd --app phone --scope pop3 --expires 2027-01-31
        toaster passwd --form scram-sha-256
    """
    if label is None:
        if scope or networks or expires:
            raise click.UsageError("--scope, --network and --expires are for --app")
        try:
            click.echo(STORE[form](_asked().encode()))
        except ValueError as error:
            raise click.ClickException(str(error)) from None
        return
    limits = [f"scope: {scope}"] if scope else []
    if networks:
        limits.append(f"networks: [{', '.join(names.network(network) for network in networks)}]")
    if expires:
        limits.append(f"expires: {names.day(expires)}")
    name, password = names.label(label), new_password()
    click.echo(f"The password, which is kept nowhere: {password}", err=True)
    told = ", ".join([f'password: "{STORE[form](password.encode())}"', *limits])
    click.echo(f"{name}: {{{told}}}")


def _asked() -> str:
    if sys.stdin.isatty():
        password: str = click.prompt(
            "Password", hide_input=True, confirmation_prompt="The same again", err=True
        )
    else:
        password = sys.stdin.readline(_LONGEST + 2).rstrip("\r\n")
    if not password or len(password) > _LONGEST or "\0" in password:
        raise click.ClickException(f"a password has 1 to {_LONGEST} letters")
    return password
