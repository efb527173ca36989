"""Owns the fetching of mail: popup talks to the stranger as qmaild, pop3d to the Maildir as its owner.

Nobody reaches a mailbox before authd has said yes.
"""
