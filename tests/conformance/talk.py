"""The cases of the micro-loop: what a turn says of the learner, and when a conversation is over.

One law: what is expected is computed by the rules of the real session, and where a whole session is
meant by a real session; here inputs are only put into their words.
"""

from __future__ import annotations

from typing import Any, Final

from holodeck.actors.decider import Moment
from holodeck.actors.learner.decider import due_command, learner
from holodeck.actors.session.rules import turn_reputation
from holodeck.actors.session.talk.affect import (
    escalation_signal,
    help_for,
    hesitates,
    inferred,
    needs_scaffold,
    pressed,
    pressure_range,
    ratios,
)
from holodeck.actors.session.talk.context import INACTIVITY_MS, OVERTIME
from holodeck.actors.session.talk.exhaust import injection_result
from holodeck.actors.session.talk.openness import openness_after
from holodeck.actors.session.talk.silence import companion_steps_in, silence_step
from holodeck.actors.session.talk.state import Sample
from holodeck.messages.conversation import (
    Affect,
    InjectionStatus,
    InnerAffect,
    Tier,
    friction_type,
    severity_level,
)
from holodeck.messages.learner import LoopCompleted, RunLoop
from holodeck.messages.session import End, EndReason, FrictionFinding, SessionEnded, TimerFired
from holodeck.messages.talk import Baseline
from tests.actors.session.stories import Story
from tests.actors.session.worlds import JUDGE, conversation, said
from tests.conformance.runner import Adapter
from tests.conformance.shapes import has, unknown

_START: Final = 0.5
"""The pressure a session of the cases begins with."""


def severity(given: Any) -> Any:
    if has(given, "severity"):
        return str(severity_level(given["severity"]))
    if has(given, "types"):
        return [str(friction_type(type_)) for type_ in given["types"]]
    raise unknown("severity", given)


def reputation_turn(given: Any) -> Any:
    if not has(given, "frictions", maybe=("register_aligned",)):
        raise unknown("reputation_turn", given)
    findings = [
        FrictionFinding.model_validate({"type": type_, "severity": level})
        for type_, level in given["frictions"]
    ]
    return turn_reputation(findings, given.get("register_aligned"))


def affect(given: Any) -> Any:
    """Every turn of the last five is like the one that is told of; what it does not tell is as
    usual. L1 and hedging are shares of its words."""
    maybe = ("l1", "hedging", "repair")
    if not has(
        given, "baseline", "tier", "start_pressure", "words", "frictions", "latency", maybe=maybe
    ):
        raise unknown("affect", given)
    told = given["baseline"]
    baseline = Baseline(
        latency_ms=told["latency"], l1=told["l1"], hedging=told["hedging"], repair=told["repair"]
    )
    turn = Sample(
        turn=1,
        frictions=given["frictions"],
        words=given["words"],
        l1=given.get("l1"),
        hedging=given.get("hedging"),
        repairs=given.get("repair"),
        latency_ms=given["latency"],
    )
    inner = inferred(ratios([turn], baseline))
    signal = escalation_signal([turn], baseline)
    escalation = help_for(inner, signal)
    shown: dict[str, Any] = {
        "state": str(inner),
        "pressure": pressed(given["start_pressure"], inner, given["tier"], 1),
        "escalate": escalation is not None,
        "signal": signal,
    }
    return shown | ({"recommendation": escalation} if escalation else {})


def pressure(given: Any) -> Any:
    """One turn in that state after the other; a list of them, or where the last one leads."""
    if not has(given, "turns", "affect", maybe=("tier3_sessions",)):
        raise unknown("pressure", given)
    inner, before = InnerAffect(given["affect"]), given.get("tier3_sessions", 1)
    told: dict[str, list[float]] = {}
    for tier in _TIERS:
        steps = told[f"tier{tier}"] = []
        at = _START
        for _ in range(given["turns"]):
            at = pressed(at, inner, tier, before)
            steps.append(at)
    if "tier3_sessions" in given:
        return {tier: steps[-1] for tier, steps in told.items()}
    return told


