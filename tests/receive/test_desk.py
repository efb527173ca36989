"""Owns the proof of receive/desk: what a worker's sessions share."""

from dataclasses import replace
from pathlib import Path

from tests.support.smtp_rig import Memory

CONTROL = {"me": "mx.lab.test"}


def test_etrn_is_offered_where_mail_is_kept_for_somebody_and_can_be_sent(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    nobody = Memory(tmp_path / "a", CONTROL).desk
    somebody = Memory(tmp_path / "b", CONTROL | {"autoturn": "ppp.test:h|192.0.2.9|\n"}).desk

    assert not nobody.offers_etrn
    assert somebody.offers_etrn
    assert not replace(somebody, waiting=None).offers_etrn
