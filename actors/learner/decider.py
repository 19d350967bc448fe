"""A learner: the claim that keeps it to one active session, and what its sessions left behind.

One law: the learner is claimed by at most one session. The claim is made before the session
starts or resumes, confirmed by ``session.started`` or ``session.resumed``, and goes with
``session.paused``, ``session.ended`` or the abandoning of the start. The session that holds the
learner may claim anew at any time: it knows itself which of its claims a pause has made void.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from pydantic import TypeAdapter

from holodeck.actors.decider import Decider, Moment
from holodeck.actors.learner.landing import lands, signals_of
from holodeck.actors.learner.lessons import completed, engaged, mastered
from holodeck.actors.learner.loop import run
from holodeck.actors.learner.player import deciding as playing
from holodeck.actors.learner.player import tracking
from holodeck.actors.learner.player.history import PlayHistory
from holodeck.actors.learner.player.playing import able
from holodeck.actors.learner.player.state import Player
from holodeck.actors.learner.practice import PracticeProfile, holding
from holodeck.actors.learner.profile import (
    Profile,
    edited,
    edits,
    evaluated,
    injection_planned,
    injection_settled,
    lesson_made,
    lesson_reported,
    session_begins,
    session_ends,
)
from holodeck.actors.learner.stories import hear
from holodeck.actors.learner.triggers import delivering, planned, told_at
from holodeck.messages.conversation import AdaptiveLessonResult, TriggerStatus
from holodeck.messages.envelope import AnyEvent
from holodeck.messages.errors import RefusedError
from holodeck.messages.learner import (
    AnswerTrigger,
    ClaimLearner,
    CurriculumGenerated,
    DeliverTriggers,
    EditProfile,
    InjectionPlanned,
    InjectionSettled,
    LearnerClaimed,
    LearnerCommand,
    LearnerEvent,
    LessonReported,
    LoopCompleted,
    ProfileEdited,
    ReportLesson,
    RunLoop,
    ScheduleTrigger,
    TriggerAnswered,
    TriggerDelivered,
    TriggerExpired,
    TriggerScheduled,
)
from holodeck.messages.player import (
    EraseLearner,
    LearnerErased,
    PlayerFlagged,
    ReachMilestones,
    SafetyFlagged,
    SessionInteracted,
    SessionMarked,
    SettingsChanged,
)
from holodeck.messages.practice import (
    AnswerGiven,
    PracticeSummed,
    ReviewCredited,
    SkillMoved,
    SkillState,
    Trigger,
)
from holodeck.messages.session import (
    FrictionDetected,
    NpcParted,
    Outcome,
    ReputationChanged,
    SessionEnded,
    SessionKind,
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
    TurnTaken,
)
from holodeck.messages.talk import (
    AffectChanged,
    ConversationClosed,
    GoalReached,
    InjectionAdvanced,
    NegotiationCollapsed,
    PronunciationHeard,
)

SCHEMA: Final = 4
RECENT: Final = 20
"""How many sessions a learner remembers one by one."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Attributes:
    number: sequence of the claim's checkpoint.
    confirmed: the session has started or resumed on it.
    """

    session: str
    number: int
    at: int
    confirmed: bool = False


@dataclass(frozen=True, slots=True)
class Visit:
    """One session of the learner; ``ended_at`` is 0 and ``outcome`` None while it lives."""

    session: str
    kind: SessionKind
    started_at: int
    ended_at: int = 0
    outcome: Outcome | None = None


@dataclass(frozen=True, slots=True)
class FrictionTotal:
    """Attributes:
    severity: the sum over all of them.
    """

    count: int
    severity: float


@dataclass(slots=True)
class LearnerState:
    """One learner.

    Attributes:
        friction, reputations, tasks: messages of that family that reached the learner.
        checkpoints: all that named it.
        profile: what sessions with a persona, edits and triggers need; None before the first.
        practice: how far it has come, by curriculum; None before the first practice session.
        history: what it has played; None before the first session it plays.
        erased: nothing is known of it but that; everything said to it is refused, whatever names
            it changes nothing.
    """

    claim: Claim | None = None
    sessions: int = 0
    recent: tuple[Visit, ...] = ()
    turns: int = 0
    friction: int = 0
    friction_totals: dict[str, FrictionTotal] = field(default_factory=dict)
    reputations: int = 0
    tasks: int = 0
    tasks_done: int = 0
    first_at: int = 0
    last_at: int = 0
    checkpoints: int = 0
    last_sequence: int = 0
    profile: Profile | None = None
    practice: dict[str, PracticeProfile] | None = None
    player: Player | None = None
    history: PlayHistory | None = None
    erased: bool = False

    def copy(self) -> LearnerState:
        profile, practice, player = self.profile, self.practice, self.player
        return replace(
            self,
            friction_totals=dict(self.friction_totals),
            profile=None if profile is None else profile.copy(),
            practice=None
            if practice is None
            else {name: one.copy() for name, one in practice.items()},
            player=None if player is None else player.copy(),
            history=None if self.history is None else self.history.copy(),
        )


def acts_alone(state: LearnerState) -> bool:
    """Whether the learner may come to have something to do by itself."""
    return state.profile is not None or state.player is not None


def next_due(state: LearnerState, now: int = 0) -> int:
    """When the learner has something to do by itself, ms since 1970 UTC; 0: nothing.

    An owed evaluation at its session's end (up to ten seconds later while NPCs have still to part
    from it), else the first moment from ``now`` on at which a trigger may be delivered or expires,
    or an unanswered lesson is spoken of again; at once where a milestone is owed. Ask anew after
    every fold, and where the moment had passed and nothing came of it.
    """
    due = 0 if state.profile is None else state.profile.next_moment(now)
    owed = tracking.owed_at(state)
    return min(due, owed) if due and owed else due or owed


def due_command(
    state: LearnerState, now: int
) -> RunLoop | DeliverTriggers | ReachMilestones | None:
    """What the learner has to do at a moment; deciding it brings at least one event forth."""
    profile = state.profile
    for session in () if profile is None else profile.owed:
        if profile is not None and profile.ready_at(session) <= now:
            return RunLoop(session=session)
    if tracking.owed_at(state):
        return ReachMilestones()
    if profile is None:
        return None
    due = profile.queue.next_moment(now)
    return DeliverTriggers() if due and due <= now else None


def decide(state: LearnerState, command: LearnerCommand, now: int) -> Sequence[LearnerEvent]:
    """The events a command leads to; none if it was already obeyed.

    Raises:
        RefusedError: ``claimed``, with the id of the session that holds the learner;
            ``player-inactive``, it plays nothing until its profile says otherwise;
            ``unknown-curriculum``, another lesson waits or none; ``unknown-unit``, the lesson has
            no such unit; ``other-learner``, a trigger is for somebody else; ``trigger-exists``,
            one of that id waits or was delivered; ``trigger-past``, it would expire before it
            could be said; ``queue-full``, 64 wait, or 32 KiB of text; ``unknown-trigger``, none of
            that id was delivered; what the commands of a player are refused for;
            ``learner-erased``, whatever is said but to erase it once more.
    """
    if isinstance(command, EraseLearner):
        return (LearnerErased(npc=command.npc),)
    if state.erased:
        raise RefusedError("learner-erased")
    match command:
        case ClaimLearner(session=wanted):
            held = state.claim
            if held is not None and held.session != wanted and held.number != command.void:
                raise RefusedError("claimed", held.session)
            if held is None or held.session != wanted:
                able(state.player)
            return (LearnerClaimed(session=wanted),)
        case EditProfile():
            change = edits(state.profile, command)
            return () if change is None else (change,)
        case RunLoop(session=session):
            return _evaluation(state.profile, session, now)
        case ReportLesson(result=result):
            return _lesson(state.profile, result)
        case ScheduleTrigger():
            return _scheduled(state.profile, command, now)
        case AnswerTrigger():
            return _answered(state.profile, command)
        case DeliverTriggers():
            profile = state.profile
            return () if profile is None else delivering(profile.queue, profile.teller, now)
        case _:
            return playing.decide(state, command, now)


def _evaluation(profile: Profile | None, session: str, now: int) -> Sequence[LearnerEvent]:
    """The macro loop of a session that has ended; nothing if it is not owed (any more)."""
    if profile is None or session not in profile.owed:
        return ()
    telling = profile.live[session]
    if telling.failed:
        return (
            LoopCompleted(
                session=session,
                coordinates=profile.coordinates,
                recommended_tier=profile.recommended,
                baseline=profile.baseline,
                landing=profile.landing,
                skipped="system-error",
            ),
        )
    story, known = telling.story, profile.known(now)
    result = run(
        story,
        known,
        style=profile.style,
        preferences=profile.preferences,
        persona=story.persona,
    )
    signals = signals_of(story, profile.cefr, profile.bad_affect)
    events: list[LearnerEvent] = [
        LoopCompleted(
            session=session,
            phases=result.phases,
            metrics=result.metrics,
            interlanguage=result.interlanguage,
            coordinates=result.coordinates,
            recommended_tier=result.recommended_tier,
            l1_share=result.l1_share,
            baseline=result.baseline,
            landing=lands(signals, known.number, profile.landing),
            rules=tuple(result.rules.values()),
        )
    ]
    if result.curriculum is not None:
        events.append(CurriculumGenerated(curriculum=result.curriculum))
    events += [
        InjectionSettled(form=form, status=status, attempts=attempts, session=session)
        for form, status, attempts in result.settled
    ]
    events += [InjectionPlanned(spec=spec, session=session) for spec in result.planned]
    events += planned(
        profile.queue,
        profile.teller,
        session,
        now,
        curriculum=result.curriculum,
        hard=bool(story.collapsed) or story.bad_affect,
    )
    return events


def _lesson(profile: Profile | None, result: AdaptiveLessonResult) -> Sequence[LearnerEvent]:
    curriculum = None if profile is None else profile.curriculum
    if profile is None or curriculum is None or curriculum.id != result.curriculum_id:
        raise RefusedError("unknown-curriculum", result.curriculum_id)
    units = {unit.id for unit in curriculum.units}
    for unit in result.unit_engagement:
        if unit.unit_id not in units:
            raise RefusedError("unknown-unit", unit.unit_id)
    done = [unit for unit in result.unit_engagement if unit.completed]
    rate = result.completion_rate
    if result.unit_engagement:
        rate = completed(result.unit_engagement, len(units))
    accuracy = sum(unit.exercise_accuracy for unit in done) / len(done) if done else 0.0
    events: list[LearnerEvent] = [
        LessonReported(
            result=result,
            engaged=engaged(rate),
            mastered=bool(done) and mastered(round(accuracy, 6)),
        )
    ]
    lesson = profile.queue.lesson
    waiting = {item.id for item in profile.queue.waiting}
    if engaged(rate) and lesson is not None and lesson.trigger in waiting:
        events.append(TriggerExpired(trigger=lesson.trigger))
    return events


def _scheduled(
    profile: Profile | None, command: ScheduleTrigger, now: int
) -> Sequence[LearnerEvent]:
    held = profile or Profile()
    trigger = command.trigger
    if held.learner and trigger.learner_id != held.learner:
        raise RefusedError("other-learner", trigger.learner_id)
    if held.queue.knows(trigger.trigger_id):
        raise RefusedError("trigger-exists", trigger.trigger_id)
    if told_at(trigger.expires_at) <= max(now, told_at(trigger.scheduled_at)):
        raise RefusedError("trigger-past", trigger.expires_at)
    if held.queue.full_with(trigger):
        raise RefusedError("queue-full", str(len(held.queue.waiting)))
    return (TriggerScheduled(trigger=trigger.model_copy(update={"status": TriggerStatus.PENDING})),)


def _answered(profile: Profile | None, command: AnswerTrigger) -> Sequence[LearnerEvent]:
    """The last answer counts; the same one again adds nothing."""
    delivered = () if profile is None else profile.queue.delivered
    for item in delivered:
        if item.trigger == command.trigger:
            if item.answer == command.status:
                return ()
            return (TriggerAnswered(trigger=command.trigger, status=command.status),)
    raise RefusedError("unknown-trigger", command.trigger)


def _seen(state: LearnerState, moment: Moment) -> None:
    state.checkpoints += 1
    state.last_sequence, state.last_at = moment.sequence, moment.at
    if not state.first_at:
        state.first_at = moment.at


def _turn(state: LearnerState, event: TurnTaken, moment: Moment) -> None:
    state.turns += 1
    tracking.acted(state, moment)
    if state.profile is not None:
        _told(state, event, moment)


def _friction(state: LearnerState, event: FrictionDetected, moment: Moment) -> None:
    state.friction += 1
    if state.profile is not None:
        _told(state, event, moment)
    name = event.type.value
    total = state.friction_totals.get(name)
    state.friction_totals[name] = FrictionTotal(
        (total.count if total else 0) + 1,
        round((total.severity if total else 0.0) + event.severity, 6),
    )


def _reputation(state: LearnerState, event: ReputationChanged, moment: Moment) -> None:
    state.reputations += 1
    if state.profile is not None:
        _told(state, event, moment)


def _task(
    state: LearnerState,
    event: TaskAdded | TaskRefused | TaskRetried | TaskRouted | TaskStarted,
    moment: Moment,
) -> None:
    state.tasks += 1


def _task_done(state: LearnerState, event: TaskCompleted, moment: Moment) -> None:
    state.tasks += 1
    state.tasks_done += 1


def _claimed(state: LearnerState, event: LearnerClaimed, moment: Moment) -> None:
    state.claim = Claim(event.session, moment.sequence, moment.at)


def _started(state: LearnerState, event: SessionStarted, moment: Moment) -> None:
    _confirm(state, moment.writer, event.claim)
    state.sessions += 1
    visit = Visit(moment.writer, event.session_kind, moment.at)
    state.recent = (*state.recent, visit)[-RECENT:]
    if state.player is not None:
        state.player.begins(moment.writer, event.character, moment.at)
    if event.context is not None:
        session_begins(_profile(state, event.learner), event, moment)
    if event.practice is not None and event.brief is not None:
        if state.practice is None:
            state.practice = {}
        held = state.practice.setdefault(event.practice.curriculum, PracticeProfile())
        held.begins(moment.writer, event.brief.number)
    tracking.started(state, event, moment)


def _resumed(state: LearnerState, event: SessionResumed, moment: Moment) -> None:
    _confirm(state, moment.writer, event.claim)
    if state.player is not None:
        state.player.seen_at = moment.at
    tracking.resumed(state, event, moment)


def _let_go(
    state: LearnerState,
    event: SessionPaused | SessionStartAbandoned,
    moment: Moment,
) -> None:
    _release(state, moment.writer)
    if isinstance(event, SessionPaused):
        tracking.paused(state, event, moment)


def _resume_abandoned(state: LearnerState, event: SessionResumeAbandoned, moment: Moment) -> None:
    """A later claim of the same session stays: it may yet resume on that one."""
    if state.claim is not None and state.claim.number <= event.claim:
        _release(state, moment.writer)


def _ended(state: LearnerState, event: SessionEnded, moment: Moment) -> None:
    _release(state, moment.writer)
    if state.player is not None:
        state.player.ends(moment.writer)
    state.recent = tuple(
        replace(visit, ended_at=moment.at, outcome=event.outcome)
        if visit.session == moment.writer and not visit.ended_at
        else visit
        for visit in state.recent
    )
    profile = state.profile
    if profile is not None and moment.writer in profile.live:
        session_ends(profile, event, moment)
    practised = holding(state.practice, moment.writer)
    if practised is not None:
        practised.ends(moment.writer)
    tracking.ended(state, event, moment)


def _confirm(state: LearnerState, session: str, number: int | None) -> None:
    held = state.claim
    if held is not None and held.session == session and held.number == number:
        state.claim = replace(held, confirmed=True)


def _release(state: LearnerState, session: str) -> None:
    if state.claim is not None and state.claim.session == session:
        state.claim = None


# --- practice ----------------------------------------

_ONCE: Final = (SkillState.MASTERED, SkillState.RUSTY)
"""States of skills that were mastered before."""


def _practised(
    state: LearnerState,
    event: AnswerGiven | SkillMoved | ReviewCredited | PracticeSummed,
    moment: Moment,
) -> None:
    """What a practice session says; one that was never heard to begin is not known."""
    session, at = moment.writer, moment.at
    held = holding(state.practice, session)
    if held is None:
        return
    match event:
        case AnswerGiven():
            held.answer(session, event, at)
            tracking.acted(state, moment)
        case SkillMoved():
            known = held.records.get(event.skill)
            held.move(session, event, at)
            if event.trigger is Trigger.MASTERY and (known is None or known.state not in _ONCE):
                tracking.mastered(state, moment)
        case ReviewCredited():
            held.credit(session, event)
        case PracticeSummed():
            held.sum(session, event, at)


# --- what only learners with a profile hear of ----------------------------------------


def _told(state: LearnerState, event: AnyEvent, moment: Moment) -> None:
    """One more line of a session's story, if it is told."""
    if state.profile is not None:
        telling = state.profile.live.get(moment.writer)
        if telling is not None:
            hear(telling, event, moment)


