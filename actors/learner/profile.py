"""What is kept of a learner that talks in the worlds of personas.

One law: everything here is a fold, bounded whatever happens, and a session changes what is known
of its learner once: what can be counted when it ends, what has to be worked out when it has been
evaluated.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from holodeck.actors.decider import Moment
from holodeck.actors.learner.evaluation import trend
from holodeck.actors.learner.landing import COLD_START
from holodeck.actors.learner.lessons import mastered
from holodeck.actors.learner.loop import ACTIVE, MAX_ACTIVE, MAX_DEFERRED
from holodeck.actors.learner.stories import (
    Telling,
    begun,
    hear,
    name_size,
    newest,
    point_size,
    shed,
)
from holodeck.actors.learner.story import FrictionPoint, Known, Pending
from holodeck.actors.learner.triggers import DAY_MS, Queue, Teller, iso
from holodeck.actors.npc.briefing import saved as saved_relation
from holodeck.actors.npc.briefing import saved_memories
from holodeck.actors.npc.relation import Relation
from holodeck.messages.conversation import (
    Cefr,
    CodeSwitchState,
    Coordinates,
    EngagementMetrics,
    FrictionProfile,
    FrictionType,
    InstructionalPreferences,
    InterlanguageUpdate,
    InterSessionPersistence,
    MicroCurriculum,
    PhonemeProfile,
    RetentionProfile,
    RetentionStyle,
    SavedLearner,
    SpecStatus,
    Tier,
    Trajectory,
    Trend,
    VectorMemory,
)
from holodeck.messages.learner import (
    CurriculumGenerated,
    EditProfile,
    InjectionPlanned,
    InjectionSettled,
    LanguageRule,
    LessonReported,
    LoopCompleted,
    ProfileEdited,
)
from holodeck.messages.session import EndReason, SessionEnded, SessionStarted
from holodeck.messages.talk import Baseline

LIVE: Final = 4
"""Sessions of one learner that are told at once. Of more the oldest is forgotten, unevaluated: one
that was paused and never ended, if there is such."""
HISTORY: Final = 100
HISTORY_BYTES: Final = 64 * 1024
RULES: Final = 100
RULES_BYTES: Final = 64 * 1024
FIGURES: Final = 20
"""Sessions whose rates, shares and phonemes are kept one by one."""
PHONEMES: Final = 64
ATTENDED: Final = 100
MET: Final = 128
LESSONS: Final = 20
REACHED: Final = 64
REACHED_BYTES: Final = 24 * 1024
WORLDS: Final = 16
"""Personas whose reached objectives are kept; those not visited longest go first."""
STILL_TO_COME_MS: Final = 10_000
"""How long an evaluation waits for the partings of NPCs after a session's end."""
GRADIENT: Final[tuple[tuple[int, float], ...]] = (
    (5, 0.2),
    (15, 0.4),
    (30, 0.6),
    (50, 0.8),
)
"""Up to which session which share of the target language is aimed for; beyond, 0.95."""
LAST_SHARE: Final = 0.95
WEAK: Final = 0.6
"""A phoneme is critical below it, by the mean of its newest session."""
MASTERED: Final = 0.85
"""A phoneme is mastered from it on, in each of the last three sessions."""


def l2_share(number: int, distress: bool = False) -> float:
    """The share of the target language a companion aims for in session ``number``, from 1.

    0.2 in sessions 1 to 5, 0.4 to 15, 0.6 to 30, 0.8 to 50, then 0.95. In distress it goes one
    step back.
    """
    shares = (*(share for _, share in GRADIENT), LAST_SHARE)
    step = sum(number > last for last, _ in GRADIENT)
    return shares[max(0, step - distress)]


@dataclass(frozen=True, slots=True)
class Attendance:
    """One session; ``ended_at`` is 0 while it lives."""

    session: str
    started_at: int
    ended_at: int = 0
    active_ms: int = 0


@dataclass(frozen=True, slots=True)
class LessonKept:
    """How a lesson went; ``completion`` 0 to 1."""

    curriculum: str
    at: int
    completion: float
    engaged: bool
    mastered: bool


