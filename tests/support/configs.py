"""Owns what the tests of the site begin with: a config.yaml, a place in a folder, surroundings."""

import os
from pathlib import Path

from appliance.site.load import load_bytes
from appliance.site.model import Site
from appliance.site.surroundings import Surroundings
from appliance.system.place import Place
from appliance.system.privileges import Identity, is_root

HASH = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0$" + "a" * 43

HEAD = """\
version: 1
hostname: mail.example.org
postmaster: alice@example.org
"""
SITE = (
    HEAD
    + f"""\
domains:
  example.org:
    mailboxes:
      alice: {{password: "{HASH}"}}
      bob: {{forward: bob@elsewhere.test, keep_copy: true}}
      carl: {{forward: [carl@elsewhere.test, alice]}}
    aliases: {{info: [alice, bob], p.d.q.bach: alice}}
    catch_all: alice
  example.net: {{alias_of: example.org}}
  nowhere.test: {{user: bob}}
"""
)


def site_of(text: str = SITE) -> Site:
    """The site that a config.yaml describes."""
    return load_bytes(text.encode())


def with_domain(lines: str, more: str = "") -> str:
    """A config.yaml whose domain example.org has alice and these lines, given without their indentation."""
    inner = "".join(f"    {line}\n" for line in lines.splitlines())
    outer = "".join(f"  {line}\n" for line in more.splitlines())
    return f"{HEAD}domains:\n  example.org:\n{inner}{outer}"


ALICE = "mailboxes:\n  alice: {password: generate}\n"


def place_in(folder: Path) -> Place:
    """The folders of an appliance within one folder."""
    return Place(
        home=folder / "qmail",
        mail=folder / "mail",
        state=folder / "state",
        run=folder / "run",
        config=folder / "config.yaml",
    )


def surroundings(root: bool = False) -> Surroundings:
    """A host without IPv6 whose hashes are as cheap as can be."""
    owner = Identity(5000, 5000) if root or is_root() else Identity(os.geteuid(), os.getegid())
    return Surroundings(
        addresses=("127.0.0.1",),
        port_base=2000,
        python="/usr/bin/python3",
        root=root,
        mail_owner=owner,
        hash_password=lambda password: HASH.replace("c2FsdHNhbHRzYWx0", os.urandom(9).hex()),
    )
