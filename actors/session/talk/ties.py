"""What ties learner and NPC beyond single turns: facts, goals, incidents, how they part.

One law: whatever moves a standing says why, and a thing is rewarded once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from holodeck.actors.decider import Moment
from holodeck.actors.npc.behaviour import decayed, mood_after
from holodeck.actors.session.state import SessionState
from holodeck.actors.session.talk.state import MANY, Standing, Talk
from holodeck.messages.conversation import Affect, ConversationOutcome, Mood
from holodeck.messages.errors import RefusedError
from holodeck.messages.session import (
    EndReason,
    NpcParted,
    ReputationChanged,
    SessionEvent,
)
from holodeck.messages.talk import (
    Character,
    CloseConversation,
    ConversationClosed,
    FactLearned,
    GoalReached,
    IncidentArose,
    IncidentResolved,
    MoodChanged,
    Parting,
    ProfessionalRecorded,
    ReachGoal,
    RecordProfessional,
    RememberFact,
    ResolveIncident,
)

GOAL: Final = 0.10
REPAIR: Final = 0.10
FLOOR: Final = -0.5
CEILING: Final = 1.0
TICK_MS: Final = 60_000
"""A mood's tick: a full minute without a word between the two."""
FEELING: Final[dict[Affect, float]] = {
    Affect.CONFIDENT: 0.3,
    Affect.ENGAGED: 0.2,
    Affect.NEUTRAL: 0.0,
    Affect.UNCERTAIN: -0.1,
    Affect.FRUSTRATED: -0.3,
    Affect.ANXIOUS: -0.3,
    Affect.WITHDRAWN: -0.25,
}
"""What the learner's last state adds to the tone of a memory."""
_FACTS: Final = 3
_MEMORY: Final = 500


def who(talk: Talk, npc: str) -> Character:
    """
    Raises:
        RefusedError: ``unknown-npc``, it is of another world.
    """
    found = talk.character(npc)
    if found is None:
        raise RefusedError("unknown-npc", npc)
    return found


def clamped(reputation: float) -> float:
    """A standing, -0.5 to 1, rounded to 6 digits."""
    if reputation <= FLOOR:
        return FLOOR
    return CEILING if reputation >= CEILING else round(reputation, 6)


def moved(
    npc: str, standing: Standing | None, delta: float, reason: str, turn: int
) -> ReputationChanged:
    """One move of a standing, with where it begins if these two never met."""
    base = standing.began or None if standing is not None else None
    return ReputationChanged(npc=npc, delta=delta, reason=reason, turn=turn, base=base)


