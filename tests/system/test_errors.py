"""Owns the check of qmail's error words."""

import errno

from appliance.system.errors import may_pass, words_of


def test_an_error_has_the_words_of_qmail() -> None:
    assert words_of(OSError(errno.ENOENT, "")) == "file does not exist"
    assert words_of(OSError(errno.EACCES, "")) == "access denied"
    assert words_of(OSError(errno.EISDIR, "")) == "is a directory"


def test_an_error_qmail_has_no_words_for_is_unknown() -> None:
    assert words_of(OSError("no number")) == "unknown error"


def test_a_full_disk_may_pass_and_a_missing_file_does_not() -> None:
    assert may_pass(OSError(errno.ENOSPC, ""))
    assert not may_pass(OSError(errno.ENOENT, ""))
