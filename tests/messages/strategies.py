"""Values of every contract, drawn from the contracts themselves.

One law: nothing here names a field. A new command or event is covered the day it is written.
"""

from __future__ import annotations

import enum
import json
import types
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from hypothesis import settings
from hypothesis import strategies as st
from pydantic import AfterValidator, BaseModel

from holodeck.messages.envelope import AnyEvent
from holodeck.messages.fleet import AskGraph, AskRoute, FleetCommand, ReadFleet
from holodeck.messages.learner import LearnerCommand
from holodeck.messages.npc import NpcCommand
from holodeck.messages.session import CastMember, SessionCommand

few = settings(max_examples=20, deadline=None)
"""For tests that run once for each kind."""
many = settings(max_examples=100, deadline=None)

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
EVENTS = tuple(members(AnyEvent))


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
    return st.fixed_dictionaries(required, optional=optional).map(lambda made: model(**made))


def any_of(models: Iterable[type[BaseModel]]) -> st.SearchStrategy[Any]:
    return st.one_of([instances(model) for model in models])


def _limit(metadata: Iterable[Any], name: str) -> Any:
    for item in metadata:
        found = getattr(item, name, None)
        if found is not None:
            return found
        inner = _limit(getattr(item, "metadata", ()), name)
        if inner is not None:
            return inner
    return None


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
        most = min(3, _limit(metadata, "max_length") or 3)
        unique = (lambda member: member.npc) if item is CastMember else None
        return st.lists(_values(item, ()), max_size=most, unique_by=unique).map(tuple)
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
    low, high = _limit(metadata, "ge"), _limit(metadata, "le")
    if annotation is int:
        return st.integers(0 if low is None else low, 2**53 if high is None else high)
    if annotation is float:
        return st.floats(low, high, allow_nan=False, allow_infinity=False)
    assert annotation is str, annotation
    if any(isinstance(item, AfterValidator) for item in metadata):
        return JSON_VALUES.map(json.dumps)
    pattern = _limit(metadata, "pattern")
    if pattern is not None:
        return st.from_regex(pattern, fullmatch=True).filter(lambda text: text.isascii())
    most = min(30, _limit(metadata, "max_length") or 30)
    return st.text(
        st.characters(codec="utf-8"), min_size=_limit(metadata, "min_length") or 0, max_size=most
    )
