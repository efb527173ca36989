"""Owns mail that leaves a Maildir for one other host: serialmail's programs, run by the Maildir's owner."""
