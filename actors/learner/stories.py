"""How a session's events become its story.

One law: a story takes in each event once and keeps sums, so that it stays small however long the
session is; what one turn shows of the frictions before it is settled when the next turn comes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar

from holodeck.actors.decider import Moment
from holodeck.actors.learner.story import FrictionPoint, Story
from holodeck.actors.session.talk.record import meaningful, recovers
from holodeck.messages.conversation import ConversationOutcome, FrictionType, InjectionStatus
from holodeck.messages.session import (
    FrictionDetected,
    NpcParted,
    ReputationChanged,
    SessionEnded,
    SessionStarted,
    TurnTaken,
)
from holodeck.messages.talk import (
    AffectChanged,
    ConversationClosed,
    GoalReached,
    InjectionAdvanced,
    NegotiationCollapsed,
    PronunciationHeard,
    TurnAnalysis,
)

POINTS: Final = 48
"""Frictions of one session that are kept one by one, the newest; all of them are counted."""
FORMS: Final = 48
"""Forms, and phonemes, that one session keeps apart; what comes later is not told apart."""
NPCS: Final = 32
REACHED: Final = 64
SAID: Final = 80
"""Characters kept of what was said instead of a form."""
LONG: Final = 60
"""Characters of a name that is longer than names are. Lists are bounded by their number; where a
long name comes in, by their bytes as well."""
POINT_BYTES: Final = 24 * 1024
FORM_BYTES: Final = 8 * 1024

K = TypeVar("K")
V = TypeVar("V")


def newest(items: Sequence[V], room: int, size: Callable[[V], int]) -> tuple[V, ...]:
    """The last items that are together no larger than ``room``."""
    kept = len(items)
    while kept and (room := room - size(items[kept - 1])) >= 0:
        kept -= 1
    return tuple(items[kept:])


def shed(items: dict[K, V], count: int, room: int, size: Callable[[K, V], int]) -> None:
    """Takes the first items out until no more than ``count`` are left, and no more than
    ``room``."""
    total = sum(size(key, value) for key, value in items.items())
    while items and (len(items) > count or total > room):
        key = next(iter(items))
        total -= size(key, items.pop(key))


def point_size(point: FrictionPoint) -> int:
    """About the bytes of a friction that is kept."""
    return len(point.form.encode()) + len(point.said.encode()) + 320


def name_size(name: str) -> int:
    return len(name.encode()) + 3


@dataclass(slots=True)
class Thread:
    """What of a story is not settled yet.

    Attributes:
        npc, turn: of the last turn, 0 before any.
        meaningful, forms, found: what it showed; ``found``: kind and form of its frictions.
        waiting: numbers of the frictions that nothing was shown of yet; recovered: of those that
            later turns showed to be; their points say so once the session has ended.
        parted: NPCs whose parting has come.
        estimate: of the turn's comprehensibility, until a pronunciation engine has heard it.
    """

    npc: str = ""
    turn: int = 0
    meaningful: bool = False
    forms: tuple[str, ...] = ()
    found: tuple[tuple[FrictionType, str], ...] = ()
    waiting: tuple[int, ...] = ()
    recovered: tuple[int, ...] = ()
    parted: tuple[str, ...] = ()
    estimate: float | None = None

    def copy(self) -> Thread:
        return replace(self)


@dataclass(slots=True)
class Telling:
    """A session's story while it is being told, and until it has been evaluated.

    Attributes:
        failed: it ended by a system error: kept, never evaluated.
    """

    story: Story
    thread: Thread = field(default_factory=Thread)
    failed: bool = False

    def copy(self) -> Telling:
        return Telling(self.story.copy(), self.thread.copy(), self.failed)

    @property
    def whole(self) -> bool:
        """Whether every NPC that was met has parted: nothing of the story is to come."""
        return all(npc in self.thread.parted for npc in self.story.npcs)


def begun(event: SessionStarted, moment: Moment) -> Telling:
    """The story of a session that has a context."""
    injections = {}
    if event.context is not None:
        injections = {
            item.target_form: InjectionStatus.PENDING for item in event.context.injections
        }
    persona = event.context.persona.id if event.context is not None else event.persona
    return Telling(Story(moment.writer, persona, started_at=moment.at, injections=injections))


def hear(telling: Telling, event: Any, moment: Moment) -> None:
    """Takes in one event; one that tells nothing of a conversation changes nothing."""
    told = _TOLD.get(type(event))
    if told is not None:
        told(telling, event, moment)


def _put(kept: dict[str, V], npc: str, value: V) -> None:
    """Keeps something of an NPC; a cast has no more than there is room for."""
    if npc in kept or len(kept) < NPCS:
        kept[npc] = value


def _turn(telling: Telling, event: TurnTaken, moment: Moment) -> None:
    settle(telling)
    story, thread = telling.story, telling.thread
    analysis, npc, tier, aligned = event.analysis, event.npc, event.tier, event.aligned
    thread.npc, thread.turn = npc, event.turn
    thread.meaningful = meaningful(event)
    thread.forms = analysis.forms if analysis is not None else ()
    thread.estimate = None if analysis is None else analysis.comprehensibility
    story.turns += 1
    story.tiers[tier] = story.tiers.get(tier, 0) + 1
    _put(story.npcs, npc, tier)
    words = 0
    if analysis is not None:
        words = _words(analysis)
        _analysed(story, analysis, words, tier)
    speaking_ms = event.speaking_ms
    if speaking_ms:
        story.spoken_ms += speaking_ms
        story.spoken_words += words if words else len(event.text.split())
    if aligned is not None:
        story.judged += 1
        story.fitting += aligned
        if tier == 3:
            story.judged3 += 1
            story.fitting3 += aligned
    signals = event.signals
    if signals is not None:
        if signals.latency_ms is not None:
            story.latency_ms += signals.latency_ms
            story.latencies += 1
        if signals.pause_ms is not None:
            story.pause_ms += signals.pause_ms
            story.pauses += 1
        story.avoided += signals.avoided


def _words(analysis: TurnAnalysis) -> int:
    return analysis.l1_words + analysis.l2_words + analysis.other_words


def _analysed(story: Story, analysis: TurnAnalysis, words: int, tier: int) -> None:
    native = analysis.l1_words
    story.analysed += 1
    story.l1_words += native
    story.l2_words += analysis.l2_words
    story.other_words += analysis.other_words
    story.unique_words += analysis.unique_words
    story.hedges += analysis.hedges
    story.repairs += analysis.repairs
    story.l1_turns += native > 0
    if tier == 1:
        story.l1_tier1 += native
        story.words_tier1 += words
    if analysis.comprehensibility is not None:
        _scored(story, analysis.comprehensibility)
    forms = story.forms
    for form in analysis.forms:
        if form in forms or _room_for(forms, form):
            forms[form] = forms.get(form, 0) + 1


def _room_for(kept: Mapping[str, Any], name: str) -> bool:
    if len(kept) >= FORMS:
        return False
    return len(name) <= LONG or sum(map(name_size, (*kept, name))) <= FORM_BYTES


def _scored(story: Story, score: float) -> None:
    story.scores = round(story.scores + score, 6)
    story.scored += 1


def settle(telling: Telling) -> None:
    """What the last turn shows of the frictions before it."""
    story, thread = telling.story, telling.thread
    turn, found = thread.turn, thread.found
    thread.turn, thread.found = 0, ()
    if not turn or not thread.waiting:
        return
    points, left = story.points, []
    before = _first(story)
    for number in thread.waiting:
        if number < before:
            continue
        point = points[number - before]
        if (
            point.npc == thread.npc
            and point.turn < turn
            and recovers(
                point.type,
                point.form,
                meaningful=thread.meaningful,
                used=thread.forms,
                found=found,
            )
        ):
            story.recovered += 1
            thread.recovered = (*thread.recovered, number)[-POINTS:]
        else:
            left.append(number)
    thread.waiting = tuple(left)


def _first(story: Story) -> int:
    """Number of the oldest point kept: they are kept from the end, without gaps."""
    return story.frictions - len(story.points) + 1


def _friction(telling: Telling, event: FrictionDetected, moment: Moment) -> None:
    story, thread = telling.story, telling.thread
    story.frictions += 1
    npc = event.npc or (thread.npc if event.turn == thread.turn else "")
    recovered = event.consequence is not None and event.consequence.recovered
    point = FrictionPoint(
        id=f"{story.session}-fp-{story.frictions}",
        session=story.session,
        type=event.type,
        severity=round(event.severity, 6),
        form=event.form,
        said=event.said[:SAID],
        turn=event.turn,
        npc=npc,
        tier=story.npcs.get(npc) or 1,
        recovered=recovered,
        at=moment.at,
    )
    story.recovered += recovered
    story.points = (*story.points, point)[-POINTS:]
    if len(point.form) > LONG:
        story.points = newest(story.points, POINT_BYTES, point_size)
    if event.consequence is None:
        thread.waiting = (*thread.waiting, story.frictions)[-POINTS:]
    if event.turn == thread.turn and npc == thread.npc:
        thread.found = (*thread.found, (event.type, event.form))[-POINTS:]


def _affect(telling: Telling, event: AffectChanged, moment: Moment) -> None:
    affects, state = telling.story.affects, event.state.value
    affects[state] = affects.get(state, 0) + 1
    if event.inner in BAD:
        telling.story.bad_affect = True


def _injection(telling: Telling, event: InjectionAdvanced, moment: Moment) -> None:
    """What was used once stays used."""
    injections = telling.story.injections
    known = injections.get(event.form)
    if known is not InjectionStatus.USED and (
        known is not None or _room_for(injections, event.form)
    ):
        injections[event.form] = event.status


def _heard(telling: Telling, event: PronunciationHeard, moment: Moment) -> None:
    story, thread = telling.story, telling.thread
    if event.turn == thread.turn and thread.estimate is not None:
        # What was heard goes before what was estimated.
        story.scores = round(story.scores - thread.estimate, 6)
        story.scored -= 1
        thread.estimate = None
    _scored(story, event.comprehensibility)
    phonemes = story.phonemes
    for result in event.phonemes:
        phoneme = result.phoneme
        if phoneme in phonemes or len(phonemes) < FORMS:
            total, times = phonemes.get(phoneme, (0.0, 0))
            phonemes[phoneme] = (round(total + result.accuracy, 6), times + 1)


def _reached(telling: Telling, event: GoalReached, moment: Moment) -> None:
    story = telling.story
    if event.objective not in story.reached:
        story.reached = (*story.reached, event.objective)[-REACHED:]
        if len(event.objective) > LONG:
            story.reached = newest(story.reached, FORM_BYTES, name_size)


def _closed(telling: Telling, event: ConversationClosed, moment: Moment) -> None:
    _put(telling.story.outcomes, event.npc, event.outcome.value)


def _collapsed(telling: Telling, event: NegotiationCollapsed, moment: Moment) -> None:
    story = telling.story
    _put(story.outcomes, event.npc, ConversationOutcome.NPC_ENDED.value)
    if event.npc not in story.collapsed:
        story.collapsed = (*story.collapsed, event.npc)[:NPCS]


def _reputation(telling: Telling, event: ReputationChanged, moment: Moment) -> None:
    reputation = telling.story.reputation
    _put(reputation, event.npc, round(reputation.get(event.npc, 0.0) + event.delta, 6))


def _parted(telling: Telling, event: NpcParted, moment: Moment) -> None:
    story, thread = telling.story, telling.thread
    if event.npc not in thread.parted:
        thread.parted = (*thread.parted, event.npc)[:NPCS]
    if event.parting is not None:
        _put(story.outcomes, event.npc, event.parting.outcome.value)


def _ended(telling: Telling, event: SessionEnded, moment: Moment) -> None:
    settle(telling)
    story, thread = telling.story, telling.thread
    story.points = tuple(
        replace(point, recovered=True) if number in thread.recovered else point
        for number, point in enumerate(story.points, _first(story))
    )
    story.ended_at, story.active_ms = moment.at, event.active_ms


BAD: Final = frozenset({"anxious", "overwhelmed"})
_TOLD: Final[Mapping[type, Callable[[Telling, Any, Moment], None]]] = {
    TurnTaken: _turn,
    FrictionDetected: _friction,
    AffectChanged: _affect,
    InjectionAdvanced: _injection,
    PronunciationHeard: _heard,
    GoalReached: _reached,
    ConversationClosed: _closed,
    NegotiationCollapsed: _collapsed,
    ReputationChanged: _reputation,
    NpcParted: _parted,
    SessionEnded: _ended,
}
