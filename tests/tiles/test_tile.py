"""Checkpoints become tiles; no broker, no clock."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest

from holodeck.actors.tiles import EVENTS, ROOM, decode_tile, tile_fronts, tiles_of
from holodeck.messages.base import Event
from holodeck.messages.conversation import (
    AdaptiveLessonResult,
    Affect,
    Cefr,
    ContextLearner,
    ContextPersona,
    ConversationOutcome,
    ForwardInjectionSpec,
    InjectionStatus,
    InnerAffect,
    MicroCurriculum,
    Mood,
    OpennessState,
    Phase,
    PreSessionContext,
    ProfessionalKind,
    ProfessionalOutcome,
    PronunciationResult,
    Refraction,
    RefractionLevel,
    RefractionRequest,
    RefractionResponse,
    Refractions,
    RefractionTrigger,
    ScheduledTrigger,
    SessionMetrics,
    SilenceStep,
    TriggerContent,
    TriggerSender,
    TriggerType,
)
from holodeck.messages.envelope import AnyEvent, Checkpoint
from holodeck.messages.errors import DecodeError
from holodeck.messages.fleet import (
    AgentRegistered,
    AgentUnregistered,
    ArchitectInferred,
    GraphPoint,
    MidSynthesised,
    Routing,
)
from holodeck.messages.learner import (
    CurriculumGenerated,
    InjectionPlanned,
    InjectionSettled,
    LearnerClaimed,
    LessonReported,
    LoopCompleted,
    PhaseDone,
    ProfileEdited,
    TriggerAnswered,
    TriggerDelivered,
    TriggerExpired,
    TriggerScheduled,
)
from holodeck.messages.npc import NpcDescribed
from holodeck.messages.player import (
    Background,
    ChangeApproved,
    CharacterPut,
    CharacterRemoved,
    CrisisType,
    FeedbackGiven,
    GoalProgressed,
    LearnerErased,
    MarkerType,
    MilestoneReached,
    PlayerAccessed,
    PlayerCreated,
    PlayerFlagged,
    PlayerSettings,
    PlayerSettingsChanged,
    PlayerUpdated,
    ProgressMarker,
    RecommendationDismissed,
    SafetyFinding,
    SafetyFlagged,
    SessionErased,
    SessionInteracted,
    SessionMarked,
    SessionNoted,
    SettingsChanged,
    TherapeuticSettings,
    WorldCustomized,
    WorldParameters,
)
from holodeck.messages.player import Character as Played
from holodeck.messages.practice import (
    AnswerFormat,
    AnswerGiven,
    AnswerType,
    Card,
    Category,
    FeedbackClosed,
    HintShown,
    PracticePlanned,
    PracticeSummed,
    Question,
    QuestionFailed,
    QuestionServed,
    ReviewCredited,
    RewardEarned,
    SkillMoved,
    SkillState,
    SkillTier,
    Slot,
    Trigger,
)
from holodeck.messages.session import (
    CastMember,
    Crossing,
    EmergenceDetected,
    EndReason,
    FrictionDetected,
    FrictionType,
    H1Delta,
    NpcParted,
    Outcome,
    Pattern,
    ReputationChanged,
    SessionEnded,
    SessionErred,
    SessionEvent,
    SessionForked,
    SessionKind,
    SessionPaused,
    SessionResumeAbandoned,
    SessionResumed,
    SessionStartAbandoned,
    SessionStarted,
    TaskAdded,
    TaskCompleted,
    TaskCounts,
    TaskRefused,
    TaskRetried,
    TaskRouted,
    TaskStarted,
    TurnAnswered,
    TurnTaken,
)
from holodeck.messages.subjects import Place
from holodeck.messages.synthesis import Advice, FindingKind, KindCount, Synthesis
from holodeck.messages.talk import (
    AffectChanged,
    Character,
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
    Stage,
)
from holodeck.messages.tiles import SOURCE, Tile

PLACE = Place("session", "3", "sess_1", "turn", "4", "marta", "5", "ana")
NPC = Place("npc", "4", "marta", "npc", "4", "marta", "-", "-")
LEARNER = Place("learner", "5", "ana", "learner", "-", "-", "5", "ana")
FORK = Place("session", "3", "sess_2", "session", "-", "-", "-", "-")
FLEET = Place("fleet", "6", "main", "agent", "-", "-", "-", "-")
AT = 1_780_000_000_123
CROSSING = Crossing(
    number=40,
    h1=3,
    threshold=2.0,
    vertices=4,
    edges=6,
    members=("a", "b", "c", "d"),
    more=1,
    edge=("a", "d"),
    session="sess_1",
    task="order",
)
SYNTHESIS = Synthesis(
    scope="all sessions",
    until=AT,
    counts=(
        KindCount(kind=FindingKind.OVERLAP, count=2),
        KindCount(kind=FindingKind.SLOWER, count=1),
    ),
)
ROUTING = Routing(agent="oracle1", h1_before=3, h1_after=4, emergence_risk=0.0)

REQUEST = RefractionRequest(
    trigger=RefractionTrigger.USER,
    learner_input="the bill, please",
    input_language="en",
    target_language="es",
    native_language="en",
)
WORDING = Refraction(formulation="La cuenta, por favor.", register_label="safe-simple")
WORDINGS = RefractionResponse(
    refractions=Refractions(basic=WORDING, native=WORDING, formal=WORDING)
)
TRIGGER = ScheduledTrigger(
    trigger_id="t1",
    learner_id="ana",
    type=TriggerType.NPC_MESSAGE,
    sender=TriggerSender(name="Marta", npc_id="marta", type="npc"),
    content=TriggerContent(title="A table is free", body="¿Vienes mañana?", language="es"),
    scheduled_at="2026-01-02T09:30:00+00:00",
    expires_at="2026-01-05T09:30:00+00:00",
)

SLOT = Slot(skill="fractions", tier=SkillTier.LEARN, category=Category.FRONTIER)
QUESTION = Question(
    text="1/2 + 1/4",
    answer="3/4",
    answer_type=AnswerType.FRACTION,
    explanation="Two quarters and one.",
    skill="fractions",
    tier=SkillTier.LEARN,
)

SAMPLES: list[tuple[Place, AnyEvent, str, str]] = [
    (
        PLACE,
        SessionStarted(session_kind=SessionKind.AGENT, learner="ana", name="two\n words"),
        "holodeck.tile.session.session-start.sess_1",
        "[SESSION_START] ana:two words",
    ),
    (
        PLACE,
        SessionStartAbandoned(learner="ana", claim=7),
        "holodeck.tile.session.session-start-abandoned.sess_1",
        "[SESSION_START_ABANDONED] ana:sess_1, claim 7",
    ),
    (
        PLACE,
        SessionResumeAbandoned(claim=7),
        "holodeck.tile.session.session-resume-abandoned.sess_1",
        "[SESSION_RESUME_ABANDONED] ana:sess_1, claim 7",
    ),
    (
        FORK,
        SessionForked(parent="sess_1", sequence=9, state=b"\xff\x00"),
        "holodeck.tile.session.session-fork.sess_2",
        "[SESSION_FORK] sess_2 from sess_1 at 9",
    ),
    (
        PLACE,
        SessionPaused(reason="tea"),
        "holodeck.tile.session.session-pause.sess_1",
        "[SESSION_PAUSE] ana:sess_1",
    ),
    (
        PLACE,
        SessionResumed(),
        "holodeck.tile.session.session-resume.sess_1",
        "[SESSION_RESUME] ana:sess_1",
    ),
    (
        PLACE,
        SessionEnded(reason=EndReason.LEARNER_ENDED, outcome=Outcome.SUCCESS, active_ms=847_000),
        "holodeck.tile.session.session-end.sess_1",
        "[SESSION_END] ana:sess_1 — SUCCESS",
    ),
    (
        PLACE,
        NpcParted(npc="marta", turns=4),
        "holodeck.tile.npc.npc-parted.sess_1",
        "[NPC_PARTED] ana from marta after 4 turns",
    ),
    (
        NPC,
        NpcDescribed(name="Marta", role="waiter"),
        "holodeck.tile.npc.npc-described.marta",
        "[NPC_DESCRIBED] marta: Marta",
    ),
    (
        LEARNER,
        LearnerClaimed(session="sess_1"),
        "holodeck.tile.learner.learner-claimed.ana",
        "[LEARNER_CLAIMED] ana:sess_1",
    ),
    (
        LEARNER,
        LearnerErased(npc="marta"),
        "holodeck.tile.learner.learner-erased.ana",
        "[LEARNER_ERASED] ana",
    ),
    (
        PLACE,
        SessionErased(),
        "holodeck.tile.session.session-erased.sess_1",
        "[SESSION_ERASED] sess_1",
    ),
    (
        PLACE,
        AffectChanged(
            turn=3, state=Affect.FRUSTRATED, inner=InnerAffect.OVERWHELMED, pressure=0.42
        ),
        "holodeck.tile.affect.affect.sess_1",
        "[AFFECT] turn 3: frustrated, pressure 0.42",
    ),
    (
        PLACE,
        ScaffoldingEscalated(turn=3, level=2, before=1, trigger=InnerAffect.FRUSTRATED),
        "holodeck.tile.scaffolding.scaffolding.sess_1",
        "[SCAFFOLDING] turn 3: level 1 → 2",
    ),
    (
        PLACE,
        OpennessChanged(
            npc="marta", turn=3, score=0.25, penalty=0.1, state=OpennessState.RESISTANT
        ),
        "holodeck.tile.openness.openness.sess_1",
        "[OPENNESS] marta, turn 3: 0.25, resistant",
    ),
    (
        PLACE,
        NegotiationCollapsed(npc="marta", turn=4, cause="aggression"),
        "holodeck.tile.negotiation.collapse.sess_1",
        "[COLLAPSE] marta broke off, turn 4: aggression",
    ),
    (
        PLACE,
        MoodChanged(npc="marta", turn=3, mood=Mood.WARM, before=Mood.BUSY, trigger="goal"),
        "holodeck.tile.mood.mood.sess_1",
        "[MOOD] marta, turn 3: busy → warm",
    ),
    (
        PLACE,
        InjectionAdvanced(form="past\ntense", status=InjectionStatus.OPPORTUNITY),
        "holodeck.tile.injection.injection.sess_1",
        "[INJECTION] past tense — opportunity-created",
    ),
    (
        PLACE,
        PronunciationHeard(turn=3, comprehensibility=0.6),
        "holodeck.tile.pronunciation.pronunciation.sess_1",
        "[PRONUNCIATION] turn 3: comprehensibility 0.60",
    ),
    (
        PLACE,
        RefractionAsked(number=1, turn=3, request=REQUEST),
        "holodeck.tile.refraction.refraction-asked.sess_1",
        "[REFRACTION_ASKED] ana, number 1, after turn 3",
    ),
    (
        PLACE,
        RefractionOffered(number=1, response=WORDINGS),
        "holodeck.tile.refraction.refraction-offered.sess_1",
        "[REFRACTION_OFFERED] ana, number 1: three wordings",
    ),
    (
        PLACE,
        RefractionChosen(number=1, level=RefractionLevel.FORMAL),
        "holodeck.tile.refraction.refraction-chosen.sess_1",
        "[REFRACTION_CHOSEN] ana, number 1: formal",
    ),
    (
        PLACE,
        RefractionAttempted(
            number=1,
            result=PronunciationResult(overall_accuracy=0.7, comprehensibility_score=0.8),
        ),
        "holodeck.tile.refraction.refraction-attempt.sess_1",
        "[REFRACTION_ATTEMPT] ana, number 1: accuracy 0.70",
    ),
    (
        PLACE,
        RefractionUsed(number=1, turn=4),
        "holodeck.tile.refraction.refraction-used.sess_1",
        "[REFRACTION_USED] ana, number 1, in turn 4",
    ),
    (
        PLACE,
        FactLearned(npc="marta", fact="comes from\nLeeds"),
        "holodeck.tile.fact.fact.sess_1",
        "[FACT] marta of ana: comes from Leeds",
    ),
    (
        PLACE,
        IncidentArose(npc="marta", incident="i1", description="did not\npay", impact=-0.1),
        "holodeck.tile.incident.incident.sess_1",
        "[INCIDENT] ana with marta: did not pay",
    ),
    (
        PLACE,
        IncidentResolved(npc="marta", incident="i1", resolution="paid"),
        "holodeck.tile.incident.incident-resolved.sess_1",
        "[INCIDENT_RESOLVED] ana with marta: i1",
    ),
    (
        PLACE,
        ProfessionalRecorded(
            npc="marta",
            type=ProfessionalKind.PROPOSAL,
            description="a fixed price",
            outcome=ProfessionalOutcome.POSITIVE,
        ),
        "holodeck.tile.professional.professional.sess_1",
        "[PROFESSIONAL] ana with marta: proposal, positive",
    ),
    (
        PLACE,
        GoalReached(npc="marta", objective="order-breakfast"),
        "holodeck.tile.goal.goal.sess_1",
        "[GOAL] ana with marta: order-breakfast",
    ),
    (
        PLACE,
        ConversationClosed(npc="marta", outcome=ConversationOutcome.NPC_ENDED),
        "holodeck.tile.conversation.conversation-end.sess_1",
        "[CONVERSATION_END] ana with marta — npc-ended",
    ),
    (
        PLACE,
        SilenceNoticed(turn=4, step=SilenceStep.ENCOURAGE, after_ms=8500),
        "holodeck.tile.silence.silence.sess_1",
        "[SILENCE] after turn 4, 8.5 s: encourage",
    ),
    (
        LEARNER,
        ProfileEdited(cefr=Cefr.B1, triggers=False),
        "holodeck.tile.profile.profile.ana",
        "[PROFILE] ana: cefr, triggers",
    ),
    (
        LEARNER,
        LessonReported(
            result=AdaptiveLessonResult(curriculum_id="c", completion_rate=0.8),
            engaged=True,
            mastered=False,
        ),
        "holodeck.tile.lesson.lesson.ana",
        "[LESSON] ana: 80% done, open",
    ),
    (
        LEARNER,
        TriggerScheduled(trigger=TRIGGER),
        "holodeck.tile.trigger.trigger-scheduled.ana",
        "[TRIGGER_SCHEDULED] ana: npc-message at 2026-01-02T09:30:00+00:00",
    ),
    (
        LEARNER,
        TriggerDelivered(trigger="t1", type="npc-message", title="A table\nis free"),
        "holodeck.tile.trigger.trigger-delivered.ana",
        "[TRIGGER_DELIVERED] ana: A table is free",
    ),
    (
        LEARNER,
        TriggerAnswered(trigger="t1", status="engaged"),
        "holodeck.tile.trigger.trigger-answered.ana",
        "[TRIGGER_ANSWERED] ana: t1 — engaged",
    ),
    (
        LEARNER,
        TriggerExpired(trigger="t1"),
        "holodeck.tile.trigger.trigger-expired.ana",
        "[TRIGGER_EXPIRED] ana: t1",
    ),
    (
        LEARNER,
        LoopCompleted(
            session="sess_1",
            phases=(
                PhaseDone(phase=Phase.EXTRACTION, items=2),
                PhaseDone(phase=Phase.CURRICULUM, items=1),
            ),
        ),
        "holodeck.tile.loop.macro-loop.ana",
        "[MACRO_LOOP] ana:sess_1 — 3 items in 2 phases",
    ),
    (
        LEARNER,
        CurriculumGenerated(curriculum=MicroCurriculum(id="c", source_session_id="sess_1")),
        "holodeck.tile.curriculum.curriculum.ana",
        "[CURRICULUM] ana:sess_1 — 0 units, spaced-repetition-cards",
    ),
    (
        LEARNER,
        InjectionPlanned(
            spec=ForwardInjectionSpec(
                target_form="past tense",
                friction_type=FrictionType.MORPHOSYNTACTIC,
                injection_method="ask about yesterday",
                target_tier=2,
            )
        ),
        "holodeck.tile.injection.injection-planned.ana",
        "[INJECTION_PLANNED] ana: past tense, tier 2",
    ),
    (
        LEARNER,
        InjectionSettled(form="past tense", status="resolved", attempts=2),
        "holodeck.tile.injection.injection-settled.ana",
        "[INJECTION_SETTLED] ana: past tense — resolved",
    ),
    (
        PLACE,
        TurnTaken(turn=2, npc="marta", text="¿qué tal?"),
        "holodeck.tile.turn.turn.sess_1",
        "[TURN] ana → marta, turn 2",
    ),
    (
        PLACE,
        TurnAnswered(turn=2, npc="marta", text="bien"),
        "holodeck.tile.turn.reply.sess_1",
        "[REPLY] marta → ana, turn 2",
    ),
    (
        PLACE,
        FrictionDetected(type=FrictionType.LEXICAL, severity=0.5, turn=2),
        "holodeck.tile.friction.friction.sess_1",
        "[FRICTION] ana:sess_1: lexical 0.50",
    ),
    (
        PLACE,
        ReputationChanged(npc="marta", delta=-0.02),
        "holodeck.tile.reputation.reputation.sess_1",
        "[REPUTATION] ana with marta -0.020",
    ),
    (
        PLACE,
        TaskAdded(task="order a\tcoffee"),
        "holodeck.tile.task.task-added.sess_1",
        "[TASK_ADDED] order a coffee",
    ),
    (
        PLACE,
        TaskRouted(task="order", npc="marta", match=1.0, fallback=False),
        "holodeck.tile.task.task-routed.sess_1",
        "[TASK_ROUTED] order → marta",
    ),
    (
        PLACE,
        TaskStarted(task="order", npc="marta"),
        "holodeck.tile.task.task-start.sess_1",
        "[TASK_START] order → marta",
    ),
    (
        PLACE,
        TaskCompleted(task="order", outcome=Outcome.FAILED, error="no milk"),
        "holodeck.tile.task.task-end.sess_1",
        "[TASK_END] order — failed",
    ),
    (
        PLACE,
        TaskRetried(task="order a\ncoffee", attempt=2),
        "holodeck.tile.task.task-retry.sess_1",
        "[TASK_RETRY] order a coffee, attempt 2",
    ),
    (
        PLACE,
        TaskRefused(task="one too many", limit=50),
        "holodeck.tile.task.task-refused.sess_1",
        "[TASK_REFUSED] one too many: at most 50",
    ),
    (
        PLACE,
        SessionErred(error="Connection\ntimeout", fingerprint="ab", agent="ana"),
        "holodeck.tile.session.session-error.sess_1",
        "[SESSION_ERROR] sess_1",
    ),
    (
        PLACE,
        EmergenceDetected(crossing=CROSSING),
        "holodeck.tile.emergence.emergence-alert.sess_1",
        "[EMERGENCE ALERT] β₁=3 > V-2=2 (V=4, E=6)",
    ),
    (
        PLACE,
        PracticePlanned(slots=(SLOT, SLOT), duration_ms=900_000),
        "holodeck.tile.practice.practice-plan.sess_1",
        "[PRACTICE_PLAN] ana: 2 slots, 15 min",
    ),
    (
        PLACE,
        QuestionServed(number=1, slot=0, question=QUESTION, category=Category.FRONTIER),
        "holodeck.tile.question.question.sess_1",
        "[QUESTION] ana, number 1: fractions, frontier",
    ),
    (
        PLACE,
        QuestionFailed(slot=1, skill="fractions", tries=3),
        "holodeck.tile.question.question-failed.sess_1",
        "[QUESTION_FAILED] fractions, slot 1: tried 3 times",
    ),
    (
        PLACE,
        HintShown(number=1, skill="fractions"),
        "holodeck.tile.hint.hint.sess_1",
        "[HINT] ana, number 1: fractions",
    ),
    (
        PLACE,
        AnswerGiven(
            number=1,
            skill="fractions",
            tier=SkillTier.LEARN,
            category=Category.FRONTIER,
            question_text="1/2 + 1/4",
            correct_answer="3/4",
            learner_answer="2/6",
            correct=False,
            time_ms=4200,
            answer_format=AnswerFormat.NUMERIC,
        ),
        "holodeck.tile.answer.answer.sess_1",
        "[ANSWER] ana, number 1: fractions — wrong",
    ),
    (
        PLACE,
        FeedbackClosed(number=1),
        "holodeck.tile.feedback.feedback-read.sess_1",
        "[FEEDBACK_READ] ana, number 1",
    ),
    (
        PLACE,
        SkillMoved(
            skill="fractions",
            trigger=Trigger.TIER,
            state=SkillState.LEARNING,
            before=SkillState.NEW,
            tier=SkillTier.PROVE,
            tier_before=SkillTier.LEARN,
        ),
        "holodeck.tile.skill.skill.sess_1",
        "[SKILL] ana: fractions new → learning, learn → prove",
    ),
    (
        PLACE,
        ReviewCredited(skill="fractions", right=2, asked=3, card=Card(due_at=AT)),
        "holodeck.tile.review.review.sess_1",
        "[REVIEW] ana: fractions 2 of 3",
    ),
    (
        PLACE,
        RewardEarned(reward="streak", line="Five in\na row"),
        "holodeck.tile.reward.reward.sess_1",
        "[REWARD] ana: Five in a row",
    ),
    (
        PLACE,
        PracticeSummed(
            curriculum="numbers",
            number=1,
            answered=9,
            correct=8,
            accuracy=0.888889,
            duration_ms=1,
            finished=True,
        ),
        "holodeck.tile.practice.practice-summary.sess_1",
        "[PRACTICE_SUMMARY] ana: numbers, 8 of 9 right",
    ),
    (
        FLEET,
        AgentRegistered(agent="oracle1", capabilities=("research",), max_load=3),
        "holodeck.tile.agent.agent-registered.main",
        "[AGENT_REGISTERED] oracle1",
    ),
    (
        FLEET,
        AgentUnregistered(agent="oracle1"),
        "holodeck.tile.agent.agent-unregistered.main",
        "[AGENT_UNREGISTERED] oracle1",
    ),
    (
        FLEET,
        MidSynthesised(synthesis=SYNTHESIS),
        "holodeck.tile.mid.mid-synthesis.main",
        "[MID_SYNTHESIS] all sessions — 2 conflicts, 1 complements",
    ),
    (
        FLEET,
        ArchitectInferred(sequence=40, advice=Advice(mids=3, last=40, until=AT)),
        "holodeck.tile.architect.architect-inference.main",
        "[ARCHITECT_INFERENCE] main after synthesis 40",
    ),
]

_MIRA = Played(
    character_id="mira", name="Mira", background=Background(name="Mira", backstory="private")
)
_FINDING = SafetyFinding(types=(CrisisType.PANIC_ATTACK,), confidence=0.4, source="private")
PLAYERS: tuple[tuple[AnyEvent, str, str], ...] = (
    (PlayerCreated(username="private", email="private@example.org"), "player-created", ""),
    (PlayerUpdated(email="private@example.org"), "player-updated", ""),
    (
        PlayerSettingsChanged(settings=PlayerSettings(avoid_topics=("private",))),
        "player-settings",
        "",
    ),
    (CharacterPut(character=_MIRA), "character-put", "mira"),
    (CharacterRemoved(character="mira"), "character-removed", "mira"),
    (GoalProgressed(character="mira", goal="private", percentage=5), "goal-progress", "mira"),
    (
        WorldCustomized(
            character="mira",
            world="w1",
            parameters=WorldParameters(avoid_topics=("private",)),
        ),
        "world-customized",
        "mira w1",
    ),
    (
        FeedbackGiven(feedback_id="f1", feedback_type="text", text="private"),
        "player-feedback",
        "f1",
    ),
    (ChangeApproved(feedback_id="f1", approve=True), "change-approved", "f1"),
    (RecommendationDismissed(recommendation="private"), "recommendation-dismissed", ""),
    (PlayerAccessed(by="private", role="stranger", what="private"), "player-accessed", ""),
    (MilestoneReached(milestone="ms_streak_3", title="private"), "milestone", "ms_streak_3"),
    (PlayerFlagged(finding=_FINDING), "player-flagged", ""),
)
"""What happened to a player, the token it is told under, and the ids that are told with it."""
_OF_PLAYERS = {"kind", "character", "world", "feedback_id", "milestone"}
"""All the fields that a tile of a player's may have."""
for _event, _token, _ids in PLAYERS:
    _name = EVENTS[_event.kind].name
    _said = f"[{_name}] ana: {_ids}" if _ids else f"[{_name}] ana"
    SAMPLES.append((LEARNER, _event, f"holodeck.tile.player.{_token}.ana", _said))


