"""Owns what things look like: a module a format, parse and format in pairs.

Pure: no socket, file, clock or randomness, and nothing of ours but formats is imported.
"""
