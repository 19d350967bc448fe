"""Finds among an NPC's memories those that are nearest to what a session is about.

One law: what is nearest depends on the texts alone; the vectors that are kept only save time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from inspect import isawaitable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from holodeck.messages.errors import ContractError
from holodeck.minds.embedding import Vectors
from holodeck.minds.port import Embedder

CAPACITY: Final = 20_000
"""Texts whose vectors are kept: 40 MB of 512 dimensions, taken as they are needed."""
_CHUNK: Final = 128
"""Texts that are turned into vectors before others get their turn on the event loop."""
_FIRST: Final = 1024


class MemoryIndex:
    """Vectors by text, as rows of one matrix; of a full one the quarter used longest ago goes."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        """
        Raises:
            ContractError: ``capacity`` is below 4.
        """
        if capacity < 4:
            raise ContractError(f"an index holds at least 4 texts, not {capacity}")
        self.capacity = capacity
        self._rows: dict[str, int] = {}
        self._texts: list[str] = []
        self._matrix: Vectors = np.zeros((0, 0), np.float32)
        self._used = np.zeros(0, np.int64)
        self._clock = 0

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, text: str) -> bool:
        return text in self._rows

    def add(self, texts: Sequence[str], vectors: Vectors) -> None:
        """Keeps the vectors of texts; of more than there is room for, the last.

        Raises:
            ContractError: not one vector a text, or of another length than those before.
        """
        if vectors.ndim != 2 or len(texts) != len(vectors):
            raise ContractError(f"{len(texts)} texts and vectors of shape {vectors.shape}")
        if not len(texts):
            return
        if self._rows and vectors.shape[1] != self._matrix.shape[1]:
            raise ContractError(
                f"vectors have {self._matrix.shape[1]} dimensions, not {vectors.shape[1]}"
            )
        fresh = {text: at for at, text in enumerate(texts) if text not in self._rows}
        wanted = list(fresh)[-self.capacity :]
        self._make_room(len(wanted), vectors.shape[1])
        self._clock += 1
        start = len(self._texts)
        self._matrix[start : start + len(wanted)] = vectors[[fresh[text] for text in wanted]]
        self._used[start : start + len(wanted)] = self._clock
        for row, text in enumerate(wanted, start):
            self._rows[text] = row
        self._texts += wanted

    def touch(self, texts: Sequence[str]) -> None:
        """Those of ``texts`` that are in the index count as used just now."""
        self._clock += 1
        self._used[[self._rows[text] for text in texts if text in self._rows]] = self._clock

    def near(self, cue: NDArray[np.float32], texts: Sequence[str]) -> NDArray[np.float32]:
        """The cosine of each text to ``cue``, -1 to 1.

        Raises:
            KeyError: a text is not in the index.
        """
        rows = np.fromiter(map(self._rows.__getitem__, texts), np.int64, len(texts))
        self._clock += 1
        self._used[rows] = self._clock
        held = len(self._texts)
        # Row by row: a product by BLAS takes several threads and, on a busy machine, ten times as
        # long. Of most rows the whole is quicker than gathering them first.
        few = 3 * len(rows) < held
        scores: NDArray[np.float32] = np.vecdot(self._matrix[rows if few else slice(held)], cue)
        return scores if few else scores[rows]

    def _make_room(self, more: int, dimensions: int) -> None:
        held = len(self._texts)
        if held + more > self.capacity:
            stay = min(self.capacity - more, self.capacity * 3 // 4)
            newest = np.sort(np.argsort(self._used[:held], kind="stable")[held - stay :])
            self._matrix[:stay] = self._matrix[newest]
            self._used[:stay] = self._used[newest]
            self._texts = [self._texts[row] for row in newest]
            self._rows = {text: row for row, text in enumerate(self._texts)}
            held = stay
        if held + more > len(self._matrix) or self._matrix.shape[1] != dimensions:
            size = min(self.capacity, max(_FIRST, 2 * len(self._matrix), held + more))
            matrix = np.zeros((size, dimensions), np.float32)
            used = np.zeros(size, np.int64)
            if held:
                matrix[:held], used[:held] = self._matrix[:held], self._used[:held]
            self._matrix, self._used = matrix, used


class Remembrance:
    """Recall by likeness: the memories with the highest cosine to the cue."""

    def __init__(self, embedder: Embedder, capacity: int = CAPACITY) -> None:
        """
        Raises:
            ContractError: ``capacity`` is below 4.
        """
        self._embedder = embedder
        self._index = MemoryIndex(capacity)

    async def nearest(self, cue: str, contents: Sequence[str], limit: int) -> list[int]:
        """Indices of the nearest contents, the nearest first; of equally near ones the later.

        What is new is turned into a vector first, a hundred at a time, so that others get on.
        Of more contents than the index holds, the last are looked at.
        """
        first = max(0, len(contents) - self._index.capacity)
        contents = contents[first:]
        if limit <= 0 or not contents:
            return []
        target = (await self._vectors([cue]))[0]
        scores = await self._scores(target, contents)
        count = min(limit, len(scores))
        if count < len(scores):
            least = np.partition(scores, len(scores) - count)[len(scores) - count]
            places = np.flatnonzero(scores >= least)
        else:
            places = np.arange(len(scores))
        order = np.lexsort((-places, -scores[places]))[:count]
        return [first + int(place) for place in places[order]]

    async def _scores(self, target: NDArray[np.float32], contents: Sequence[str]) -> Vectors:
        index = self._index
        for _ in range(3):
            try:
                return index.near(target, contents)
            except KeyError:
                missing = [text for text in dict.fromkeys(contents) if text not in index]
            fresh = await self._all(missing)
            index.touch(contents)
            index.add(missing, fresh)
        # Others keep putting theirs in place of these.
        scores: Vectors = np.vecdot(await self._all(contents), target)
        return scores

    async def _all(self, texts: Sequence[str]) -> Vectors:
        return np.concatenate(
            [await self._vectors(texts[at : at + _CHUNK]) for at in range(0, len(texts), _CHUNK)]
        )

    async def _vectors(self, texts: Sequence[str]) -> Vectors:
        found = self._embedder.embed(texts)
        if isawaitable(found):
            return await found
        await asyncio.sleep(0)
        return found