_SECRET = '{"a": "private"}'
PLAYED: tuple[tuple[AnyEvent, str, str], ...] = (
    (
        SessionInteracted(
            number=3,
            intervention="private",
            emotional_state=_SECRET,
            variables=_SECRET,
            scene="private",
        ),
        "session.interaction",
        "[INTERACTION] sess_1: interaction 3",
    ),
    (
        SessionMarked(
            marker=ProgressMarker(
                marker_id="m1", marker_type=MarkerType.INSIGHT, description="private"
            )
        ),
        "session.progress-marker",
        "[PROGRESS_MARKER] sess_1: insight",
    ),
    (
        SettingsChanged(settings=TherapeuticSettings(intensity_level=0.987)),
        "session.session-settings",
        "[SESSION_SETTINGS] sess_1",
    ),
    (
        SessionNoted(text="private", author="private"),
        "session.session-note",
        "[SESSION_NOTE] sess_1",
    ),
    (
        SafetyFlagged(finding=_FINDING, turn=2),
        "safety.safety-flagged",
        "[SAFETY_FLAGGED] sess_1, turn 2",
    ),
)
"""What happens to a played session, the family and token it is told under, and its words."""
SAMPLES += [
    (PLACE, event, f"holodeck.tile.{token}.sess_1", question) for event, token, question in PLAYED
]


