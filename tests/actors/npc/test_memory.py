"""What an NPC keeps and lets go."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holodeck.actors.npc.memory import Fact, Memory, learned, recalled, remembered, ring
from holodeck.actors.npc.standing import WEEK_MS
from holodeck.messages.conversation import FactCategory

laws = settings(max_examples=100, deadline=None)
PERSONAL, EVENT = FactCategory.PERSONAL, FactCategory.EVENT
memories_of = st.lists(
    st.builds(
        Memory, st.integers(1, 50), st.text(max_size=5), st.floats(0, 1), recalls=st.integers(0, 9)
    ),
    max_size=30,
)
facts_of = st.lists(
    st.builds(
        Fact,
        st.sampled_from(["Ana", "ana", " ANA ", "Bo", "a sister", "tea", "two cats"]),
        st.sampled_from(FactCategory),
        st.floats(0, 1),
        at=st.integers(0, 20 * WEEK_MS),
    ),
    max_size=30,
)


def contents(memories: tuple[Memory, ...]) -> str:
    return "".join(one.content for one in memories)


# --- ring ----------------------------------------


@laws
@given(st.lists(st.integers(), max_size=20), st.integers(1, 8))
def test_a_ring_keeps_the_newest(items: list[int], size: int) -> None:
    kept: tuple[int, ...] = ()
    for item in items:
        kept = ring(kept, item, size)
    assert kept == tuple(items[-size:])


# --- memories ----------------------------------------


def test_the_lightest_memory_goes_and_of_equals_the_oldest() -> None:
    full = (Memory(1, "a", 0.6), Memory(2, "b", 0.6), Memory(3, "c", 0.9))
    assert contents(remembered(full, Memory(4, "d", 0.6), 3)) == "bcd"


def test_a_memory_that_is_often_recalled_stays() -> None:
    full = (Memory(1, "a", 0.4, recalls=5), Memory(2, "b", 0.5))
    assert contents(remembered(full, Memory(3, "c", 0.9), 2)) == "ac"


def test_a_new_memory_stays_however_light() -> None:
    full = (Memory(1, "a", 0.9), Memory(2, "b", 0.8))
    assert contents(remembered(full, Memory(3, "c", 0.0), 2)) == "ac"


def test_recalling_counts_for_the_memories_that_were_told_and_no_others() -> None:
    before = (Memory(1, "a"), Memory(2, "b"), Memory(3, "c"))
    after = recalled(before, {3, 1, 99})
    assert [one.recalls for one in after] == [1, 0, 1]
    assert contents(after) == "abc"


@laws
@given(memories_of, st.integers(1, 6))
def test_memories_never_outgrow_their_cap_and_the_order_stays(
    all_of: list[Memory], capacity: int
) -> None:
    kept: tuple[Memory, ...] = ()
    for index, new in enumerate(all_of):
        before, kept = kept, remembered(kept, new._replace(at=index), capacity)
        assert len(kept) == min(index + 1, capacity)
        gone = set(before) - set(kept)
        assert len(gone) <= 1
        for one in gone:
            assert one.weight == min(old.weight for old in before)
    assert [one.at for one in kept] == sorted(one.at for one in kept)


# --- facts ----------------------------------------


def test_the_same_fact_heard_again_is_one_fact_with_more_behind_it() -> None:
    facts = learned((), Fact("Has a sister", PERSONAL, 0.6, since=10, at=10))
    facts = learned(facts, Fact("has a  SISTER ", PERSONAL, 0.9, since=20, at=20))
    facts = learned(facts, Fact("has a sister", PERSONAL, 0.4, since=30, at=30))
    assert facts == (Fact("Has a sister", PERSONAL, 0.9, evidence=3, since=10, at=30),)


def test_one_text_in_two_categories_is_two_facts() -> None:
    facts = learned((), Fact("moved to Porto", PERSONAL, 0.6))
    assert len(learned(facts, Fact("moved to Porto", EVENT, 0.6))) == 2


@pytest.mark.parametrize("text", ["café", "Straße", "İzmir", "ΣΊΣΥΦΟΣ"])
def test_a_text_is_the_same_in_every_normalisation_and_case(text: str) -> None:
    facts = learned((), Fact(unicodedata.normalize("NFD", text), PERSONAL, 0.6))
    assert len(learned(facts, Fact(unicodedata.normalize("NFC", text), PERSONAL, 0.6))) == 1
    assert len(learned(facts, Fact(text.casefold(), PERSONAL, 0.6))) == 1


@pytest.mark.parametrize(
    ("weeks", "confidence"), [(0, 0.5), (0.99, 0.5), (1, 0.48), (2.5, 0.46), (25, 0.0), (99, 0.0)]
)
def test_confidence_fades_by_the_week(weeks: float, confidence: float) -> None:
    fact = Fact("likes tea", PERSONAL, 0.5, at=1000)
    assert fact.confidence_at(1000 + int(weeks * WEEK_MS)) == confidence


def test_hearing_a_fact_again_makes_it_fresh() -> None:
    facts = learned((), Fact("likes tea", PERSONAL, 0.5, at=1))
    later = 1 + 10 * WEEK_MS
    facts = learned(facts, Fact("likes tea", PERSONAL, 0.3, at=later))
    assert facts[0].confidence_at(later) == 0.5


def test_a_clock_that_runs_back_makes_no_fact_surer() -> None:
    assert Fact("likes tea", PERSONAL, 0.5, at=5 * WEEK_MS).confidence_at(0) == 0.5


def test_the_fact_of_least_confidence_and_recency_goes() -> None:
    old = Fact("old and sure", PERSONAL, 0.9, at=0)
    fresh = Fact("fresh and doubtful", PERSONAL, 0.3, at=4 * WEEK_MS)
    new = Fact("new", PERSONAL, 0.1, at=4 * WEEK_MS)
    assert learned((old, fresh), new, 2) == (fresh, new)


@laws
@given(facts_of, st.integers(1, 5))
def test_facts_never_outgrow_their_cap_and_are_never_twice_there(
    heard: list[Fact], capacity: int
) -> None:
    facts: tuple[Fact, ...] = ()
    for one in heard:
        facts = learned(facts, one, capacity)
        assert len(facts) <= capacity
        same = [
            known
            for known in facts
            if known.category == one.category
            and known.fact.casefold().split() == one.fact.casefold().split()
        ]
        assert len(same) == 1
        assert same[0].confidence >= one.confidence
