"""The cases of what sessions came to: their figures, a learner's evaluation, trends over sessions.

One law: an input is put into the words of the real functions; where it is of a whole session, one
is told checkpoint by checkpoint and read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from holodeck.actors.learner.evaluation import (
    FIGURES,
    buckets,
    code_switch_reduction,
    competences,
    composite,
    injection_hits,
    longitudinal,
    negotiation_success,
    rate_of_change,
    recurrence,
    remarks,
    scores,
    session_trend,
    social_trajectory,
    trend,
)
from holodeck.actors.session.talk.exhaust import injection_result
from holodeck.actors.session.talk.metrics import (
    code_switch_ratio,
    comprehensibility,
    friction_rate,
    recovery_rate,
    register_accuracy,
    reputation_delta,
    task_completion_rate,
    words_per_minute,
)
from holodeck.messages.conversation import InjectionStatus
from tests.conformance.runner import Adapter
from tests.conformance.shapes import has, unknown

# --- one session ----------------------------------------


def session_metrics(given: Any) -> Any:
    """A tier that is not told is the one the figure belongs to."""
    tier = {"tier": given["tier"]} if isinstance(given, Mapping) and "tier" in given else {}
    if has(given, "friction_count", "duration_minutes"):
        return friction_rate(given["friction_count"], given["duration_minutes"])
    if has(given, "completed", "attempted", maybe=("tier",)):
        done, begun = given["completed"], given["attempted"]
        outcomes = ["completed-successfully"] * done + ["abandoned"] * (begun - done)
        return task_completion_rate((given.get("tier", 2), outcome) for outcome in outcomes)
    if has(given, "correct_register_turns", "total_turns", maybe=("tier",)):
        return register_accuracy(given["correct_register_turns"], given["total_turns"], **tier)
    if has(given, "l1_words", "total_words", maybe=("tier",)):
        return code_switch_ratio(given["l1_words"], given["total_words"], **tier)
    if has(given, "scores"):
        return comprehensibility(given["scores"])
    if has(given, "recovered", "total_frictions"):
        return recovery_rate(given["recovered"], given["total_frictions"])
    if has(given, "total_words", "speaking_time_seconds", maybe=("session_minutes",)):
        return words_per_minute(given["total_words"], round(given["speaking_time_seconds"] * 1000))
    if has(given, "deltas"):
        return reputation_delta((one["npcId"], one["delta"]) for one in given["deltas"])
    raise unknown("session_metrics", given)


def injection(given: Any) -> Any:
    if has(given, "statuses"):
        results = [injection_result("form", InjectionStatus(one)) for one in given["statuses"]]
        return [[one.executed, one.learner_used_target_form] for one in results]
    raise unknown("injection", given)


# --- a learner ----------------------------------------


def evaluation(given: Any) -> Any:
    if has(given, "conversations", maybe=("tiers",)):
        told = [(one["tier"], one["outcome"]) for one in given["conversations"]]
        only = {"tiers": given["tiers"]} if "tiers" in given else {}
        return task_completion_rate(told, **only)
    if has(given, "current_forms", "historical_forms"):
        return recurrence(given["current_forms"], given["historical_forms"])
    if has(given, "current", "historical"):
        return recurrence(_forms(given["current"]), _forms(given["historical"]))
    if has(given, "current_l1_ratio", "baseline_l1_ratio"):
        return code_switch_reduction(given["current_l1_ratio"], given["baseline_l1_ratio"])
    if has(given, "statuses", maybe=("used",)):
        return injection_hits(given["statuses"], used=given.get("used", False))
    if has(given, "deltas", "tier3_conversations"):
        return {
            "srt": social_trajectory(given["deltas"]),
            "nsr": negotiation_success(_outcomes(given["tier3_conversations"])),
        }
    if has(given, "deltas"):
        return social_trajectory(given["deltas"])
    if has(given, "outcomes", maybe=("partial",)):
        return negotiation_success(given["outcomes"], partial=given.get("partial", 0.0))
    if has(given, "durations_minutes"):
        found = longitudinal(given["durations_minutes"])
        return {"sessionCount": found.session_count, "totalHours": found.total_hours}
    return _judged(given)


def _judged(given: Any) -> Any:
    if has(given, "scores", "weights", maybe=("pass_threshold", "distinction_threshold")):
        thresholds = {
            name: given[key]
            for name, key in (
                ("pass_at", "pass_threshold"),
                ("distinction_at", "distinction_threshold"),
            )
            if key in given
        }
        grade = composite(given["scores"], given["weights"], **thresholds)
        return asdict(grade) | {"pass": grade.passed}
    if has(given, "words", "turns", "errors", maybe=("unique_words",)):
        counts = {key: given[key] for key in ("words", "turns", "errors")}
        counts["unique"] = given.get("unique_words", 0)
        return asdict(scores(**counts)) | {"competences": sorted(competences(**counts))}
    maybe = ("tcr", "fprr", "comprehensibility", "friction_count", "earlier_sessions")
    if has(given, maybe=maybe) and given:
        said = remarks(
            completion=given.get("tcr"),
            recurring=given.get("fprr"),
            comprehensible=given.get("comprehensibility"),
            frictions=given.get("friction_count"),
            earlier_sessions=given.get("earlier_sessions", 0),
        )
        return [remark.value for remark in said]
    raise unknown("evaluation", given)


def _forms(points: Sequence[Mapping[str, str]]) -> list[str]:
    """The target rule, else what was said."""
    return [one.get("targetRule") or one["rawUtterance"] for one in points]


def _outcomes(told: int | Sequence[str]) -> Sequence[str]:
    """Outcomes, or how many conversations there were, which nobody says more of."""
    return told if isinstance(told, Sequence) else ["completed-successfully"] * told


_SHORT: Final = {"fprr": True, "csr": True, "tcr": False, "ras": False}
"""Figures by their short names; whether less is better."""


def trends(given: Any) -> Any:
    """``metric`` names a figure; of some less is better."""
    if has(given, "values", maybe=("metric", "lower_is_better")):
        metric = given.get("metric", "")
        lower = given.get("lower_is_better", (_SHORT | dict(FIGURES)).get(metric.lower(), False))
        return trend(given["values"], lower_is_better=lower)
    if has(given, "earlier", "current"):
        return session_trend(given["earlier"], given["current"])
    if has(given, "rate_of_change"):
        return rate_of_change(given["rate_of_change"])
    if has(given, "sessions"):
        found = buckets(given["sessions"])
        return {
            "resolved": found.resolved,
            "persistent": found.persistent,
            "emerging": found.emerging,
            "fossilizationRisk": found.fossilising,
        }
    raise unknown("trend", given)


ADAPTERS: Final[dict[str, Adapter]] = {
    "evaluation": evaluation,
    "injection": injection,
    "session_metrics": session_metrics,
    "trend": trends,
}
