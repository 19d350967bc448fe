"""The cases of what follows from a session: patterns, lessons, injections, tiers, grammar.

One law: as for the cases of agent sessions, inputs are only put into the words of the real macro
loop and its rules, and their answers into those of the cases.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from holodeck.actors.learner.interlanguage import fossilises, status
from holodeck.actors.learner.lessons import MANNERS, SHORT, minutes, route
from holodeck.actors.learner.loop import (
    admitted,
    classification,
    estimated_sessions,
    extraction,
    run,
)
from holodeck.actors.learner.story import FrictionPoint, Known, LoopResult, Story
from holodeck.actors.learner.tiers import Scores, advances
from holodeck.messages.conversation import (
    MIDPOINTS,
    CurriculumFormat,
    ForwardInjectionSpec,
    FrictionType,
    InstructionalPreferences,
    RetentionStyle,
    RuleTrajectory,
    friction_type,
)
from holodeck.messages.learner import LanguageRule
from tests.conformance.runner import Adapter
from tests.conformance.shapes import has, unknown

_SESSION: Final = "sess_1"


def pipeline(given: Any) -> Any:
    """Where a history is given units are named by their forms, elsewhere they are counted."""
    if has(given, "frictions", maybe=("history",)):
        return _evaluated(given["frictions"], given.get("history", {}))
    if has(given, "recurring_forms"):
        forms = [f"r{n}" for n in range(1, given["recurring_forms"] + 1)]
        shown = _evaluated([("lexical", "low", form) for form in forms], dict.fromkeys(forms, 1))
        return shown | {"units": len(shown["units"])}
    if has(given, "directives", maybe=("maxSessionAttempts",)):
        return _admitted(given["directives"], given.get("maxSessionAttempts"))
    raise unknown("pipeline", given)


def _evaluated(frictions: Sequence[Sequence[str]], history: Mapping[str, int]) -> dict[str, Any]:
    points = tuple(
        FrictionPoint(
            id=f"{_SESSION}-fp-{n}",
            session=_SESSION,
            type=FrictionType(friction_type(type_)),
            severity=MIDPOINTS[level],
            form=form,
        )
        for n, (type_, level, form) in enumerate(frictions, 1)
    )
    earlier = tuple(
        FrictionPoint(f"{form}-{n}", "sess_0", FrictionType.LEXICAL, 0.5, form=form)
        for form, count in history.items()
        for n in range(count)
    )
    story = Story(_SESSION, turns=len(points), frictions=len(points), points=points)
    found = classification(extraction(story), earlier)
    result = run(
        story,
        Known(number=2 if earlier else 1, history=earlier),
        style=RetentionStyle.GAMIFIED,
        preferences=InstructionalPreferences(),
        persona="",
    )
    shown: dict[str, Any] = {
        "status": "completed" if len(result.phases) == 5 else "failed",
        "clusters": [
            [one.type.value, len(one.points), one.structural, one.treatment]
            for one in found.clusters
        ],
        "injections": len(result.planned),
        "estimatedSessions": estimated_sessions(result.planned),
        **_lesson(result, named=bool(history)),
        **{
            key: list(getattr(found.delta, rules))
            for key, rules in (
                ("violatedRules", "violated_rules"),
                ("emergingRules", "emerging_rules"),
                ("fossilizingRules", "fossilizing_rules"),
                ("confirmedRules", "confirmed_rules"),
            )
        },
    }
    for one in found.recurring:
        shown[one.form] = [one.trajectory, one.fossilising, one.priority.value, one.session_count]
    return shown


def _lesson(result: LoopResult, *, named: bool) -> dict[str, Any]:
    units = () if result.curriculum is None else result.curriculum.units
    forms = [unit.target_form for unit in units]
    return {"units": forms if named else len(forms), "minutes": minutes(len(forms))}


def _admitted(count: int, attempts: Sequence[int] | None) -> dict[str, Any]:
    most = attempts or [3] * count
    specs = admitted(
        [
            ForwardInjectionSpec(
                target_form=f"f{n}",
                friction_type=FrictionType.LEXICAL,
                injection_method="",
                max_session_attempts=limit,
            )
            for n, limit in zip(range(1, count + 1), most, strict=True)
        ]
    )
    return {
        "statuses": [spec.status.value for spec in specs],
        "estimatedSessions": estimated_sessions(specs),
    }


def tier(given: Any) -> Any:
    if not has(given, "tier", "accuracy", "fluency", "complexity"):
        raise unknown("tier", given)
    composite = Scores(given["accuracy"], given["fluency"], given["complexity"]).composite
    return {"composite": composite, "advance": advances(given["tier"], composite)}


def delivery(given: Any) -> Any:
    """The bounds are those of the formats that are also called by a short name of delivery."""
    if has(given, "style"):
        formats = route(given["style"])
        return {
            "preferred": SHORT[formats.preferred],
            "fallback": SHORT[formats.fallback],
        }
    if has(given):
        return {
            SHORT[format_]: [manner.least, manner.most]
            for format_, manner in MANNERS.items()
            if format_ is not CurriculumFormat.SUMMARY
        }
    raise unknown("delivery", given)


def fossilization(given: Any) -> Any:
    if not has(given, "sessions", "trajectory", "confidence", "failed_interventions"):
        raise unknown("fossilization", given)
    return fossilises(
        given["sessions"],
        RuleTrajectory(given["trajectory"]),
        given["confidence"],
        given["failed_interventions"],
    )


def interlanguage(given: Any) -> Any:
    """``{}`` asks with what confidence a rule begins."""
    if has(given, "confidences"):
        return [status(confidence).value for confidence in given["confidences"]]
    if has(given, "confidence"):
        return status(given["confidence"]).value
    if has(given):
        return LanguageRule(form="f", type=FrictionType.LEXICAL).confidence
    raise unknown("interlanguage", given)


ADAPTERS: Final[dict[str, Adapter]] = {
    "delivery": delivery,
    "fossilization": fossilization,
    "interlanguage": interlanguage,
    "pipeline": pipeline,
    "tier": tier,
}
