"""Owns the tests of reading config.yaml: thirteen kinds of faults at once, and no bytes that surprise."""

import contextlib
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.site import load as loading
from appliance.site.faults import ConfigFaults, Fault
from appliance.site.load import load, load_bytes, read_document
from tests.support.configs import ALICE, HASH, HEAD, SITE, site_of, with_domain
from tests.support.sources import CHECKOUT

# The number of the fault stands behind the line that has it.
THIRTEEN = """\
version: 1
hostname: mail.example.org
postmaster: alice@example.org
anchors: &a [x, x, x, x, x, x, x, x]               # the bomb: its key is unknown as well
domains:
  example.org:
    mailboxes:
      alice: {password: "$argon2id$v=19$m=1$oops"} # bad hash
      bob: {password: generate}
      bob: {password: generate}                    # duplicate key
      "{{ 7 * 7 }}": {password: generate}          # template text in a name
    aliases:
      info: nobody                                 # dangling alias
      "*": alice                                   # mailbox shadowed by a catch-all
      here: there                                  # alias loop
      there: here
      sales: "ali ce@elsewhere.test"               # bad address
  Example.ORG:                                     # two sites for one domain
    catch_all: bob
relay:
  clients: [192.0.2.300/24]                        # bad CIDR
limits:
  connections: many                                # wrong type
listen:
\tsmtp: 25                                         # tab
"""


def faults_of(text: str) -> list[str]:
    """The faults without their line and column."""
    with pytest.raises(ConfigFaults) as caught:
        load_bytes(text.encode())
    return [fault.text for fault in caught.value.faults]