@pytest.mark.parametrize(
    "event",
    [
        *[event for event, _, _ in PLAYED],
        SessionPaused(narrative=_SECRET),
        SessionStarted(
            session_kind=SessionKind.AGENT,
            learner="ana",
            settings=TherapeuticSettings(intensity_level=0.987),
            narrative=_SECRET,
        ),
    ],
    ids=lambda event: event.kind,
)
def test_of_what_is_played_a_room_reads_nothing_personal(event: AnyEvent) -> None:
    (data,) = tiles_of(PLACE, 41, checkpoint(event))
    for word in (b"private", b"panic", b"0.987"):
        assert word not in data


def union_members(union: Any) -> set[type[Event]]:
    """The classes of a union, however deeply annotated."""
    if isinstance(union, type):
        return {union} if issubclass(union, Event) else set()
    return {member for part in get_args(union) for member in union_members(part)}


OTHERWISE: dict[str, tuple[str, ...]] = {
    "learner.erased": ("npc",),
    "session.started": ("context", "stage", "brief", "settings", "narrative"),
    "session.paused": ("narrative",),
    "session.interacted": ("intervention", "emotional_state", "variables", "scene"),
    "session.marked": ("marker",),
    "session.settings-changed": ("settings",),
    "session.noted": ("text", "author"),
    "safety.flagged": ("finding",),
    "session.forked": ("state", "sequence"),
    "session.ended": ("agent", "name", "h1", "patterns"),
    "session.erred": ("agent", "task"),
    "task.added": ("task",),
    "task.routed": ("task", "routing"),
    "task.started": ("task", "agent", "routing"),
    "task.completed": ("task", "agent"),
    "task.retried": ("task",),
    "task.refused": ("task",),
    "emergence.detected": ("crossing",),
    "agent.registered": ("agent",),
    "agent.unregistered": ("agent",),
    "mid.synthesised": ("synthesis",),
    "architect.inferred": ("sequence", "advice"),
    **{
        event.kind: tuple(
            name
            for name in type(event).model_fields
            if name not in _OF_PLAYERS
            or (event.kind, name) == ("player.character-put", "character")
        )
        for event, _, _ in PLAYERS
    },
}
"""By kind of event, the fields its tile tells otherwise; the tests below say how."""


