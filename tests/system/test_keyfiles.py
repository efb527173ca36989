"""Owns the proof of system/keyfiles."""

from pathlib import Path

from appliance.system.control import Control
from appliance.system.keyfiles import Pair, pairs_of, state_of
from tests.support.certificate import self_signed, split


def pair_in(folder: Path) -> Pair:
    folder.mkdir(exist_ok=True)
    return Pair(*split(self_signed(folder / "both.pem", "mx.test"), folder))


def test_each_line_of_servercert_has_its_key_in_the_same_line_of_serverkey(tmp_path: Path) -> None:
    (tmp_path / "servercert").write_text("/a.pem\n/b.pem\n/both.pem\n")
    (tmp_path / "serverkey").write_text("/a.key\n/b.key\n")

    a, b, both = Path("/a.pem"), Path("/b.pem"), Path("/both.pem")
    assert [(a, Path("/a.key")), (b, Path("/b.key")), (both, both)] == pairs_of(Control(tmp_path))


def test_without_servercert_there_is_no_pair(tmp_path: Path) -> None:
    (tmp_path / "serverkey").write_text("/a.key\n")

    assert [] == pairs_of(Control(tmp_path))


def test_a_link_that_leads_elsewhere_is_another_state(tmp_path: Path) -> None:
    """As certbot's live/ has it."""
    (tmp_path / "archive").mkdir()
    pair_in(tmp_path / "archive")
    live = tmp_path / "live"
    live.symlink_to("archive")
    pair = Pair(live / "fullchain.pem", live / "privkey.pem")
    before = state_of(pair)
    pair_in(tmp_path / "archive2")

    assert before == state_of(pair)
    live.unlink()
    live.symlink_to("archive2")

    assert before != state_of(pair)
    assert state_of(Pair(Path("/missing"), Path("a\0b"))) == state_of(Pair(Path("/missing"), Path("a\0b")))
