"""A checkpoint as tiles: pure.

One law: one event, one tile, with an id that depends on nothing but where the event stands
(``<writer>.<sequence>.<n>``), so making the tiles of a checkpoint twice makes the same tiles.

On the wire a tile is JSON, unlike everything else here: sinks and plain tools read it. Here it is
made straight from an event's fields, because every command pays for it; that what comes out is a
:class:`~holodeck.messages.tiles.Tile` is what the tests of every event kind show.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final, NamedTuple

from pydantic import ValidationError
from pydantic_core import to_json

from holodeck.actors.fleet.mid import question
from holodeck.messages.base import Event
from holodeck.messages.codec import explain
from holodeck.messages.envelope import Checkpoint
from holodeck.messages.errors import DecodeError
from holodeck.messages.fleet import (
    AgentRegistered,
    AgentUnregistered,
    ArchitectInferred,
    MidSynthesised,
    Routing,
)
from holodeck.messages.ids import NOBODY
from holodeck.messages.learner import (
    CurriculumGenerated,
    InjectionPlanned,
    InjectionSettled,
    LearnerClaimed,
    LessonReported,
    LoopCompleted,
    ProfileEdited,
    TriggerAnswered,
    TriggerDelivered,
    TriggerExpired,
    TriggerScheduled,
)
from holodeck.messages.npc import NpcDescribed
from holodeck.messages.player import (
    ChangeApproved,
    CharacterPut,
    CharacterRemoved,
    FeedbackGiven,
    GoalProgressed,
    LearnerErased,
    MilestoneReached,
    PlayerAccessed,
    PlayerCreated,
    PlayerFlagged,
    PlayerSettingsChanged,
    PlayerUpdated,
    RecommendationDismissed,
    SafetyFlagged,
    SessionErased,
    SessionInteracted,
    SessionMarked,
    SessionNoted,
    SettingsChanged,
    WorldCustomized,
)
from holodeck.messages.practice import (
    AnswerGiven,
    FeedbackClosed,
    HintShown,
    PracticePlanned,
    PracticeSummed,
    QuestionFailed,
    QuestionServed,
    ReviewCredited,
    RewardEarned,
    SkillMoved,
)
from holodeck.messages.session import (
    EmergenceDetected,
    FrictionDetected,
    NpcParted,
    ReputationChanged,
    SessionEnded,
    SessionErred,
    SessionForked,
    SessionPaused,
    SessionResumeAbandoned,
    SessionResumed,
    SessionStartAbandoned,
    SessionStarted,
    TaskAdded,
    TaskCompleted,
    TaskRefused,
    TaskRetried,
    TaskRouted,
    TaskStarted,
    TurnAnswered,
    TurnTaken,
)
from holodeck.messages.subjects import TILE, Place
from holodeck.messages.talk import (
    AffectChanged,
    ConversationClosed,
    FactLearned,
    GoalReached,
    IncidentArose,
    IncidentResolved,
    InjectionAdvanced,
    MoodChanged,
    NegotiationCollapsed,
    OpennessChanged,
    ProfessionalRecorded,
    PronunciationHeard,
    RefractionAsked,
    RefractionAttempted,
    RefractionChosen,
    RefractionOffered,
    RefractionUsed,
    ScaffoldingEscalated,
    SilenceNoticed,
)
from holodeck.messages.tiles import SOURCE, Tile

SCHEMA: Final = 1
"""The version of a tile's answer."""
ROOM: Final = "scout-reports/holodeck-session"
"""The domain of tiles, unless another is configured."""

HEADER_AT: Final = "Holodeck-At"
"""The checkpoint's time in ms since 1970 UTC, so that a tile's age shows without its body."""


class EventName(NamedTuple):
    """What an event kind is called outside.

    Attributes:
        name: upper snake case, stands in the question.
        phase: the tag that tells it from others of its family.
        confidence: 0 to 1, as the session manager gives it.
    """

    name: str
    phase: str
    confidence: float = 1.0

    @property
    def token(self) -> str:
        """As it stands in a subject: lower case, dashed."""
        return self.name.lower().replace("_", "-")

    @property
    def shown(self) -> str:
        """As it stands in a question; readers of alerts look for the two words."""
        return self.name.replace("_ALERT", " ALERT")