def checkpoint(*events: AnyEvent, at: int = AT) -> Checkpoint:
    return Checkpoint(at=at, events=events)


def made(place: Place, sequence: int, *events: AnyEvent) -> list[Tile]:
    """The tiles of a checkpoint as whoever reads TILES sees them."""
    return [decode_tile(data, "tile") for data in tiles_of(place, sequence, checkpoint(*events))]


def test_every_event_kind_has_a_name_and_a_sample() -> None:
    members = union_members(AnyEvent)
    kinds = {member.model_fields["kind"].default for member in members}
    assert len(kinds) == len(members) >= 18
    assert set(EVENTS) == kinds
    assert {event.kind for _, event, _, _ in SAMPLES} == kinds
    assert len({event.name for event in EVENTS.values()}) == len(EVENTS)


@pytest.mark.parametrize(
    ("place", "event", "subject", "question"), SAMPLES, ids=[s[1].kind for s in SAMPLES]
)
def test_an_event_becomes_a_tile(
    place: Place, event: AnyEvent, subject: str, question: str
) -> None:
    (data,) = tiles_of(place, 41, checkpoint(event))
    tile = decode_tile(data, "tile")

    assert tile_fronts("holodeck")[event.kind] + place.identity == subject
    assert tile.question == question
    assert tile.id == f"{place.identity}.41.0"
    assert tile.answer["schema"] == 1
    assert tile.answer["at"] == "2026-05-28T20:26:40.123Z"
    assert (tile.answer["sequence"], tile.answer["n"]) == (41, 0)
    assert tile.answer[f"{place.kind}_id"] == place.identity
    assert tile.tags[:2] == ("scout", event.kind.partition(".")[0])
    assert tile.confidence == EVENTS[event.kind].confidence
    assert (tile.domain, tile.source) == (ROOM, SOURCE)
    assert data.startswith(b'{"id":"')
    assert b"\n" not in data
    assert data == tile.model_dump_json(exclude={"quiet"}).encode()
    fields = json.loads(data)["answer"]
    told_otherwise = set(OTHERWISE.get(event.kind, ()))
    expected = event.model_dump(mode="json", exclude=told_otherwise)
    if isinstance(event, QuestionServed):
        for name in ("answer", "explanation", "hint", "task"):
            del expected["question"][name]
    for name, value in expected.items():
        assert fields[name] == value