def mood_now(standing: Standing, now: int) -> Mood:
    """The mood as it is by now; it fades while the two say nothing to each other."""
    if not standing.seen_at or standing.mood is Mood.NEUTRAL:
        return standing.mood
    return decayed(standing.mood, max(0, now - standing.seen_at) // TICK_MS)


def mooded(
    character: Character, standing: Standing, now: int, trigger: str, turn: int
) -> MoodChanged | None:
    """The mood something puts an NPC in; None: the one it is in already."""
    before, after = mood_now(standing, now), mood_after(trigger, character.traits)
    if before is after:
        return None
    return MoodChanged(npc=character.npc, turn=turn, mood=after, before=before, trigger=trigger)


# --- decide ----------------------------------------


def remember(state: SessionState, command: RememberFact) -> Sequence[SessionEvent]:
    fact = command.fact
    return (
        FactLearned(
            npc=command.npc,
            fact=fact.fact,
            category=fact.category,
            confidence=fact.confidence,
            turn=state.turns,
        ),
    )


def reach(state: SessionState, talk: Talk, command: ReachGoal) -> Sequence[SessionEvent]:
    """
    Raises:
        RefusedError: ``unknown-objective``, the NPC has objectives and this is none of them;
            ``session-full``, there are 64 already.
    """
    objectives = who(talk, command.npc).objectives
    if objectives and command.objective not in objectives:
        raise RefusedError("unknown-objective", command.objective)
    standing = talk.standings[command.npc]
    if command.objective in standing.goals:
        return ()
    if len(standing.goals) >= MANY:
        raise RefusedError("session-full", f"at most {MANY} goals are reached with an NPC")
    return gained(command.npc, standing, command.objective, state.turns)


def gained(
    npc: str, standing: Standing, objective: str, turn: int
) -> tuple[GoalReached, ReputationChanged]:
    return (
        GoalReached(npc=npc, objective=objective, turn=turn),
        moved(npc, standing, GOAL, "goal reached", turn),
    )


def heard_goals(
    character: Character, standing: Standing, reached: Sequence[str], turn: int
) -> list[SessionEvent]:
    """The objectives of an NPC that a turn to it reached, each once."""
    events: list[SessionEvent] = []
    left = MANY - len(standing.goals)
    for objective in reached:
        fresh = objective in character.objectives and objective not in standing.goals
        if fresh and left > 0:
            left -= 1
            events += gained(character.npc, standing, objective, turn)
    return events


def close(state: SessionState, command: CloseConversation) -> Sequence[SessionEvent]:
    standing = state.talk.standings.get(command.npc) if state.talk is not None else None
    if standing is not None and standing.outcome is command.outcome:
        return ()
    return (ConversationClosed(npc=command.npc, outcome=command.outcome),)


def resolve(
    state: SessionState, talk: Talk, command: ResolveIncident, now: int
) -> Sequence[SessionEvent]:
    """An incident of this session goes by its id; one of an earlier session, which the briefing
    tells of, by its description.

    Raises:
        RefusedError: ``unknown-incident``, the NPC holds no such thing against the learner.
    """
    character, standing = who(talk, command.npc), talk.standings[command.npc]
    if command.incident in standing.resolved:
        return ()
    briefing = talk.context.npc_briefings.get(command.npc) if talk.context is not None else None
    earlier = briefing.unresolved_events if briefing is not None else ()
    if command.incident not in standing.incidents and all(
        one.description != command.incident for one in earlier
    ):
        raise RefusedError("unknown-incident", command.incident)
    turn = state.turns
    events: list[SessionEvent] = [
        IncidentResolved(npc=command.npc, incident=command.incident, resolution=command.resolution),
        moved(command.npc, standing, REPAIR, "incident put right", turn),
    ]
    mood = mooded(character, standing, now, "repair-attempt", turn)
    if mood is not None:
        events.append(mood)
    return events


def record(state: SessionState, command: RecordProfessional) -> Sequence[SessionEvent]:
    return (
        ProfessionalRecorded(
            npc=command.npc,
            type=command.type,
            description=command.description,
            outcome=command.outcome,
            turn=state.turns,
        ),
    )


# --- how they part ----------------------------------------


def parted(state: SessionState, npc: str, reason: EndReason | None) -> NpcParted:
    """The end of a session for one NPC; with what it keeps, where the session had a world."""
    talk, turns = state.talk, state.met.get(npc, 0)
    standing = talk.standings.get(npc) if talk is not None else None
    if talk is None or standing is None:
        return NpcParted(npc=npc, turns=turns)
    character = talk.character(npc)
    outcome = standing.outcome or came_out(standing, character, turns, reason)
    failed = standing.collapsed or outcome in _FAILURES
    valence = 2 * (standing.reputation - standing.began) + FEELING[standing.affect]
    return NpcParted(
        npc=npc,
        turns=turns,
        parting=Parting(
            outcome=outcome,
            tier=standing.tier,
            memory=memory(standing, turns, outcome),
            valence=round(min(1.0, max(-1.0, valence)), 6),
            importance=0.9 if failed else 0.6,
            openness=standing.openness / 10 if standing.tier == 3 else None,
            recalled=character.memories if character is not None else (),
        ),
    )


_FAILURES: Final = (ConversationOutcome.FRICTION, ConversationOutcome.NPC_ENDED)
_CUT_SHORT: Final = (EndReason.INACTIVITY_TIMEOUT, EndReason.SYSTEM_ERROR)


def came_out(
    standing: Standing, character: Character | None, turns: int, reason: EndReason | None
) -> ConversationOutcome:
    """How a conversation came out that nobody told of.

    Broken off: the NPC ended it. Something stayed between the two: friction. Never begun, cut
    short, or with objectives of which none was reached: abandoned. Else completed.
    """
    if standing.collapsed:
        return ConversationOutcome.NPC_ENDED
    if standing.incidents:
        return ConversationOutcome.FRICTION
    missed = character is not None and bool(character.objectives) and not standing.goals
    if not turns or missed or (reason in _CUT_SHORT and not standing.goals):
        return ConversationOutcome.ABANDONED
    return ConversationOutcome.COMPLETED


def memory(standing: Standing, turns: int, outcome: ConversationOutcome) -> str:
    """What stays of a conversation, in a sentence or two; empty if nothing was said in it."""
    if not turns and not standing.facts and not standing.goals:
        return ""
    about = f"We spoke about {_listed(standing.topics)}" if standing.topics else "We spoke"
    said = [f"{about}; {_listed(standing.goals)} was done." if standing.goals else f"{about}."]
    if standing.facts:
        said.append(f"The learner said: {_listed(standing.facts)}.")
    if standing.collapsed:
        said.append("I broke it off.")
    elif outcome is ConversationOutcome.FRICTION:
        said.append("Something was left unsettled.")
    if standing.frictions:
        hardest = sorted(standing.frictions, key=lambda kind: (-standing.frictions[kind], kind))
        said.append(f"{_NOUNS.get(hardest[0], hardest[0])} gave trouble.")
    return " ".join(said)[:_MEMORY]


_NOUNS: Final = {
    "lexical": "Finding words",
    "morphosyntactic": "Grammar",
    "phonemic": "Pronunciation",
    "register": "The tone",
    "pragmatic": "The way of asking",
    "cultural": "A custom",
}


def _listed(items: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    *most, last = items
    return f"{', '.join(most)} and {last}" if most else last


# --- what the events change ----------------------------------------


def standing_of(state: SessionState, npc: str) -> Standing | None:
    return state.talk.standings.get(npc) if state.talk is not None else None


def on_reputation(talk: Talk, event: ReputationChanged) -> None:
    standing = talk.standings.get(event.npc)
    if standing is not None:
        standing.reputation = clamped(standing.reputation + event.delta)


def on_mood(state: SessionState, event: MoodChanged, moment: Moment) -> None:
    state.met.setdefault(event.npc, 0)
    standing = standing_of(state, event.npc)
    if standing is not None:
        standing.mood, standing.seen_at = event.mood, moment.at


def on_fact(state: SessionState, event: FactLearned, moment: Moment) -> None:
    state.met.setdefault(event.npc, 0)
    standing = standing_of(state, event.npc)
    if standing is not None and event.fact not in standing.facts:
        standing.facts = (*standing.facts, event.fact)[-_FACTS:]


def on_goal(state: SessionState, event: GoalReached, moment: Moment) -> None:
    state.met.setdefault(event.npc, 0)
    standing = standing_of(state, event.npc)
    if standing is not None and event.objective not in standing.goals:
        standing.goals += (event.objective,)


def on_closed(state: SessionState, event: ConversationClosed, moment: Moment) -> None:
    state.met.setdefault(event.npc, 0)
    standing = standing_of(state, event.npc)
    if standing is not None:
        standing.outcome = event.outcome


def on_incident(state: SessionState, event: IncidentArose, moment: Moment) -> None:
    state.met.setdefault(event.npc, 0)
    if state.talk is not None:
        state.talk.incident_count += 1
    standing = standing_of(state, event.npc)
    if standing is not None:
        standing.incidents = (*standing.incidents, event.incident)[-MANY:]


def on_resolved(state: SessionState, event: IncidentResolved, moment: Moment) -> None:
    state.met.setdefault(event.npc, 0)
    standing = standing_of(state, event.npc)
    if standing is not None:
        standing.incidents = tuple(one for one in standing.incidents if one != event.incident)
        standing.resolved = (*standing.resolved, event.incident)[-MANY:]


def on_professional(state: SessionState, event: ProfessionalRecorded, moment: Moment) -> None:
    state.met.setdefault(event.npc, 0)
