"""What a session teaches: the macro loop, in five phases.

One law: :func:`run` is a function of its arguments alone. The same story and the same knowledge of
the learner give the same result, ids included, so running it twice does no harm.

The phases, each a function: friction-extraction (:func:`extraction`), pattern-classification
(:func:`classification`), curriculum-generation (:func:`curriculum`), adaptive-lesson-feedback
(:func:`holodeck.actors.learner.lessons.delivery`) and forward-injection (:func:`injection`).

What comes out has to fit into one checkpoint: with the longest texts it stays below 48 KiB.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from holodeck.actors.learner import interlanguage, matrix, tiers
from holodeck.actors.learner.exercises import exercises_of, explained, shown, titled, wording
from holodeck.actors.learner.interlanguage import Strategy, at_risk
from holodeck.actors.learner.lessons import MAX_UNITS, delivery
from holodeck.actors.learner.story import FrictionPoint, Known, LoopResult, Pending, Story
from holodeck.actors.session.talk import metrics
from holodeck.messages.conversation import (
    CurriculumFormat,
    CurriculumUnit,
    ForwardInjectionSpec,
    FrictionType,
    InjectionStatus,
    InstructionalPreferences,
    InterlanguageUpdate,
    MicroCurriculum,
    Phase,
    Priority,
    RetentionStyle,
    SessionMetrics,
    Severity,
    SpecStatus,
    Tier,
    UnitContent,
    severity_level,
)
from holodeck.messages.learner import LanguageRule, PhaseDone

HISTORY: Final = 100
"""Earlier friction points recurrence is looked for in."""
GAP_FROM: Final = 3
"""Points of one kind in a session from which they are a gap in the structure."""
STABLE_HITS: Final = 5
"""Earlier hits from which a pattern is stable; below, it improves."""
MAX_ACTIVE: Final = 5
MAX_DEFERRED: Final = 7
ATTEMPTS: Final = 3
"""Sessions that try an injection."""
ACTIVE: Final = frozenset({SpecStatus.PENDING, SpecStatus.INJECTED})
"""Statuses of an injection that waits for its next session: it was not tried yet, or an opening
was made and the learner did not use it."""
_OVER: Final = frozenset({SpecStatus.RESOLVED.value, SpecStatus.EXPIRED.value})
MAX_IDS: Final = 6
"""Friction points a unit names."""
MAX_EXAMPLES: Final = 3
MAX_RULES: Final = 64
RULES_BYTES: Final = 12 * 1024
"""Of all the rules that changed; those of the newest 48 friction points fit, unless their forms
are named at unusual length."""
RULE_BYTES: Final = 210
"""Of one rule without its form."""
DELTA_BYTES: Final = 1024
"""Of the forms in one list of the interlanguage delta."""

_PATTERN = Literal["improving", "stable"]


# --- friction-extraction ----------------------------------------


def extraction(story: Story) -> tuple[FrictionPoint, ...]:
    """The friction points of a session, each once, in the order they came."""
    return tuple({point.id: point for point in story.points}.values())


# --- pattern-classification ----------------------------------------


@dataclass(frozen=True, slots=True)
class Cluster:
    """All friction of one kind in a session.

    Attributes:
        structural: there were three or more: ``systematic``, otherwise ``individual``.
    """

    type: FrictionType
    points: tuple[FrictionPoint, ...]

    @property
    def structural(self) -> bool:
        return len(self.points) >= GAP_FROM

    @property
    def treatment(self) -> Literal["systematic", "individual"]:
        return "systematic" if self.structural else "individual"


@dataclass(frozen=True, slots=True)
class Pattern:
    """One form that was missed.

    Attributes:
        form: the target form; empty if nobody named it, then ``points`` go by what was said.
        points: this session's.
        earlier: points of earlier sessions within the last 100; 0: it is novel.
    """

    form: str
    points: tuple[FrictionPoint, ...]
    earlier: int = 0

    @property
    def type(self) -> FrictionType:
        return self.points[0].type

    @property
    def severity(self) -> float:
        return max(point.severity for point in self.points)

    @property
    def session_count(self) -> int:
        return self.earlier + 1

    @property
    def trajectory(self) -> _PATTERN:
        return "stable" if self.earlier >= STABLE_HITS else "improving"

    @property
    def fossilising(self) -> bool:
        return at_risk(self.earlier)

    @property
    def priority(self) -> Priority:
        return Priority.IMMEDIATE if self.fossilising else Priority.SOON

    @property
    def severe(self) -> bool:
        return severity_level(self.severity) in (Severity.HIGH, Severity.CRITICAL)


@dataclass(frozen=True, slots=True)
class Classified:
    """Attributes:
    clusters: by kind, in the order the kinds first came.
    recurring, novel: patterns seen before, and the others, each in the order they first came.
    """

    clusters: tuple[Cluster, ...] = ()
    recurring: tuple[Pattern, ...] = ()
    novel: tuple[Pattern, ...] = ()
    delta: InterlanguageUpdate = field(default_factory=InterlanguageUpdate)


def recurs_by(point: FrictionPoint) -> str:
    """What a point is compared by: its target form as it is named; else what was said, whatever
    its case and its way of writing accents. Empty: it is like no other."""
    return point.form or unicodedata.normalize("NFC", " ".join(point.said.split())).casefold()


def classification(
    points: Sequence[FrictionPoint],
    history: Sequence[FrictionPoint] = (),
    *,
    used: Mapping[str, int] | None = None,
    missed_before: Iterable[str] = (),
) -> Classified:
    """What the friction of a session has in common, and with earlier sessions.

    Args:
        history: of earlier sessions, the oldest first; the newest 100 count.
        used: right uses in the session, by form.
        missed_before: forms with friction at any earlier time, also before ``history``.
    """
    history = history[-HISTORY:]
    earlier = Counter(recurs_by(point) for point in history)
    kinds: dict[FrictionType, list[FrictionPoint]] = {}
    forms: dict[str, list[FrictionPoint]] = {}
    for point in points:
        kinds.setdefault(point.type, []).append(point)
        if key := recurs_by(point):
            forms.setdefault(key, []).append(point)
    clusters = tuple(Cluster(type_, tuple(of)) for type_, of in kinds.items())
    patterns = [Pattern(of[0].form, tuple(of), earlier[key]) for key, of in forms.items()]
    recurring = tuple(pattern for pattern in patterns if pattern.earlier)
    novel = tuple(pattern for pattern in patterns if not pattern.earlier)
    before = {point.form for point in history} | set(missed_before)
    delta = InterlanguageUpdate(
        confirmed_rules=_distinct(
            form
            for form, count in (used or {}).items()
            if count > 0 and form in before and form not in forms
        ),
        violated_rules=_distinct(
            point.form for cluster in clusters if cluster.structural for point in cluster.points
        ),
        emerging_rules=_distinct(pattern.form for pattern in novel),
        fossilizing_rules=_distinct(pattern.form for pattern in recurring if pattern.fossilising),
    )
    return Classified(clusters, recurring, novel, delta)


def _distinct(forms: Iterable[str]) -> tuple[str, ...]:
    """Each named form once, as many as fit."""
    return tuple(_fitting((form for form in dict.fromkeys(forms) if form), DELTA_BYTES))


def _fitting(forms: Iterable[str], size: int, *, each: int = 3, times: int = 1) -> Iterator[str]:
    """As many forms as fit into ``size`` bytes, each told ``times`` times beside ``each`` bytes."""
    for form in forms:
        size -= each + times * len(form.encode())
        if size < 0:
            return
        yield form


# --- curriculum-generation ----------------------------------------


@dataclass(frozen=True, slots=True)
class Need:
    """What one unit is about.

    Attributes:
        points: the friction it answers, the one it is made from first.
        form: the target form; empty where none is named.
        gap: it stands for a gap in the structure, not for one form.
    """

    form: str
    points: tuple[FrictionPoint, ...]
    priority: Priority
    gap: bool = False

    @property
    def type(self) -> FrictionType:
        return self.points[0].type

    @property
    def key(self) -> str:
        return recurs_by(self.points[0])


def needs(found: Classified) -> tuple[Need, ...]:
    """What is to be taught, at most five: recurring forms that may fossilise, other recurring
    forms, gaps in the structure, then novel friction that was high or critical.

    A form is taught once. A gap is taught by the most severe of its points whose form has no unit
    yet; where all have one, they are the gap's lesson.
    """
    chosen: list[Need] = [
        Need(pattern.form, pattern.points, pattern.priority)
        for priority in (Priority.IMMEDIATE, Priority.SOON)
        for pattern in found.recurring
        if pattern.priority is priority
    ]
    taught = {need.key for need in chosen}
    for cluster in found.clusters:
        left = [point for point in cluster.points if recurs_by(point) not in taught]
        if cluster.structural and left:
            worst = max(left, key=lambda point: point.severity)
            rest = (point for point in left if point is not worst)
            chosen.append(Need(worst.form, (worst, *rest), Priority.SOON, gap=True))
            taught.add(recurs_by(worst))
    chosen += [
        Need(pattern.form, pattern.points, Priority.IMMEDIATE)
        for pattern in found.novel
        if pattern.severe and recurs_by(pattern.points[0]) not in taught
    ]
    return tuple(chosen[:MAX_UNITS])


def curriculum(
    wanted: Sequence[Need],
    session: str,
    format_: CurriculumFormat,
    preferences: InstructionalPreferences,
) -> MicroCurriculum | None:
    """The lesson: one unit of three minutes for each need; None where there is none.

    Its id is ``<session>-lesson``, those of units ``<session>-unit-<n>``.
    """
    if not wanted:
        return None
    units = tuple(_unit(need, session, n, preferences) for n, need in enumerate(wanted, 1))
    addressed = dict.fromkeys(id_ for unit in units for id_ in unit.friction_point_ids)
    return MicroCurriculum(
        id=f"{session}-lesson",
        source_session_id=session,
        addressed_friction_point_ids=tuple(addressed),
        format=format_,
        units=units,
    )


def _unit(
    need: Need, session: str, n: int, preferences: InstructionalPreferences
) -> CurriculumUnit:
    point = need.points[0]
    form, said = point.form, point.said
    whom = f" with {point.npc}" if point.npc else ""
    words = f': "{shown(said)}"' if said else ""
    others = dict.fromkeys(one.form for one in need.points if wording(one.form))
    return CurriculumUnit(
        id=f"{session}-unit-{n}",
        friction_point_ids=tuple(one.id for one in need.points[:MAX_IDS]),
        target_form=form or said or need.type.value,
        title=titled(need.type, form, said, gap=need.gap),
        content=UnitContent(
            explanation_l1=explained(
                need.type,
                form,
                said,
                depth=preferences.explanation_depth,
                count=len(need.points),
            ),
            examples_l2=tuple(shown(one) for one in others)[:MAX_EXAMPLES],
            contrastive_analysis=(
                f'Not "{shown(said)}" but "{shown(form)}".' if said and wording(form) else None
            ),
        ),
        exercises=exercises_of(need.type, form, said, tier=point.tier),
        context_reference=f"Turn {point.turn}{whom}{words}",
    )


# --- forward-injection ----------------------------------------

METHODS: Final[Mapping[FrictionType, tuple[str, str]]] = {
    FrictionType.LEXICAL: (
        "Bring up a matter that cannot be settled without the word, and say it once yourself"
        " before it is the learner's turn.",
        "The word comes with the matter; never ask for it, never correct.",
    ),
    FrictionType.MORPHOSYNTACTIC: (
        "Use the form yourself in a sentence that begs an answer in kind; where it goes wrong,"
        " give it back rightly with a little weight on it and go on.",
        "No rule is named and the talk does not stop for it.",
    ),
    FrictionType.PHONEMIC: (
        "Say a word with the sound first, clearly and a little slower, then ask something that can"
        " only be answered with it.",
        "Speak slowly for the sake of the moment, not of the sound.",
    ),
    FrictionType.REGISTER: (
        "Come to a point where it decides how formally one asks, and let the answer depend on it.",
        "What is at stake is the matter itself; how it is said is noticed, not discussed.",
    ),
    FrictionType.PRAGMATIC: (
        "Bring about a scene that needs the same kind of speech act again, with something to win or"
        " to lose by it.",
        "It has to matter to both; a rehearsal would be seen through.",
    ),
    FrictionType.CULTURAL: (
        "Let a situation arise in which the custom applies, and react to whatever is done as"
        " anybody of the place would.",
        "Leave a way open to put it right.",
    ),
}
"""How an NPC makes a form necessary, and what keeps that natural, by kind of friction."""
STRATEGY_WORDS: Final[Mapping[Strategy, str]] = {
    Strategy.VARIED: "Choose another setting than the last times.",
    Strategy.PAIRS: "Let both wordings come up close together, so that they can be told apart.",
    Strategy.CORRECTION: "If it goes wrong, ask back as if not sure what was meant.",
    Strategy.COMBINED: "Take a new setting, let both wordings come up, and ask back if it goes"
    " wrong.",
}


@dataclass(frozen=True, slots=True)
class Injected:
    """What became of the forward injections; as in :class:`LoopResult`."""

    planned: tuple[ForwardInjectionSpec, ...] = ()
    settled: tuple[tuple[str, str, int], ...] = ()


def directive(
    need: Need, story: Story, rule: LanguageRule | None = None
) -> ForwardInjectionSpec | None:
    """How a later session makes the need's form necessary; None where no form is named.

    It is for the NPCs the friction happened with, in their tier. Register belongs in tier 3: where
    the learner met NPCs of it, it is for those.
    """
    if not need.form:
        return None
    npcs = tuple(dict.fromkeys(point.npc for point in need.points if point.npc))
    tier = _tier(need.points[0].tier)
    authorities = tuple(npc for npc, of in story.npcs.items() if of == 3)
    if need.type is FrictionType.REGISTER and authorities:
        npcs, tier = authorities, 3
    method, naturality = METHODS[need.type]
    if rule is not None and (rule.fossilised or rule.lessons):
        method = f"{method} {STRATEGY_WORDS[interlanguage.strategy(rule.lessons)]}"
    return ForwardInjectionSpec(
        target_form=need.form,
        friction_type=need.type,
        injection_method=method,
        naturality_constraint=naturality,
        target_npc_ids=npcs[:4],
        target_tier=tier,
        max_session_attempts=ATTEMPTS,
    )


def _tier(number: int) -> Tier:
    match number:
        case 2:
            return 2
        case 3:
            return 3
        case _:
            return 1


def admitted(
    specs: Sequence[ForwardInjectionSpec], active: int = 0
) -> tuple[ForwardInjectionSpec, ...]:
    """The same in their order: pending while fewer than five are active, then deferred.

    Args:
        active: how many are active already.
    """
    room = max(0, MAX_ACTIVE - active)
    return tuple(
        spec.model_copy(update={"status": SpecStatus.PENDING if n < room else SpecStatus.DEFERRED})
        for n, spec in enumerate(specs)
    )


def estimated_sessions(specs: Iterable[ForwardInjectionSpec]) -> int:
    """How many sessions the active ones may take: the most attempts any of them has; 0 for none."""
    return max((spec.max_session_attempts for spec in specs if spec.status in ACTIVE), default=0)


def tried(old: Pending, story: Story, missed: frozenset[str]) -> tuple[SpecStatus, int]:
    """Where an injection stands after a session, and how many sessions have tried it.

    Its form used rightly and nowhere missed: resolved, whether it was due or not. Used and missed
    as well, or an opening made and not used: injected, one more attempt. Due and nothing made of
    it: as it was, one more attempt. At its most attempts: expired. Not due: as it was. One that is
    deferred takes no place from an active one by being opened.
    """
    form, status, attempts = old.spec.target_form, old.spec.status, old.attempts
    stands = story.injections.get(form)
    due = stands is not None and stands is not InjectionStatus.DEFERRED
    if due:
        attempts += 1
    used = stands is InjectionStatus.USED or story.forms.get(form, 0) > 0
    if used and form not in missed:
        return SpecStatus.RESOLVED, attempts
    opened = stands in (InjectionStatus.USED, InjectionStatus.OPPORTUNITY)
    if opened and status is not SpecStatus.DEFERRED:
        status = SpecStatus.INJECTED
    if due and attempts >= old.spec.max_session_attempts:
        status = SpecStatus.EXPIRED
    return status, attempts


def injection(
    wanted: Sequence[Need],
    story: Story,
    known: Known,
    persona: str,
) -> Injected:
    """One directive for each need, and what became of the old ones.

    Old ones of this session's persona, or of none, are settled first; what is still active keeps
    its place, and a need of its form adds nothing. Into the room that is left (five may be active)
    come new ones that are immediate, then deferred ones, the oldest first, then the other new
    ones. More than seven are not kept deferred: the oldest expire.
    """
    missed = frozenset(point.form for point in story.points if point.form)
    held = bool(story.turns)
    stands: dict[str, tuple[Pending, SpecStatus, int]] = {}
    for old in known.injections:
        status, attempts = old.spec.status, old.attempts
        if held and old.persona in (persona, ""):
            status, attempts = tried(old, story, missed)
        stands[old.spec.target_form] = old, status, attempts
    keeps = {form for form, (_, status, _) in stands.items() if status in ACTIVE}
    fresh: dict[str, tuple[Need, ForwardInjectionSpec]] = {}
    for need in wanted:
        made = directive(need, story, known.rules.get(need.form))
        if made is not None and need.form not in keeps:
            fresh.setdefault(need.form, (need, made))
    waiting = [
        old.spec
        for form, (old, status, _) in stands.items()
        if status is SpecStatus.DEFERRED and form not in fresh
    ]
    urgent = [made for need, made in fresh.values() if need.priority is Priority.IMMEDIATE]
    others = [made for need, made in fresh.values() if need.priority is not Priority.IMMEDIATE]
    queue = admitted((*urgent, *waiting, *others), len(keeps))
    put_off = [spec.target_form for spec in queue if spec.status is SpecStatus.DEFERRED]
    # Those that have waited longest go first, and what is new stays.
    put_off.sort(key=lambda form: form in fresh)
    dropped = set(put_off[: max(0, len(put_off) - MAX_DEFERRED)])
    planned = [spec for spec in queue if spec.target_form in fresh]
    for spec in queue:
        form = spec.target_form
        if form in stands and form not in fresh:
            old, _, attempts = stands[form]
            status = SpecStatus.EXPIRED if form in dropped else spec.status
            stands[form] = old, status, attempts
    settled = [
        (form, status.value, attempts)
        for form, (old, status, attempts) in stands.items()
        if (status, attempts) != (old.spec.status, old.attempts)
    ]
    # What is over makes room before anything takes it, so that no step on the way has too many.
    settled.sort(key=lambda one: one[1] not in _OVER)
    return Injected(
        tuple(spec for spec in planned if spec.target_form not in dropped), tuple(settled)
    )


# --- all of it ----------------------------------------


def measured(story: Story) -> SessionMetrics:
    """The session's figures, as :mod:`holodeck.actors.session.talk.metrics` defines them. A
    conversation nobody said the outcome of counts as begun and not completed."""
    minutes = story.active_ms / 60_000
    met = ((tier, story.outcomes.get(npc, "")) for npc, tier in story.npcs.items())
    return SessionMetrics(
        task_completion_rate=metrics.task_completion_rate(met),
        friction_rate=metrics.friction_rate(story.frictions, minutes),
        code_switch_ratio=metrics.code_switch_ratio(story.l1_tier1, story.words_tier1),
        register_accuracy_score=metrics.register_accuracy(story.fitting3, story.judged3),
        average_comprehensibility=metrics.share(story.scores, story.scored),
        words_per_minute=metrics.words_per_minute(story.spoken_words, story.spoken_ms),
        total_speaking_time_seconds=story.spoken_ms / 1000,
        recovery_rate=metrics.recovery_rate(story.recovered, story.frictions),
        reputation_delta=metrics.reputation_delta(story.reputation.items()),
    )


def _rules(story: Story, known: Known, points: Sequence[FrictionPoint]) -> dict[str, LanguageRule]:
    """The rules that changed, as many as fit."""
    missed = [(point.form, point.type) for point in points if point.form]
    changed = interlanguage.changed(known.rules, missed, story.forms, known.number)
    kept = list(_fitting(changed, RULES_BYTES, each=RULE_BYTES, times=2))[:MAX_RULES]
    return {form: changed[form] for form in kept}


def run(
    story: Story,
    known: Known,
    *,
    style: RetentionStyle,
    preferences: InstructionalPreferences,
    persona: str,
) -> LoopResult:
    """What a session came to, and what follows from it.

    Args:
        persona: whose world the session was in; those of another cannot have been tried.

    Soft landing is not its business: ``landing`` is what was known before.
    """
    points = extraction(story)
    earlier = tuple(point for point in known.history if point.session != story.session)
    found = classification(points, earlier, used=story.forms, missed_before=known.rules)
    wanted = needs(found)
    exercises = sum(
        len(exercises_of(n.type, n.points[0].form, n.points[0].said, tier=n.points[0].tier))
        for n in wanted
    )
    given = delivery(style, preferences, len(wanted), exercises)
    lesson = curriculum(wanted, story.session, given.format, preferences)
    injected = injection(wanted, story, known, persona)
    figures = measured(story)
    words = story.l1_words + story.l2_words + story.other_words
    return LoopResult(
        phases=(
            PhaseDone(phase=Phase.EXTRACTION, items=len(points)),
            PhaseDone(
                phase=Phase.CLASSIFICATION,
                items=len(found.recurring) + sum(one.structural for one in found.clusters),
            ),
            PhaseDone(phase=Phase.CURRICULUM, items=len(wanted)),
            PhaseDone(phase=Phase.DELIVERY, items=given.items),
            PhaseDone(phase=Phase.INJECTION, items=len(injected.planned)),
        ),
        metrics=figures,
        interlanguage=found.delta,
        coordinates=matrix.coordinates(story, known, figures, style),
        recommended_tier=tiers.recommended(story, known.tier),
        baseline=matrix.baseline(story, known),
        rules=_rules(story, known, points),
        curriculum=lesson,
        planned=injected.planned,
        settled=injected.settled,
        l1_share=metrics.share(story.l1_words, words),
        landing=known.landing,
    )
