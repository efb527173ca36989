"""Owns the list of all fuzzing targets."""

from tests.fuzz import conversations, formats

TARGETS = (*conversations.TARGETS, *formats.TARGETS)
