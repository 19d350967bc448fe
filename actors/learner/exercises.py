"""Exercises and explanations, made from what was said and what should have been.

One law: no model and no word list; nothing is claimed that the two texts do not show. A form may
be a wording (``al lado de``) or only a name (``polite-request``): a name is never asked for as an
answer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, Literal

from holodeck.messages.conversation import Exercise, ExerciseType, FrictionType

SHOWN: Final = 60
"""Characters of a text that are shown inside a sentence."""
SHOWN_BYTES: Final = 96
"""The same text in UTF-8: a script that packs a word into two characters needs fewer of them."""

_NAME: Final = re.compile(r"[a-z0-9]+([-._/:][a-z0-9]+)+")
_AREA: Final[Mapping[FrictionType, str]] = {
    FrictionType.LEXICAL: "finding the word",
    FrictionType.MORPHOSYNTACTIC: "building the sentence",
    FrictionType.PHONEMIC: "the sound",
    FrictionType.REGISTER: "how formally to say it",
    FrictionType.PRAGMATIC: "how to bring it up",
    FrictionType.CULTURAL: "what is usual there",
}
_WHY: Final[Mapping[FrictionType, tuple[str, str]]] = {
    FrictionType.LEXICAL: (
        "The word you needed was not at hand.",
        "A word stays when it was needed: say it in a sentence about your own day.",
    ),
    FrictionType.MORPHOSYNTACTIC: (
        "You were understood; the parts of the sentence did not agree yet.",
        "Keep the whole phrase as one piece in your ear instead of building it anew each time.",
    ),
    FrictionType.PHONEMIC: (
        "A sound came out as a neighbour of the one that was meant.",
        "Say it slowly and exaggerate it, then let it shrink to its usual size.",
    ),
    FrictionType.REGISTER: (
        "The words were right, and their tone belonged to another company.",
        "Before you speak, ask yourself who decides here; the tone follows from that.",
    ),
    FrictionType.PRAGMATIC: (
        "What you wanted was reasonable; it came across as something else.",
        "Say first what it is about, then what you would like.",
    ),
    FrictionType.CULTURAL: (
        "Where you were, one does this differently.",
        "If it happens, one sentence puts it right; nobody expects you to know every custom.",
    ),
}
_RIGHT: Final = "Yes, that is it."


def wording(form: str) -> bool:
    """Whether a form can be said as it stands, and is not only the name of a rule.

    A name is all small Latin letters and digits in parts joined by ``-``, ``.``, ``_``, ``/`` or
    ``:``; what has more than 60 characters describes a rule.
    """
    return 0 < len(form) <= SHOWN and _NAME.fullmatch(form) is None


def shown(text: str) -> str:
    """A text for inside a sentence: at most 60 characters and 96 bytes; names with blanks for
    dashes."""
    if _NAME.fullmatch(text):
        text = re.sub(r"[-._/:]", " ", text)
    text = " ".join(text.split())
    short = text[:SHOWN]
    if len(text.encode()) > SHOWN_BYTES:
        short = short.encode()[:SHOWN_BYTES].decode(errors="ignore")
    return text if short == text else f"{short[:-1].rstrip()}…"


def titled(type_: FrictionType, form: str, said: str, *, gap: bool = False) -> str:
    """What a unit is called, at most 150 characters; ``gap``: the form is one example of many."""
    about = shown(form) or (f'"{shown(said)}"' if said else "")
    area = _AREA[type_]
    if gap or not about:
        area = area[0].upper() + area[1:]
        return f"{area}, for example {about}" if about else area
    return f"{about}: {area}"


def explained(
    type_: FrictionType,
    form: str,
    said: str,
    *,
    depth: Literal["detailed", "standard", "concise"] = "standard",
    count: int = 1,
) -> str:
    """Why it got stuck and what helps, at most 500 characters: ``concise`` says what to say
    instead, ``standard`` also why, ``detailed`` also what helps and how often it came up."""
    why, helps = _WHY[type_]
    parts = []
    if depth != "concise" or not form:
        parts.append(why)
    wanted = f'"{shown(form)}"' if wording(form) else shown(form)
    if form and said:
        parts.append(f'You said "{shown(said)}"; what was wanted: {wanted}.')
    elif form:
        parts.append(f"What was wanted: {wanted}.")
    elif said:
        parts.append(f'It was about "{shown(said)}".')
    if depth == "detailed":
        parts.append(helps)
        if count > 1:
            parts.append(f"It came up {count} times in this session.")
    return " ".join(parts)[:500]


def exercises_of(
    type_: FrictionType, form: str, said: str, *, tier: int = 1
) -> tuple[Exercise, ...]:
    """At most three, from recalling to free use; an exercise without accepted answers is done by
    being attempted.

    A wording is filled in and, where it is known what was said instead, told apart from that; a
    sound is pronounced; formality is chosen. What was said is said again where only the name of
    the form is known. The last is always free.
    """
    want, instead = shown(form), shown(said)
    made = []
    if wording(form):
        made.append(_recalled(type_, form, instead))
        if said and instead.casefold() != want.casefold():
            made.append(_told_apart(form, said))
    elif said:
        hint = f" Mind: {want}." if want else ""
        made.append(
            Exercise(
                type=ExerciseType.PRODUCTION,
                prompt=f'You said "{instead}". How would you say it now?{hint}',
                correct_feedback="Keep the version you like best.",
            )
        )
        if type_ is FrictionType.REGISTER and tier == 3:
            made.append(
                Exercise(
                    type=ExerciseType.REGISTER,
                    prompt=f'"{instead}" was said to somebody who decides. Which tone fits there:'
                    " formal or informal?",
                    accepted_answers=("formal",),
                    incorrect_feedback="Who decides expects some distance.",
                    correct_feedback=_RIGHT,
                )
            )
    made.append(
        Exercise(
            type=ExerciseType.PRODUCTION,
            prompt=f"Say something that you could really need this week{_with(type_, form, said)}.",
            correct_feedback="That is yours now.",
        )
    )
    return tuple(made)


def _with(type_: FrictionType, form: str, said: str) -> str:
    if wording(form):
        return f', with "{shown(form)}"'
    if form:
        return f", and mind: {shown(form)}"
    return f', other than "{shown(said)}"' if said else f", and mind {_AREA[type_]}"


def _recalled(type_: FrictionType, form: str, instead: str) -> Exercise:
    wrong = f'It is "{shown(form)}". Say it once aloud.'
    match type_:
        case FrictionType.PHONEMIC:
            return Exercise(
                type=ExerciseType.PRONUNCIATION,
                prompt=f'Say "{shown(form)}" slowly, then at your usual pace.',
                accepted_answers=(form,),
                incorrect_feedback="Once more, and slower.",
                correct_feedback=_RIGHT,
            )
        case _:
            prompt = (
                f'Instead of "{instead}": ____' if instead else f"{_begun(form)}  (complete it)"
            )
            return Exercise(
                type=ExerciseType.FILL_BLANK,
                prompt=prompt,
                accepted_answers=(form,),
                incorrect_feedback=wrong,
                correct_feedback=_RIGHT,
            )


def _begun(form: str) -> str:
    """The beginning of each word of a form, such as ``a__ l____ d_``."""
    words = shown(form).split()
    return " ".join(word[:1] + "_" * (len(word) - 1) if len(word) > 1 else "_" for word in words)


def _told_apart(form: str, said: str) -> Exercise:
    """The two stand in alphabetical order, so their place gives nothing away."""
    first, second = sorted((shown(form), shown(said)))
    return Exercise(
        type=ExerciseType.CHOICE,
        prompt=f'Which one: "{first}" or "{second}"?',
        accepted_answers=(shown(form),),
        incorrect_feedback=f'It is "{shown(form)}".',
        correct_feedback=_RIGHT,
    )
