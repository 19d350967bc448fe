"""What an NPC tells of a learner."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holodeck.actors.decider import Moment
from holodeck.actors.npc.briefing import brief, saved, saved_memories
from holodeck.actors.npc.decider import NpcState
from holodeck.actors.npc.memory import Fact, Memory
from holodeck.actors.npc.relation import Bond, Debrief, Incident, Relation, relation
from holodeck.actors.npc.standing import WEEK_MS
from holodeck.messages.codec import pack, unpack
from holodeck.messages.conversation import (
    FactCategory,
    KnownFact,
    Mood,
    NPCBriefing,
    OpenMatter,
    ProfessionalKind,
    ProfessionalOutcome,
    SavedRelationship,
)
from holodeck.messages.session import NpcParted, TurnTaken
from holodeck.messages.talk import MoodChanged, NpcBrief, Parting, ProfessionalRecorded
from tests.messages.strategies import any_of

MARTA = NpcState(name="Marta", role="waiter", personality="dry", tier=2)
NOW = 10**12
laws = settings(max_examples=100, deadline=None)


def told(state: Relation, at: int = NOW, recalled: list[int] | None = None) -> NPCBriefing:
    return brief(MARTA, "marta", state, at, recalled).briefing


def remembering(*memories: Memory) -> Relation:
    return Relation(bond=Bond(memories=memories))


def knowing(*facts: Fact) -> Relation:
    return Relation(bond=Bond(facts=facts))


def test_a_stranger_is_briefed_with_who_the_npc_is_and_nothing_else() -> None:
    made = brief(NpcState(), "marta", Relation(), NOW)
    assert made == NpcBrief(briefing=NPCBriefing(npc_id="marta"))
    assert told(Relation()) == NPCBriefing(npc_id="marta", role="waiter", tier=2, personality="dry")


def test_a_standing_is_told_as_it_has_faded_by_then() -> None:
    state = Relation(reputation=0.7, begun=True, interactions=9, sessions=2, last_at=NOW)
    made = brief(MARTA, "marta", state, NOW + 2 * WEEK_MS)
    assert made.briefing.reputation_score == 0.5
    assert (made.met, made.interactions, made.sessions) == (True, 9, 2)
    assert state.reputation == 0.7


def test_the_eight_surest_facts_are_told_and_none_that_is_forgotten() -> None:
    facts = [
        Fact(f"no. {n}", FactCategory.PERSONAL, confidence=n / 20, since=NOW, at=NOW)
        for n in range(11)
    ]
    state = knowing(*facts)
    assert [one.fact for one in told(state).remembered_facts] == [
        f"no. {n}" for n in range(10, 2, -1)
    ]
    later = told(state, NOW + 20 * WEEK_MS).remembered_facts
    assert later == (
        KnownFact(fact="no. 10", confidence=0.1),
        KnownFact(fact="no. 9", confidence=0.05),
    )


def test_a_fact_that_was_heard_lately_goes_before_one_that_was_surer_once() -> None:
    old = Fact("old", FactCategory.EVENT, 0.9, at=NOW - 20 * WEEK_MS)
    new = Fact("new", FactCategory.EVENT, 0.6, at=NOW)
    assert [one.fact for one in told(knowing(old, new)).remembered_facts] == ["new", "old"]


def test_only_what_is_unresolved_is_told_the_newest_first() -> None:
    incidents = (
        Incident("i1", "too loud", -0.2),
        Incident("i2", "too late", -0.1, resolved=True, resolution="sorry"),
        Incident("i3", "too rude", -0.3),
    )
    state = Relation(bond=Bond(incidents=incidents))
    assert told(state).unresolved_events == (
        OpenMatter(description="too rude", impact=-0.3),
        OpenMatter(description="too loud", impact=-0.2),
    )


def test_a_negotiation_that_broke_off_is_an_open_matter() -> None:
    state = Relation(bond=Bond(debrief=Debrief("sess_1", 4, "aggression", NOW)))
    (matter,) = told(state).unresolved_events
    assert matter.impact == -0.5
    assert "the learner grew angry" in matter.description


def test_without_recall_the_newest_three_are_told_and_the_two_weightiest_others() -> None:
    weights = [0.9, 0.1, 0.8, 0.85, 0.2, 0.1, 0.1]
    memories = [Memory(n, f"no. {n}", weight) for n, weight in enumerate(weights, 1)]
    state = remembering(*memories)
    made = brief(MARTA, "marta", state, NOW)
    assert made.recalled == (7, 6, 5, 1, 4)
    assert made.briefing.recent_vector_memories == tuple(f"no. {n}" for n in made.recalled)


def test_what_was_recalled_is_told_in_that_order_and_no_index_twice_or_out_of_range() -> None:
    state = remembering(*(Memory(n, f"no. {n}") for n in range(1, 9)))
    assert brief(MARTA, "marta", state, NOW, [5, 0, 5, 99, -1]).recalled == (6, 1)
    assert brief(MARTA, "marta", state, NOW, []).recalled == ()


def test_at_most_twenty_memories_are_told() -> None:
    state = remembering(*(Memory(n, "x") for n in range(1, 41)))
    assert len(brief(MARTA, "marta", state, NOW, list(range(40))).recalled) == 20


def test_a_briefing_made_of_a_parting_says_which_memory_it_told() -> None:
    """What is recalled once is heavier when it is recalled again."""
    state = Relation()
    made: tuple[int, ...] = ()
    for number in (1, 2):
        event = _parted(f"no. {number}", made)
        state = relation.fold(state, [event], Moment(number, NOW, f"sess_{number}", "ana"))
        made = brief(MARTA, "marta", state, NOW).recalled
    assert [(one.number, one.recalls) for one in state.memories] == [(1, 1), (2, 0)]


def _parted(memory: str, recalled: tuple[int, ...]) -> NpcParted:
    return NpcParted(npc="marta", turns=1, parting=Parting(memory=memory, recalled=recalled))


@pytest.mark.parametrize(("minutes", "mood"), [(0, Mood.COLD), (9.9, Mood.COLD), (10, "neutral")])
def test_a_mood_is_told_until_it_is_over(minutes: float, mood: str) -> None:
    event = MoodChanged(npc="marta", turn=1, mood=Mood.COLD, before=Mood.NEUTRAL, trigger="x")
    state = relation.fold(Relation(), [event], Moment(1, NOW))
    assert brief(MARTA, "marta", state, NOW + int(minutes * 60_000)).mood == mood


# --- to be saved ----------------------------------------


def test_a_relation_is_saved_as_users_know_it() -> None:
    line = ProfessionalRecorded(
        npc="marta",
        type=ProfessionalKind.COMMITMENT,
        description="to be on time",
        outcome=ProfessionalOutcome.NEGATIVE,
    )
    state = relation.fold(
        knowing(Fact("has two cats", FactCategory.PERSONAL, 0.8, at=NOW)),
        [TurnTaken(turn=1, npc="marta", text="hola", base=0.3), line],
        Moment(1, NOW, "sess_1", "ana"),
    )
    assert saved(state, NOW).outside() == {
        "reputationScore": 0.3,
        "rememberedFacts": [{"fact": "has two cats", "confidence": 0.8}],
        "unresolvedEvents": [],
        "professionalHistory": [
            {
                "type": "commitment",
                "description": "to be on time",
                "timestamp": "2001-09-09T01:46:40.000+00:00",
                "outcome": "negative",
            }
        ],
        "interactionCount": 1,
        "lastInteractionAt": "2001-09-09T01:46:40.000+00:00",
    }


def test_an_incident_is_saved_with_how_it_was_put_right() -> None:
    incident = Incident("i1", "too loud", -0.2, at=NOW, resolved=True, resolution="sorry")
    (event,) = saved(Relation(bond=Bond(incidents=(incident,))), NOW).unresolved_events
    assert (event.event_id, event.resolved, event.resolution) == ("i1", True, "sorry")
    assert (event.reputation_impact, event.created_at) == (-0.2, "2001-09-09T01:46:40.000+00:00")


def test_memories_are_saved_without_a_vector() -> None:
    (memory,) = saved_memories("marta", remembering(Memory(1, "tea", 0.9, -0.5)))
    assert (memory.npc_id, memory.content, memory.embedding) == ("marta", "tea", ())
    assert (memory.importance, memory.emotional_valence) == (0.9, -0.5)


# --- laws ----------------------------------------


@laws
@given(
    st.lists(any_of(relation.changes), max_size=60),
    st.integers(0, 100 * WEEK_MS),
    st.none() | st.lists(st.integers(-3, 70), max_size=30),
)
def test_whatever_happened_the_npc_can_be_asked_and_changes_by_it_in_nothing(
    events: list[Any], later: int, recalled: list[int] | None
) -> None:
    state = Relation()
    for number, event in enumerate(events, 1):
        state = relation.evolve(state, event, Moment(number, NOW + number, "sess_1", "ana"))
    before = state.copy()
    made = brief(MARTA, "marta", state, NOW + later, recalled)
    kept = saved(state, NOW + later)
    assert state == before
    assert kept.reputation_score == made.briefing.reputation_score
    raw = unpack(pack(made.model_dump(mode="json", exclude_defaults=True)))
    assert NpcBrief.model_validate(raw) == made
    assert SavedRelationship.model_validate(kept.outside()) == kept
