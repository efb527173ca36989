"""Owns the table of processes, a name and the function that is that process, and their launchers."""

import atexit
import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import NoReturn

from appliance.system import late

# The long-running ones carry the name of their supervisor program and of their log lines.
DAEMONS = {
    "smtpd": "appliance.receive.smtpd:main",
    "qmtpd": "appliance.receive.qmtpd:qmtpd",
    "qmqpd": "appliance.receive.qmtpd:qmqpd",
    "authd": "appliance.accounts.authd:main",
    "send": "appliance.send.send:main",
    "lspawn": "appliance.local.lspawn:main",
    "rspawn": "appliance.remote.rspawn:main",
    "popup": "appliance.pop3.popup:main",
    "pop3d": "appliance.pop3.pop3d:main",
    "autoturn": "appliance.serial.autoturn:main",
}
ONE_SHOTS = {
    "start": "appliance.admin.start:main",
    "checklist": "appliance.admin.checklist:main",
    "health": "appliance.admin.health:main",
    "certificates": "appliance.admin.certificates:main",
    "toaster": "appliance.admin.toaster:main",
    "launchers": "appliance.__main__:main",
}
# What is called by qmail's names, out of .qmail files and scripts: each gets a launcher.
PROGRAMS = {
    "822date": "appliance.inject.fields:date",
    "822field": "appliance.inject.fields:field",
    "822header": "appliance.inject.fields:header",
    "822print": "appliance.inject.fields:print_",
    "822received": "appliance.inject.fields:received",
    "argv0": "appliance.net.filters:argv0",
    "bouncesaying": "appliance.inject.conditions:bouncesaying",
    "checkpassword": "appliance.accounts.checkpassword:main",
    "condredirect": "appliance.inject.conditions:condredirect",
    "datemail": "appliance.inject.predate:datemail",
    "dot-forward": "appliance.inject.dotforward:main",
    "elq": "appliance.mailbox.programs:elq",
    "except": "appliance.inject.conditions:except_",
    "fastforward": "appliance.inject.fastforward:main",
    "fixcrio": "appliance.net.filters:fixcrio",
    "forward": "appliance.inject.forward:main",
    "iftocc": "appliance.inject.iftocc:main",
    "maildir2mbox": "appliance.mailbox.programs:maildir2mbox",
    "maildirmake": "appliance.mailbox.programs:maildirmake",
    "maildirqmtp": "appliance.serial.dialling:maildirqmtp",
    "maildirserial": "appliance.serial.maildirserial:main",
    "maildirsmtp": "appliance.serial.dialling:maildirsmtp",
    "maildirwatch": "appliance.mailbox.programs:maildirwatch",
    "mailq": "appliance.inject.sendmail:mailq",
    "mailsubj": "appliance.inject.mailsubj:main",
    "new-inject": "appliance.inject.newinject:main",
    "newaliases": "appliance.inject.aliases:newaliases",
    "newinclude": "appliance.inject.aliases:newinclude",
    "ofmipd": "appliance.receive.program:ofmipd",
    "ofmipname": "appliance.inject.tables:ofmipname",
    "parsedate": "appliance.inject.fields:parsedate",
    "pinq": "appliance.mailbox.programs:pinq",
    "predate": "appliance.inject.predate:predate",
    "preline": "appliance.inject.preline:main",
    "printforward": "appliance.inject.tables:printforward",
    "printmaillist": "appliance.inject.tables:printmaillist",
    "qail": "appliance.mailbox.programs:qail",
    "qbiff": "appliance.inject.qbiff:main",
    "qmail-getpw": "appliance.local.getpw:main",
    "qmail-inject": "appliance.inject.inject:main",
    "qmail-local": "appliance.local.local:main",
    "qmail-lspawn": "appliance.local.lspawn:main",
    "qmail-newmrh": "appliance.admin.newu:newmrh",
    "qmail-newu": "appliance.admin.newu:newu",
    "qmail-pop3d": "appliance.pop3.programs:pop3d",
    "qmail-popup": "appliance.pop3.programs:popup",
    "qmail-pw2u": "appliance.admin.pw2u:main",
    "qmail-qmqpc": "appliance.inject.qmqpc:main",
    "qmail-qmqpd": "appliance.receive.program:qmqpd",
    "qmail-qmtpd": "appliance.receive.program:qmtpd",
    "qmail-qread": "appliance.admin.qread:main",
    "qmail-qstat": "appliance.admin.qread:stat",
    "qmail-queue": "appliance.inject.queue:main",
    "qmail-remote": "appliance.remote.remote:main",
    "qmail-rspawn": "appliance.remote.rspawn:main",
    "qmail-send": "appliance.send.send:main",
    "qmail-showctl": "appliance.admin.showctl:main",
    "qmail-smtpd": "appliance.receive.program:main",
    "qmail-tcpok": "appliance.admin.tcpto:ok",
    "qmail-tcpto": "appliance.admin.tcpto:main",
    "qreceipt": "appliance.inject.qreceipt:main",
    "recordio": "appliance.net.filters:recordio",
    "sendmail": "appliance.inject.sendmail:main",
    "serialqmtp": "appliance.serial.qmtp:main",
    "serialsmtp": "appliance.serial.smtp:main",
    "setforward": "appliance.inject.tables:setforward",
    "setlock": "appliance.serial.setlock:main",
    "setmaillist": "appliance.inject.tables:setmaillist",
    "svc": "appliance.admin.svc:main",
    "svok": "appliance.admin.svc:svok",
    "svstat": "appliance.admin.svc:svstat",
    "tcp-env": "appliance.net.tcpenv:main",
    "tcpclient": "appliance.net.tcpclient:main",
    "tcprules": "appliance.net.tcprules:main",
    "tcprulescheck": "appliance.net.tcprules:check",
    "tcpserver": "appliance.net.program:main",
}
PROCESSES = DAEMONS | ONE_SHOTS | PROGRAMS

