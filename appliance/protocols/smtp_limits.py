"""Owns how much of what a session of SMTP may have, with the precedent of each number."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """How much of what a session may have."""

    line: int = 4096  # RFC 5321 4.5.3.1.4 asks for 512; qmail has no limit
    recipients: int = 1000  # of a message; RFC 5321 4.5.3.1.8 asks for 100, Postfix takes 1,000
    errors: int = 10  # wrong commands; Postfix smtpd_hard_error_limit is 20, with refused recipients
    refused_recipients: int = 100
    failed_logins: int = 3  # then the session ends; Dovecot and OpenSSH are about as patient
    extras: bool = True  # what qmail-smtpd has not: BDAT, parameters of MAIL, status codes after EHLO
    idle_commands: int = 100  # since the last message; Postfix smtpd_junk_command_limit is 100