@dataclass(slots=True)
class Profile:
    """A learner beyond its claim.

    Attributes:
        learner: its id.
        preferred_minutes: how long a session should take; None: it never said.
        baseline: what is usual in its turns.
        shares: observed share of the target language, one a session.
        phonemes: mean accuracy, one a session, by phoneme.
        critical_phonemes: as somebody told them.
        history: friction points of evaluated sessions, at most 100.
        tiers: sessions in which a tier was met.
        rates, completions: friction a minute and task completion, one a session.
        rules: of its interlanguage, by form.
        injections: five active ones, and those that wait for their place.
        curriculum: the lesson that waits; lessons: those reported.
        met: NPCs, the newest last; reached: objectives, by persona.
        bad_affect: sessions in a row in which it was anxious or overwhelmed.
        sessions: with a persona, begun; evaluated: how many of them the loop took in.
        debrief: the session in which an NPC broke off, until the next one begins.
        live: stories by session, until they are evaluated; owed: those that have ended.
        update: what the last evaluation said of its interlanguage; persona, session: of that one.
    All series have the newest last.
    """

    learner: str = ""
    name: str = ""
    cefr: Cefr = Cefr.A1
    native_language: str = ""
    target_language: str = ""
    style: RetentionStyle = RetentionStyle.MASTERY
    preferences: InstructionalPreferences = field(default_factory=InstructionalPreferences)
    preferred_minutes: float | None = None
    baseline: Baseline = field(default_factory=Baseline)
    coordinates: Coordinates = field(default_factory=Coordinates)
    shares: tuple[float, ...] = ()
    phonemes: dict[str, tuple[float, ...]] = field(default_factory=dict)
    critical_phonemes: tuple[str, ...] = ()
    history: tuple[FrictionPoint, ...] = ()
    tiers: dict[int, int] = field(default_factory=dict)
    rates: tuple[float, ...] = ()
    completions: tuple[float, ...] = ()
    rules: dict[str, LanguageRule] = field(default_factory=dict)
    injections: tuple[Pending, ...] = ()
    curriculum: MicroCurriculum | None = None
    lessons: tuple[LessonKept, ...] = ()
    queue: Queue = field(default_factory=Queue)
    met: tuple[str, ...] = ()
    reached: dict[str, tuple[str, ...]] = field(default_factory=dict)
    recommended: Tier = 1
    landing: bool = False
    bad_affect: int = 0
    sessions: int = 0
    evaluated: int = 0
    attended: tuple[Attendance, ...] = ()
    first_at: int = 0
    debrief: str = ""
    live: dict[str, Telling] = field(default_factory=dict)
    owed: tuple[str, ...] = ()
    update: InterlanguageUpdate = field(default_factory=InterlanguageUpdate)
    persona: str = ""
    session: str = ""

    def copy(self) -> Profile:
        """An equal profile that shares nothing changeable."""
        return replace(
            self,
            phonemes=dict(self.phonemes),
            tiers=dict(self.tiers),
            rules=dict(self.rules),
            reached=dict(self.reached),
            queue=self.queue.copy(),
            live={session: telling.copy() for session, telling in self.live.items()},
        )

    @property
    def teller(self) -> Teller:
        return Teller(self.learner, self.style)

    # --- readings ----------------------------------------

    @property
    def switching(self) -> CodeSwitchState:
        """What is aimed for in the next session, and where the observed shares go.

        The gradient by the number of the session; a step back after two hard sessions in a row,
        and while soft landing is on no more than its share.
        """
        share = l2_share(self.sessions + 1, distress=self.bad_affect >= 2)
        if self.landing:
            share = min(share, round(1 - COLD_START.l1_share, 6))
        return CodeSwitchState(current_l2_ratio=share, trajectory=self.trajectory)

    @property
    def trajectory(self) -> Trajectory:
        """From the last six observed shares; fewer than three are stalled."""
        going = trend(self.shares[-6:]) if len(self.shares) >= 3 else "stable"
        return {
            "improving": Trajectory.ADVANCING,
            "declining": Trajectory.REGRESSING,
            "stable": Trajectory.STALLED,
        }[going]

    @property
    def friction_trend(self) -> Trend:
        """Where friction a minute goes over the last ten sessions; fewer than three are stable."""
        going = trend(self.rates[-10:]) if len(self.rates) >= 3 else "stable"
        return {
            "improving": Trend.INCREASING,
            "declining": Trend.DECREASING,
            "stable": Trend.STABLE,
        }[going]

    def dominant(self) -> tuple[FrictionType, ...]:
        """Kinds of the last hundred frictions, the most frequent first."""
        kinds = Counter(point.type for point in self.history)
        return tuple(sorted(kinds, key=lambda kind: (-kinds[kind], kind.value)))

    def mastered_phonemes(self) -> tuple[str, ...]:
        """At least 0.85 in each of the last three sessions they were heard in."""
        return tuple(
            phoneme
            for phoneme, means in self.phonemes.items()
            if len(means) >= 3 and min(means[-3:]) >= MASTERED
        )

    def phoneme_priorities(self) -> tuple[str, ...]:
        """Critical ones that are not mastered, at most eight: those told, in their order, then
        those below 0.6 when last heard, the weakest first."""
        weak = sorted(
            (phoneme for phoneme, means in self.phonemes.items() if means[-1] < WEAK),
            key=lambda phoneme: (self.phonemes[phoneme][-1], phoneme),
        )
        mastered = self.mastered_phonemes()
        wanted = dict.fromkeys((*self.critical_phonemes, *weak))
        return tuple(phoneme for phoneme in wanted if phoneme not in mastered)[:8]

    def engagement(self, at: int) -> EngagementMetrics:
        """How the learner keeps at it, as of ``at`` (ms since 1970 UTC).

        ``weekly_frequency``: sessions of the last four weeks by those weeks, of which a new
        learner has had fewer. ``frequency_trend``: the last two weeks against the two before.
        """
        starts = [item.started_at for item in self.attended]
        ended = [item.active_ms for item in self.attended if item.ended_at]

        def within(days: float, until: float = 0) -> int:
            return sum(at - days * DAY_MS < start <= at - until * DAY_MS for start in starts)

        days = max(0.0, (at - self.first_at) / DAY_MS) if self.first_at else 0.0
        now, before = within(14), within(28, 14)
        going = Trend.STABLE if now == before else Trend.INCREASING
        if now < before:
            going = Trend.DECREASING
        return EngagementMetrics(
            days_since_start=round(days, 6),
            total_sessions=self.sessions,
            sessions_last_7_days=within(7),
            sessions_last_30_days=within(30),
            average_session_minutes=(round(sum(ended) / len(ended) / 60_000, 6) if ended else 0.0),
            days_since_last_session=self.days_away(at),
            weekly_frequency=round(within(28) / min(4.0, max(1.0, days / 7)), 6),
            lesson_completion_rate=self.lesson_completion,
            async_trigger_engagement_rate=self.queue.engagement,
            frequency_trend=going,
        )

    def days_away(self, at: int) -> float:
        """Since the last session ended, or began if it lives; 0 before any."""
        if not self.attended:
            return 0.0
        last = self.attended[-1]
        return round(max(0, at - (last.ended_at or last.started_at)) / DAY_MS, 6)

    @property
    def lesson_completion(self) -> float:
        """Mean over the lessons reported, 0 to 1; 0 before any."""
        done = [lesson.completion for lesson in self.lessons]
        return round(sum(done) / len(done), 6) if done else 0.0

    def known(self, at: int) -> Known:
        """What the evaluation of a session is told of its learner."""
        return Known(
            number=self.evaluated + 1,
            history=self.history,
            rules=self.rules,
            injections=self.injections,
            coordinates=self.coordinates,
            baseline=self.baseline,
            rates=self.rates,
            completion=self.completions,
            tier=self.recommended,
            lesson_completion=self.lesson_completion,
            weekly_sessions=self.engagement(at).weekly_frequency,
            landing=self.landing,
            bad_affect_sessions=self.bad_affect,
        )

    def next_moment(self, now: int) -> int:
        """When the learner has something to do by itself; see :func:`decider.next_due`."""
        if not self.owed and not self.queue.waiting and self.queue.lesson is None:
            return 0
        moments = [self.ready_at(session) for session in self.owed]
        if self.queue.waiting or self.queue.lesson is not None:
            moments.append(self.queue.next_moment(now))
        return min((moment for moment in moments if moment), default=0)

    def ready_at(self, session: str) -> int:
        """When an owed evaluation may begin: at the end of its session, or, while NPCs have still
        to part from it, up to ten seconds later."""
        telling = self.live[session]
        ended = max(1, telling.story.ended_at)
        return ended if telling.whole or telling.failed else ended + STILL_TO_COME_MS


