"""Values of every contract, drawn from the contracts themselves.

One law: nothing here names a field. A new command or event is covered the day it is written.
"""

from __future__ import annotations

import enum
import json
import types
import zoneinfo
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, timedelta, timezone
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from hypothesis import settings
from hypothesis import strategies as st
from pydantic import AfterValidator, BaseModel

from holodeck.messages.base import JsonText
from holodeck.messages.conversation import Time
from holodeck.messages.envelope import AnyEvent
from holodeck.messages.fleet import AskGraph, AskRoute, FleetCommand, ReadFleet
from holodeck.messages.learner import LearnerCommand
from holodeck.messages.npc import NpcCommand
from holodeck.messages.player import (
    Boundary,
    Character,
    CharacterName,
    GiveFeedback,
    Goal,
    Zone,
)
from holodeck.messages.session import CastMember, SessionCommand
from holodeck.messages.talk import BriefLearner, BriefNpc

few = settings(max_examples=20, deadline=None)
"""For tests that run once for each kind."""
many = settings(max_examples=100, deadline=None)

FEW = 2
"""Members of a list or map at most: what is nested grows with each level."""
ZONES = [UTC, timezone(timedelta(hours=5, minutes=45)), timezone(timedelta(hours=-11))]
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


def members(union: Any) -> Iterator[type[BaseModel]]:
    """The classes of a union, however it is wrapped."""
    if isinstance(union, type):
        yield union
        return
    args = get_args(union)
    for arg in args[:1] if get_origin(union) is Annotated else args:
        yield from members(arg)


SESSION_COMMANDS = tuple(members(SessionCommand))
NPC_COMMANDS = tuple(members(NpcCommand))
LEARNER_COMMANDS = tuple(members(LearnerCommand))
FLEET_COMMANDS = tuple(members(FleetCommand))
FLEET_QUERIES: tuple[type[BaseModel], ...] = (AskRoute, AskGraph, ReadFleet)
BRIEF_QUERIES: tuple[type[BaseModel], ...] = (BriefLearner, BriefNpc)
EVENTS = tuple(members(AnyEvent))


def _checked(annotated: Any) -> AfterValidator:
    """What an annotated text must pass beyond its length."""
    return next(item for item in get_args(annotated) if isinstance(item, AfterValidator))


TEXTS: tuple[tuple[AfterValidator, st.SearchStrategy[str]], ...] = (
    (_checked(JsonText), JSON_VALUES.map(json.dumps)),
    (
        _checked(Time),
        st.datetimes(timezones=st.sampled_from(ZONES)).map(lambda told: told.isoformat()),
    ),
    (_checked(CharacterName), st.from_regex(r"[A-Za-z][A-Za-z' -]{0,20}[A-Za-z]", fullmatch=True)),
    (_checked(Zone), st.sampled_from(sorted(zoneinfo.available_timezones()))),
)
"""Texts with a grammar of their own, by what checks it."""


def _named_once(made: dict[str, Any]) -> dict[str, Any]:
    return {**made, "name": made["background"].name}


def _said_once(made: dict[str, Any]) -> dict[str, Any]:
    """The first of what may be given alone, or a rating."""
    alone = ("rating", "text", "preference_changes", "crisis_types")
    given = next((name for name in alone if made.get(name)), "rating")
    kept = {name: value for name, value in made.items() if name not in alone}
    return {**kept, given: made.get(given) or 3}


MENDED: dict[type[BaseModel], Callable[[dict[str, Any]], dict[str, Any]]] = {
    Character: _named_once,
    GiveFeedback: _said_once,
}
"""Contracts whose fields must fit each other, and how values drawn apart are made to."""
NAMED: dict[Any, Callable[[Any], Any]] = {
    CastMember: lambda member: member.npc,
    Boundary: lambda boundary: boundary.boundary_id,
    Goal: lambda goal: goal.goal_id,
}
"""What stands once in a list, by what it is told apart."""


def kind_of(model: type[BaseModel]) -> str:
    """The literal a member of a union is told apart by."""
    kind: str = model.model_fields["kind"].default
    return kind