# No site and no environment: half the time to start, and whoever calls cannot put a module of his in our way.
# Python's own modules come first, since most that is imported is theirs.
LAUNCHER = """\
#!{python} -IS
import os, sys
sys.path += {path}
os.environ |= {places} | os.environ
from appliance.__main__ import end, run
end(run([{name!r}, *sys.argv[1:]], os.environ))
"""

Main = Callable[[list[str], Mapping[str, str]], int]


def main_of(name: str) -> Main:
    """The function of a process; imported only now: no daemon carries another's libraries."""
    found: Main = late.load(PROCESSES[name])
    return found


def run(argv: list[str], environ: Mapping[str, str]) -> int:
    """Runs the process that argv names first, with the rest as its arguments; 100 for an unknown name."""
    if not argv or argv[0] not in PROCESSES:
        print(f"usage: python -m appliance {'|'.join(PROCESSES)} [argument ...]", file=sys.stderr)
        return 100
    code = main_of(argv[0])(argv[1:], environ)
    if argv[0] in DAEMONS:
        _outlive()
    return code


def _outlive() -> None:
    """Let our end of supervisor's pipe close just after our end.

    supervisor stops one daemon after the other, and looks whether one has ended when a pipe wakes it, or once
    a second. A pipe that closes with the process wakes it a moment too soon: seven daemons, seven seconds.
    """
    daemon = os.getpid()
    if os.fork() == 0:
        while os.getppid() == daemon:
            time.sleep(0.01)
        os._exit(0)


def end(code: int) -> NoReturn:
    """End with all printed: Python would first take itself apart, a sixth of a small program's life."""
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:  # the caller may have closed it
            stream.flush()
    os._exit(code)


def write_launchers(folder: str, python: str, path: list[str], places: Mapping[str, str]) -> None:
    """Make a folder of programs, such as /var/qmail/bin; `path` is where their Python looks for modules.

    `places` are variables that count if whoever calls has not set them.
    """
    os.makedirs(folder, exist_ok=True)
    for name in PROGRAMS:
        temporary = os.path.join(folder, f".{name}.tmp")
        with open(temporary, "w", encoding="utf-8") as launcher:
            launcher.write(LAUNCHER.format(python=python, path=path, places=places, name=name))
            os.fchmod(launcher.fileno(), 0o755)
        os.replace(temporary, os.path.join(folder, name))


def main(argv: list[str], environ: Mapping[str, str]) -> int:
    """launchers FOLDER: fill it with a program for each of qmail's names, run by this very Python.

    Those of a checkout know where it has its home and its sockets: nobody sets that before he types a name.
    """
    if len(argv) != 1:
        print("usage: launchers FOLDER", file=sys.stderr)
        return 100
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    path = dict.fromkeys([here, *(entry for entry in sys.path if entry.endswith("site-packages"))])
    places = {name: environ[name] for name in ("TOASTER_HOME", "TOASTER_RUN") if environ.get(name)}
    write_launchers(argv[0], sys.executable, [*path], places)
    return 0


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:], os.environ))
