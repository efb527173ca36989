"""Owns OpenSMTPD as a host of tests: Debian's package, unpacked, on a machine with a /var of its own."""

from collections.abc import Sequence
from pathlib import Path

from tests.support.mta import ANN, BEN, GREY, OWNER, PUT_OFF, UNPACKED, Mta

# Users and groups that Debian's binaries demand; smtpctl wants to be of the queue's group.
_DAEMON, _QUEUE, _MAIL, _UID = "opensmtpd", "opensmtpq", "toastermail", 6692
_CONTROL = ("setpriv", "--regid", _QUEUE, "--clear-groups", f"{UNPACKED}/usr/sbin/smtpctl")
_CONFIG = """\
pki here cert "{pem}"
pki here key "{pem}"
table mailboxes {{ {mailboxes} }}
table grey file:{folder}/grey
table all {{ "@" = {mail} }}
smtp max-message-size 50M
filter put_off phase rcpt-to match rcpt-to <grey> reject "451 {put_off}"
listen on 127.0.0.1 port {port} tls pki here hostname {domain} filter put_off
action here maildir "{folder}/mail/%{{rcpt.user}}/Maildir" virtual <all>
action elsewhere relay host "smtp://127.0.0.1:{next_hop}"
match from any for domain {domain} rcpt-to <mailboxes> action here
match from any !for domain {domain} action elsewhere
"""


class OpenSmtpd(Mta):
    """OpenSMTPD: it sends a command at a time, and no SMTPUTF8.

    Debian 12's offers STARTTLS and then fails in every handshake, since OpenSSL became 3.0 (its issue 1171).
    """

    name = "opensmtpd"
    extensions = frozenset[str]()

    def lay_out(self, next_hop: int) -> None:
        mailboxes = ", ".join(f'"{user}@{self.domain}"' for user in (ANN, BEN, GREY))
        text = _CONFIG.format(
            pem=self.pem,
            mailboxes=mailboxes,
            folder=self.folder,
            mail=_MAIL,
            put_off=PUT_OFF,
            port=self.port,
            domain=self.domain,
            next_hop=next_hop,
        )
        (self.folder / "conf").write_text(text)
        (self.folder / "grey").write_text(f"{GREY}@{self.domain}\n")
        self.mailboxes(OWNER)
        self._lay_out_machine()

    def _lay_out_machine(self) -> None:
        var = self.folder / "var"
        for part in ("run", "tmp", "lib/opensmtpd/empty", "spool/smtpd"):
            (var / part).mkdir(parents=True)
        (var / "spool/smtpd").chmod(0o711)
        for number, name in ((_UID, _DAEMON), (_UID + 1, _QUEUE), (OWNER, _MAIL)):
            self.account(name, number)
        self.machine.instead(Path("/usr/libexec"), UNPACKED / "usr/libexec")
        self.machine.instead(Path("/var"), var)

    def command(self) -> Sequence[str]:
        return f"{UNPACKED}/usr/sbin/smtpd", "-d", "-f", f"{self.folder}/conf"

    def welcome(self) -> None:
        (self.folder / "grey").write_text("put-off-no-more\n")
        self.run(*_CONTROL, "update", "table", "grey")

    def retry(self) -> None:
        self.run(*_CONTROL, "schedule", "all")
