"""Texts as vectors, and recall by them: near is near, always the same, whatever the script."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holodeck.messages.errors import ContractError
from holodeck.minds.embedding import BATCH, HashedNgrams, ServerEmbedder, Vectors
from holodeck.minds.recall import MemoryIndex, Remembrance
from holodeck.minds.server import ModelError, ModelServer
from tests.conftest import ROOT
from tests.minds.model_server import Act, ModelStage, embeds, refuses, sends

ANY_TEXT = st.text(st.characters(), max_size=60)


# --- the offline embedder ----------------------------------------


@given(st.lists(ANY_TEXT, max_size=6))
def test_every_text_has_a_vector_of_length_one_or_says_nothing(texts: list[str]) -> None:
    vectors = HashedNgrams(128).embed(texts)

    assert vectors.shape == (len(texts), 128)
    assert vectors.dtype == np.float32
    lengths = np.linalg.norm(vectors, axis=1)
    assert np.all((np.abs(lengths - 1) < 1e-5) | (lengths == 0))
    for text, length in zip(texts, lengths, strict=True):
        if any(c.isalpha() or c.isdigit() for c in text):
            assert length > 0


@given(st.lists(ANY_TEXT, min_size=1, max_size=6))
def test_a_vector_does_not_depend_on_what_it_is_made_together_with(texts: list[str]) -> None:
    embedder = HashedNgrams()

    together = embedder.embed(texts)

    for text, vector in zip(texts, together, strict=True):
        assert np.allclose(embedder.embed([text])[0], vector, atol=1e-6)


def test_case_composition_and_marks_make_no_difference() -> None:
    embedder = HashedNgrams()

    first, *others = embedder.embed(["Café, straße!", "cafe\u0301 STRASSE", "  café\nstrasse  "])

    assert all(float(first @ other) > 0.999 for other in others)


@pytest.mark.parametrize(
    ("cue", "near", "far"),
    [
        ("a coffee with milk", "coffee with milk, please", "the weather was bad on Friday"),
        ("harbour office", "she works at the harbour's offices", "he sold two loaves of bread"),
        ("咖啡很好喝", "我喜欢喝咖啡", "今天天气不好"),
        ("हिन्दी में बात", "हिन्दी में लिखो", "कल बारिश हुई"),
        ("الشاي في المقهى", "شربنا الشاي", "ذهب إلى السوق"),
    ],
    ids=["words", "stems", "chinese", "hindi", "arabic"],
)
def test_what_is_alike_is_nearer_than_what_is_not(cue: str, near: str, far: str) -> None:
    vectors = HashedNgrams().embed([cue, near, far])

    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.05


def test_another_process_makes_the_same_vectors() -> None:
    program = (
        "from holodeck.minds.embedding import HashedNgrams\n"
        "print(HashedNgrams(64).embed(['la plaza del puerto'])[0].tobytes().hex())"
    )

    told = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert told.stdout.strip() == HashedNgrams(64).embed(["la plaza del puerto"])[0].tobytes().hex()


@pytest.mark.parametrize("dimensions", [0, 32, 100, 131_072])
def test_dimensions_are_a_power_of_two(dimensions: int) -> None:
    with pytest.raises(ContractError, match="power of two"):
        HashedNgrams(dimensions)


def test_a_hundred_short_texts_take_less_than_five_milliseconds_of_work() -> None:
    embedder = HashedNgrams()
    texts = [f"Ana forgot her umbrella number {at} at the harbour café" for at in range(100)]
    embedder.embed(texts)
    best = float("inf")
    for _ in range(20):
        began = time.thread_time()
        embedder.embed(texts)
        best = min(best, time.thread_time() - began)

    assert best < 0.005


# --- a server's ----------------------------------------


def letters(text: str) -> list[float]:
    return [float(text.count("a")) * 3 + 1, float(len(text)), 0.5]


async def embedded(texts: Sequence[str], *acts: Act) -> tuple[Vectors, ModelStage]:
    async with ModelStage(*acts) as stage:
        server = ModelServer(stage.url, None, timeout_s=0.5, retries=0)
        try:
            return await ServerEmbedder(server, "near").embed(texts), stage
        finally:
            await server.close()


async def test_a_server_s_vectors_come_in_order_and_with_length_one() -> None:
    texts = [f"{'a' * (at % 7)}b" for at in range(BATCH + 3)]

    vectors, stage = await embedded(texts, embeds(letters))

    wanted = np.array([letters(text) for text in texts])
    wanted /= np.linalg.norm(wanted, axis=1, keepdims=True)
    assert np.allclose(vectors, wanted, atol=1e-6)
    assert [len(one.body["input"]) for one in stage.asked] == [BATCH, 3]
    assert stage.asked[0].body["encoding_format"] == "float"


@pytest.mark.parametrize(
    "act",
    [
        refuses(500),
        embeds(lambda text: [] if text == "b" else [1.0]),
        embeds(lambda text: [float("1e999") if text == "b" else 1.0]),
        sends(b"nothing of that kind"),
    ],
    ids=["500", "ragged", "infinite", "another-shape"],
)
async def test_what_is_no_vector_is_an_error(act: Act) -> None:
    with pytest.raises(ModelError):
        await embedded(["a", "b"], act)


# --- recall ----------------------------------------

STREET = [f"Somebody bought {at} apples in street number {at * 7}" for at in range(10_000)]
MEANT = "Ana broke the blue cup of her grandmother"


@pytest.mark.parametrize("place", [0, 4321, 10_000])
async def test_the_near_sentence_is_found_among_ten_thousand(place: int) -> None:
    memories = [*STREET[:place], MEANT, *STREET[place:]]

    found = await Remembrance(HashedNgrams()).nearest("the grandmother's blue cup", memories, 5)

    assert found[0] == place
    assert len(found) == 5


async def test_ten_thousand_are_searched_in_five_milliseconds_of_work() -> None:
    recall = Remembrance(HashedNgrams())
    await recall.nearest("apples", STREET, 5)
    best = float("inf")
    for at in range(30):
        began = time.thread_time()
        await recall.nearest(f"a blue cup in street {at}", STREET, 5)
        best = min(best, time.thread_time() - began)

    assert best < 0.005


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["cup", "street", "blue apples"]),
            st.lists(st.sampled_from([*"abcdefghij", "blue cup", "apples"]), max_size=12),
            st.integers(0, 6),
        ),
        max_size=12,
    )
)
def test_a_full_index_changes_nothing_that_is_found(
    asked: list[tuple[str, list[str], int]],
) -> None:
    small, large = Remembrance(HashedNgrams(64), 12), Remembrance(HashedNgrams(64), 1000)

    async def both() -> None:
        for cue, contents, limit in asked:
            found = await small.nearest(cue, contents, limit)
            assert found == await large.nearest(cue, contents, limit)
            assert len(found) == min(limit, len(contents))
            assert len(set(found)) == len(found)

    asyncio.run(both())


async def test_of_more_than_the_index_holds_the_last_are_looked_at() -> None:
    recall = Remembrance(HashedNgrams(), 8)

    found = await recall.nearest("blue cup", ["a blue cup", *STREET[:7], "the blue cup"], 2)

    assert found[0] == 8
    assert 0 not in found


async def test_recalls_at_the_same_time_do_not_disturb_each_other() -> None:
    class Slow:
        """Answers later, as a server does."""

        def __init__(self) -> None:
            self.embedder = HashedNgrams(64)

        async def embed(self, texts: Sequence[str]) -> Vectors:
            await asyncio.sleep(0)
            return self.embedder.embed(texts)

    recall, alone = Remembrance(Slow(), 10), Remembrance(HashedNgrams(64), 1000)
    groups = [[f"{word} {at}" for at in range(8)] for word in ("cup", "tree", "boat", "bread")]

    found = await asyncio.gather(*(recall.nearest(f"{one[3]}", one, 3) for one in groups))

    assert found == [await alone.nearest(f"{one[3]}", one, 3) for one in groups]
    assert all(one[0] == 3 for one in found)


def test_an_index_keeps_what_was_used_last() -> None:
    embedder = HashedNgrams(64)
    index = MemoryIndex(8)
    texts = [f"text {at}" for at in range(8)]
    index.add(texts, embedder.embed(texts))
    index.touch(texts[:3])

    index.add(["one more"], embedder.embed(["one more"]))

    assert all(text in index for text in [*texts[:3], "one more"])
    assert len(index) <= 8
    scores = index.near(embedder.embed(["text 2"])[0], ["text 2", "one more"])
    assert scores[0] == pytest.approx(1.0, abs=1e-5)
    with pytest.raises(KeyError):
        index.near(embedder.embed(["x"])[0], ["never seen"])


@pytest.mark.parametrize(
    ("texts", "shape"), [(["a"], (2, 64)), (["a"], (64,)), (["a", "b"], (2, 32))]
)
def test_an_index_takes_one_vector_a_text_all_of_one_length(texts: list[str], shape: Any) -> None:
    index = MemoryIndex()
    index.add(["first"], HashedNgrams(64).embed(["first"]))

    with pytest.raises(ContractError):
        index.add(texts, np.zeros(shape, np.float32))
    assert "a" not in index