@pytest.mark.parametrize("event", [one for one, _, _ in PLAYERS], ids=lambda event: event.kind)
def test_the_tile_of_a_player_says_nothing_personal(event: AnyEvent) -> None:
    (data,) = tiles_of(LEARNER, 41, checkpoint(event))
    assert b"private" not in data
    head = {"schema", "learner_id", "learner", "at", "sequence", "n"}
    assert set(json.loads(data)["answer"]) <= head | _OF_PLAYERS


def test_the_tile_of_a_question_does_not_give_the_answer_away() -> None:
    event = QuestionServed(number=1, slot=0, question=QUESTION, category=Category.FRONTIER)
    (data,) = tiles_of(PLACE, 41, checkpoint(event))
    told = json.loads(data)["answer"]["question"]
    assert told["text"] == QUESTION.text
    assert set(told) & {"answer", "explanation", "hint", "task"} == set()


def test_a_turn_with_friction_and_reputation_gives_three_tiles_in_order() -> None:
    events: list[AnyEvent] = [
        TurnTaken(turn=1, npc="marta", text="hola"),
        FrictionDetected(type=FrictionType.LEXICAL, severity=0.5, turn=1),
        ReputationChanged(npc="marta", delta=0.1, turn=1),
    ]
    tiles = made(PLACE, 8, *events)
    assert [tile.id for tile in tiles] == ["sess_1.8.0", "sess_1.8.1", "sess_1.8.2"]
    assert [tile.answer["n"] for tile in tiles] == [0, 1, 2]
    assert tiles[0].answer["text"] == "hola"
    assert "text" not in tiles[1].answer
    assert made(PLACE, 8, *events) == tiles


