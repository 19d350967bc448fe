"""Texts as vectors whose cosine says how near in meaning they are.

One law: the same text gives the same vector in every process, and nothing has to be downloaded
for the default.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from holodeck.messages.errors import ContractError
from holodeck.minds.server import ModelServer

Vectors = NDArray[np.float32]
"""One row a text, each of length 1, or 0 where the text says nothing."""

SIZES: Final = (3, 4, 5)
"""How many characters a gram has; of scripts without blanks between words also two."""
BATCH: Final = 256
"""Texts that are asked for in one request."""

_MARKS: Final = r"\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u0900-\u0dff\u0e00-\u0fff"
"""Signs of vowels and accents that are no letters by themselves, yet part of their word."""
_BETWEEN: Final = re.compile(rf"(?:[^\w{_MARKS}]|_)+")
_ROOT: Final = np.uint64(0x9E3779B97F4A7C15)
_SALT: Final = 0xD6E8FEB86659FD93
_UNSPACED: Final = 0x2E80
_WEIGHTS: Final = {2: 1.5, 3: 0.5, 4: 0.75, 5: 1.0}
_WORD_WEIGHT: Final = 1.5
_FULL_WORD: Final = 6
"""Letters from which a word counts in full: short ones are mostly particles."""


class HashedNgrams:
    """The offline embedder: grams of characters and whole words, hashed into ``dimensions`` cells.

    Each gram adds 1 or -1 to a cell, both chosen by its hash, so that grams which share a cell
    cancel out on average (Weinberger, Dasgupta, Langford, Smola, Attenberg: Feature hashing for
    large scale multitask learning, 2009). Short words weigh less than long ones. It sees spelling,
    so words of one stem are near; synonyms are not.

    Texts are compared composed (NFC) and casefolded; marks of punctuation are blanks.
    """

    def __init__(self, dimensions: int = 512) -> None:
        """
        Raises:
            ContractError: ``dimensions`` is no power of two from 64 to 65,536.
        """
        if not 64 <= dimensions <= 65_536 or dimensions & (dimensions - 1):
            raise ContractError(f"dimensions must be a power of two from 64, not {dimensions}")
        self.dimensions = dimensions
        self._powers = np.ones(0, np.uint64)
        self._inverses = np.ones(0, np.uint64)

    def embed(self, texts: Sequence[str]) -> Vectors:
        """One unit vector a text: shape (texts, dimensions), float32. A text without a letter or
        digit is near to nothing: a row of zeros."""
        sums = np.zeros(len(texts) * self.dimensions)
        plain = [_plain(text) for text in texts]
        joined = "".join(plain)
        if joined:
            codes = np.frombuffer(joined.encode("utf-32-le", "replace"), np.uint32)
            lengths = np.fromiter(map(len, plain), np.int64, len(plain))
            owners = np.repeat(np.arange(len(plain)), lengths)
            for cells, signs in self._grams(codes.astype(np.uint64), owners):
                sums += np.bincount(cells, signs, sums.size)
        rows = sums.reshape(len(texts), self.dimensions)
        norms = np.sqrt(np.einsum("ij,ij->i", rows, rows))
        norms[norms == 0.0] = 1.0
        unit: Vectors = (rows / norms[:, None]).astype(np.float32)
        return unit

    def _grams(
        self, codes: NDArray[np.uint64], owners: NDArray[np.int64]
    ) -> list[tuple[NDArray[np.int64], NDArray[np.float64]]]:
        """For each size of gram, and for words: the cell of each and what it adds to it."""
        found = []
        blank = codes == 32
        blanks = np.concatenate(([0], np.cumsum(blank)))
        for size in (2, *SIZES):
            if codes.size < size:
                break
            count = codes.size - size + 1
            grams = codes[:count].copy()
            for at in range(1, size):
                grams = grams * _ROOT + codes[at : at + count]
            # A gram may begin and end with the blank around its word, but not reach beyond it.
            within = blanks[size - 1 : size - 1 + count] - blanks[1 : 1 + count] == 0
            within &= owners[:count] == owners[size - 1 :]
            if size == 2:
                within &= (codes[:count] >= _UNSPACED) & (codes[1:] >= _UNSPACED)
            chosen = np.flatnonzero(within)
            found.append(self._cells(grams[chosen], owners[chosen], size, _WEIGHTS[size]))
        ends = np.flatnonzero(blank[1:] & ~blank[:-1]) + 1
        starts = np.flatnonzero(blank[:-1] & ~blank[1:]) + 1
        words = self._words(codes, starts, ends)
        lengths = np.minimum(ends - starts, _FULL_WORD) / _FULL_WORD
        found.append(self._cells(words, owners[starts], 0, _WORD_WEIGHT * lengths))
        return found

    def _words(
        self, codes: NDArray[np.uint64], starts: NDArray[np.int64], ends: NDArray[np.int64]
    ) -> NDArray[np.uint64]:
        """Hashes of the words, by sums up to each place: where a word stands does not matter."""
        if self._powers.size <= codes.size:
            size = max(4096, 2 * codes.size)
            inverse = np.uint64(pow(int(_ROOT), -1, 2**64))
            self._powers, self._inverses = np.full(size, _ROOT), np.full(size, inverse)
            self._powers[0] = self._inverses[0] = 1
            self._powers = np.cumprod(self._powers, dtype=np.uint64)
            self._inverses = np.cumprod(self._inverses, dtype=np.uint64)
        sums = np.concatenate(
            (np.zeros(1, np.uint64), np.cumsum(codes * self._powers[: codes.size]))
        )
        words: NDArray[np.uint64] = (sums[ends] - sums[starts]) * self._inverses[starts]
        return words

    def _cells(
        self,
        grams: NDArray[np.uint64],
        owners: NDArray[np.int64],
        salt: int,
        weight: float | NDArray[np.float64],
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        # The finish of MurmurHash3 (Appleby): each bit of the sum decides over all of the hash.
        mixed = grams + np.uint64(salt * _SALT % 2**64)
        mixed ^= mixed >> np.uint64(33)
        mixed *= np.uint64(0xFF51AFD7ED558CCD)
        mixed ^= mixed >> np.uint64(33)
        mixed *= np.uint64(0xC4CEB9FE1A85EC53)
        mixed ^= mixed >> np.uint64(33)
        cells = (mixed & np.uint64(self.dimensions - 1)).astype(np.int64)
        signs = np.where(mixed & np.uint64(1 << 40), 1.0, -1.0) * weight
        return owners * self.dimensions + cells, signs


class ServerEmbedder:
    """An embedding model behind an OpenAI-compatible ``/embeddings``."""

    def __init__(self, server: ModelServer, model: str) -> None:
        self._server = server
        self._model = model

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """One unit vector a text: shape (texts, dimensions of the model), float32.

        Raises:
            ModelError: the server did not answer, or not with one vector of numbers a text.
        """
        parts = []
        for at in range(0, len(texts), BATCH):
            # Servers refuse the empty text.
            some = [text.strip() or "-" for text in texts[at : at + BATCH]]
            parts.append(await self._server.vectors(some, model=self._model))
        if not parts:
            return np.zeros((0, 0), np.float32)
        rows = np.concatenate(parts)
        norms = np.linalg.norm(rows, axis=1, keepdims=True)
        norms[norms == 0.0] = 1.0
        unit: Vectors = (rows / norms).astype(np.float32)
        return unit


def _plain(text: str) -> str:
    """Words with one blank around each; empty where there are none."""
    words = _BETWEEN.sub(" ", unicodedata.normalize("NFC", text).casefold()).split()
    return f" {' '.join(words)} " if words else ""
