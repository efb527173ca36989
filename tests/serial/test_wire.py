"""The connection of a UCSPI client, seen through a client that has none."""

from tests.support.serial_rig import SerialRig


def test_without_a_connection_the_programs_say_so(rig: SerialRig) -> None:
    for words in (("serialsmtp", "", "helo.test"), ("serialqmtp", "")):
        ran = rig.run(*words)

        assert 111 == ran.returncode
        assert ran.stderr.endswith("unable to use descriptors 6 and 7: file descriptor not open\n")