@cache
def instances(model: type[BaseModel]) -> st.SearchStrategy[Any]:
    """Any value of a contract; fields with a default are sometimes left out."""
    required: dict[str, st.SearchStrategy[Any]] = {}
    optional: dict[str, st.SearchStrategy[Any]] = {}
    for name, field in model.model_fields.items():
        home = required if field.is_required() else optional
        home[name] = _values(field.annotation, field.metadata)
    mend = MENDED.get(model, dict)
    return st.fixed_dictionaries(required, optional=optional).map(lambda made: model(**mend(made)))


def any_of(models: Iterable[type[BaseModel]]) -> st.SearchStrategy[Any]:
    return st.one_of([instances(model) for model in models])


def limit(metadata: Iterable[Any], name: str) -> Any:
    """The constraint of that name, such as ``max_length``; None: there is none."""
    for item in metadata:
        found = getattr(item, name, None)
        if found is not None:
            return found
        inner = limit(getattr(item, "metadata", ()), name)
        if inner is not None:
            return inner
    return None


def parts(models: Iterable[type[BaseModel]]) -> dict[type[BaseModel], None]:
    """The models and every model inside them, in order."""
    found: dict[type[BaseModel], None] = {}
    waiting = list(models)
    while waiting:
        model = waiting.pop()
        if model not in found:
            found[model] = None
            for field in model.model_fields.values():
                waiting += [
                    one
                    for one, _ in leaves(field.annotation, ())
                    if isinstance(one, type) and issubclass(one, BaseModel)
                ]
    return found


def leaves(annotation: Any, metadata: tuple[Any, ...]) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    """What a field is made of, collections and what they hold, each with its constraints."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        yield from leaves(args[0], (*metadata, *args[1:]))
    elif origin in (Union, types.UnionType):
        for arg in args:
            yield from leaves(arg, metadata)
    elif origin in (tuple, dict):
        if origin is dict or args[-1] is ...:
            yield origin, metadata
        for arg in args:
            if arg is not ...:
                yield from leaves(arg, ())
    elif origin is not Literal:
        yield annotation, metadata


def _values(annotation: Any, metadata: Iterable[Any]) -> st.SearchStrategy[Any]:
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *more = get_args(annotation)
        return _values(inner, [*metadata, *more])
    if origin in (Union, types.UnionType):
        return st.one_of([_values(arg, metadata) for arg in get_args(annotation)])
    if origin is Literal:
        return st.sampled_from(get_args(annotation))
    if origin is tuple:
        item, *others = get_args(annotation)
        if others != [...]:
            return st.tuples(*(_values(part, ()) for part in (item, *others)))
        most = min(FEW, limit(metadata, "max_length") or FEW)
        least = min(most, limit(metadata, "min_length") or 0)
        drawn = _values(item, ())
        return st.lists(drawn, min_size=least, max_size=most, unique_by=NAMED.get(item)).map(tuple)
    if origin is dict:
        names, held = get_args(annotation)
        return st.dictionaries(_values(names, ()), _values(held, ()), max_size=FEW)
    if annotation is type(None):
        return st.none()
    if annotation is bool:
        return st.booleans()
    if annotation is bytes:
        return st.binary(max_size=40)
    if issubclass(annotation, BaseModel):
        return instances(annotation)
    if issubclass(annotation, enum.Enum):
        return st.sampled_from(list(annotation))
    low, high = limit(metadata, "ge"), limit(metadata, "le")
    above = limit(metadata, "gt")
    if annotation is int:
        return st.integers(0 if low is None else low, 2**53 if high is None else high)
    if annotation is float:
        return st.floats(
            low if above is None else above,
            high,
            exclude_min=above is not None,
            allow_nan=False,
            allow_infinity=False,
        )
    assert annotation is str, annotation
    for check, texts in TEXTS:
        if check in metadata:
            return texts
    assert not any(isinstance(item, AfterValidator) for item in metadata), metadata
    longest = limit(metadata, "max_length")
    pattern = limit(metadata, "pattern")
    if pattern is not None:
        whole = st.from_regex(pattern, fullmatch=True)
        return whole.filter(
            lambda text: text.isascii() and (longest is None or len(text) <= longest)
        )
    most = min(30, longest or 30)
    text = st.text(
        st.characters(codec="utf-8"), min_size=limit(metadata, "min_length") or 0, max_size=most
    )
    least = limit(metadata, "min_length") or 0
    if limit(metadata, "strip_whitespace"):
        return text.filter(lambda drawn: len(drawn.strip()) >= max(1, least))
    return text