EVENTS: Final[dict[str, EventName]] = {
    "session.started": EventName("SESSION_START", "start"),
    "session.start-abandoned": EventName("SESSION_START_ABANDONED", "start-abandoned"),
    "session.resume-abandoned": EventName("SESSION_RESUME_ABANDONED", "resume-abandoned"),
    "session.forked": EventName("SESSION_FORK", "fork"),
    "session.paused": EventName("SESSION_PAUSE", "pause"),
    "session.resumed": EventName("SESSION_RESUME", "resume"),
    "session.ended": EventName("SESSION_END", "end", 0.95),
    "npc.parted": EventName("NPC_PARTED", "parted"),
    "npc.described": EventName("NPC_DESCRIBED", "described"),
    "learner.claimed": EventName("LEARNER_CLAIMED", "claimed"),
    "learner.erased": EventName("LEARNER_ERASED", "erased"),
    "turn.taken": EventName("TURN", "taken"),
    "turn.answered": EventName("REPLY", "answered"),
    "friction.detected": EventName("FRICTION", "detected"),
    "reputation.changed": EventName("REPUTATION", "changed"),
    "task.added": EventName("TASK_ADDED", "added"),
    "task.routed": EventName("TASK_ROUTED", "routed"),
    "task.started": EventName("TASK_START", "start", 0.9),
    "task.completed": EventName("TASK_END", "end", 0.9),
    "task.retried": EventName("TASK_RETRY", "retry"),
    "task.refused": EventName("TASK_REFUSED", "refused"),
    "session.erred": EventName("SESSION_ERROR", "error", 0.9),
    "session.interacted": EventName("INTERACTION", "interacted"),
    "session.marked": EventName("PROGRESS_MARKER", "marked"),
    "session.settings-changed": EventName("SESSION_SETTINGS", "settings-changed"),
    "session.noted": EventName("SESSION_NOTE", "noted"),
    "safety.flagged": EventName("SAFETY_FLAGGED", "flagged"),
    "session.erased": EventName("SESSION_ERASED", "erased"),
    "emergence.detected": EventName("EMERGENCE_ALERT", "alert", 0.95),
    "affect.changed": EventName("AFFECT", "changed"),
    "scaffolding.escalated": EventName("SCAFFOLDING", "escalated"),
    "openness.changed": EventName("OPENNESS", "changed"),
    "negotiation.collapsed": EventName("COLLAPSE", "collapsed"),
    "mood.changed": EventName("MOOD", "changed"),
    "injection.advanced": EventName("INJECTION", "advanced"),
    "pronunciation.heard": EventName("PRONUNCIATION", "heard"),
    "refraction.asked": EventName("REFRACTION_ASKED", "asked"),
    "refraction.offered": EventName("REFRACTION_OFFERED", "offered"),
    "refraction.chosen": EventName("REFRACTION_CHOSEN", "chosen"),
    "refraction.attempted": EventName("REFRACTION_ATTEMPT", "attempted"),
    "refraction.used": EventName("REFRACTION_USED", "used"),
    "fact.learned": EventName("FACT", "learned"),
    "incident.arose": EventName("INCIDENT", "arose"),
    "incident.resolved": EventName("INCIDENT_RESOLVED", "resolved"),
    "professional.recorded": EventName("PROFESSIONAL", "recorded"),
    "goal.reached": EventName("GOAL", "reached"),
    "conversation.closed": EventName("CONVERSATION_END", "closed"),
    "silence.noticed": EventName("SILENCE", "noticed"),
    "profile.edited": EventName("PROFILE", "edited"),
    "lesson.reported": EventName("LESSON", "reported"),
    "trigger.scheduled": EventName("TRIGGER_SCHEDULED", "scheduled"),
    "trigger.delivered": EventName("TRIGGER_DELIVERED", "delivered"),
    "trigger.answered": EventName("TRIGGER_ANSWERED", "answered"),
    "trigger.expired": EventName("TRIGGER_EXPIRED", "expired"),
    "loop.completed": EventName("MACRO_LOOP", "completed"),
    "curriculum.generated": EventName("CURRICULUM", "generated"),
    "injection.planned": EventName("INJECTION_PLANNED", "planned"),
    "injection.settled": EventName("INJECTION_SETTLED", "settled"),
    "player.created": EventName("PLAYER_CREATED", "created"),
    "player.updated": EventName("PLAYER_UPDATED", "updated"),
    "player.settings-changed": EventName("PLAYER_SETTINGS", "settings"),
    "player.character-put": EventName("CHARACTER_PUT", "character"),
    "player.character-removed": EventName("CHARACTER_REMOVED", "character-removed"),
    "player.goal-progressed": EventName("GOAL_PROGRESS", "progressed"),
    "player.world-customized": EventName("WORLD_CUSTOMIZED", "customized"),
    "player.feedback-given": EventName("PLAYER_FEEDBACK", "feedback"),
    "player.change-approved": EventName("CHANGE_APPROVED", "approved"),
    "player.recommendation-dismissed": EventName("RECOMMENDATION_DISMISSED", "dismissed"),
    "player.accessed": EventName("PLAYER_ACCESSED", "accessed"),
    "player.milestone-reached": EventName("MILESTONE", "milestone"),
    "player.flagged": EventName("PLAYER_FLAGGED", "flagged"),
    "practice.planned": EventName("PRACTICE_PLAN", "planned"),
    "question.served": EventName("QUESTION", "served"),
    "question.failed": EventName("QUESTION_FAILED", "failed"),
    "hint.shown": EventName("HINT", "shown"),
    "answer.given": EventName("ANSWER", "given"),
    "feedback.closed": EventName("FEEDBACK_READ", "closed"),
    "skill.moved": EventName("SKILL", "moved"),
    "review.credited": EventName("REVIEW", "credited"),
    "reward.earned": EventName("REWARD", "earned"),
    "practice.summed": EventName("PRACTICE_SUMMARY", "summed"),
    "agent.registered": EventName("AGENT_REGISTERED", "registered"),
    "agent.unregistered": EventName("AGENT_UNREGISTERED", "unregistered"),
    "mid.synthesised": EventName("MID_SYNTHESIS", "synthesis"),
    "architect.inferred": EventName("ARCHITECT_INFERENCE", "inference", 0.5),
}
"""Every event kind; a test compares it with the union in :mod:`holodeck.messages`."""

