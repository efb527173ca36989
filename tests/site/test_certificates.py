"""Owns the tests of the certificates of config.yaml."""

import shutil
import stat
import time
from pathlib import Path

import pytest

from appliance.formats.outcome import Temporary
from appliance.site import certificates
from appliance.site.draft import Draft
from appliance.site.model import Site
from appliance.system.certificates import spare_of
from appliance.system.keyfiles import Pair
from appliance.system.keypair import checked
from appliance.system.place import Place
from tests.support.certificate import self_signed, split
from tests.support.configs import HEAD, place_in
from tests.support.unchecked import unchecked

DAY = 86400


@pytest.fixture
def place(tmp_path: Path) -> Place:
    found = place_in(tmp_path)
    found.state.mkdir()
    return found


def site_with(tls: str, hostname: str = "mail.example.org") -> Site:
    return unchecked(f"{HEAD.replace('mail.example.org', hostname)}tls: {tls}\n")


def files(pair: Pair) -> str:
    return f"{{certificate: {pair.certificate}, key: {pair.key}}}"


def told(tls: str) -> list[tuple[str, str]]:
    draft = Draft(site_with(tls), frozenset())
    return [("/".join(map(str, found.path)), found.text) for found in certificates.faults(draft)]


def pair_in(folder: Path, name: str = "mail.example.org", days: float = 90) -> Pair:
    folder.mkdir(exist_ok=True)
    return Pair(*split(self_signed(folder / "both.pem", name, days=days), folder))


def test_pairs_are_those_of_config_in_its_order(place: Place) -> None:
    one, two = Pair(Path("/c"), Path("/k")), Pair(Path("/c2"), Path("/k2"))

    assert [] == certificates.pairs(site_with("null"), place)
    assert [spare_of(place)] == certificates.pairs(site_with("generate"), place)
    both = f"{{certificate: /c, key: /k, others: [{files(two)}]}}"
    assert [one, two] == certificates.pairs(site_with(both), place)


def test_a_certificate_is_made_once_for_the_name_of_the_host(place: Place) -> None:
    certificates.make(site_with("generate"), place)

    path = spare_of(place).key
    made = checked(spare_of(place))
    assert (("mail.example.org",), True) == (made.names, made.is_self_signed)
    assert made.is_valid(time.time() + 3600 * DAY)
    assert 0o600 == stat.S_IMODE(path.stat().st_mode)

    before = path.read_bytes()
    certificates.make(site_with("generate"), place)
    assert before == path.read_bytes()


@pytest.mark.parametrize("left", ["another name", "its last days", "no certificate"])
def test_one_that_will_not_do_is_made_anew(place: Place, left: str) -> None:
    path = spare_of(place).key
    path.parent.mkdir()
    if left == "no certificate":
        path.write_text("nothing")
    else:
        self_signed(path, "old.test" if left == "another name" else "mail.example.org", days=20)

    certificates.make(site_with("generate"), place)

    assert ("mail.example.org",) == checked(spare_of(place)).names
    assert checked(spare_of(place)).is_valid(time.time() + 300 * DAY)


def test_one_is_kept_to_stand_in_for_files_too(place: Place, tmp_path: Path) -> None:
    certificates.make(site_with("null"), place)
    assert not spare_of(place).key.exists()

    certificates.make(site_with(files(pair_in(tmp_path / "own"))), place)
    assert ("mail.example.org",) == checked(spare_of(place)).names


def test_a_long_name_is_no_hindrance(place: Place) -> None:
    name = ".".join(["a" * 60] * 4)

    certificates.make(site_with("generate", name), place)

    assert (name,) == checked(spare_of(place)).names


def test_without_openssl_none_can_be_made(
    place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    [(path, sentence)] = told("generate")
    assert ("tls", True) == (
        path,
        sentence.startswith("the program openssl, which makes the certificate, is not"),
    )
    with pytest.raises(Temporary, match="unable to make a certificate by openssl"):
        certificates.make(site_with("generate"), place)
    certificates.make(site_with(files(pair_in(tmp_path / "own"))), place)


def test_good_pairs_have_no_fault(tmp_path: Path) -> None:
    one, two = pair_in(tmp_path / "one"), pair_in(tmp_path / "two", "other.test", days=-5)

    assert [] == told("generate") if shutil.which("openssl") else True
    assert [] == told(f"{{certificate: {one.certificate}, key: {one.key}, others: [{files(two)}]}}")


def test_each_file_that_cannot_be_read_is_a_fault(tmp_path: Path) -> None:
    one = pair_in(tmp_path / "one")

    found = told(
        f"{{certificate: {one.certificate}, key: /nowhere, others: [{files(Pair(one.key, one.key))}]}}"
    )

    assert ["tls/key", "tls/others/0/certificate"] == [path for path, _ in found]
    assert "/nowhere cannot be read: No such file or directory; put the file there" in found[0][1]
    assert "are no pair: there is no whole certificate in PEM form" in found[1][1]


def test_a_key_of_another_certificate_is_a_fault(tmp_path: Path) -> None:
    one, two = pair_in(tmp_path / "one"), pair_in(tmp_path / "two")

    [(path, sentence)] = told(files(Pair(one.certificate, two.key)))

    assert "tls/certificate" == path
    assert "are no pair: the key is not that of the certificate; name a certificate with its key" in sentence


def test_dates_and_names_are_doubts(place: Place, tmp_path: Path) -> None:
    late = pair_in(tmp_path / "late", days=3.5)
    other = pair_in(tmp_path / "other", "other.test")

    assert ["the certificate of mail.example.org: self-signed, 3 days left"] == [
        doubt.partition(", until")[0] for doubt in certificates.doubts(site_with(files(late)), place)
    ]
    [doubt] = certificates.doubts(site_with(files(other)), place)
    assert doubt.startswith("no certificate bears the name mail.example.org, only other.test")
    assert [] == list(certificates.doubts(site_with("generate"), place))
