"""Owns the small messages that tests send, each with a word of its own by which it is found again."""

import secrets
from typing import NamedTuple


class Letter(NamedTuple):
    """A message and the word that is nowhere else."""

    token: str
    content: bytes

    def is_in(self, message: bytes) -> bool:
        """Whether a fetched message is this one, body and own header fields byte by byte."""
        return message.endswith(self.content)


def letter(body: str = "Hello.\n\n.a line that begins with a dot\n") -> Letter:
    """A new message with LF at line ends."""
    token = secrets.token_hex(8)
    head = f"From: <sender@outside.test>\nTo: <alice@example.test>\nSubject: {token}\n"
    return Letter(token, f"{head}Message-ID: <{token}@outside.test>\n\n{body}".encode())
