"""Owns what the operator orders and sees: the start, the checklist, the health check, the command `toaster`.

Runs as whoever calls it; reads what the stations leave on disk and asks them over their sockets.
"""