_FAMILY: Final = {kind: kind.partition(".")[0] for kind in EVENTS}
_TAGS: Final = {kind: ("scout", _FAMILY[kind], event.phase) for kind, event in EVENTS.items()}
_OWN_ID: Final = {
    "session": "session_id",
    "npc": "npc_id",
    "learner": "learner_id",
    "fleet": "fleet_id",
}
_SHOWN: Final = {kind: event.shown for kind, event in EVENTS.items()}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def tile_fronts(ns: str) -> Mapping[str, str]:
    """By event kind, the subject its tiles are published under, up to the last token.

    The family is the event's own, so ``<ns>.tile.friction.>`` shows friction also where it came
    inside a turn. The last token is the writer's id: the session, or for an NPC's or learner's
    own edits that NPC or learner.
    """
    return {kind: TILE.of(ns, _FAMILY[kind], event.token, "") for kind, event in EVENTS.items()}


def tiles_of(place: Place, sequence: int, checkpoint: Checkpoint, room: str = ROOM) -> list[bytes]:
    """The tiles of one checkpoint, in the order of its events, each one line of compact JSON.

    Names are in snake_case throughout. The answer holds ``schema``, the writer's id
    (``session_id``, ...), ``at`` (UTC, ISO 8601 with ms and Z), ``sequence``, ``n`` and all fields
    of the event. What the session manager promised has the names it gave (``task_id``,
    ``agent_id``, ``h1_delta``, ...); the state a fork began from is no news and may be large, and
    where it left its parent is called ``parent_sequence``.

    Args:
        room: the domain of tiles whose checkpoint names none.

    Raises:
        DecodeError: the time lies behind the year 9999.
    """
    identity = place.identity
    at = _written(identity, checkpoint.at)
    head: dict[str, Any] = {
        "schema": SCHEMA,
        _OWN_ID.get(place.kind, "actor_id"): identity,
        "at": at,
        "sequence": sequence,
        "n": 0,
    }
    if place.learner != NOBODY:
        head["learner"] = place.learner
    # What all tiles of a checkpoint share is written once, and an event's own serialiser knows its
    # fields without looking at each value to see what it is: so a tile is put together of pieces.
    name = b'{"id":"%b.%d.' % (to_json(identity)[1:-1], sequence)
    domain = b'","domain":%b,"question":' % to_json(checkpoint.room or room)
    before, _, after = to_json(head)[:-1].partition(b'"n":0')
    before, after = b',"answer":' + before + b'"n":', after + b","
    end = b',"quiet":true}' if checkpoint.quiet else b"}"
    out = []
    answer: tuple[bytes, ...]
    for n, event in enumerate(checkpoint.events):
        kind, nth = event.kind, b"%d" % n
        about, tags = _ABOUT[type(event)](event, place)
        front = (name, nth, domain, to_json(f"[{_SHOWN[kind]}] {about}"))
        back = (_back(kind, tags), end)
        if kind in _AS_IT_IS:
            told = event.__pydantic_serializer__.to_json(event, by_alias=False)
            answer = (before, nth, after, told[1:])
        else:
            head["n"] = n
            made = _TOLD.get(kind)
            fields = head | (event.__dict__ if made is None else made(event, at))
            told = to_json(fields, by_alias=False, inf_nan_mode="null")
            answer = (b',"answer":', told)
        out.append(b"".join((*front, *answer, *back)))
    return out


@lru_cache(maxsize=4096)
def _back(kind: str, tags: tuple[str, ...]) -> bytes:
    """The end of a tile, but for whether it is quiet. Few tags come again and again."""
    back = {
        "tags": _TAGS[kind] + tags,
        "confidence": EVENTS[kind].confidence,
        "source": SOURCE,
    }
    return b"," + to_json(back)[1:-1]


