"""Owns what every process needs of Unix: places, identities, control files, durable files, log lines."""
