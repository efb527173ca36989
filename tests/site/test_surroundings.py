"""Owns the tests of whom the daemons become."""

from appliance.system.privileges import IDENTITIES, Identity
from tests.support.configs import surroundings


def test_as_root_every_user_of_qmail_has_its_number() -> None:
    assert IDENTITIES["qmailp"] == surroundings(root=True).identity_of("qmailp")


def test_without_root_all_of_them_are_the_mail_owner() -> None:
    here = surroundings(root=False)

    assert (here.mail_owner, here.mail_owner) == (here.identity_of("qmailp"), here.identity_of("alias"))
    assert isinstance(here.mail_owner, Identity)