def _told_of_start(event: SessionStarted, at: str) -> dict[str, Any]:
    """With the names the session manager promised.

    What learner, NPCs and course were asked for is not told: it is long, and holds what the
    learner is not to see. Where there is a persona, who is met in which tier is.
    """
    told = event.__dict__ | {
        "agent_id": event.learner,
        "session_name": event.name,
        "started": at if event.started_us is None else _to_the_us(event.started_us),
        "task_timeout_seconds": event.task_timeout_ms / 1000,
        "session_timeout_seconds": event.session_timeout_ms / 1000,
        "h1_router_enabled": event.h1_router,
        "agents": [member.npc for member in event.cast],
    }
    del told["context"], told["stage"], told["brief"], told["settings"], told["narrative"]
    if event.stage is not None:
        told["tiers"] = {one.npc: one.tier for one in event.stage.characters}
    return told


def _told_of_pause(event: SessionPaused, at: str) -> dict[str, Any]:
    """Without what the narrator keeps: it holds what was said."""
    return {"kind": event.kind, "reason": event.reason}


def _told_of_interaction(event: SessionInteracted, at: str) -> dict[str, Any]:
    """Rooms are read by many: neither how somebody felt nor what was tried is told."""
    return {"kind": event.kind, "number": event.number}


def _told_of_marker(event: SessionMarked, at: str) -> dict[str, Any]:
    found = event.marker
    kind = found.marker_type.value
    return {"kind": event.kind, "marker_id": found.marker_id, "marker_type": kind}


def _told_of_kind(event: Any, at: str) -> dict[str, Any]:
    """That it happened, and no more."""
    return {"kind": event.kind}


def _told_of_flag(event: SafetyFlagged, at: str) -> dict[str, Any]:
    """Neither what was said nor what was found in it."""
    return {"kind": event.kind, "turn": event.turn, "rejected": event.rejected}


def _told_of_end(event: SessionEnded, at: str) -> dict[str, Any]:
    told = event.__dict__ | {
        "agent_id": event.agent,
        "session_name": event.name,
        "duration_seconds": event.duration_ms / 1000,
        "h1_delta": event.h1,
        "patterns": [pattern.name for pattern in event.patterns],
        "evidence": {pattern.name: pattern.evidence for pattern in event.patterns},
    }
    del told["h1"], told["agent"], told["name"]
    return told


def _told_of_error(event: SessionErred, at: str) -> dict[str, Any]:
    told = event.__dict__ | {"agent_id": event.agent, "task_id": event.task}
    del told["agent"], told["task"]
    return told


def _told_of_fork(event: SessionForked, at: str) -> dict[str, Any]:
    """Its field ``sequence`` is not this tile's."""
    told = event.__dict__ | {"parent_sequence": event.sequence}
    del told["state"], told["sequence"]
    return told


def _told_of_question(event: QuestionServed, at: str) -> dict[str, Any]:
    """Without what gives the answer away: whoever practises may be listening."""
    question = event.question.model_dump(mode="json", exclude=_KEY)
    return event.__dict__ | {"question": question}


_KEY: Final = {"answer", "explanation", "hint", "task"}


def _told_of_task(event: Any, at: str) -> dict[str, Any]:
    told: dict[str, Any] = event.__dict__ | {"task_id": event.task}
    del told["task"]
    if "agent" in told:
        told["agent_id"] = told.pop("agent")
    if "routing" in told:
        told["routing"] = _told_of_routing(event.routing)
    return told


def _told_of_routed(event: TaskRouted, at: str) -> dict[str, Any]:
    return _told_of_task(event, at) | {"agent_id": event.npc}


def _told_of_routing(routing: Routing | None) -> dict[str, Any] | None:
    if routing is None:
        return None
    told = dict(routing.__dict__)
    return {"agent_id": told.pop("agent")} | told


def _told_of_alert(event: EmergenceDetected, at: str) -> dict[str, Any]:
    found = event.crossing
    return {
        "kind": event.kind,
        "session_id": found.session,
        "task_id": found.task,
        "crossing": found.number,
        "h1": found.h1,
        "threshold": found.threshold,
        "offset": found.offset,
        "n_vertices": found.vertices,
        "n_edges": found.edges,
        "members": found.members,
        "more_members": found.more,
        "edge": found.edge,
    }


def _told_of_agent(event: AgentRegistered | AgentUnregistered, at: str) -> dict[str, Any]:
    told = dict(event.__dict__)
    return {"agent_id": told.pop("agent")} | told


def _told_of_synthesis(event: MidSynthesised, at: str) -> dict[str, Any]:
    return {"kind": event.kind} | event.synthesis.__dict__


def _told_of_advice(event: ArchitectInferred, at: str) -> dict[str, Any]:
    return {"kind": event.kind, "synthesis": event.sequence} | event.advice.__dict__


_PLAYER_IDS: Final = ("character", "world", "feedback_id", "milestone")
"""What a tile says of a player's doings beside their kind: ids, never a word of its own."""