# --- what may be edited ----------------------------------------

_OWN: Final = (
    "name",
    "cefr",
    "native_language",
    "target_language",
    "style",
    "preferences",
    "preferred_minutes",
    "critical_phonemes",
)
_QUEUE: Final[Mapping[str, str]] = {
    "preferred_hours": "hours",
    "utc_offset_minutes": "offset_minutes",
    "triggers": "on",
}


def edits(profile: Profile | None, command: EditProfile) -> ProfileEdited | None:
    """What of an edit is new; None: nothing. Hours are put in order, each once."""
    held = profile or Profile()
    if command.preferred_hours is not None:
        hours = tuple(sorted(set(command.preferred_hours)))
        command = command.model_copy(update={"preferred_hours": hours})
    pairs = [(name, held, name) for name in _OWN]
    new = {
        name: value
        for name, of, attribute in [
            *pairs,
            *((name, held.queue, attribute) for name, attribute in _QUEUE.items()),
        ]
        if (value := getattr(command, name)) is not None and value != getattr(of, attribute)
    }
    return ProfileEdited(**new) if new else None


def edited(profile: Profile, event: ProfileEdited) -> None:
    for name in _OWN:
        if (value := getattr(event, name)) is not None:
            setattr(profile, name, value)
    for name, attribute in _QUEUE.items():
        if (value := getattr(event, name)) is not None:
            setattr(profile.queue, attribute, value)


