"""Owns mail that programs of this host hand in: runs as whoever calls, who may do nothing more than before.

The queue knows the caller by his connection's credentials; nothing here is set-uid.
"""