def test_what_json_has_no_words_for_is_still_one_line_of_it() -> None:
    odd = 'quote " backslash \\ line\nend \x01 and é😀'
    paused = SessionPaused(reason=odd)
    endless = FrictionDetected(type=FrictionType.LEXICAL, severity=float("inf"), turn=1)
    first, second = tiles_of(PLACE, 8, checkpoint(paused, endless))
    assert b"\n" not in first
    assert json.loads(first)["answer"]["reason"] == odd
    assert json.loads(second, parse_constant=pytest.fail)["answer"]["severity"] is None


def test_a_fork_tells_its_parent_but_not_the_state_it_began_from() -> None:
    (tile,) = made(FORK, 12, SessionForked(parent="p", sequence=9, state=b"x"))
    assert "state" not in tile.answer
    assert (tile.answer["parent_sequence"], tile.answer["sequence"]) == (9, 12)


def test_a_start_carries_the_names_the_session_manager_promised() -> None:
    cast = (CastMember(npc="marta", capabilities=("waiter",)), CastMember(npc="pau"))
    started = SessionStarted(
        session_kind=SessionKind.AGENT, learner="oracle1", name="research", cast=cast
    )
    (tile,) = made(PLACE, 1, started)
    assert tile.answer["cast"] == [
        {"npc": "marta", "capabilities": ["waiter"]},
        {"npc": "pau", "capabilities": []},
    ]
    assert (tile.answer["agent_id"], tile.answer["session_name"]) == ("oracle1", "research")
    assert tile.tags == ("scout", "session", "start", "oracle1")
    assert tile.answer["agents"] == ["marta", "pau"]


def test_a_start_in_a_world_tells_who_is_met_and_not_what_the_learner_shall_not_see() -> None:
    started = SessionStarted(
        session_kind=SessionKind.CONVERSATION,
        learner="ana",
        persona="cafe",
        context=PreSessionContext(
            learner=ContextLearner(id="ana"),
            persona=ContextPersona(
                id="cafe", domain="food", target_language="es", native_language="en"
            ),
        ),
        stage=Stage(characters=(Character(npc="marta", tier=2), Character(npc="pau", tier=3))),
    )
    (tile,) = made(PLACE, 1, started)
    assert tile.answer["tiers"] == {"marta": 2, "pau": 3}
    assert tile.answer["persona"] == "cafe"
    assert not {"context", "stage"} & set(tile.answer)


def test_a_session_without_a_world_says_nothing_of_tiers() -> None:
    (tile,) = made(PLACE, 1, SessionStarted(session_kind=SessionKind.AGENT, learner="ana"))
    assert "tiers" not in tile.answer


def test_a_tile_is_in_snake_case_all_the_way_down() -> None:
    loop = LoopCompleted(session="sess_1", metrics=SessionMetrics(friction_rate=0.5))
    asked, done = made(LEARNER, 9, RefractionAsked(number=1, turn=0, request=REQUEST), loop)
    assert asked.answer["request"]["learner_input"] == "the bill, please"
    assert done.answer["metrics"]["friction_rate"] == 0.5


def test_a_loop_that_was_left_out_says_why() -> None:
    (tile,) = made(LEARNER, 9, LoopCompleted(session="sess_1", skipped="system-error"))
    assert tile.question == "[MACRO_LOOP] ana:sess_1 — skipped, system-error"
    assert tile.tags == ("scout", "loop", "completed", "skipped")


@pytest.mark.parametrize(
    ("started_us", "shown"),
    [
        (None, "2026-05-28T20:26:40.123Z"),
        (1_795_194_793_837_631, "2026-11-20T17:13:13.837631Z"),
        (0, "1970-01-01T00:00:00.000000Z"),
        (2**53, "2255-06-05T23:47:34.740992Z"),
    ],
)
def test_a_session_began_when_its_starter_says_to_the_microsecond(
    started_us: int | None, shown: str
) -> None:
    started = SessionStarted(
        session_kind=SessionKind.AGENT, learner="oracle1", started_us=started_us
    )
    (tile,) = made(AGENT, 1, started)
    assert tile.answer["started"] == shown
    assert tile.answer["at"] == "2026-05-28T20:26:40.123Z"


