"""Owns the list of all fuzzing targets."""

from tests.fuzz import conversations, formats, logins

TARGETS = (*conversations.TARGETS, *formats.TARGETS, *logins.TARGETS)
