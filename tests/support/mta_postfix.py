"""Owns Postfix as a host of tests: Debian's package in a configuration of its own."""

from collections.abc import Sequence
from pathlib import Path

from tests.support import postfix
from tests.support.mta import ANN, BEN, GREY, OWNER, PUT_OFF, Mta

_MAIN = """\
myhostname = {domain}
mydestination =
local_header_rewrite_clients =
virtual_mailbox_domains = {domain}
virtual_mailbox_base = {folder}/mail
virtual_mailbox_maps = inline:{{{mailboxes}}}
virtual_uid_maps = static:{owner}
virtual_gid_maps = static:{owner}
default_transport = smtp:[127.0.0.1]:{next_hop}
relay_transport = smtp:[127.0.0.1]:{next_hop}
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_recipient_restrictions = check_recipient_access regexp:{folder}/etc/grey
smtpd_error_sleep_time = 0
smtpd_tls_security_level = may
smtpd_tls_received_header = yes
smtpd_tls_chain_files = {pem}
smtp_tls_security_level = may
# 998: it breaks longer lines.
smtp_line_length_limit = 0
virtual_mailbox_limit = 0
message_size_limit = 52428800
smtputf8_enable = yes
"""
_SERVICES = """\
127.0.0.1:{port} inet n - n - - smtpd
pickup     unix n - n 60 1 pickup
flush      unix n - n 1000? 0 flush
showq      unix n - n - - showq
tlsmgr     unix - - n 1000? 1 tlsmgr
virtual    unix - n n - - virtual
"""


class Postfix(Mta):
    """Postfix: it sends envelopes in one piece, but no BDAT."""

    name = "postfix"
    extensions = frozenset(("SMTPUTF8", "TLS"))

    def lay_out(self, next_hop: int) -> None:
        self.mailboxes(OWNER)
        addresses = ", ".join(f"{user}@{self.domain}={user}/Maildir/" for user in (ANN, BEN, GREY))
        main = _MAIN.format(
            folder=self.folder,
            domain=self.domain,
            mailboxes=addresses,
            owner=OWNER,
            next_hop=next_hop,
            pem=self.pem,
        )
        postfix.lay_out(self.folder, main, _SERVICES.format(port=self.port))
        self._grey.write_text(f"/^{GREY}@/ 450 {PUT_OFF}\n")

    def command(self) -> Sequence[str]:
        return *self._postfix, "start-fg"

    def welcome(self) -> None:
        self._grey.write_text("")
        # A session that we keep goes by the old table; killed, it may not be replaced for a minute.
        self.stop()
        self.start()
        self.wait_until_up()

    def retry(self) -> None:
        self.run(*self._postfix, "flush")

    def stop(self) -> None:
        # TERM would end the script that has started it; `stop` would wait for what is under way.
        if self._running is not None and (self.folder / "queue/pid/master.pid").exists():
            self.run(*self._postfix, "abort")
            self._running.wait(60)
        super().stop()

    @property
    def _grey(self) -> Path:
        return self.folder / "etc/grey"

    @property
    def _postfix(self) -> tuple[str, ...]:
        return "postfix", "-c", str(self.folder / "etc")
