"""Owns how mail lies in mailboxes: runs as the owner of the mailbox, never as anybody else."""