def _profile(state: LearnerState, identity: str) -> Profile:
    if state.profile is None:
        state.profile = Profile()
    state.profile.learner = state.profile.learner or identity
    return state.profile


def _own(state: LearnerState, moment: Moment) -> Profile:
    """The profile, where the learner itself wrote."""
    return _profile(state, moment.learner or moment.writer)


def _edited(state: LearnerState, event: ProfileEdited, moment: Moment) -> None:
    edited(_own(state, moment), event)


def _completed(state: LearnerState, event: LoopCompleted, moment: Moment) -> None:
    evaluated(_own(state, moment), event)


def _made(state: LearnerState, event: CurriculumGenerated, moment: Moment) -> None:
    lesson_made(_own(state, moment), event, moment)


def _planned(state: LearnerState, event: InjectionPlanned, moment: Moment) -> None:
    injection_planned(_own(state, moment), event, moment)


def _settled(state: LearnerState, event: InjectionSettled, moment: Moment) -> None:
    injection_settled(_own(state, moment), event)


def _reported(state: LearnerState, event: LessonReported, moment: Moment) -> None:
    lesson_reported(_own(state, moment), event, moment)


def _waits(state: LearnerState, event: TriggerScheduled, moment: Moment) -> None:
    _own(state, moment).queue.add(event.trigger)