# --- as the session manager printed them ----------------------------------------

AGENT = Place("session", "3", "sess_abc123", "session", "-", "-", "5", "oracle1")
NAME = "constraint-theory-research"
DOMAIN = "gc/research/scout-reports/holodeck-session"
PRINTED: list[tuple[SessionEvent, dict[str, Any]]] = [
    (
        SessionStarted(
            session_kind=SessionKind.AGENT,
            learner="oracle1",
            name=NAME,
            tags=("research", "constraint-theory", "h1"),
            h1_router=True,
        ),
        {
            "question": f"[SESSION_START] oracle1:{NAME}",
            "answer": {
                "session_id": "sess_abc123",
                "agent_id": "oracle1",
                "session_name": NAME,
                "started": "2026-05-28T20:26:40.123Z",
                "tags": ["research", "constraint-theory", "h1"],
                "max_tasks": 50,
                "task_timeout_seconds": 300,
                "h1_router_enabled": True,
            },
            "tags": ["scout", "session", "start", "oracle1"],
            "confidence": 1.0,
        },
    ),
    (
        TaskStarted(task="analyze-fleet-h1", npc="oracle1", agent="oracle1", routing=ROUTING),
        {
            "question": "[TASK_START] analyze-fleet-h1 → oracle1",
            "answer": {
                "session_id": "sess_abc123",
                "task_id": "analyze-fleet-h1",
                "agent_id": "oracle1",
                "routing": {
                    "agent_id": "oracle1",
                    "h1_before": 3,
                    "h1_after": 4,
                    "emergence_risk": 0.0,
                },
            },
            "tags": ["scout", "task", "start"],
            "confidence": 0.9,
        },
    ),
    (
        TaskCompleted(task="task-1", outcome=Outcome.SUCCESS, duration_ms=1234, agent="oracle1"),
        {
            "question": "[TASK_END] task-1 — success",
            "answer": {
                "session_id": "sess_abc123",
                "task_id": "task-1",
                "outcome": "success",
                "duration_ms": 1234,
                "error": "",
            },
            "tags": ["scout", "task", "end", "success"],
            "confidence": 0.9,
        },
    ),
    (
        SessionEnded(
            reason=EndReason.NATURAL_CONCLUSION,
            outcome=Outcome.SUCCESS,
            active_ms=800_000,
            agent="oracle1",
            name=NAME,
            duration_ms=847_000,
            tasks=TaskCounts(total=5, succeeded=4, failed=1),
            h1=H1Delta(start=2, end=3, change=1, own_change=1),
            patterns=(
                Pattern(name="high_completion_streak", evidence=("t1", "t2", "t3")),
                Pattern(name="first_failure_recovered", evidence=("t4", "t5")),
            ),
        ),
        {
            "question": f"[SESSION_END] oracle1:{NAME} — SUCCESS",
            "answer": {
                "session_id": "sess_abc123",
                "outcome": "success",
                "duration_seconds": 847,
                "tasks": {"total": 5, "succeeded": 4, "failed": 1, "cancelled": 0},
                "h1_delta": {"start": 2, "end": 3, "change": 1},
                "patterns": ["high_completion_streak", "first_failure_recovered"],
            },
            "tags": ["scout", "session", "end", "success"],
            "confidence": 0.95,
        },
    ),
    (
        SessionErred(error="Connection timeout", error_class="connection-timeout", agent="oracle1"),
        {
            "question": "[SESSION_ERROR] sess_abc123",
            "answer": {"session_id": "sess_abc123", "error": "Connection timeout"},
            "tags": ["scout", "session", "error"],
            "confidence": 0.9,
        },
    ),
    (
        EmergenceDetected(crossing=CROSSING),
        {
            "question": "[EMERGENCE ALERT] β₁=3 > V-2=2 (V=4, E=6)",
            "answer": {
                "session_id": "sess_1",
                "task_id": "order",
                "crossing": 40,
                "h1": 3,
                "threshold": 2.0,
                "offset": -2.0,
                "n_vertices": 4,
                "n_edges": 6,
                "members": ["a", "b", "c", "d"],
                "more_members": 1,
                "edge": ["a", "d"],
            },
            "tags": ["scout", "emergence", "alert"],
            "confidence": 0.95,
        },
    ),
]


def within(small: Any, large: Any) -> bool:
    """Whether everything of ``small`` is in ``large``, in objects however deep."""
    if isinstance(small, dict) and isinstance(large, dict):
        return all(name in large and within(small[name], large[name]) for name in small)
    return bool(small == large)


@pytest.mark.parametrize(("event", "printed"), PRINTED, ids=[one.kind for one, _ in PRINTED])
def test_a_tile_is_as_the_session_manager_printed_it(
    event: SessionEvent, printed: dict[str, Any]
) -> None:
    (data,) = tiles_of(AGENT, 41, Checkpoint(AT, (event,), DOMAIN))
    tile = json.loads(data)
    assert tile["source"] == "holodeck-session-manager"
    assert tile["domain"] == DOMAIN
    for part in ("question", "tags", "confidence"):
        assert tile[part] == printed[part]
    answer = tile["answer"]
    assert within(printed["answer"], answer), answer
    assert list(dict.fromkeys(answer)) == list(answer)
    assert (answer["at"], answer["sequence"], answer["n"]) == ("2026-05-28T20:26:40.123Z", 41, 0)


@pytest.mark.parametrize("event", [sample[1] for sample in SAMPLES], ids=lambda event: event.kind)
def test_no_name_that_is_told_otherwise_is_told_twice(event: AnyEvent) -> None:
    answer = json.loads(tiles_of(PLACE, 41, checkpoint(event))[0])["answer"]
    # What stands there is another.
    kept = {"sequence", "patterns", "routing", "crossing", "advice", "character"}
    assert not set(OTHERWISE.get(event.kind, ())) - kept & set(answer)