@pytest.fixture(params=["libyaml", "python"])
def reader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways in which PyYAML may be installed."""
    if request.param == "python":
        monkeypatch.setattr(loading, "_LOADER", yaml.SafeLoader)
    return str(request.param)


@pytest.mark.usefixtures("reader")
def test_thirteen_kinds_of_faults_are_told_at_once(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(THIRTEEN)

    with pytest.raises(ConfigFaults) as caught:
        load(config)

    kinds = {
        4: ("the key `anchors` is not known", "anchors and aliases"),
        8: ("this is no password hash",),
        10: ("the name `bob` stands here twice, first in line 9",),
        11: ("there is template text `{{`",),
        13: ("the alias `info` leads to `nobody`",),
        14: ("the alias `*` would be a catch-all and mailboxes would be shadowed",),
        15: ("there is a loop: here -> there -> here",),
        17: ("`ali ce` in `ali ce@elsewhere.test` cannot stand before the @",),
        18: ("there are two sites for the domain `example.org`, the first in line 6",),
        21: ("`192.0.2.300/24` is no network",),
        23: ("the text `many` stands here; a whole number is wanted",),
        25: ("there is a tab",),
    }
    assert [(line, text) for line, texts in kinds.items() for text in texts] == [
        (fault.line, next((t for t in kinds.get(fault.line, ()) if fault.text.startswith(t)), fault.text))
        for fault in caught.value.faults
    ]
    assert [] == [fault for fault in caught.value.faults if "; " not in fault.text]
    assert str(caught.value).startswith(f"{config}:4:1: the key `anchors`")


@pytest.mark.parametrize(
    ("text", "place", "told"),
    [
        (HEAD + "listen: {smtp: 2.5}\n", (4, 16), "the text `2.5` stands here; a whole number"),
        (HEAD + "listem: {}\n", (4, 1), "did you mean `listen`?"),
        (HEAD + "listen: {}\nlisten: {}\n", (5, 1), "the key `listen` stands here twice, first in line 4"),
        (HEAD + "listen:\tnull\n", (4, 8), "there is a tab"),
        (HEAD + "listen: &x {}\n", (4, 9), "anchors and aliases"),
        (HEAD + "listen: *x\n", (4, 9), "anchors and aliases"),
        (HEAD + "? &x a\n: 1\n", (4, 3), "anchors and aliases"),
        (HEAD + "listen: !!python/name:os.system ''\n", (4, 9), "the tag `tag:yaml.org,2002:python/name"),
        (HEAD + "? [a]\n: 1\n", (4, 3), "a list or mapping stands as a key"),
        (HEAD + "catch: {{ x }}\n", (4, 9), "template text"),
        (HEAD + "---\nversion: 1\n", (4, 1), "a second document"),
        (HEAD + "listen: {smtp: 25\n", (5, 1), "mend the YAML"),
        (HEAD + "listen: [\n" * 20, (12, 9), "deeper than anything"),
        ("", (1, 1), "the file is no mapping"),
        ("just a word\n", (1, 1), "the file is no mapping"),
        ("- a\n- b\n", (1, 1), "the file is no mapping"),
        ("*x", (1, 1), "the file is no mapping"),
        ("version: 1\n", (1, 1), "`hostname` is missing"),
        (HEAD + 'control: {a: "b\\0c"}\n', (4, 14), "control character in the text"),
        (with_domain(ALICE + "catch_all: bobby"), (8, 16), "catch_all leads to `bobby`"),
        (with_domain(ALICE + "aliases:\n  a: [alice, b@c@d]"), (9, 18), "cannot stand before the @"),
        (with_domain("mailboxes:\n  alice: {password: a}"), (7, 25), "this is no password hash"),
    ],
)
@pytest.mark.usefixtures("reader")
def test_a_fault_has_the_place_where_it_stands(text: str, place: tuple[int, int], told: str) -> None:
    with pytest.raises(ConfigFaults) as caught:
        load_bytes(text.encode())

    assert [place] == [(line, column) for line, column, said in caught.value.faults if told in said], (
        caught.value
    )


@pytest.mark.usefixtures("reader")
def test_an_anchor_bomb_costs_nothing_and_is_one_fault() -> None:
    levels = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30))

    faults = faults_of(f"{HEAD}a0: &a0 [x]\n{levels}")

    assert 1 == sum("anchors and aliases" in text for text in faults)
    assert 1 == sum("(the first of 291)" in text for text in faults)


@pytest.mark.parametrize("word", ["no", "off", "yes", "on", "y", "123", "1e3", "0x10", "022", "null", "true"])
@pytest.mark.usefixtures("reader")
def test_a_name_is_a_name_whatever_yaml_makes_of_it(word: str) -> None:
    site = site_of(with_domain(f"{ALICE}  {word}: {{password: generate}}"))

    assert ["alice", word] == list(site.domains["example.org"].mailboxes)


@pytest.mark.usefixtures("reader")
def test_values_are_words_numbers_true_false_and_nothing() -> None:
    read = read_document(b'{a: no, b: 0123, c: "1", d: true, e: False, f: ~, g: , h: -5, i: 1.5, j: [1, x]}')

    assert {
        "a": "no",
        "b": 123,
        "c": "1",
        "d": True,
        "e": False,
        "f": None,
        "g": None,
        "h": -5,
        "i": "1.5",
        "j": (1, "x"),
    } == read.plain


def test_names_are_the_same_in_capitals() -> None:
    site = site_of(SITE.replace("example.org:\n", "EXAMPLE.Org:\n").replace("alice: {", "ALICE: {"))

    assert "alice" in site.domains["example.org"].mailboxes


@pytest.mark.parametrize(
    "text",
    [
        with_domain(ALICE, "Example.Org: {catch_all: alice}"),
        with_domain(ALICE, "example.org: {catch_all: alice}"),
    ],
)
def test_one_domain_has_one_site(text: str) -> None:
    assert [
        "there are two sites for the domain `example.org`, the first in line 5; join them in one"
    ] == faults_of(text)


def test_one_mailbox_stands_once_whatever_its_case() -> None:
    assert [
        "the name `alice` stands here twice, first in line 7 (case does not count); leave one"
    ] == faults_of(with_domain("mailboxes:\n  alice: {password: generate}\n  Alice: {password: generate}"))


def test_a_value_that_was_refused_makes_no_second_fault() -> None:
    faults = faults_of(with_domain("mailboxes: &x\n  alice: {password: generate}\naliases: {info: *x}"))

    assert ["anchors and aliases"] == [text[:19] for text in faults]


def test_a_file_indented_by_tabs_is_still_read_for_its_other_faults() -> None:
    text = with_domain(ALICE + "catch_all: bobby").replace("    ", "\t\t").replace("  ", "\t")

    assert ["there is a tab", "catch_all leads to `bobby`"] == [
        found
        for found in ("there is a tab", "catch_all leads to `bobby`")
        if any(found in t for t in faults_of(text))
    ]


def test_where_a_tab_breaks_the_yaml_only_the_tab_is_told() -> None:
    assert ["there is a tab; write blanks, YAML has no tabs"] == faults_of("a: [\n\tb\n")


def test_a_missing_file_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(ConfigFaults) as caught:
        load(tmp_path / "config.yaml")

    assert "the file cannot be read: No such file or directory; put config.yaml there" in str(caught.value)


def test_what_is_shipped_is_right() -> None:
    site = load(CHECKOUT / "config.yaml")

    assert ("generate", "example.test") == (
        site.domains["example.test"].mailboxes["alice"].password,
        next(iter(site.domains)),
    )


def test_what_is_commented_out_in_the_shipped_file_is_right_as_well(
    tmp_path: Path, open_folder: Path
) -> None:
    lines = (CHECKOUT / "config.yaml").read_text().splitlines()
    live = []
    for line in lines[10:]:
        bare = line.lstrip()
        is_key = bare.startswith("# ") and (":" in bare.split()[1] or bare.startswith(("#   ", "#     ")))
        live.append(line.replace("# ", "", 1) if is_key else line)
    for name in ("carol", "smarthost", "isp", "partner"):
        (tmp_path / name).write_text("secret")
    (open_folder / "passwd").write_text(f"frank@example.test:{HASH}\n")
    text = "\n".join(live).replace("/run/secrets/passwd", str(open_folder / "passwd"))
    text = text.replace("/run/secrets", str(tmp_path)).replace(
        "/usr/local/bin/checkpassword-ldap", "/bin/true"
    )
    text = text.replace("$argon2id$v=19$m=19456,t=2,p=1$...", HASH)

    site = load_bytes(text.encode())

    names = {"alice", "bob", "carol", "dave", "erin", "fay", "frank", "gina"}
    assert names == set(site.domains["example.test"].mailboxes)
    assert ({"timeoutremote", "tlshosts"}, ("10.0.0.2/32",)) == ({*site.control}, site.proxy.networks)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_site_or_faults(content: bytes) -> None:
    """Whatever stands in config.yaml, there is a site or there are faults, never another error."""
    with contextlib.suppress(ConfigFaults):
        load_bytes(content)


YAML_BITS = [
    *("version: 1", "postmaster: x@a.test", "domains:", "  a.test:", "    user: x", "    alias_of: a.test"),
    *("    mailboxes: {x: {password: generate}}", "aliases: {a: b, b: a}", "  - ", "{", "}", "[", "]", ": "),
    *("&a ", "*a", "? ", "!!x ", "|\n", ">\n", "'", '"', "\\x00", "\t", "---\n", "...", "%YAML 9\n", "\n"),
    *("#", "<<: ", "\ufeff", "\x85"),
]


@settings(max_examples=300)
@given(st.lists(st.sampled_from(YAML_BITS), max_size=30))
def test_anything_like_yaml_is_a_site_or_faults_in_its_lines(bits: list[str]) -> None:
    """Whatever YAML comes to, every fault has a place in the file and says what would be right."""
    text = "".join(bits)
    faults: tuple[Fault, ...] = ()
    try:
        load_bytes(text.encode())
    except ConfigFaults as found:
        faults = found.faults

    assert [] == [
        f for f in faults if f.line < 1 or f.column < 1 or "; " not in f.text or not f.text.isprintable()
    ]
