"""What the mid finds in what the scouts saw, and what the architect infers from it.

One law: these are observations and advice. Nothing in them changes a session or a routing by
itself, and each says what it rests on. All tuples, bounded by their writers, floats rounded to
:data:`DIGITS` digits, so that a replay writes the same bytes.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, Literal

from holodeck.messages.base import Event

DIGITS: Final = 6
"""Digits behind the point that a stored float keeps."""


class FindingKind(StrEnum):
    """How two reports stand to each other.

    The first seven are conflicts, two reports that cannot both be right; the others complements,
    where one report explains or adds to another.
    """

    UNENDED = "unended"
    COUNTS_DIFFER = "counts-differ"
    HOLLOW_SUCCESS = "hollow-success"
    OVERLAP = "overlap"
    TWO_OUTCOMES = "two-outcomes"
    ROUTED_ELSEWHERE = "routed-elsewhere"
    BETTI_GAP = "betti-gap"
    SHARED_ERROR = "shared-error"
    RECOVERED_ELSEWHERE = "recovered-elsewhere"
    SLOWER = "slower"
    SILOS_JOINED = "silos-joined"

    @property
    def conflict(self) -> bool:
        return self not in COMPLEMENTS


COMPLEMENTS: Final = frozenset(
    {
        FindingKind.SHARED_ERROR,
        FindingKind.RECOVERED_ELSEWHERE,
        FindingKind.SLOWER,
        FindingKind.SILOS_JOINED,
    }
)


class Finding(Event):
    """One conflict or complement.

    Attributes:
        subjects: ids of the sessions concerned, at most 8, in the order they were seen.
        tasks: ids of the tasks concerned, or for ``slower`` and ``silos-joined`` the type of task.
        agents: at most 8.
        detail: one sentence.
        evidence: sequences of the checkpoints it rests on, ascending, at most 8; those of
            foreign tiles without a sequence are left out.
    """

    kind: FindingKind
    subjects: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    agents: tuple[str, ...] = ()
    detail: str = ""
    evidence: tuple[int, ...] = ()


class KindCount(Event):
    """How many findings of one kind there were, told or not."""

    kind: FindingKind
    count: int


class Dropped(Event):
    """How many records of one kind were given up since the beginning, to stay within bounds.

    Attributes:
        what: ``sessions``, ``tasks``, ``types``, ``agents``, ``capabilities``, ``failures``,
            ``errors``.
    """

    what: str
    count: int


class Inputs(Event):
    """What a synthesis rests on.

    Attributes:
        count: events read in this window.
        digest: 16 hex digits over the sequences of everything read so far, in order.
        before: the digest when the window began; so windows form a chain.
        first: the first sequence of the window, 0 if it is empty. Where more was read while the
            window before was being closed, the sequence behind that one's last.
        last: the last sequence read, 0 if there was none yet.
    """

    count: int = 0
    digest: str = ""
    before: str = ""
    first: int = 0
    last: int = 0


class TypeFigures(Event):
    """How long tasks of one type took in a window, ms.

    Attributes:
        type: the task's id without a number or hex digits counted on at its end.
        count: durations known, at most the last 256.
        p50, p95: nearest rank, so each is a duration that was measured.
    """

    type: str
    count: int
    p50: int
    p95: int


class MidMetrics(Event):
    """The figures of a window.

    Attributes:
        sessions: that were settled in it: ended, or given up as unended.
        ended: of these, whose end was seen.
        complete: of these, whose start was seen too.
        succeeded: ended with success.
        open: carried on into the next window.
        success_rate: succeeded / ended; None if none ended.
        tasks: that ended, cancelled ones too.
        fallbacks: routings to somebody without all capabilities.
        errors: session errors; alerts: emergence alerts.
        delta_beta1: what the events added to β1 by their own account.
        types: the 20 types with most durations, most first, then by name.
    """

    sessions: int = 0
    ended: int = 0
    complete: int = 0
    succeeded: int = 0
    open: int = 0
    success_rate: float | None = None
    tasks: int = 0
    routings: int = 0
    fallbacks: int = 0
    errors: int = 0
    alerts: int = 0
    delta_beta1: int = 0
    types: tuple[TypeFigures, ...] = ()


class CapabilityFigures(Event):
    """What one agent did with one capability. As :class:`AgentFigures`, of its tasks only."""

    capability: str
    tasks: int = 0
    succeeded: int = 0
    timed: int = 0
    busy_ms: int = 0


class AgentFigures(Event):
    """What one agent did since it was last told of.

    Attributes:
        sessions: its own that ended; sessions_succeeded: with success.
        tasks: it worked and that ended, cancelled ones apart; tasks_succeeded: with success.
        timed: tasks of known duration; busy_ms: their sum.
        load: busy_ms over the time covered, so the mean number of tasks at work at once.
        delta_beta1: what its events added to β1.
        recent: of each of its last 8 sessions (its own or worked in) that ended, the tags and
            capabilities, at most 8; oldest session first.
    """

    agent: str
    sessions: int = 0
    sessions_succeeded: int = 0
    tasks: int = 0
    tasks_succeeded: int = 0
    timed: int = 0
    busy_ms: int = 0
    load: float = 0.0
    delta_beta1: int = 0
    capabilities: tuple[CapabilityFigures, ...] = ()
    recent: tuple[tuple[str, ...], ...] = ()


class Synthesis(Event):
    """One window of the mid.

    Attributes:
        scope: what was looked at, in words.
        since, until: the window, ms since 1970 UTC.
        conflicts, complements: at most 8 of a kind, kinds in their order, then as found.
        counts: of every kind that was found, all of them, in the order of the kinds.
        agents: at most 64; whoever waits longest comes first, whoever finds no place waits on
            with all its figures.
        agents_waiting: how many found no place.
        confidence: share of complete sessions among those settled, 0 if there were none.
    """

    scope: str = ""
    since: int = 0
    until: int = 0
    inputs: Inputs = Inputs()
    conflicts: tuple[Finding, ...] = ()
    complements: tuple[Finding, ...] = ()
    counts: tuple[KindCount, ...] = ()
    metrics: MidMetrics = MidMetrics()
    agents: tuple[AgentFigures, ...] = ()
    agents_waiting: int = 0
    dropped: tuple[Dropped, ...] = ()
    confidence: float = 0.0


class AgentTrend(Event):
    """Where one agent is heading.

    Attributes:
        mids: windows it was told of in.
        success_rate: 0 to 1; duration_ms: of a task; load: tasks at once; delta_beta1: a window.
            Each an exponentially weighted mean over the windows that knew it, None if none did.
        success_change, duration_change, load_change, delta_beta1_change: how far the last window
            moved that mean.
        intent: the tag or capability of most of its last 8 sessions, empty if unknown.
        intent_share: in which share of these sessions it is.
        last: the last sequence of the last window that told of it.
    """

    agent: str
    mids: int = 0
    success_rate: float | None = None
    success_change: float = 0.0
    duration_ms: float | None = None
    duration_change: float = 0.0
    load: float | None = None
    load_change: float = 0.0
    delta_beta1: float | None = None
    delta_beta1_change: float = 0.0
    intent: str = ""
    intent_share: float = 0.0
    last: int = 0


class Recommendation(Event):
    """How a router might weigh an agent for a capability.

    Attributes:
        weight_delta: -0.5 to 0.5, to be added to the agent's score for this capability.
        why: one sentence that names the term which counted most.
    """

    agent: str
    capability: str
    weight_delta: float
    why: str = ""


class Advice(Event):
    """What the architect infers. Advice: nobody applies it without being told to.

    Attributes:
        advice: always true, so that no reader takes it for an order.
        mids: windows learned from.
        last: the last sequence they covered; until: when the last of them closed, ms since 1970.
        agents: at most 64, whoever was told of last comes first, then by name.
        recommendations: at most 64, the strongest first, then by agent and capability.
        agents_untold: known, but without a place here.
        agents_dropped: forgotten since the beginning, those not seen for longest first.
        confidence: weighted mean of the mids' confidence, as the trends.
    """

    advice: Literal[True] = True
    mids: int = 0
    last: int = 0
    until: int = 0
    agents: tuple[AgentTrend, ...] = ()
    recommendations: tuple[Recommendation, ...] = ()
    agents_untold: int = 0
    agents_dropped: int = 0
    confidence: float = 0.0
