"""A session as it stands, in the users' own terms.

One law: whatever prefix of the checkpoints it is asked of, the answer is the state as it was then.
A turn's index is its place among all turns of the session, either side's, from 0.
"""

from __future__ import annotations

from collections.abc import Iterable

from holodeck.actors.session.talk.metrics import comprehensibility, running_rate
from holodeck.actors.session.talk.record import Record, Step, as_tier, iso, read
from holodeck.messages.conversation import (
    ActiveConversation,
    ActiveSession,
    ActiveSessionState,
    Affect,
    DetectedFriction,
    FrictionMonitor,
    LiveInjection,
    LiveRefraction,
    LiveReputation,
    OpennessTracking,
    OpennessViolation,
    PronunciationMonitor,
)


def active(session: str, steps: Iterable[Step], now: int | None = None) -> ActiveSessionState:
    """The state of a session.

    Args:
        session: its id.
        steps: its checkpoints, the first one first, up to any of them.
        now: ms since 1970 UTC, what the friction rate is worked out for; None: when the last of
            them was made.

    Raises:
        RefusedError: ``unknown-session``, its start is not among them.
    """
    record = read(steps)
    started = record.started
    assert started is not None
    return ActiveSessionState(
        session=ActiveSession(
            id=session,
            learner_id=started.learner,
            persona_schema_id="" if started.context is None else started.context.persona.id,
            started_at=iso(record.started_at),
            current_tier=as_tier(record.tier),
            current_location_id=record.location,
            current_npc_id=record.npc,
        ),
        conversation=ActiveConversation(
            turn_count=len(record.said),
            turns=record.turns(range(len(record.said))),
            current_topic_id=record.topic,
            topics_discussed=tuple(record.topics),
        ),
        friction_monitor=_monitor(record, now),
        pronunciation=_pronunciation(record),
        injection_status=tuple(
            LiveInjection(target_form=form, status=status, npc_id=npc)
            for form, (status, npc) in record.injections.items()
        ),
        reputation_deltas=tuple(
            LiveReputation(
                npc_id=event.npc, delta=event.delta, reason=event.reason, turn_index=index
            )
            for event, index in record.moved
        ),
        refraction_sessions=tuple(
            LiveRefraction(
                trigger_turn_index=one.index,
                selected_level=one.level,
                pronunciation_attempted=one.attempted,
                used_in_conversation=one.used,
            )
            for one in record.refractions.values()
        ),
        openness_tracking=_openness(record),
    )


def _monitor(record: Record, now: int | None) -> FrictionMonitor:
    ms = record.active_ms
    if now is not None and record.ended is None:
        ms = record.active_until(now)
    return FrictionMonitor(
        detected_frictions=tuple(
            DetectedFriction(
                turn_index=one.index,
                type=one.event.type,
                severity=one.level,
                timestamp=iso(one.at),
            )
            for one in record.struggles
        ),
        current_friction_rate=running_rate(len(record.struggles), ms),
        intervention_needed=record.intervention,
        current_affective_state=record.affect or Affect.NEUTRAL,
    )


def _pronunciation(record: Record) -> PronunciationMonitor:
    return PronunciationMonitor(
        utterances_analyzed=len(record.heard),
        average_comprehensibility=comprehensibility(
            [event.comprehensibility for event in record.heard]
        ),
        phoneme_issues_detected=tuple(
            dict.fromkeys(issue for event in record.heard for issue in event.issues)
        ),
    )


def _openness(record: Record) -> dict[str, OpennessTracking] | None:
    """None where nobody of the cast can break off."""
    if not record.openness:
        return None
    return {
        npc: OpennessTracking(
            current_score=one.score,
            violations=tuple(
                OpennessViolation(description=description, penalty=penalty)
                for description, penalty in one.violations
            ),
            collapsed=one.collapsed,
        )
        for npc, one in record.openness.items()
    }
