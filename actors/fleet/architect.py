"""The architect: where each agent is heading, and what a router might make of it.

One law: a fold of syntheses into advice. Every window weighs the same, the newest most
(:data:`ALPHA`); nothing here is applied by anybody who was not told to.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from heapq import nsmallest
from typing import Final, Literal, NamedTuple

from holodeck.actors.fleet.mid import within
from holodeck.messages.synthesis import (
    DIGITS,
    Advice,
    AgentFigures,
    AgentTrend,
    CapabilityFigures,
    Recommendation,
    Synthesis,
)

ALPHA: Final = 0.3
"""Weight of the newest window: mean' = mean + ALPHA · (value − mean), beginning with the first
value (exponentially weighted moving average, Roberts, 1959). About six windows count."""
AGENTS: Final = 1024
"""Agents remembered; beyond, the sixteenth that was told of longest ago is forgotten."""
CAPABILITIES: Final = 16
"""Capabilities remembered of one agent, those used last."""
RECENT: Final = 8
"""Sessions of one agent its intent is read from."""
TOLD: Final = 64
"""Trends, and recommendations, in one advice."""

ENOUGH: Final = 3
"""Tasks with a capability before an agent is weighed by it."""
SPEED: Final = 0.2
"""What being twice as fast as the others, or infinitely slower, is worth against success."""
LOAD: Final = 0.1
"""What twice the others' load, or none, takes or gives."""
LEAST: Final = 0.05
"""Recommendations of less are not made."""
MOST: Final = 0.5
"""The largest weight delta, either way."""

_BYTES: Final = 22 * 1024
"""Of trends, and of recommendations, as JSON; together below
:data:`holodeck.messages.base.MAX_MESSAGE`."""


@dataclass(frozen=True, slots=True)
class Mean:
    """An exponentially weighted mean; ``change`` is how far the last value moved it."""

    value: float
    change: float = 0.0


def weighed(mean: Mean | None, value: float) -> Mean:
    """``mean`` with one more value, rounded to :data:`DIGITS` digits."""
    if mean is None:
        return Mean(round(value, DIGITS))
    after = round(mean.value + ALPHA * (value - mean.value), DIGITS)
    return Mean(after, round(after - mean.value, DIGITS))


@dataclass(slots=True)
class CapabilityKnown:
    """One agent with one capability; ``last``: the window that told of it."""

    tasks: int = 0
    success: Mean | None = None
    duration: Mean | None = None
    last: int = 0


@dataclass(slots=True)
class AgentKnown:
    """One agent.

    Attributes:
        last: the window that told of it last, counted from 1; sequence: that one's last.
        recent: words of its last sessions, oldest first.
    """

    mids: int = 0
    last: int = 0
    sequence: int = 0
    success: Mean | None = None
    duration: Mean | None = None
    load: Mean | None = None
    delta_beta1: Mean | None = None
    capabilities: dict[str, CapabilityKnown] = field(default_factory=dict)
    recent: list[tuple[str, ...]] = field(default_factory=list)


@dataclass(slots=True)
class ArchitectState:
    """What the architect remembers. Only :func:`learn` changes it.

    Attributes:
        mids: windows learned from.
        before: the digest the last of them began with.
        last: its last sequence; until: when it closed, ms since 1970 UTC.
        dropped: agents forgotten since the beginning.
    """

    mids: int = 0
    before: str = ""
    last: int = 0
    until: int = 0
    confidence: Mean | None = None
    agents: dict[str, AgentKnown] = field(default_factory=dict)
    dropped: int = 0

    def copy(self) -> ArchitectState:
        """An equal state that shares nothing changeable with this one."""
        return replace(
            self,
            agents={
                name: replace(
                    agent,
                    capabilities={word: replace(it) for word, it in agent.capabilities.items()},
                    recent=list(agent.recent),
                )
                for name, agent in self.agents.items()
            },
        )