def _player_ids(event: Any) -> dict[str, str]:
    found = {name: getattr(event, name) for name in _PLAYER_IDS if hasattr(event, name)}
    if isinstance(event, CharacterPut):
        found["character"] = event.character.character_id
    return found


def _told_of_player(event: Any, at: str) -> dict[str, Any]:
    """Rooms are read by many: of a player no more than that something happened, and to what."""
    return {"kind": event.kind} | _player_ids(event)


_TOLD: Final[dict[str, Callable[[Any, str], dict[str, Any]]]] = {
    "session.started": _told_of_start,
    "session.ended": _told_of_end,
    "session.erred": _told_of_error,
    "session.forked": _told_of_fork,
    "session.paused": _told_of_pause,
    "session.interacted": _told_of_interaction,
    "session.marked": _told_of_marker,
    "session.settings-changed": _told_of_kind,
    "session.noted": _told_of_kind,
    "session.erased": _told_of_kind,
    "learner.erased": _told_of_kind,
    "safety.flagged": _told_of_flag,
    "task.added": _told_of_task,
    "task.routed": _told_of_routed,
    "task.started": _told_of_task,
    "task.completed": _told_of_task,
    "task.retried": _told_of_task,
    "task.refused": _told_of_task,
    "emergence.detected": _told_of_alert,
    "question.served": _told_of_question,
    "player.created": _told_of_player,
    "player.updated": _told_of_player,
    "player.settings-changed": _told_of_player,
    "player.character-put": _told_of_player,
    "player.character-removed": _told_of_player,
    "player.goal-progressed": _told_of_player,
    "player.world-customized": _told_of_player,
    "player.feedback-given": _told_of_player,
    "player.change-approved": _told_of_player,
    "player.recommendation-dismissed": _told_of_player,
    "player.accessed": _told_of_player,
    "player.milestone-reached": _told_of_player,
    "player.flagged": _told_of_player,
    "agent.registered": _told_of_agent,
    "agent.unregistered": _told_of_agent,
    "mid.synthesised": _told_of_synthesis,
    "architect.inferred": _told_of_advice,
}
"""What a tile tells of an event, where that is not just its fields."""


def _written(identity: str, at: int) -> str:
    seconds, ms = divmod(at, 1000)
    try:
        return f"{_second(seconds)}.{ms:03d}Z"
    except OverflowError as error:
        raise DecodeError(identity, "its time lies behind the year 9999") from error


def _to_the_us(at: int) -> str:
    seconds, us = divmod(at, 1_000_000)
    return f"{_second(seconds)}.{us:06d}Z"


