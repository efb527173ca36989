"""Owns the tests of the smarthosts of config.yaml: what becomes of them, and what may be wrong."""

from pathlib import Path

import pytest

from appliance.formats.outcome import Temporary
from appliance.site.draft import Draft
from appliance.site.smarthosts import faults, lines
from tests.support.configs import ALICE, HEAD, site_of, with_domain
from tests.support.unchecked import unchecked

ISP = "{host: Smtp.isp.test, user: joe, password: se|cret}"


def relaying(text: str) -> str:
    return f"{with_domain(ALICE)}relay: {text}\n"


def told(text: str) -> list[tuple[str, str]]:
    found = faults(Draft(unchecked(text), frozenset()))
    return [("/".join(map(str, one.path)), one.text) for one in found]


def test_a_smarthost_for_all_a_domain_and_a_route_each_have_a_line(tmp_path: Path) -> None:
    (tmp_path / "ca").write_text("-----BEGIN CERTIFICATE-----\n")
    (tmp_path / "secret").write_text("geheim\nnot this\n")
    own = f"{{host: '[::1]', port: 26, user: ann, password_file: {tmp_path}/secret, tls: implicit}}"
    partner = f"{{host: 10.0.0.5, user: u, password: p, ca: {tmp_path}/ca}}"
    domain = with_domain(f"{ALICE}smarthost: {own}")
    routes = f"{{partner.test: {partner}, .lab.test: {{host: gate, tls: optional}}}}"

    site = site_of(f"{domain}relay: {{smarthost: {ISP}, routes: {routes}}}\n")

    assert [
        ":smtp.isp.test|starttls||joe|se|cret",
        "@example.org:[::1]:26|implicit||ann|geheim",
        f"partner.test:10.0.0.5|starttls|{tmp_path}/ca|u|p",
        ".lab.test:gate|optional|||",
    ] == lines(site)


def test_another_name_for_a_domain_has_its_smarthost_unless_it_has_one_of_its_own() -> None:
    more = "a.test: {alias_of: example.org}\nb.test: {alias_of: example.org, smarthost: {host: b.isp.test}}"

    found = lines(site_of(with_domain(f"{ALICE}smarthost: {{host: isp.test}}", more)))

    assert ["@example.org:isp", "@b.test:b.isp", "@a.test:isp"] == [
        line.partition(".test|")[0] for line in found
    ]


def test_a_route_for_all_others_may_be_a_smarthost() -> None:
    assert [":isp.test|starttls|||"] == lines(site_of(relaying("{routes: {'*': {host: isp.test}}}")))


def test_a_password_file_that_is_gone_is_a_temporary_failure(tmp_path: Path) -> None:
    text = relaying(f"{{smarthost: {{host: a.test, user: joe, password_file: {tmp_path}/secret}}}}")
    (tmp_path / "secret").write_text("geheim")
    site = site_of(text)
    (tmp_path / "secret").unlink()

    with pytest.raises(Temporary, match="cannot be read"):
        lines(site)


@pytest.mark.parametrize(
    ("keys", "key", "said"),
    [
        ("user: joe", "/user", "has a `user` and no password; write `password_file:"),
        ("password: geheim", "/password", "has a password and no user; write `user:`"),
        ("user: joe, password: geheim, password_file: /x", "/password_file", "leave one of the two"),
        ("user: joe, password_file: /nowhere", "/password_file", "`/nowhere` cannot be read"),
        ("user: joe, password_file: /dev/null", "/password_file", "holds no password"),
        ("user: joe, password: geheim, tls: optional", "/tls", "could go in the clear; write starttls"),
        ("tls: optional, ca: /dev/null", "/ca", "no certificate is verified"),
        ("ca: /nowhere", "/ca", "`/nowhere` cannot be read: No such file"),
        ("ca: /dev/null", "/ca", "holds no certificate in PEM form"),
    ],
)
@pytest.mark.parametrize("where", ["relay/smarthost", "domains/example.org/smarthost", "relay/routes/a.test"])
def test_what_does_not_fit_together_is_told_wherever_it_stands(
    where: str, keys: str, key: str, said: str
) -> None:
    smarthost = f"{{host: isp.test, {keys}}}"
    text = {
        "relay/smarthost": relaying(f"{{smarthost: {smarthost}}}"),
        "domains/example.org/smarthost": with_domain(f"{ALICE}smarthost: {smarthost}"),
        "relay/routes/a.test": relaying(f"{{routes: {{a.test: {smarthost}}}}}"),
    }[where]

    found = told(text)

    assert where + key == found[0][0], found
    assert said in found[0][1]
    assert "geheim" not in str(found)


def test_two_ways_for_all_other_mail_are_one_too_many() -> None:
    [(path, said)] = told(relaying("{smarthost: {host: isp.test}, routes: {'*': hub.test}}"))

    assert ("relay/smarthost", True) == (path, "leave one of the two" in said)


def test_smarthosts_by_hand_are_looked_at_without_a_word_of_the_password() -> None:
    [(path, said)] = told(f"{HEAD}control: {{smarthosts: ':isp.test|joe|geheim'}}\n")

    assert "control/smarthosts" == path
    assert said.startswith("smarthosts: : this is not relay|tls|ca|user|password; write it so")
    assert [] == told(f"{HEAD}control: {{smarthosts: ':isp.test|starttls||joe|geheim'}}\n")
