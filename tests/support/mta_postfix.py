"""Owns Postfix as a host of tests: Debian's package in a configuration of its own."""

import os
import pwd
from collections.abc import Sequence
from pathlib import Path

from tests.support.mta import ANN, BEN, GREY, OWNER, PUT_OFF, Mta

_MAIN = """\
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/var
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
myhostname = {domain}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
mydestination =
alias_maps =
alias_database =
local_recipient_maps =
local_header_rewrite_clients =
virtual_mailbox_domains = {domain}
virtual_mailbox_base = {folder}/mail
virtual_mailbox_maps = inline:{{{mailboxes}}}
virtual_uid_maps = static:{owner}
virtual_gid_maps = static:{owner}
default_transport = smtp:[127.0.0.1]:{next_hop}
relay_transport = smtp:[127.0.0.1]:{next_hop}
disable_dns_lookups = yes
smtp_host_lookup = native
smtpd_peername_lookup = no
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
_MASTER = """\
127.0.0.1:{port} inet n - n - - smtpd
pickup     unix n - n 60 1 pickup
cleanup    unix n - n - 0 cleanup
qmgr       unix n - n 300 1 qmgr
rewrite    unix - - n - - trivial-rewrite
bounce     unix - - n - 0 bounce
defer      unix - - n - 0 bounce
trace      unix - - n - 0 bounce
flush      unix n - n 1000? 0 flush
showq      unix n - n - - showq
tlsmgr     unix - - n 1000? 1 tlsmgr
proxymap   unix - - n - - proxymap
smtp       unix - - n - - smtp
error      unix - - n - - error
retry      unix - - n - - error
virtual    unix - n n - - virtual
anvil      unix - - n - 1 anvil
postlog    unix-dgram n - n - 1 postlogd
"""


class Postfix(Mta):
    """Postfix: it sends envelopes in one piece, but no BDAT."""

    name = "postfix"
    extensions = frozenset(("SMTPUTF8", "TLS"))

    def lay_out(self, next_hop: int) -> None:
        for part in ("etc", "queue", "var"):
            (self.folder / part).mkdir()
        os.chown(self.folder / "var", pwd.getpwnam("postfix").pw_uid, -1)
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
        (self.folder / "etc/main.cf").write_text(main)
        (self.folder / "etc/master.cf").write_text(_MASTER.format(port=self.port))
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
        if (self.folder / "queue/pid/master.pid").exists():
            self.run(*self._postfix, "abort")
        super().stop()

    @property
    def _grey(self) -> Path:
        return self.folder / "etc/grey"

    @property
    def _postfix(self) -> tuple[str, ...]:
        return "postfix", "-c", str(self.folder / "etc")
