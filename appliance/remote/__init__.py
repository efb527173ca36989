"""Owns delivery to other hosts: runs as qmailr, who has the network and the message it was handed.

It sees neither the queue folder nor a mailbox.
"""
