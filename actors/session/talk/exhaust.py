"""What a session came to, once it has ended: everything the macro loop and the NPCs take from it.

One law: it is worked out from the session's checkpoints alone, and reading them again gives the
same. A turn's index is its place among all turns of the session, either side's, from 0.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from functools import reduce
from typing import Final

from holodeck.actors.npc.standing import turned
from holodeck.actors.session.talk.metrics import measured
from holodeck.actors.session.talk.record import Record, Step, Struggle, iso, read
from holodeck.actors.session.talk.record import recovers as recovers
from holodeck.messages.conversation import (
    AppliedDelta,
    InjectionResult,
    InjectionStatus,
    NewMemory,
    PostSessionExhaust,
    PronunciationSessionData,
    RawFriction,
    RefractionOutcome,
    ReputationUpdate,
    SessionConversation,
    SessionRecord,
    Tier,
)
from holodeck.messages.errors import RefusedError

WINDOW: Final = 3
"""Turns of the conversation kept before and after a friction."""


def exhaust(session: str, steps: Iterable[Step]) -> PostSessionExhaust:
    """Everything a session came to.

    Args:
        session: its id.
        steps: all its checkpoints, the first one first; those behind its end tell how further
            NPCs parted with the learner. Of a rehearsal: its parent's up to the fork before its
            own.

    Raises:
        RefusedError: ``unknown-session``, its start is not among them; ``not-ended``, its end is
            not.
    """
    record = read(steps)
    if record.ended is None:
        raise RefusedError("not-ended", session)
    return PostSessionExhaust(
        session_record=_session_record(session, record),
        raw_friction_detections=tuple(_friction(record, one) for one in record.struggles),
        reputation_updates=_reputations(record),
        new_memories=_memories(record),
        injection_results=tuple(
            injection_result(form, status) for form, (status, _) in record.injections.items()
        ),
        refraction_data=tuple(
            RefractionOutcome(
                selected_level=one.level,
                pronunciation_attempted=one.attempted,
                accuracy=one.accuracy,
                used_in_conversation=one.used,
            )
            for one in record.refractions.values()
        ),
    )


def injection_result(form: str, status: InjectionStatus) -> InjectionResult:
    """How a forward injection came out: it was executed once there was an opportunity."""
    used = status is InjectionStatus.USED
    return InjectionResult(
        target_form=form,
        executed=used or status is InjectionStatus.OPPORTUNITY,
        learner_used_target_form=used,
    )


def standing(began_at: float, deltas: Iterable[float]) -> float:
    """A standing after its changes, each held to -0.5 to 1 before the next one comes."""
    return reduce(turned, deltas, began_at)


def _session_record(session: str, record: Record) -> SessionRecord:
    started, ended = record.started, record.ended
    assert started is not None
    assert ended is not None
    return SessionRecord(
        session_id=session,
        learner_id=started.learner,
        persona_schema_id="" if started.context is None else started.context.persona.id,
        active_tiers=_tiers(record),
        started_at=iso(record.started_at),
        ended_at=iso(record.ended_at),
        duration_minutes=round(ended.active_ms / 60_000, 6),
        end_reason=ended.reason.value,
        conversations=tuple(
            SessionConversation(
                npc_id=one.npc,
                location_id=one.location,
                tier=record.tier_of(one.npc),
                turns=record.turns(one.places),
                outcome=one.outcome,
            )
            for one in record.meetings.values()
        ),
        pronunciation_data=tuple(
            PronunciationSessionData(
                target_phrase=event.target_phrase,
                phoneme_results=event.phonemes,
                comprehensibility_score=event.comprehensibility,
            )
            for event in record.heard
        ),
        metrics=measured(record),
    )


def _tiers(record: Record) -> tuple[Tier, ...]:
    """Those the learner spoke in; none in a session without a persona."""
    spoken = {said.taken.tier for said in record.said if said.taken is not None}
    tiers: tuple[Tier, ...] = (1, 2, 3)
    return tuple(tier for tier in tiers if tier in spoken)


def _friction(record: Record, struggle: Struggle) -> RawFriction:
    event = struggle.event
    meeting = record.meetings.get(struggle.npc)
    window: tuple[int, ...] = ()
    if meeting is not None and event.turn in record.places:
        places = meeting.places
        before = bisect_left(places, struggle.index)
        window = tuple(places[max(0, before - WINDOW) : before + WINDOW + 1])
    told = record.said[struggle.index].text if event.turn in record.places else event.said
    return RawFriction(
        turn_index=struggle.index,
        type=event.type,
        severity=struggle.level,
        raw_utterance=told,
        context_window=record.turns(window),
    )


def _reputations(record: Record) -> tuple[ReputationUpdate, ...]:
    deltas: dict[str, list[AppliedDelta]] = {}
    for event, _ in record.moved:
        applied = AppliedDelta(delta=event.delta, reason=event.reason)
        deltas.setdefault(event.npc, []).append(applied)
    return tuple(
        ReputationUpdate(
            npc_id=npc,
            new_score=standing(record.began_at(npc), (one.delta for one in applied)),
            deltas=tuple(applied),
        )
        for npc, applied in deltas.items()
    )


def _memories(record: Record) -> tuple[NewMemory, ...]:
    return tuple(
        NewMemory(
            npc_id=one.npc,
            content=one.parting.memory,
            emotional_valence=one.parting.valence,
            importance=one.parting.importance,
        )
        for one in record.meetings.values()
        if one.parting is not None and one.parting.memory
    )
