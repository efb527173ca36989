"""Owns question 3.3 of qmail's FAQ, moving from another MTA step by step: the test goes the answer's way."""

import os
from pathlib import Path

from tests.support.by_hand import Internet, instruct, lies_in, maildir
from tests.support.letter import Letter
from tests.support.machine import Machine
from tests.support.old_mta import old_mta
from tests.support.waiting import wait_for

FIRST_UID = 6901
OLD, PC = "127.0.0.10", "127.0.0.9"
ONE_SMTPD = "control: {smtpdworkers: 1}\n"  # so that one answer tells what it has read


def lies_in_mbox(path: Path, new: Letter) -> bytes:
    """An mbox of the old MTA, once a letter is in it."""
    token = new.token.encode()
    return wait_for(lambda: text if path.exists() and token in (text := path.read_bytes()) else None)


def test_q03_3_moving_over_gradually(tmp_path: Path) -> None:
    machine, homes = Machine(tmp_path), dict[str, Path]()
    with (
        Internet() as internet,
        old_mta(machine, "heaven.af.mil", OLD, internet.port, {"lists.heaven.af.mil": PC}) as old,
        internet.host("outside.test", "127.0.0.12") as outside,
        internet.host("pc.heaven.af.mil", PC, machine.words, ONE_SMTPD) as pc,
    ):
        for number, name in enumerate(("joe", "ann"), FIRST_UID):  # one account on both: NFS
            homes[name] = pc.site.folder / "homes" / name
            homes[name].mkdir(parents=True)
            os.chown(homes[name], number, number)
            machine.account(name, number, homes[name])
        joe, ann = homes.values()
        internet.names.ttl_s = 0  # one lowers it before a name moves
        internet.know("old.heaven.af.mil", A=[OLD])
        internet.know("heaven.af.mil", MX=["10 old.heaven.af.mil"])
        lies_in_mbox(old.spool / "joe", outside.send("joe@heaven.af.mil"))

        # A second name beside the old one.
        pc.shell("sed -i s/^pc.heaven.af.mil$/lists.heaven.af.mil/ control/*")
        pc.shell("svc -h /service/qmail")
        wait_for(lambda: not pc.refuses("joe@lists.heaven.af.mil"))
        internet.know("lists.heaven.af.mil", MX=["10 pc.heaven.af.mil"])

        # joe wants to try it, ann does not.
        for_joe = maildir(joe, "Maildir")
        instruct(joe, ".forward", "joe@lists.heaven.af.mil")
        instruct(joe, ".qmail-sos", "joe@heaven.af.mil", "ann@heaven.af.mil")
        text = lies_in(for_joe, outside.send("joe@heaven.af.mil"))
        assert b"\nDelivered-To: joe@lists.heaven.af.mil\n" in text
        assert b" (Postfix) " in text
        lies_in_mbox(old.spool / "ann", outside.send("ann@heaven.af.mil"))
        both = outside.send("joe-sos@lists.heaven.af.mil")
        lies_in(for_joe, both)
        assert b"\nDelivered-To: joe-sos@lists.heaven.af.mil\n" in lies_in_mbox(old.spool / "ann", both)

        # The switch.
        for_ann = maildir(ann, "Maildir")
        pc.shell("echo heaven.af.mil >> control/locals")
        pc.shell("echo heaven.af.mil >> control/rcpthosts")
        pc.shell("svc -h /service/qmail")
        wait_for(lambda: not pc.refuses("ann@heaven.af.mil"))
        internet.know("heaven.af.mil", MX=["10 pc.heaven.af.mil"])
        old.stop()

        lies_in(for_ann, outside.send("ann@heaven.af.mil"))
        assert b"(Postfix)" not in lies_in(for_joe, outside.send("joe@heaven.af.mil"))
        for address in ("joe@lists.heaven.af.mil", "joe-sos@lists.heaven.af.mil", "joe-sos@heaven.af.mil"):
            lies_in(for_joe, outside.send(address))
