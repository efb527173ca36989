"""Owns delivery to users of this host: lspawn runs as root, its workers as the recipient for good.

Nothing here reads the network; a worker owns nothing that its user could not own.
"""
