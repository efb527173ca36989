"""Owns the program sendmail, as programs know it (qmail's sendmail, and mailq by its other name).

    sendmail [ -t ] [ -fsender ] [ -Fname ] [ -bp ] [ -bs ] [ arg ... ]

A message on standard input goes to the arguments, with -t also to its header's recipients; a line with only
a dot does not end it. -f '<>' makes it a message that does not bounce. -bp lists the queue, -bs speaks SMTP.
Options of other sendmails are taken, and mean nothing here.
"""

import os
import sys
from collections.abc import Iterator, Mapping

from appliance.inject import inject
from appliance.system.endings import fatal
from appliance.system.place import Place

USAGE = "sendmail: usage: sendmail [ -t ] [ -fsender ] [ -Fname ] [ -bp ] [ -bs ] [ arg ... ]\n"
_WITH_VALUE = "efpoBFb"
_ALONE = "vimtx"
_WITH_REST = "EJ"
"""What follows in the same word is theirs."""
_LOCAL_SMTP = {
    "RELAYCLIENT": "",
    "DATABYTES": "0",
    "PROTO": "TCP",
    "TCPLOCALIP": "127.0.0.1",
    "TCPLOCALHOST": "localhost",
    "TCPREMOTEIP": "127.0.0.1",
    "TCPREMOTEHOST": "localhost",
    "TCPREMOTEINFO": "sendmail-bs",
}
_NAMES = ("QMAILNAME", "MAILNAME", "NAME", "QMAILHOST", "MAILHOST")


class _Misused(Exception):
    """What is wrong with the options."""


def main(argv: list[str], environ: Mapping[str, str]) -> int:
    """What qmail-inject, qmail-qread or qmail-smtpd ends with; 100 for options that mean nothing."""
    if os.path.basename(sys.argv[0]) == "mailq":
        return mailq(argv, environ)
    try:
        options, recipients = _parse(argv)
    except _Misused as error:
        sys.stderr.write(f"sendmail: {error}\n{USAGE}")
        return 100
    changed = dict(environ)
    sender, recipients_of_header = None, False
    for letter, value in options:
        if letter == "b" and value[:1] == "p":
            return mailq([], environ)
        if letter == "b" and value[:1] == "s":
            return _speak_smtp(environ)
        if letter == "b" and value[:1] != "m":
            sys.stderr.write(USAGE)
            return 100
        if letter == "f":
            sender = value
        elif letter == "F":
            changed["MAILNAME"] = value
        elif letter == "t":
            recipients_of_header = True
    words = ["-H" if recipients_of_header else "-a"]
    if sender is not None:
        address = sender[1:-1] if sender[:1] + sender[-1:] == "<>" else sender
        words += ["-f", address]
        if sender != "<>":
            _write_as(address, changed)
    return inject.main([*words, "--", *recipients], changed)


def mailq(argv: list[str], environ: Mapping[str, str]) -> int:
    """List the queue (qmail-qread(8))."""
    return _become("qmail-qread", environ, environ)


def _speak_smtp(environ: Mapping[str, str]) -> int:
    return _become("qmail-smtpd", environ, environ if "PROTO" in environ else {**environ, **_LOCAL_SMTP})


def _become(program: str, environ: Mapping[str, str], its: Mapping[str, str]) -> int:
    path = os.fspath(Place.from_environ(environ).home / "bin" / program)
    try:
        os.execve(path, [program], dict(its))
    except OSError:
        return fatal("sendmail", 111, f"unable to run {program}")


def _write_as(sender: str, environ: dict[str, str]) -> None:
    """From is made of the sender's address too; a full name of somebody else would be a lie."""
    for name in _NAMES:
        environ.pop(name, None)
    user, at, host = sender.rpartition("@")
    environ["QMAILUSER"] = user if at else sender
    if at:
        environ["QMAILHOST"] = host


def _parse(argv: list[str]) -> tuple[list[tuple[str, str]], list[str]]:
    """Options with their values, and what follows them; getopt(3), but for letters that take the rest."""
    options, words = list[tuple[str, str]](), iter(argv)
    for word in words:
        if word == "--":
            break
        if len(word) < 2 or word[0] != "-":
            return options, [word, *words]
        options += _letters(word[1:], words)
    return options, list(words)


def _letters(cluster: str, words: Iterator[str]) -> Iterator[tuple[str, str]]:
    for place, letter in enumerate(cluster):
        rest = cluster[place + 1 :]
        if letter in _ALONE:
            yield letter, ""
        elif letter in _WITH_REST:
            return
        elif letter in _WITH_VALUE:
            value = rest or next(words, None)
            if value is None:
                raise _Misused(f"option requires an argument -- {letter}")
            yield letter, value
            return
        else:
            raise _Misused(f"illegal option -- {letter}")