def learn(state: ArchitectState, synthesis: Synthesis) -> None:
    """Takes one window into a state that nobody else holds, in place.

    An empty window teaches nothing, nor does one that begins where the last one did.
    """
    inputs = synthesis.inputs
    if not inputs.count or (state.mids and inputs.before == state.before):
        return
    state.mids += 1
    state.before, state.last, state.until = inputs.before, inputs.last, synthesis.until
    if synthesis.metrics.sessions:
        state.confidence = weighed(state.confidence, synthesis.confidence)
    for figures in synthesis.agents:
        agent = state.agents.get(figures.agent)
        if agent is None:
            agent = state.agents[figures.agent] = AgentKnown()
        _learn_agent(agent, figures)
        agent.last, agent.sequence = state.mids, inputs.last
        for told in figures.capabilities:
            _learn_capability(agent, told, state.mids)
        if len(agent.capabilities) > CAPABILITIES:
            known = agent.capabilities
            kept = sorted(known, key=lambda word: (-known[word].last, word))[:CAPABILITIES]
            agent.capabilities = {word: known[word] for word in sorted(kept)}
    if len(state.agents) > AGENTS:
        oldest = sorted(state.agents, key=lambda name: (state.agents[name].last, name))
        gone = oldest[: max(len(state.agents) - AGENTS, AGENTS // 16)]
        for name in gone:
            del state.agents[name]
        state.dropped += len(gone)


def _learn_agent(agent: AgentKnown, figures: AgentFigures) -> None:
    """Success is that of the tasks it worked, or where it worked none of its sessions."""
    agent.mids += 1
    if figures.tasks:
        agent.success = weighed(agent.success, figures.tasks_succeeded / figures.tasks)
    elif figures.sessions:
        agent.success = weighed(agent.success, figures.sessions_succeeded / figures.sessions)
    if figures.timed:
        agent.duration = weighed(agent.duration, figures.busy_ms / figures.timed)
    agent.load = weighed(agent.load, figures.load)
    agent.delta_beta1 = weighed(agent.delta_beta1, figures.delta_beta1)
    agent.recent = [*agent.recent, *figures.recent][-RECENT:]


def _learn_capability(agent: AgentKnown, told: CapabilityFigures, mid: int) -> None:
    if not told.tasks:
        return
    known = agent.capabilities.setdefault(told.capability, CapabilityKnown())
    known.tasks += told.tasks
    known.success = weighed(known.success, told.succeeded / told.tasks)
    if told.timed:
        known.duration = weighed(known.duration, told.busy_ms / told.timed)
    known.last = mid


def advise(state: ArchitectState) -> Advice:
    """What is to be said now; the state stays as it is.

    Trends: whoever was told of last first, then by name. Recommendations: the strongest first,
    then by agent and capability.
    """
    order = sorted(state.agents, key=lambda name: (-state.agents[name].last, name))
    trends = within(_BYTES, (_trend(name, state.agents[name]) for name in order[:TOLD]))
    strongest = nsmallest(
        TOLD, _weighings(state), key=lambda one: (-abs(one.delta), one.agent, one.capability)
    )
    return Advice(
        mids=state.mids,
        last=state.last,
        until=state.until,
        agents=tuple(trends),
        recommendations=tuple(within(_BYTES, map(_recommendation, strongest))),
        agents_untold=len(state.agents) - len(trends),
        agents_dropped=state.dropped,
        confidence=state.confidence.value if state.confidence is not None else 0.0,
    )


def question(advice: Advice) -> str:
    """The question of an advice's tile."""
    return (
        f"[ARCHITECT_INFERENCE] {advice.mids} windows — {len(advice.agents)} agents, "
        f"{len(advice.recommendations)} recommendations"
    )


def intent(recent: list[tuple[str, ...]]) -> tuple[str, float]:
    """The word in most of these sessions, and in which share of them it is.

    Of equally frequent ones the word whose last session is the newest, then the first by name;
    an empty word and 0 where there are none.
    """
    if not recent:
        return "", 0.0
    counts = Counter(word for words in recent for word in set(words))
    newest = {word: place for place, words in enumerate(recent) for word in words}
    best = min(counts, key=lambda word: (-counts[word], -newest[word], word), default="")
    return best, round(counts[best] / len(recent), DIGITS)


def _trend(name: str, agent: AgentKnown) -> AgentTrend:
    word, share = intent(agent.recent)
    return AgentTrend(
        agent=name,
        mids=agent.mids,
        success_rate=_value(agent.success),
        success_change=_change(agent.success),
        duration_ms=_value(agent.duration),
        duration_change=_change(agent.duration),
        load=_value(agent.load),
        load_change=_change(agent.load),
        delta_beta1=_value(agent.delta_beta1),
        delta_beta1_change=_change(agent.delta_beta1),
        intent=word,
        intent_share=share,
        last=agent.sequence,
    )


def _value(mean: Mean | None) -> float | None:
    return mean.value if mean is not None else None


def _change(mean: Mean | None) -> float:
    return mean.change if mean is not None else 0.0


class _Weighing(NamedTuple):
    """One agent with one capability against the others; each pair is its own and their mean."""

    agent: str
    capability: str
    delta: float
    deciding: Literal["success", "speed", "load"]
    success: tuple[float, float]
    duration: tuple[float, float]
    load: tuple[float, float]


def _weighings(state: ArchitectState) -> Iterator[_Weighing]:
    """Every agent with a capability against the others who have it, where that says something.

    The weight delta is own success − the others' mean success, plus :data:`SPEED` times how much
    faster it is than their mean (as a part of it, −1 to 1), minus :data:`LOAD` times how much
    more loaded (likewise); cut to ±:data:`MOST`.
    """
    groups: dict[str, list[tuple[str, float, float | None, float]]] = {}
    for name, agent in sorted(state.agents.items()):
        load = _value(agent.load) or 0.0
        for word, known in agent.capabilities.items():
            if known.tasks >= ENOUGH and known.success is not None:
                groups.setdefault(word, []).append(
                    (name, known.success.value, _value(known.duration), load)
                )
    for word, group in groups.items():
        count = len(group) - 1
        if not count:
            continue
        successes, loads = sum(one[1] for one in group), sum(one[3] for one in group)
        timed = [one[2] for one in group if one[2] is not None]
        durations = sum(timed)
        for name, success, duration, load in group:
            others, loaded = (successes - success) / count, (loads - load) / count
            theirs = 0.0
            if duration is not None and len(timed) > 1:
                theirs = (durations - duration) / (len(timed) - 1)
            by_success = success - others
            by_speed = SPEED * _part(theirs - (duration or 0.0), theirs)
            by_load = -LOAD * _part(load - loaded, loaded)
            delta = round(max(-MOST, min(MOST, by_success + by_speed + by_load)), DIGITS)
            if abs(delta) < LEAST:
                continue
            deciding: Literal["success", "speed", "load"] = "success"
            if abs(by_success) < max(abs(by_speed), abs(by_load)):
                deciding = "speed" if abs(by_speed) >= abs(by_load) else "load"
            yield _Weighing(
                name,
                word,
                delta,
                deciding,
                (success, others),
                (duration or 0.0, theirs),
                (load, loaded),
            )


def _recommendation(found: _Weighing) -> Recommendation:
    match found.deciding:
        case "success":
            own, others = found.success
            why = f"succeeds in {own:.0%} of its tasks, the others in {others:.0%}"
        case "speed":
            own, others = found.duration
            why = f"takes {own:.0f} ms for a task, the others {others:.0f} ms"
        case "load":
            own, others = found.load
            why = f"has {own:.2f} tasks at once, the others {others:.2f}"
    return Recommendation(
        agent=found.agent, capability=found.capability, weight_delta=found.delta, why=why
    )


def _part(difference: float, whole: float) -> float:
    """``difference`` as a part of ``whole``, -1 to 1; 0 where there is no whole."""
    return max(-1.0, min(1.0, difference / whole)) if whole > 0 else 0.0
