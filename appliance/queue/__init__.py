"""Owns how the queue lies on disk and how mail is handed to it.

Only the client is open to those who hand in mail; layout, log and message are for send alone.
"""