def test_an_end_where_the_graph_is_not_known_says_null_and_not_zero() -> None:
    ended = SessionEnded(reason=EndReason.LEARNER_ENDED, outcome=Outcome.FAILED, active_ms=1)
    (tile,) = made(AGENT, 41, ended)
    assert tile.answer["h1_delta"] is None
    assert tile.answer["tasks"] is None
    assert (tile.answer["patterns"], tile.answer["evidence"]) == ([], {})
    assert tile.question == "[SESSION_END] oracle1:sess_abc123 — FAILED"


def test_an_end_shows_what_each_pattern_rests_on_and_all_of_the_graph() -> None:
    first, last = GraphPoint(h1=2, vertices=4, edges=5, components=1), GraphPoint(h1=3, sequence=40)
    ended = SessionEnded(
        reason=EndReason.LEARNER_ENDED,
        outcome=Outcome.SUCCESS,
        active_ms=1,
        duration_ms=1500,
        h1=H1Delta(start=2, end=3, change=1, own_change=-1, crossings=2, first=first, last=last),
        patterns=(Pattern(name="mixed_outcomes", evidence=("t1",)), Pattern(name="flapping")),
    )
    (tile,) = made(AGENT, 41, ended)
    assert tile.answer["evidence"] == {"mixed_outcomes": ["t1"], "flapping": []}
    assert tile.answer["duration_seconds"] == 1.5
    assert ended.h1 is not None
    assert tile.answer["h1_delta"] == ended.h1.model_dump()


def test_a_name_of_several_lines_stands_on_one_in_the_question_and_as_it_is_in_the_answer() -> None:
    ended = SessionEnded(
        reason=EndReason.LEARNER_ENDED,
        outcome=Outcome.SUCCESS,
        active_ms=1,
        agent="ana",
        name="two\n lines",
    )
    (tile,) = made(AGENT, 41, ended)
    assert tile.question == "[SESSION_END] ana:two lines — SUCCESS"
    assert tile.answer["session_name"] == "two\n lines"


def test_a_task_nobody_was_given_says_whose_session_it_is_in() -> None:
    (own,) = made(AGENT, 41, TaskStarted(task="t", agent="oracle1"))
    (nobody,) = made(PLACE, 41, TaskStarted(task="t"))
    assert own.question == "[TASK_START] t → oracle1"
    assert nobody.question == "[TASK_START] t → -"
    assert nobody.answer["routing"] is None


@pytest.mark.parametrize("outcome", list(Outcome))
def test_the_end_of_a_task_says_its_outcome_in_lower_case_and_of_a_session_in_upper(
    outcome: Outcome,
) -> None:
    ended = SessionEnded(reason=EndReason.LEARNER_ENDED, outcome=outcome, active_ms=1)
    task, whole = made(PLACE, 41, TaskCompleted(task="t", outcome=outcome), ended)
    assert task.question == f"[TASK_END] t — {outcome}"
    assert whole.question.endswith(f" — {outcome.upper()}")
    assert (task.answer["outcome"], whole.answer["outcome"]) == (outcome, outcome)
    assert (task.tags[3:], whole.tags[3:]) == ((outcome,), (outcome,))


def test_who_got_a_task_is_told_with_the_routing_that_gave_it() -> None:
    routed = TaskRouted(
        task="t",
        npc="oracle1",
        match=0.5,
        fallback=True,
        attempt=2,
        routing=ROUTING,
        collaborators=("jc1",),
    )
    (tile,) = made(AGENT, 41, routed)
    answer = tile.answer
    assert (answer["agent_id"], answer["attempt"], answer["fallback"]) == ("oracle1", 2, True)
    assert answer["routing"] == {"agent_id": "oracle1"} | ROUTING.model_dump(exclude={"agent"})
    assert answer["collaborators"] == ["jc1"]


def test_the_fleets_own_tiles_are_told_under_its_name() -> None:
    synthesis, inference, agent = made(
        FLEET,
        41,
        MidSynthesised(synthesis=SYNTHESIS),
        ArchitectInferred(sequence=40, advice=Advice(mids=3)),
        AgentRegistered(agent="oracle1", capabilities=("research",), max_load=3),
    )
    assert synthesis.answer["fleet_id"] == "main"
    assert synthesis.answer["scope"] == "all sessions"
    assert synthesis.answer["counts"] == [
        {"kind": "overlap", "count": 2},
        {"kind": "slower", "count": 1},
    ]
    assert (inference.answer["synthesis"], inference.answer["mids"]) == (40, 3)
    assert inference.answer["sequence"] == 41
    assert inference.answer["advice"] is True
    assert inference.confidence == 0.5
    assert agent.answer["agent_id"] == "oracle1"
    assert (agent.answer["capabilities"], agent.answer["max_load"]) == (["research"], 3)
    assert "learner" not in agent.answer


# --- where they belong ----------------------------------------


@pytest.mark.parametrize(
    ("room", "given", "domain"),
    [
        ("", ROOM, ROOM),
        ("", "another/default", "another/default"),
        ("gc/lab", ROOM, "gc/lab"),
        ("gc/lab", "another/default", "gc/lab"),
    ],
)
def test_a_tile_belongs_to_the_room_of_its_session_if_that_has_one(
    room: str, given: str, domain: str
) -> None:
    tiles = tiles_of(PLACE, 41, Checkpoint(AT, (SessionPaused(), SessionResumed()), room), given)
    assert [decode_tile(data, "tile").domain for data in tiles] == [domain, domain]


def test_a_session_that_wants_it_has_tiles_that_plato_is_not_told_of() -> None:
    events = (SessionPaused(), SessionResumed())
    quiet = [json.loads(data) for data in tiles_of(PLACE, 41, Checkpoint(AT, events, "", True))]
    loud = [json.loads(data) for data in tiles_of(PLACE, 41, Checkpoint(AT, events))]
    assert [tile.pop("quiet") for tile in quiet] == [True, True]
    assert quiet == loud  # nothing else is different, and loud ones do not speak of it


def test_a_time_no_calendar_knows_is_undecodable() -> None:
    with pytest.raises(DecodeError, match="9999"):
        tiles_of(PLACE, 1, checkpoint(SessionPaused(), at=2**53))


def test_bytes_that_are_no_tile_are_refused() -> None:
    with pytest.raises(DecodeError):
        decode_tile(b'{"id": 7}', "somewhere")
