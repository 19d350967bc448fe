"""What is carried into a conversation: learner, NPCs and persona put together before it starts.

One law: the same answers give the same context and stage, and both together stay below 48 KiB,
whatever anybody told; what is cut is words and numbers of things, never a name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from holodeck.actors.session.talk.affect import PRESSURE_RANGE
from holodeck.messages.codec import pack
from holodeck.messages.conversation import (
    ContextInjection,
    ContextLearner,
    ContextPersona,
    ForwardInjectionSpec,
    KnownFact,
    NPCBriefing,
    OpenMatter,
    PreSessionContext,
    Tier,
    VocabularyDomain,
)
from holodeck.messages.errors import RefusedError
from holodeck.messages.persona import Cast, Objective, Persona
from holodeck.messages.session import CastMember
from holodeck.messages.talk import (
    AnalysisKind,
    Character,
    DueInjection,
    LearnerBrief,
    NpcBrief,
    Stage,
)

LIMIT: Final = 48 * 1024
"""Bytes of context and stage together, as msgpack."""
LIVE_INJECTIONS: Final = 3
"""How many forward injections one session tries."""
FRICTION_AREAS: Final = 3
PHONEMES: Final = 8
INACTIVITY_MS: Final = 300_000
OVERTIME: Final = 1.5
"""A session may take this many times what the learner prefers."""
LOWER_QUARTILE: Final = 0.25
CUE: Final = 2000


@dataclass(frozen=True, slots=True)
class _Room:
    """How much of everything there is room for.

    Attributes:
        text: bytes of one text in UTF-8.
        goals: objectives of one NPC; objectives: of the whole context.
        targets: NPCs of one injection.
    """

    text: int
    facts: int
    matters: int
    memories: int
    domains: int
    objectives: int
    goals: int = 8
    targets: int = 32


_ROOMS: Final = (
    _Room(text=2000, facts=8, matters=8, memories=20, domains=32, objectives=32),
    _Room(text=500, facts=8, matters=6, memories=10, domains=32, objectives=32),
    _Room(text=240, facts=6, matters=4, memories=5, domains=16, objectives=16),
    _Room(text=120, facts=4, matters=3, memories=3, domains=16, objectives=8, targets=16),
    _Room(text=60, facts=2, matters=2, memories=2, domains=8, objectives=4, goals=4, targets=8),
    _Room(text=40, facts=1, matters=1, memories=1, domains=8, objectives=4, goals=4, targets=4),
    _Room(text=16, facts=0, matters=0, memories=0, domains=4, objectives=2, goals=2, targets=2),
)
"""The first in which everything fits is taken; in the last one everything does."""


@dataclass(frozen=True, slots=True)
class _Due:
    """An injection this session tries, and the NPCs of the cast that may make the opening."""

    spec: ForwardInjectionSpec
    attempts: int
    npcs: tuple[str, ...]


# --- who takes part ----------------------------------------


def cast_of(persona: Persona, wanted: tuple[CastMember, ...]) -> tuple[CastMember, ...]:
    """The cast of a session in a persona's world; nobody wanted is everybody there.

    Raises:
        RefusedError: ``unknown-npc``: one of them is of another world.
    """
    if not wanted:
        return tuple(CastMember(npc=one.id) for one in persona.npcs)
    for member in wanted:
        if persona.npc(member.npc) is None:
            raise RefusedError("unknown-npc", f"{member.npc} is not in {persona.id}")
    return wanted


def cue(persona: Persona, injections: Sequence[ForwardInjectionSpec]) -> str:
    """What memories are recalled by: what the session will be about, up to 2000 characters."""
    told = (
        *(f"{spec.target_form} {spec.injection_method}" for spec in injections),
        persona.domain,
        persona.objective,
        *(f"{one.title} {one.stakes}".strip() for one in persona.scenarios),
        *(domain.name.replace("-", " ") for domain in persona.vocabulary),
    )
    return ". ".join(part for part in told if part)[:CUE]


# --- what is carried in ----------------------------------------


def assemble(
    persona: Persona,
    learner: LearnerBrief,
    briefs: Mapping[str, NpcBrief],
    cast: Sequence[CastMember],
    analysis: AnalysisKind = AnalysisKind.NONE,
    ladder: bool = False,
) -> tuple[PreSessionContext, Stage]:
    """The context of a session, and the numbers its turns are decided by.

    - Objectives are those of the cast's scenarios the learner has not reached.
    - Injections: the first three the learner is due that somebody of the cast can make an opening
      for. One whose targets are not in the persona, or that has none, goes to the cast's NPCs of
      its tier, else to the first of the cast.
    - A standing is what the NPC told if it has begun, else where the persona has it begin.
    - Pressure is the learner's, within the band of the gentlest tier of the cast; with soft landing
      in that band's lower quartile.

    Args:
        briefs: by NPC; one that is not there was never met.
        cast: of the persona, see :func:`cast_of`; at least one.

    Returns:
        Together below 48 KiB as msgpack: texts and lists are cut as far as it takes, names of
        forms, NPCs and places are not.
    """
    people = [one for member in cast if (one := persona.npc(member.npc)) is not None]
    due = _due(persona, learner, people)
    for room in _ROOMS:
        context = _context(persona, learner, briefs, people, due, room)
        stage = _stage(persona, learner, briefs, people, due, room, analysis, ladder)
        if _size(context) + _size(stage) < LIMIT:
            break
    return context, stage


def _size(part: PreSessionContext | Stage) -> int:
    """As it is stored."""
    return len(pack(part.model_dump(exclude_defaults=True)))


def _due(persona: Persona, learner: LearnerBrief, people: Sequence[Cast]) -> list[_Due]:
    due = []
    for index, spec in enumerate(learner.injections):
        attempts = learner.attempts[index] if index < len(learner.attempts) else 0
        npcs = _openers(persona, spec, people)
        if npcs:
            due.append(_Due(spec, attempts, npcs))
    return due[:LIVE_INJECTIONS]


def _openers(
    persona: Persona, spec: ForwardInjectionSpec, people: Sequence[Cast]
) -> tuple[str, ...]:
    """Who of the cast may make the opening; nobody if its targets are elsewhere in this world."""
    here = {one.id for one in persona.npcs}
    targets = {npc for npc in spec.target_npc_ids if npc in here}
    if targets:
        return tuple(one.id for one in people if one.id in targets)
    of_tier = tuple(one.id for one in people if one.tier == spec.target_tier)
    return of_tier or tuple(one.id for one in people[:1])


def _open(persona: Persona, npc: str, reached: Sequence[str]) -> list[Objective]:
    """What is still to be reached with an NPC."""
    return [
        objective
        for scenario in persona.scenarios_of(npc)
        for objective in scenario.objectives
        if objective.id not in reached
    ]


def _context(
    persona: Persona,
    learner: LearnerBrief,
    briefs: Mapping[str, NpcBrief],
    people: Sequence[Cast],
    due: Sequence[_Due],
    room: _Room,
) -> PreSessionContext:
    titles = dict.fromkeys(
        _cut(one.title, room)
        for person in people
        for one in _open(persona, person.id, learner.reached)
    )
    return PreSessionContext(
        learner=_learner(learner.learner, room),
        persona=ContextPersona(
            id=persona.id,
            domain=_cut(persona.domain, room),
            target_language=persona.target_language,
            native_language=persona.native_language,
            vocabulary_domains=tuple(
                VocabularyDomain(name=one.name, priority=one.priority)
                for one in persona.vocabulary[: room.domains]
            ),
        ),
        npc_briefings={
            one.id: _briefing(persona, one, briefs.get(one.id), due, room) for one in people
        },
        injections=tuple(
            ContextInjection(
                target_form=one.spec.target_form,
                method=_cut(_method(persona, one.spec), room),
                target_npc_ids=one.npcs[: room.targets],
                naturality_constraint=_cut(_naturality(persona, one.spec), room),
            )
            for one in due
        ),
        recommended_tier=learner.recommended_tier,
        objectives=tuple(titles)[: room.objectives],
    )


def _learner(learner: ContextLearner, room: _Room) -> ContextLearner:
    return learner.model_copy(
        update={
            "top_friction_areas": learner.top_friction_areas[:FRICTION_AREAS],
            "phoneme_priorities": tuple(
                _cut(one, room) for one in learner.phoneme_priorities[:PHONEMES]
            ),
        }
    )


def _briefing(
    persona: Persona, person: Cast, brief: NpcBrief | None, due: Sequence[_Due], room: _Room
) -> NPCBriefing:
    told = brief.briefing if brief is not None else NPCBriefing(npc_id=person.id)
    return NPCBriefing(
        npc_id=person.id,
        role=_cut(person.role, room),
        tier=person.tier,
        personality=_cut(person.personality, room),
        reputation_score=_standing(person, brief),
        remembered_facts=tuple(
            KnownFact(fact=_cut(one.fact, room), confidence=one.confidence)
            for one in told.remembered_facts[: room.facts]
        ),
        unresolved_events=tuple(
            OpenMatter(description=_cut(one.description, room), impact=one.impact)
            for one in told.unresolved_events[: room.matters]
        ),
        recent_vector_memories=tuple(
            _cut(one, room) for one in told.recent_vector_memories[: room.memories]
        ),
        injection_directives=tuple(
            _cut(_directive(persona, one.spec), room) for one in due if person.id in one.npcs
        ),
        openness_score=told.openness_score,
    )


def _standing(person: Cast, brief: NpcBrief | None) -> float:
    if brief is not None and brief.met:
        return brief.briefing.reputation_score
    return person.initial_reputation


def _method(persona: Persona, spec: ForwardInjectionSpec) -> str:
    """The spec's own; where it says nothing, the persona's for that form."""
    rule = persona.rule(spec.target_form)
    return spec.injection_method or (rule.method if rule is not None else "")


def _naturality(persona: Persona, spec: ForwardInjectionSpec) -> str:
    rule = persona.rule(spec.target_form)
    return spec.naturality_constraint or (rule.naturality if rule is not None else "")


def _directive(persona: Persona, spec: ForwardInjectionSpec) -> str:
    """What an NPC is asked to do, in words."""
    method, naturality = _method(persona, spec), _naturality(persona, spec)
    told = f"Make “{spec.target_form}” needed"
    told += f": {method}" if method else "."
    return f"{told} ({naturality})" if naturality else told


def _stage(
    persona: Persona,
    learner: LearnerBrief,
    briefs: Mapping[str, NpcBrief],
    people: Sequence[Cast],
    due: Sequence[_Due],
    room: _Room,
    analysis: AnalysisKind,
    ladder: bool,
) -> Stage:
    minutes = learner.preferred_minutes or persona.preferred_minutes
    return Stage(
        native=persona.native_language,
        target=persona.target_language,
        cefr=learner.learner.cefr,
        characters=tuple(
            _character(persona, one, briefs.get(one.id), learner.reached, room) for one in people
        ),
        baseline=learner.baseline,
        injections=tuple(
            DueInjection(
                form=one.spec.target_form,
                type=one.spec.friction_type,
                method=_cut(_method(persona, one.spec), room),
                naturality=_cut(_naturality(persona, one.spec), room),
                npcs=one.npcs[: room.targets],
                attempts=one.attempts,
            )
            for one in due
        ),
        pressure=_pressure(learner, people),
        tier3_sessions=learner.tier3_sessions,
        limit_ms=round(OVERTIME * minutes * 60_000),
        inactivity_ms=INACTIVITY_MS,
        ladder=ladder,
        locations=tuple(one.id for one in persona.locations),
        landing=learner.landing,
        analysis=analysis,
    )


def _character(
    persona: Persona,
    person: Cast,
    brief: NpcBrief | None,
    reached: Sequence[str],
    room: _Room,
) -> Character:
    met = brief is not None and brief.met
    return Character(
        npc=person.id,
        name=_cut(person.name, room),
        tier=person.tier,
        traits=person.traits,
        culture=person.culture,
        patience=person.patience,
        register_level=person.register_level,
        openness_enabled=person.openness_enabled,
        reputation=_standing(person, brief),
        mood=brief.mood if brief is not None and met else person.initial_mood,
        objectives=tuple(
            dict.fromkeys(one.id for one in _open(persona, person.id, reached)[: room.goals])
        ),
        memories=brief.recalled[: room.memories] if brief is not None else (),
    )


def _pressure(learner: LearnerBrief, people: Sequence[Cast]) -> float:
    gentlest: Tier = min((one.tier for one in people), default=1)
    low, high = PRESSURE_RANGE[gentlest]
    if learner.landing:
        high = low + LOWER_QUARTILE * (high - low)
    return round(min(high, max(low, learner.pressure)), 6)


def _cut(text: str, room: _Room) -> str:
    """As much of a text as there is room for, at most 500 characters."""
    if len(text) * 4 <= room.text:
        return text
    return text.encode()[: room.text].decode(errors="ignore")[:500]
