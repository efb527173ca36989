"""Owns the customer of an appliance in trouble: hands in messages, looks into his mailbox, counts."""

import contextlib
import poplib
import smtplib

from tests.crash.kills import wait_until_empty
from tests.support.nexthop import NextHop
from tests.support.site import SMTP, Site


class Customer:
    """What was promised to him, and what is there of it, here and at the next hop."""

    def __init__(self, running: Site, sink: NextHop) -> None:
        self.promised: set[int] = set()
        self._running = running
        self._sink = sink
        self._count = 0
        self._mailbox = running.mailbox()

    def hand_in(self, patience_s: float, size: int = 0) -> str:
        """Hand in a message for here and one elsewhere; empty if it is promised, else why not."""
        self._count += 1
        end = f"number {self._count}\r\n"
        body = f"Subject: {self._count}\r\n\r\n" + "a line of a large message\r\n" * (size // 27) + end
        try:
            with smtplib.SMTP("127.0.0.1", self._running.port(SMTP), "client.test", patience_s) as session:
                session.sendmail("sender@example.test", ["alice@example.test", "joe@far.test"], body)
        except smtplib.SMTPResponseException as error:
            return f"{error.smtp_code} {error.smtp_error!r}"
        except (OSError, smtplib.SMTPException) as error:
            return repr(error)
        self.promised.add(self._count)
        return ""

    def fetch(self, patience_s: float) -> str:
        """Look into the mailbox; empty if that works, else why not."""
        try:
            session = poplib.POP3("127.0.0.1", self._mailbox.port, patience_s)
            with contextlib.closing(session):
                session.user(self._mailbox.user)
                session.pass_(self._mailbox.password)
                session.stat()
                session.quit()
        except (OSError, poplib.error_proto) as error:
            return repr(error)
        return ""

    def missing(self) -> list[int]:
        """The promised messages that are not here once, or not there."""
        here = b"".join(self._running.maildir("alice")).split(b"\n")
        there = b"".join(taken.body for taken in self._sink.messages).split(b"\r\n")
        ends = {number: b"number %d" % number for number in sorted(self.promised)}
        return [number for number, end in ends.items() if end not in there or here.count(end) != 1]


def is_in_order(running: Site, customer: Customer) -> bool:
    """Whether all that was promised is delivered once, and no daemon crashed; what is not is printed."""
    is_empty, missing = wait_until_empty(running), customer.missing()
    if missing or not is_empty or "Traceback" in running.log:
        print(running.log)
        print(f"the queue is {'empty' if is_empty else 'not empty'}, lost or twice: {missing}")
        return False
    return True
