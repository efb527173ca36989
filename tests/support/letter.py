"""Owns the small messages that tests send, each with a word of its own by which it is found again."""

import secrets
from typing import NamedTuple

BODIES = {
    "dots": ".\n..\n.dot\n\n.\n",
    "eight_bit": "Grüße, 日本語, \N{SNOWMAN}\n",
    "long_lines": f"{'long ' * 3000}\n.{'x' * 1990}\n",
    "empty_lines": "\n\n\n",
    "nothing": "",
    "large": "a line of a large message, 72 bytes of it with the newline at its end\n" * 150_000,
}
"""Texts that a way by many hosts might cut, fold, stuff or turn into something else."""


class Letter(NamedTuple):
    """A message and the word that is nowhere else."""

    token: str
    content: bytes

    def is_in(self, message: bytes) -> bool:
        """Whether a message is this one byte by byte, below what was put on top on its way.

        As with qmail a message that is fetched by POP3 has one more empty line before the dot that ends it.
        """
        return message.endswith((self.content, self.content + b"\n"))


def letter(body: str = "Hello.\n\n.a line that begins with a dot\n") -> Letter:
    """A new message with LF at line ends."""
    token = secrets.token_hex(8)
    head = f"From: <sender@outside.test>\nTo: <alice@example.test>\nSubject: {token}\n"
    return Letter(token, f"{head}Message-ID: <{token}@outside.test>\n\n{body}".encode())