# --- sessions ----------------------------------------


def session_begins(profile: Profile, event: SessionStarted, moment: Moment) -> None:
    """A session with a context: from now on its story is told."""
    context = event.context
    if context is None:
        return
    if not profile.sessions and profile.cefr is Cefr.A1:
        profile.cefr = context.learner.cefr
    profile.native_language = profile.native_language or context.persona.native_language
    profile.target_language = profile.target_language or context.persona.target_language
    profile.first_at = profile.first_at or moment.at
    profile.sessions += 1
    profile.attended = (*profile.attended, Attendance(moment.writer, moment.at))[-ATTENDED:]
    profile.debrief = ""
    profile.queue.came_back()
    profile.live[moment.writer] = begun(event, moment)
    if len(profile.live) > LIVE:
        *older, _ = profile.live
        paused = [session for session in older if session not in profile.owed]
        _forget(profile, (paused or older)[0])


def session_ends(profile: Profile, event: SessionEnded, moment: Moment) -> None:
    """A session that was told: what can be counted is, and its evaluation is owed."""
    session = moment.writer
    telling = profile.live[session]
    if session in profile.owed:
        return
    hear(telling, event, moment)
    story = telling.story
    telling.failed = event.reason is EndReason.SYSTEM_ERROR
    if story.collapsed:
        profile.debrief = session
    profile.owed = (*profile.owed, session)
    profile.bad_affect = profile.bad_affect + 1 if story.bad_affect else 0
    profile.attended = tuple(
        replace(item, ended_at=moment.at, active_ms=event.active_ms)
        if item.session == session
        else item
        for item in profile.attended
    )
    profile.met = tuple(dict.fromkeys((*profile.met, *story.npcs)))[-MET:]
    for tier in {tier for tier in story.npcs.values() if tier}:
        profile.tiers[tier] = profile.tiers.get(tier, 0) + 1
    if story.reached:
        before = profile.reached.pop(story.persona, ())
        both = tuple(dict.fromkeys((*before, *story.reached)))
        profile.reached[story.persona] = both[-REACHED:]
        shed(profile.reached, WORLDS, REACHED_BYTES, _world_size)
    for phoneme, (total, times) in story.phonemes.items():
        before_ = profile.phonemes.pop(phoneme, ())
        profile.phonemes[phoneme] = (*before_, round(total / times, 6))[-FIGURES:]
    while len(profile.phonemes) > PHONEMES:
        del profile.phonemes[next(iter(profile.phonemes))]


