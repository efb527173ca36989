"""Owns the tests of the model: what a config.yaml comes to, and the schema that editors read."""

import json
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from appliance.site import model
from appliance.site.model import Limits, Mailbox, Site, json_schema, part_at, validated
from appliance.site.values import Part, Plain
from tests.support.configs import HASH, HEAD, site_of
from tests.support.sources import CHECKOUT

LEAST: dict[str, Plain] = {"version": 1, "hostname": "mail.example.org", "postmaster": "a@elsewhere.test"}


def parts() -> list[type[Part]]:
    return [found for found in vars(model).values() if isinstance(found, type) and issubclass(found, Part)]


def kind_of(plain: dict[str, Plain]) -> list[tuple[Any, str]]:
    return [(wrong["loc"], wrong["type"]) for wrong in validated({**LEAST, **plain})[1]]


def test_three_keys_are_enough() -> None:
    site, wrongs = validated(LEAST)

    assert ([], 25, 604800, {}) == (
        wrongs,
        site and site.listen.smtp,
        site and site.limits.queue_lifetime,
        site and site.domains,
    )


def test_sizes_and_times_are_counted() -> None:
    site = site_of(
        f"{HEAD.replace('example.org', 'example.test')}limits: {{message_size: 1G, queue_lifetime: 2h}}"
    )

    assert (1024**3, 7200) == (site.limits.message_size, site.limits.queue_lifetime)


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("a", "a\n"),
        (600, "600\n"),
        (("a", "b", 3), "a\nb\n3\n"),
        ((), ""),
        (None, None),
        ("several\nlines\n", "several\nlines\n"),
    ],
)
def test_a_control_file_is_lines(value: Plain, wanted: str | None) -> None:
    site, wrongs = validated({**LEAST, "control": {"timeoutremote": value}})

    assert ([], {"timeoutremote": wanted}) == (wrongs, site and site.control)


@pytest.mark.parametrize("value", [True, {}, (True,), (None,), "a\0", ("a\x1b",)])
def test_what_is_no_text_is_no_control_file(value: Plain) -> None:
    assert [(("control", "timeoutremote"), "value_error")] == kind_of({"control": {"timeoutremote": value}})


def test_an_unknown_key_is_wrong_everywhere() -> None:
    wrongs = kind_of({"x": 1, "relay": {"y": 1}})

    assert {(("x",), "extra_forbidden"), (("relay", "y"), "extra_forbidden")} == set(wrongs)


@pytest.mark.parametrize(
    ("plain", "path", "kind"),
    [
        ({"listen": {"smtp": 0}}, ("listen", "smtp"), "greater_than_equal"),
        ({"listen": {"smtp": 65536}}, ("listen", "smtp"), "less_than_equal"),
        ({"listen": {"smtp": "25"}}, ("listen", "smtp"), "int_type"),
        ({"limits": {"message_size": True}}, ("limits", "message_size"), "int_type"),
        ({"relay": {"clients": "192.0.2.1"}}, ("relay", "clients"), "tuple_type"),
        ({"allow_ephemeral": "yes"}, ("allow_ephemeral",), "bool_type"),
        ({"tls": {"key": "/k"}}, ("tls", "certificate"), "missing"),
        ({"domains": {"example.org": None}}, ("domains", "example.org"), "model_type"),
    ],
)
def test_nothing_is_taken_for_something_else(
    plain: dict[str, Plain], path: tuple[str, ...], kind: str
) -> None:
    assert [(path, kind)] == kind_of(plain)


def test_a_port_can_be_closed() -> None:
    site, _ = validated({**LEAST, "listen": {"pop3": None}})

    assert (25, None) == (site and site.listen.smtp, site and site.listen.pop3)


def test_a_route_may_be_for_a_domain_for_all_below_it_and_for_all() -> None:
    site, _ = validated({**LEAST, "relay": {"routes": {"*": "isp.test", ".Lab.test": "10.0.0.1"}}})

    assert {"*": "isp.test", ".lab.test": "10.0.0.1"} == (site and site.relay.routes)


def test_a_list_with_a_wrong_item_is_not_called_empty_as_well() -> None:
    wrongs = kind_of({"domains": {"example.org": {"aliases": {"a": ("b c",)}}}})

    assert [(("domains", "example.org", "aliases", "a", 0), "value_error")] == wrongs
    assert "too_short" in dict(kind_of({"domains": {"example.org": {"aliases": {"a": ()}}}})).values()


@pytest.mark.parametrize(
    ("mailbox", "password", "home"),
    [
        (Mailbox(password="generate"), True, True),
        (Mailbox(password=HASH), True, True),
        (Mailbox(password_file="/x"), True, True),
        (Mailbox(forward=("a@b.test",)), False, False),
        (Mailbox(forward=("a@b.test",), keep_copy=True), False, True),
        (Mailbox(forward=("a@b.test",), password="generate"), True, True),
    ],
)
def test_a_mailbox_has_a_folder_unless_it_only_forwards(mailbox: Mailbox, password: bool, home: bool) -> None:
    assert (password, home) == (mailbox.has_password, mailbox.has_home)


def test_a_site_cannot_be_changed() -> None:
    site = site_of(HEAD.replace("alice@example.org", "a@elsewhere.test"))

    with pytest.raises(ValidationError):
        site.hostname = "other.example.org"  # type: ignore[misc]


@pytest.mark.parametrize("part", parts())
def test_every_key_says_what_it_is(part: type[BaseModel]) -> None:
    sentences = {name: field.description or "" for name, field in part.model_fields.items()}

    assert {} == {
        name: text
        for name, text in sentences.items()
        if not (text[:1].isalnum() or text[:1] == "`") or text[-1:] != "."
    }


@pytest.mark.parametrize(
    ("path", "part"),
    [
        ((), Site),
        (("limits",), Limits),
        (("domains", "example.org", "mailboxes", "alice"), Mailbox),
        (("domains",), None),
        (("control", "me"), None),
        (("relay", "clients", 0), None),
    ],
)
def test_a_path_leads_to_its_part(path: tuple[str | int, ...], part: type[Part] | None) -> None:
    assert part is part_at(path)


def test_the_schema_that_is_shipped_is_the_models() -> None:
    shipped = json.loads((CHECKOUT / "docs" / "config.schema.json").read_text())

    assert json_schema() == shipped, "make it anew: toaster schema > docs/config.schema.json"


def test_the_schema_has_its_version_and_knows_the_short_forms() -> None:
    schema = json_schema()
    targets = schema["$defs"]["Domain"]["properties"]["aliases"]["additionalProperties"]

    assert "https://json-schema.org/draft/2020-12/schema" == schema["$schema"]
    assert ["string", "array"] == [form["type"] for form in targets["anyOf"]]