_TIERS: Final[tuple[Tier, ...]] = (1, 2, 3)


def openness(given: Any) -> Any:
    if not has(given, "violations", "start", "penalty"):
        raise unknown("openness", given)
    tenths, state = openness_after(
        given["violations"], round(given["start"] * 10), round(given["penalty"] * 10)
    )
    return {"score": tenths / 10, "state": str(state)}


def micro_loop(given: Any) -> Any:
    if has(given, "seconds"):
        return [hesitates(seconds) for seconds in given["seconds"]]
    if has(given, "tier", "seconds") and given["tier"] == 1:
        return [companion_steps_in(1, seconds) for seconds in given["seconds"]]
    if has(given, "tier", "seconds"):
        steps = [silence_step(given["tier"], seconds) for seconds in given["seconds"]]
        return [None if step is None else str(step) for step in steps]
    if has(given, "cases"):
        return [needs_scaffold(friction, Affect(state)) for friction, state in given["cases"]]
    raise unknown("micro_loop", given)


def collapse(given: Any) -> Any:
    """Of a real negotiation, with an authority that can break off."""
    if has(given, "consecutive_failed_turns"):
        told = conversation()
        for number in range(1, given["consecutive_failed_turns"] + 1):
            told.tell(said(number, JUDGE, meaningful=False))
        assert told.state.talk is not None
        return {"collapsed": told.state.talk.standings[JUDGE].collapsed}
    if has(given, "max_pressure", "tier3_sessions"):
        _, high = pressure_range(3, given["tier3_sessions"])
        return {"ceiling": min(high, given["max_pressure"])}
    raise unknown("collapse", given)


def session_end(given: Any) -> Any:
    """A real conversation is ended, and its learner told of it."""
    if has(given, "preferred_minutes"):
        limit = round(OVERTIME * given["preferred_minutes"] * 60_000)
        told = conversation(limit_ms=limit, inactivity_ms=0)
        told.tell(TimerFired(name="session"), after_s=limit / 1000)
        return _ended(told) | {"limit_minutes": limit / 60_000}
    if has(given, "idle_seconds"):
        told = conversation(said(1), inactivity_ms=INACTIVITY_MS)
        return _ended(told.tell(TimerFired(name="idle"), after_s=given["idle_seconds"]))
    if has(given, "fatal") and given["fatal"]:
        told = conversation(said(1)).tell(End(reason=EndReason.SYSTEM_ERROR))
        return _ended(told)
    raise unknown("session_end", given)


def _ended(told: Story) -> dict[str, Any]:
    ended = [one for one in told.events if isinstance(one, SessionEnded)]
    if not ended:
        return {"end_reason": None}
    state = learner.initial
    for moment, events in told.log:
        learner.advance(state, events, Moment(moment.sequence, moment.at, "sess_1", "ana"))
    run = False
    later = told.at + 3_600_000
    if isinstance(due := due_command(state, later), RunLoop):
        looped = learner.decide(state, due, later)
        run = any(isinstance(one, LoopCompleted) and not one.skipped for one in looped)
    return {"end_reason": str(ended[0].reason), "saved": bool(told.log), "run_pipeline": run}


def injection(given: Any) -> Any:
    if not has(given, "statuses"):
        raise unknown("injection", given)
    results = [injection_result("form", InjectionStatus(status)) for status in given["statuses"]]
    return [[one.executed, one.learner_used_target_form] for one in results]


ADAPTERS: Final[dict[str, Adapter]] = {
    "affect": affect,
    "collapse": collapse,
    "injection": injection,
    "micro_loop": micro_loop,
    "openness": openness,
    "pressure": pressure,
    "reputation_turn": reputation_turn,
    "session_end": session_end,
    "severity": severity,
}
