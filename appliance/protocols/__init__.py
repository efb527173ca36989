"""Owns what is said in which order, as bytes in and bytes out.

Pure: no socket, file, clock or randomness; time and answers come in as arguments.
"""
