"""Every adapter there is, by area."""

from __future__ import annotations

from typing import Final

from tests.conformance import (
    agent_sessions,
    calling,
    drop_in,
    fleet,
    learners,
    lifecycle,
    loops,
    npcs,
    persistence,
    personal,
    player_models,
    practising,
    profiles,
    progressing,
    questions,
    records,
    talk,
    wire,
)
from tests.conformance.runner import Adapter, Adapters

MODULES: Final = (
    agent_sessions,
    calling,
    drop_in,
    fleet,
    learners,
    lifecycle,
    loops,
    npcs,
    persistence,
    personal,
    player_models,
    practising,
    profiles,
    progressing,
    questions,
    records,
    talk,
    wire,
)


def _merged() -> Adapters:
    merged: dict[str, tuple[Adapter, ...]] = {}
    for module in MODULES:
        for area, adapter in module.ADAPTERS.items():
            merged[area] = (*merged.get(area, ()), adapter)
    return merged


ADAPTERS: Final = _merged()
