"""Owns the key `autoturn` of a domain: mail that waits here until its host connects, and goes there then."""

import ipaddress
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from appliance.formats import autoturn as control
from appliance.site import names
from appliance.site.values import Address, ClientNetwork, Part, Plain


class AutoTurn(Part):
    """The host for whom a domain's mail waits, and who may have it sent there."""

    host: Annotated[str, AfterValidator(names.route)] = Field(
        description="Where the mail goes: a name or an address, with :port if it is not 25; `qmtp://` in"
        " front sends by QMTP."
    )
    clients: tuple[ClientNetwork, ...] = Field(
        (), description="The networks it connects from; without them its address, if `host` is one."
    )
    logins: tuple[Address, ...] = Field(
        (), description="Mailboxes; who logs in to one on the submission port may say ETRN."
    )


def _whole(value: Plain) -> Plain:
    return {"host": value} if isinstance(value, str) else value


_SCHEMA = AutoTurn.model_json_schema()

Turn = Annotated[
    AutoTurn,
    BeforeValidator(_whole),
    WithJsonSchema({"anyOf": [{"type": "string"}, _SCHEMA]}),
]
"""The host alone, or all of it."""


def clients_of(turn: AutoTurn) -> tuple[str, ...]:
    """The networks it connects from."""
    if turn.clients:
        return turn.clients
    try:
        return (str(ipaddress.ip_network(control.parse_hop(turn.host).host)),)
    except ValueError:
        return ()


def line(domain: str, turn: AutoTurn) -> str:
    """Its line in control/autoturn."""
    clients = tuple(ipaddress.ip_network(client) for client in clients_of(turn))
    return control.format_turn(control.Turn(domain, turn.host, clients, frozenset(turn.logins)))