def _world_size(persona: str, reached: tuple[str, ...]) -> int:
    return name_size(persona) + sum(map(name_size, reached))


def _forget(profile: Profile, session: str) -> None:
    profile.live.pop(session, None)
    profile.owed = tuple(item for item in profile.owed if item != session)


# --- evaluations ----------------------------------------


def evaluated(profile: Profile, event: LoopCompleted) -> None:
    """An evaluation is done: what it found is known from now on, and the story goes.

    Of a session that failed only the friction points stay.
    """
    telling = profile.live.get(event.session)
    _forget(profile, event.session)
    if telling is not None:
        points = (*profile.history, *telling.story.points)[-HISTORY:]
        profile.history = newest(points, HISTORY_BYTES, point_size)
        profile.persona, profile.session = telling.story.persona, event.session
    if event.skipped:
        return
    profile.evaluated += 1
    metrics = event.metrics
    if metrics.friction_rate is not None:
        profile.rates = (*profile.rates, metrics.friction_rate)[-FIGURES:]
    if metrics.task_completion_rate is not None:
        profile.completions = (*profile.completions, metrics.task_completion_rate)[-FIGURES:]
    if event.l1_share is not None:
        share = round(1.0 - event.l1_share, 6)
        profile.shares = (*profile.shares, share)[-FIGURES:]
    profile.coordinates, profile.baseline = event.coordinates, event.baseline
    profile.recommended, profile.landing = event.recommended_tier, event.landing
    profile.update = event.interlanguage
    for rule in event.rules:
        # The newest last, so that what has not come up for longest goes first.
        profile.rules.pop(rule.form, None)
        profile.rules[rule.form] = rule
    shed(profile.rules, RULES, RULES_BYTES, _rule_size)


def _rule_size(form: str, rule: LanguageRule) -> int:
    return 2 * name_size(form) + 280


def lesson_made(profile: Profile, event: CurriculumGenerated, moment: Moment) -> None:
    profile.curriculum = event.curriculum
    profile.queue.lesson_ready(event.curriculum, moment.at)


def injection_planned(profile: Profile, event: InjectionPlanned, moment: Moment) -> None:
    persona = profile.persona if event.session == profile.session else ""
    kept = [item for item in profile.injections if item.spec.target_form != event.spec.target_form]
    _admit(profile, [*kept, Pending(event.spec, persona, since=moment.at)])


def injection_settled(profile: Profile, event: InjectionSettled) -> None:
    """Resolved and expired ones go; of the others status and attempts are kept."""
    over = (SpecStatus.RESOLVED.value, SpecStatus.EXPIRED.value)
    kept = []
    for item in profile.injections:
        if item.spec.target_form != event.form:
            kept.append(item)
        elif event.status not in over:
            status = SpecStatus(event.status) if event.status in _STATUSES else item.spec.status
            spec = item.spec.model_copy(update={"status": status})
            kept.append(replace(item, spec=spec, attempts=event.attempts))
    _admit(profile, kept)


_STATUSES: Final = frozenset(status.value for status in SpecStatus)


def _admit(profile: Profile, items: Sequence[Pending]) -> None:
    """Five active ones and the newest of the others, whatever was planned."""
    active = [item for item in items if item.spec.status in ACTIVE]
    waiting = [
        replace(item, spec=item.spec.model_copy(update={"status": SpecStatus.DEFERRED}))
        for item in active[MAX_ACTIVE:]
    ]
    waiting = [item for item in items if item.spec.status is SpecStatus.DEFERRED] + waiting
    profile.injections = (*active[:MAX_ACTIVE], *waiting[-MAX_DEFERRED:])


