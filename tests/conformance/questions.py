"""The cases of questions: answers, keys, options, structure, recomputing, curricula.

One law: what is expected is said by the real checks; here inputs are only put into their words.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import yaml

from holodeck.actors.session.practice.answers import check
from holodeck.messages.practice import AnswerFormat, AnswerType, Question, SkillTier
from holodeck.minds.checking import UnsoundQuestion, answer_format, math_check, structural
from holodeck.minds.curricula import parse
from tests.conformance.runner import Adapter
from tests.conformance.shapes import has, unknown

# --- answers ----------------------------------------


def answer_check(given: Any) -> Any:
    """A learner's text goes without a place; ``selected_index`` is the place that was picked."""
    if has(given, "learner", "format", "answer", "type", maybe=("choices",)):
        question = _question(
            given["answer"], given["type"], given["format"], given.get("choices", ())
        )
        return {"correct": check(question, given["learner"], None).right}
    if has(given, "choices", "answer", "selected_index"):
        question = _question(given["answer"], "text", "multiple_choice", given["choices"])
        place = given["selected_index"]
        return {"correct": check(question, str(place + 1), place).right}
    raise unknown("answer_check", given)


def _question(answer: str, kind: str, form: str, choices: Any) -> Question:
    return Question(
        text="?",
        format=AnswerFormat(form),
        answer=answer,
        answer_type=AnswerType(kind),
        choices=tuple(choices),
        explanation="so",
        skill="any",
        tier=SkillTier.LEARN,
    )


# --- what may be asked ----------------------------------------


def answer_key_format(given: Any) -> Any:
    if has(given, "answer", "answer_type"):
        return _formatted(given["answer"], given["answer_type"])
    raise unknown("answer_key_format", given)


def mc_options(given: Any) -> Any:
    """Without a key the first option is one."""
    if has(given, "choices", maybe=("answer", "format")):
        form = given.get("format", "multiple_choice")
        choices = given["choices"]
        return _formatted(given.get("answer", choices[0]), "integer", form, choices)
    raise unknown("mc_options", given)


def _formatted(answer: str, kind: str, form: str = "numeric", choices: Any = ()) -> dict[str, Any]:
    try:
        answer_format(answer, AnswerType(kind), AnswerFormat(form), choices)
    except UnsoundQuestion as error:
        return _told(error)
    return {"valid": True}


def _told(error: UnsoundQuestion) -> dict[str, Any]:
    return {"valid": False, "retryable": error.retryable, "validator": error.validator}


def question_structure(given: Any) -> Any:
    """What an input does not name is as in a sound question."""
    known = ("text_len", "explanation_len", "difficulty", "answer_type", "format")
    if not (has(given, maybe=known) and given):
        raise unknown("question_structure", given)
    draft = {
        "text": "t" * given.get("text_len", 20),
        "format": given.get("format", "numeric"),
        "answer": "4",
        "answer_type": given.get("answer_type", "integer"),
        "choices": ["1", "2", "3", "4"] if given.get("format") == "multiple_choice" else [],
        "hint": "",
        "difficulty": given.get("difficulty", 2),
        "explanation": "e" * given.get("explanation_len", 20),
    }
    try:
        structural(draft)
    except UnsoundQuestion as error:
        return _told(error)
    return {"valid": True}


def recomputed(given: Any) -> Any:
    if has(given, "text", "answer", "answer_type"):
        kind = AnswerType(given["answer_type"])
        return {"accepted": math_check(given["text"], given["answer"], kind)}
    raise unknown("math_check", given)


# --- curricula ----------------------------------------

Needs = list[tuple[str, list[str]]]
_RULES: Final[Mapping[str, str]] = {
    "problems_required": "problems",
    "accuracy_threshold": "accuracy",
    "time_limit_secs": "limit_s",
}


_WORDS: Final = ("cycle", "strand", "problems", "threshold", "time limit")


def graph_validation(given: Any) -> Any:
    """``skills`` are pairs of a name and what it needs; a number of a tier is the learn tier's.

    What the messages mention is the first of the words that name a kind of fault.
    """
    if has(given, "skills"):
        return _curriculum([(name, needs) for name, needs in given["skills"]])
    if has(given, "strands_used", "strands_declared"):
        skills: Needs = [(f"s{n}", []) for n in range(given["strands_used"])]
        return _curriculum(skills, strands=given["strands_declared"], spread=True)
    for name, field in _RULES.items():
        if has(given, name):
            rule = {"problems": 8, "accuracy": 0.75, field: given[name]}
            return _curriculum([("a", [])], learn=rule)
    raise unknown("graph_validation", given)


def _curriculum(
    skills: Needs, *, strands: int = 1, spread: bool = False, **more: Any
) -> dict[str, Any]:
    data = {
        "id": "case",
        "name": "Case",
        "strands": [{"id": f"strand-{n}", "name": f"Strand {n}"} for n in range(strands)],
        "skills": [
            {
                "id": name,
                "name": name,
                "strand": f"strand-{n if spread else 0}",
                "grade": 3,
                "needs": needs,
                "generator": {"family": "addition"},
            }
            for n, (name, needs) in enumerate(skills)
        ],
        **more,
    }
    _, faults, _ = parse(yaml.safe_dump(data))
    told = "\n".join(fault.problem for fault in faults)
    return {
        "valid": not faults,
        "message_mentions": next((word for word in _WORDS if word in told), None),
    }


ADAPTERS: Final[Mapping[str, Adapter]] = {
    "answer_check": answer_check,
    "answer_key_format": answer_key_format,
    "mc_options": mc_options,
    "question_structure": question_structure,
    "math_check": recomputed,
    "graph_validation": graph_validation,
}