@lru_cache(maxsize=64)
def _second(seconds: int) -> str:
    """Checkpoints come in the order of time, so most have the second of the one before."""
    return (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")


_Words = tuple[str, tuple[str, ...]]
"""The question's words, on one line, and the tags behind the first three."""


def _whole(place: Place) -> str:
    who = place.learner
    return f"{who}:{place.identity}" if who != NOBODY else place.identity


def _turn(event: TurnTaken, place: Place) -> _Words:
    return f"{place.learner} → {event.npc}, turn {event.turn}", (event.npc,)


def _reply(event: TurnAnswered, place: Place) -> _Words:
    return f"{event.npc} → {place.learner}, turn {event.turn}", (event.npc,)


def _friction(event: FrictionDetected, place: Place) -> _Words:
    name = event.type.value
    return f"{_whole(place)}: {name} {event.severity:.2f}", (name,)


def _reputation(event: ReputationChanged, place: Place) -> _Words:
    return f"{place.learner} with {event.npc} {event.delta:+.3f}", (event.npc,)


def _task_added(event: TaskAdded, place: Place) -> _Words:
    return _line(event.task), (event.priority.value,)


def _task_routed(event: TaskRouted, place: Place) -> _Words:
    return f"{_line(event.task)} → {event.npc}", (event.npc,)


def _task_started(event: TaskStarted, place: Place) -> _Words:
    return f"{_line(event.task)} → {event.agent or event.npc or NOBODY}", ()


def _task_ended(event: TaskCompleted, place: Place) -> _Words:
    outcome = event.outcome.value
    return f"{_line(event.task)} — {outcome}", (outcome,)


def _task_retried(event: TaskRetried, place: Place) -> _Words:
    return f"{_line(event.task)}, attempt {event.attempt}", ()


def _task_refused(event: TaskRefused, place: Place) -> _Words:
    return f"{_line(event.task)}: at most {event.limit}", ()


def _erred(event: SessionErred, place: Place) -> _Words:
    return place.identity, ()


def _alert(event: EmergenceDetected, place: Place) -> _Words:
    found = event.crossing
    return str(found).removeprefix("EMERGENCE: "), ()


def _agent(event: AgentRegistered | AgentUnregistered, place: Place) -> _Words:
    return event.agent, (event.agent,)


def _synthesis(event: MidSynthesised, place: Place) -> _Words:
    return question(event.synthesis).partition("] ")[2], ()


def _advice(event: ArchitectInferred, place: Place) -> _Words:
    return f"{place.identity} after synthesis {event.sequence}", ("advice",)


def _started(event: SessionStarted, place: Place) -> _Words:
    return f"{event.learner}:{_line(event.name) or place.identity}", (event.learner,)


def _ended(event: SessionEnded, place: Place) -> _Words:
    outcome = event.outcome.value
    whole = f"{event.agent}:{_line(event.name) or place.identity}" if event.agent else _whole(place)
    return f"{whole} — {outcome.upper()}", (outcome,)


def _forked(event: SessionForked, place: Place) -> _Words:
    return f"{place.identity} from {event.parent} at {event.sequence}", (event.parent,)


def _affect(event: AffectChanged, place: Place) -> _Words:
    state = event.state.value
    return f"turn {event.turn}: {state}, pressure {event.pressure:.2f}", (state,)


def _scaffolding(event: ScaffoldingEscalated, place: Place) -> _Words:
    return f"turn {event.turn}: level {event.before} → {event.level}", (event.trigger.value,)


def _openness(event: OpennessChanged, place: Place) -> _Words:
    state = event.state.value
    return f"{event.npc}, turn {event.turn}: {event.score:.2f}, {state}", (event.npc, state)


def _collapse(event: NegotiationCollapsed, place: Place) -> _Words:
    return f"{event.npc} broke off, turn {event.turn}: {event.cause}", (event.npc, event.cause)


def _mood(event: MoodChanged, place: Place) -> _Words:
    before, now = event.before.value, event.mood.value
    return f"{event.npc}, turn {event.turn}: {before} → {now}", (event.npc, now)


def _injection(event: InjectionAdvanced, place: Place) -> _Words:
    status = event.status.value
    return f"{_line(event.form)} — {status}", (status,)


def _pronunciation(event: PronunciationHeard, place: Place) -> _Words:
    return f"turn {event.turn}: comprehensibility {event.comprehensibility:.2f}", ()


def _refraction_asked(event: RefractionAsked, place: Place) -> _Words:
    trigger = event.request.trigger.value
    return f"{place.learner}, number {event.number}, after turn {event.turn}", (trigger,)


def _refraction_offered(event: RefractionOffered, place: Place) -> _Words:
    return f"{place.learner}, number {event.number}: three wordings", ()


def _refraction_chosen(event: RefractionChosen, place: Place) -> _Words:
    level = "none" if event.level is None else event.level.value
    return f"{place.learner}, number {event.number}: {level}", (level,)


def _refraction_attempted(event: RefractionAttempted, place: Place) -> _Words:
    accuracy = event.result.overall_accuracy
    return f"{place.learner}, number {event.number}: accuracy {accuracy:.2f}", ()


def _refraction_used(event: RefractionUsed, place: Place) -> _Words:
    return f"{place.learner}, number {event.number}, in turn {event.turn}", ()


def _fact(event: FactLearned, place: Place) -> _Words:
    return f"{event.npc} of {place.learner}: {_line(event.fact)}", (event.npc, event.category.value)


def _incident(event: IncidentArose, place: Place) -> _Words:
    return f"{place.learner} with {event.npc}: {_line(event.description)}", (event.npc,)


def _incident_resolved(event: IncidentResolved, place: Place) -> _Words:
    return f"{place.learner} with {event.npc}: {_line(event.incident)}", (event.npc,)


def _professional(event: ProfessionalRecorded, place: Place) -> _Words:
    about = f"{place.learner} with {event.npc}: {event.type.value}, {event.outcome.value}"
    return about, (event.npc, event.type.value, event.outcome.value)


def _goal(event: GoalReached, place: Place) -> _Words:
    return f"{place.learner} with {event.npc}: {_line(event.objective)}", (event.npc,)


def _closed(event: ConversationClosed, place: Place) -> _Words:
    outcome = event.outcome.value
    return f"{place.learner} with {event.npc} — {outcome}", (event.npc, outcome)


def _silence(event: SilenceNoticed, place: Place) -> _Words:
    step = event.step.value
    return f"after turn {event.turn}, {event.after_ms / 1000:g} s: {step}", (step,)


def _interacted(event: SessionInteracted, place: Place) -> _Words:
    return f"{place.identity}: interaction {event.number}", ()


def _marked(event: SessionMarked, place: Place) -> _Words:
    kind = event.marker.marker_type.value
    return f"{place.identity}: {kind}", (kind,)


def _happened(
    event: SettingsChanged | SessionNoted | SessionErased | LearnerErased, place: Place
) -> _Words:
    return place.identity, ()


def _flagged(event: SafetyFlagged, place: Place) -> _Words:
    return f"{place.identity}" + (f", turn {event.turn}" if event.turn else ""), ()


def _profile(event: ProfileEdited, place: Place) -> _Words:
    told = [name for name, held in event if held is not None and name != "kind"]
    return f"{place.identity}: {', '.join(told) or 'nothing'}", ()


def _player(event: Any, place: Place) -> _Words:
    return " ".join((f"{place.identity}:", *_player_ids(event).values())).rstrip(":"), ()


def _lesson(event: LessonReported, place: Place) -> _Words:
    share = event.result.completion_rate
    words = ("mastered" if event.mastered else "open", "engaged" if event.engaged else "passed-by")
    return f"{place.identity}: {share:.0%} done, {words[0]}", words


def _trigger_scheduled(event: TriggerScheduled, place: Place) -> _Words:
    kind = event.trigger.type.value
    return f"{place.identity}: {kind} at {_line(event.trigger.scheduled_at)}", (kind,)


def _trigger_delivered(event: TriggerDelivered, place: Place) -> _Words:
    return f"{place.identity}: {_line(event.title) or event.type}", (event.type,)


def _trigger_answered(event: TriggerAnswered, place: Place) -> _Words:
    return f"{place.identity}: {_line(event.trigger)} — {event.status}", (event.status,)


def _trigger_expired(event: TriggerExpired, place: Place) -> _Words:
    return f"{place.identity}: {_line(event.trigger)}", ()


def _loop(event: LoopCompleted, place: Place) -> _Words:
    if event.skipped:
        return f"{place.identity}:{event.session} — skipped, {_line(event.skipped)}", ("skipped",)
    done = sum(phase.items for phase in event.phases)
    return f"{place.identity}:{event.session} — {done} items in {len(event.phases)} phases", ()


def _curriculum(event: CurriculumGenerated, place: Place) -> _Words:
    made = event.curriculum
    about = f"{place.identity}:{made.source_session_id} — {len(made.units)} units"
    return f"{about}, {made.format.value}", (made.format.value,)


def _planned(event: InjectionPlanned, place: Place) -> _Words:
    spec = event.spec
    about = f"{place.identity}: {_line(spec.target_form)}, tier {spec.target_tier}"
    return about, (spec.friction_type.value,)


def _settled(event: InjectionSettled, place: Place) -> _Words:
    return f"{place.identity}: {_line(event.form)} — {event.status}", (event.status,)


def _practice_planned(event: PracticePlanned, place: Place) -> _Words:
    minutes = event.duration_ms / 60_000
    return f"{place.learner}: {len(event.slots)} slots, {minutes:g} min", ()


def _question(event: QuestionServed, place: Place) -> _Words:
    category = event.category.value
    about = f"{place.learner}, number {event.number}: {event.question.skill}, {category}"
    return about, (event.question.skill, category)


def _question_failed(event: QuestionFailed, place: Place) -> _Words:
    return f"{event.skill}, slot {event.slot}: tried {event.tries} times", (event.skill,)


def _hint(event: HintShown, place: Place) -> _Words:
    return f"{place.learner}, number {event.number}: {event.skill}", (event.skill,)


def _answer(event: AnswerGiven, place: Place) -> _Words:
    judged = "right" if event.correct else "wrong"
    about = f"{place.learner}, number {event.number}: {event.skill} — {judged}"
    return about, (event.skill, judged)


def _feedback_closed(event: FeedbackClosed, place: Place) -> _Words:
    return f"{place.learner}, number {event.number}", ()


def _skill(event: SkillMoved, place: Place) -> _Words:
    before, now = event.before.value, event.state.value
    tiers = f"{event.tier_before.value} → {event.tier.value}"
    return f"{place.learner}: {event.skill} {before} → {now}, {tiers}", (event.skill, now)


def _review(event: ReviewCredited, place: Place) -> _Words:
    return f"{place.learner}: {event.skill} {event.right} of {event.asked}", (event.skill,)


def _reward(event: RewardEarned, place: Place) -> _Words:
    return f"{place.learner}: {_line(event.line)}", (event.reward,)


def _practice_summed(event: PracticeSummed, place: Place) -> _Words:
    score = f"{event.correct} of {event.answered}"
    return f"{place.learner}: {event.curriculum}, {score} right", (event.curriculum,)


def _abandoned(event: SessionStartAbandoned | SessionResumeAbandoned, place: Place) -> _Words:
    return f"{_whole(place)}, claim {event.claim}", ()


def _changed(event: SessionPaused | SessionResumed, place: Place) -> _Words:
    return _whole(place), ()


def _parted(event: NpcParted, place: Place) -> _Words:
    return f"{place.learner} from {event.npc} after {event.turns} turns", (event.npc,)


def _described(event: NpcDescribed, place: Place) -> _Words:
    return f"{place.identity}: {_line(event.name)}", (place.identity,)


def _claimed(event: LearnerClaimed, place: Place) -> _Words:
    return f"{place.identity}:{event.session}", (place.identity,)


_ABOUT: Final[dict[type[Event], Callable[[Any, Place], _Words]]] = {
    TurnTaken: _turn,
    TurnAnswered: _reply,
    FrictionDetected: _friction,
    ReputationChanged: _reputation,
    TaskAdded: _task_added,
    TaskRouted: _task_routed,
    TaskStarted: _task_started,
    TaskCompleted: _task_ended,
    SessionStarted: _started,
    SessionEnded: _ended,
    SessionForked: _forked,
    SessionStartAbandoned: _abandoned,
    SessionResumeAbandoned: _abandoned,
    SessionPaused: _changed,
    SessionInteracted: _interacted,
    SessionMarked: _marked,
    SettingsChanged: _happened,
    SessionNoted: _happened,
    SessionErased: _happened,
    LearnerErased: _happened,
    SafetyFlagged: _flagged,
    SessionResumed: _changed,
    NpcParted: _parted,
    NpcDescribed: _described,
    TaskRetried: _task_retried,
    TaskRefused: _task_refused,
    SessionErred: _erred,
    EmergenceDetected: _alert,
    AgentRegistered: _agent,
    AgentUnregistered: _agent,
    MidSynthesised: _synthesis,
    ArchitectInferred: _advice,
    LearnerClaimed: _claimed,
    AffectChanged: _affect,
    ScaffoldingEscalated: _scaffolding,
    OpennessChanged: _openness,
    NegotiationCollapsed: _collapse,
    MoodChanged: _mood,
    InjectionAdvanced: _injection,
    PronunciationHeard: _pronunciation,
    RefractionAsked: _refraction_asked,
    RefractionOffered: _refraction_offered,
    RefractionChosen: _refraction_chosen,
    RefractionAttempted: _refraction_attempted,
    RefractionUsed: _refraction_used,
    FactLearned: _fact,
    IncidentArose: _incident,
    IncidentResolved: _incident_resolved,
    ProfessionalRecorded: _professional,
    GoalReached: _goal,
    ConversationClosed: _closed,
    SilenceNoticed: _silence,
    ProfileEdited: _profile,
    PlayerCreated: _player,
    PlayerUpdated: _player,
    PlayerSettingsChanged: _player,
    CharacterPut: _player,
    CharacterRemoved: _player,
    GoalProgressed: _player,
    WorldCustomized: _player,
    FeedbackGiven: _player,
    ChangeApproved: _player,
    RecommendationDismissed: _player,
    PlayerAccessed: _player,
    MilestoneReached: _player,
    PlayerFlagged: _player,
    LessonReported: _lesson,
    TriggerScheduled: _trigger_scheduled,
    TriggerDelivered: _trigger_delivered,
    TriggerAnswered: _trigger_answered,
    TriggerExpired: _trigger_expired,
    LoopCompleted: _loop,
    CurriculumGenerated: _curriculum,
    InjectionPlanned: _planned,
    InjectionSettled: _settled,
    PracticePlanned: _practice_planned,
    QuestionServed: _question,
    QuestionFailed: _question_failed,
    HintShown: _hint,
    AnswerGiven: _answer,
    FeedbackClosed: _feedback_closed,
    SkillMoved: _skill,
    ReviewCredited: _review,
    RewardEarned: _reward,
    PracticeSummed: _practice_summed,
}
_HEAD: Final = frozenset(
    {"schema", "at", "sequence", "n", "learner", "actor_id", *_OWN_ID.values()}
)
"""What every answer may begin with."""
_AS_IT_IS: Final = frozenset(
    told.model_fields["kind"].default
    for told in _ABOUT
    if told.model_fields["kind"].default not in _TOLD and _HEAD.isdisjoint(told.model_fields)
)
"""The kinds whose fields are told as they are, and of which none has a name of the head."""


def _line(text: str) -> str:
    return " ".join(text.split())


def decode_tile(data: bytes, subject: str) -> Tile:
    """A tile from its JSON.

    Raises:
        DecodeError: no tile.
    """
    try:
        return Tile.model_validate_json(data)
    except ValidationError as error:
        raise DecodeError(subject, explain(error)) from error


class Origin(NamedTuple):
    """Where a tile comes from: a checkpoint's sequence and the place among its events, from 0."""

    sequence: int
    n: int


def origin_of(header: str | None, subject: str) -> Origin:
    """The origin a tile's header names.

    Raises:
        DecodeError: the header is missing or not ``<sequence>.<n>``.
    """
    first, _, second = (header or "").partition(".")
    if not (first.isdecimal() and second.isdecimal()):
        raise DecodeError(subject, f"no origin of a tile: {header!r}")
    return Origin(int(first), int(second))
