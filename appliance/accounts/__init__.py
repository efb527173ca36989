"""Owns passwords: runs as qmailp, the only user who can read the hashes, and has no network.

Others ask over a Unix socket with the client and learn yes or no.
"""
