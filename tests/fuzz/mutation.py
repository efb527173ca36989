"""Owns the inputs of fuzzing: what is known is cut, joined, repeated, and mixed with bytes that hurt."""

from collections.abc import Callable
from random import Random

LONGEST = 20_000
"""Bytes of an input: beyond every limit of a line or an address, and still some thousand runs a second."""
MOST = 5000
"""Inputs that are known at a time."""

_STEPS = 6
_TIMES = (2, 3, 17, 256, 1024)
_TOKENS = (
    *(bytes([byte]) for byte in b"\0\t\n\r\x1a\x7f\x80\xff\"'()*,-./:;<=>@[\\]_{|}~%!&#+$ "),
    *(
        b"\r\n",
        b"\r\n.\r\n",
        b"\n.\n",
        b"\r.\r",
        b"\r\n.\r",
        b"..",
        b"\n\n",
        b"\n ",
        b"\xc3\xa9",
        b"\xe2\x80\xa8",
    ),
    *(
        b"0",
        b"-1",
        b"255",
        b"256",
        b"65536",
        b"2147483648",
        b"4294967296",
        b"9" * 20,
        b"1e9",
        b"0x1f",
        b"000",
    ),
    *(
        b"<>",
        b"<@a,@b:c@d>",
        b'"a b"@c',
        b"a@[127.0.0.1]",
        b"a@[IPv6:::1]",
        b"@",
        b"-@[]",
        b"#@[]",
        b"x" * 300,
    ),
)


class Mutator:
    """Makes inputs out of a corpus, the same ones again for the same seed."""

    def __init__(self, corpus: list[bytes], seed: int) -> None:
        self.corpus = corpus
        self._random = Random(seed)

    def keep(self, text: bytes) -> None:
        """Know one more; when MOST are known, another one is forgotten for it."""
        if len(self.corpus) < MOST:
            self.corpus.append(text)
        else:
            self.corpus[self._random.randrange(MOST)] = text

    def next_input(self) -> bytes:
        """An input, one to some steps away from one that is known."""
        text = self._random.choice(self.corpus)
        for _ in range(self._random.randint(1, _STEPS)):
            text = self._random.choice(_CHANGES)(self, text)
        return text[:LONGEST]

    def pieces(self, text: bytes) -> list[bytes]:
        """The input as it comes from a wire: whole, in some pieces, or byte by byte if it is short."""
        way = self._random.random()
        if way < 0.5 or len(text) < 2:
            return [text]
        if way < 0.6 and len(text) < 500:
            return [text[place : place + 1] for place in range(len(text))]
        cuts = sorted(
            self._random.sample(range(1, len(text)), min(len(text) - 1, self._random.randint(1, 5)))
        )
        return [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]

    def _part(self, text: bytes) -> tuple[int, int]:
        start = self._random.randint(0, len(text))
        return start, min(len(text), start + self._random.choice((1, 2, 4, 8, 32, 200)))

    def _insert(self, text: bytes) -> bytes:
        start, _ = self._part(text)
        return text[:start] + self._random.choice(_TOKENS) + text[start:]

    def _replace(self, text: bytes) -> bytes:
        start, end = self._part(text)
        return text[:start] + self._random.choice(_TOKENS) + text[end:]

    def _scramble(self, text: bytes) -> bytes:
        start, end = self._part(text)
        return text[:start] + self._random.randbytes(end - start) + text[end:]

    def _remove(self, text: bytes) -> bytes:
        start, end = self._part(text)
        return text[:start] + text[end:]

    def _repeat(self, text: bytes) -> bytes:
        start, end = self._part(text)
        return text[:start] + text[start:end] * self._random.choice(_TIMES) + text[end:]

    def _join(self, text: bytes) -> bytes:
        other = self._random.choice(self.corpus)
        return text[: self._random.randint(0, len(text))] + other[self._random.randint(0, len(other)) :]


_CHANGES: tuple[Callable[[Mutator, bytes], bytes], ...] = (
    *(Mutator._insert, Mutator._replace, Mutator._scramble),
    *(Mutator._remove, Mutator._repeat, Mutator._join),
)