def _said(state: LearnerState, event: TriggerDelivered, moment: Moment) -> None:
    _own(state, moment).queue.said(event.trigger, moment.at)


def _answer(state: LearnerState, event: TriggerAnswered, moment: Moment) -> None:
    _own(state, moment).queue.answered(event.trigger, event.status)


def _expired(state: LearnerState, event: TriggerExpired, moment: Moment) -> None:
    _own(state, moment).queue.dropped(event.trigger, moment.at)


# --- the end ----------------------------------------


def _forgotten(state: LearnerState, event: LearnerErased, moment: Moment) -> None:
    blank = LearnerState(erased=True)
    for name in LearnerState.__slots__:
        setattr(state, name, getattr(blank, name))


def _erased(state: LearnerState) -> bool:
    return state.erased


learner: Final[Decider[LearnerState, LearnerCommand, AnyEvent]] = Decider(
    LearnerState,
    decide,
    {
        TurnTaken: _turn,
        FrictionDetected: _friction,
        ReputationChanged: _reputation,
        TaskAdded: _task,
        TaskRefused: _task,
        TaskRetried: _task,
        TaskRouted: _task,
        TaskStarted: _task,
        TaskCompleted: _task_done,
        LearnerClaimed: _claimed,
        SessionStarted: _started,
        SessionResumed: _resumed,
        SessionPaused: _let_go,
        SessionStartAbandoned: _let_go,
        SessionResumeAbandoned: _resume_abandoned,
        SessionEnded: _ended,
        NpcParted: _told,
        AffectChanged: _told,
        ConversationClosed: _told,
        GoalReached: _told,
        InjectionAdvanced: _told,
        NegotiationCollapsed: _told,
        PronunciationHeard: _told,
        ProfileEdited: _edited,
        LoopCompleted: _completed,
        CurriculumGenerated: _made,
        InjectionPlanned: _planned,
        InjectionSettled: _settled,
        LessonReported: _reported,
        TriggerScheduled: _waits,
        TriggerDelivered: _said,
        TriggerAnswered: _answer,
        TriggerExpired: _expired,
        AnswerGiven: _practised,
        SkillMoved: _practised,
        ReviewCredited: _practised,
        PracticeSummed: _practised,
        SessionInteracted: tracking.interacted,
        SessionMarked: tracking.marked,
        SettingsChanged: tracking.settled,
        SafetyFlagged: tracking.flagged,
        PlayerFlagged: tracking.flagged,
        **playing.CHANGES,
        LearnerErased: _forgotten,
    },
    _seen,
    _erased,
)
LEARNER_STATE: Final = TypeAdapter(LearnerState)