def lesson_reported(profile: Profile, event: LessonReported, moment: Moment) -> None:
    """A lesson was worked through, wholly or in part.

    One that was taken to is done; another waits on. A unit that was done and did not help is told
    of its rule. What the learner likes is learned from each.
    """
    result, curriculum = event.result, profile.curriculum
    kept = LessonKept(
        result.curriculum_id,
        moment.at,
        round(result.completion_rate, 6),
        event.engaged,
        event.mastered,
    )
    profile.lessons = (*profile.lessons, kept)[-LESSONS:]
    profile.preferences = _learned(profile, event)
    if curriculum is None or curriculum.id != result.curriculum_id:
        return
    forms = {unit.id: unit.target_form for unit in curriculum.units}
    for unit in result.unit_engagement:
        rule = profile.rules.get(forms.get(unit.unit_id, ""))
        if rule is not None and unit.completed and not mastered(unit.exercise_accuracy):
            update = {"lessons": rule.lessons + 1}
            profile.rules[rule.form] = rule.model_copy(update=update)
    if event.engaged:
        profile.curriculum = None
        profile.queue.lesson_over()


def _learned(profile: Profile, event: LessonReported) -> InstructionalPreferences:
    """Preferences after a lesson: what it was engaged with, how deep explanations should be, and
    the mean completion of the lessons kept."""
    signals = event.result.preference_signals
    depth = profile.preferences.explanation_depth
    if signals.example_preference == "fewer":
        depth = "concise"
    elif signals.reads_explanations and (
        signals.asks_follow_ups or signals.example_preference == "more"
    ):
        depth = "detailed"
    elif signals.reads_explanations:
        depth = "standard"
    return profile.preferences.model_copy(
        update={
            "explanation_depth": depth,
            "engages_audio": profile.preferences.engages_audio or signals.engages_audio,
            "engages_video": profile.preferences.engages_video or signals.engages_video,
            "completes_exercises": event.engaged,
            "average_completion_rate": profile.lesson_completion,
        }
    )


# --- to be saved ----------------------------------------


def saved(profile: Profile | None, at: int) -> SavedLearner:
    """A learner as it is saved between sessions; ``at``: ms since 1970 UTC."""
    held = profile or Profile()
    last = held.attended[-1] if held.attended else None
    return SavedLearner(
        current_cefr=held.cefr,
        matrix_coordinates=held.coordinates,
        code_switching_state=held.switching,
        phoneme_profile=PhonemeProfile(accuracy_map=held.phonemes),
        friction_profile=FrictionProfile(dominant_types=held.dominant(), trend=held.friction_trend),
        retention_profile=RetentionProfile(style=held.style, engagement=held.engagement(at)),
        instructional_preferences=held.preferences,
        total_session_count=held.sessions,
        last_session_at=iso(last.ended_at or last.started_at) if last is not None else None,
    )


def persistence(
    profile: Profile | None, relations: Mapping[str, Relation], at: int
) -> InterSessionPersistence:
    """Everything that stays between sessions.

    Args:
        relations: with each NPC the learner has met, by NPC.
        at: ms since 1970 UTC; what time does is told as of then.

    Embeddings of memories are left empty: whoever has an embedder fills them in.
    """
    held = profile or Profile()
    memories: list[VectorMemory] = []
    for npc, relation in relations.items():
        memories += saved_memories(npc, relation)
    return InterSessionPersistence(
        learner_profile=saved(profile, at),
        npc_relationships={npc: saved_relation(one, at) for npc, one in relations.items()},
        vector_memories=tuple(memories),
        pending_injections=tuple(item.spec for item in held.injections),
        pending_curriculum=held.curriculum,
        scheduled_triggers=tuple(item.trigger for item in held.queue.waiting),
        interlanguage_update=held.update,
    )
