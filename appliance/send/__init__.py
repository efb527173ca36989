"""Owns the way of a message through the queue: runs as qmailq, reaches queue/ and no network and no mailbox.

It decides where and when; lspawn and rspawn deliver, and answer with one verdict a delivery.
"""
