"""Owns the appliance: a folder is a station on the way of a message, a station is the work of one Unix user.

Stations import what lies below them and never each other; they meet on disk and on sockets.
"""
