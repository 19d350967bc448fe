"""Projections: the journal in stores that others run.

The adapters are not here, since each needs a library of its own: ``redis_store``, ``embedded`` and
``neo4j_store`` are imported by whoever configures them.
"""

from __future__ import annotations

from holodeck.actors.projections.graph import GraphProjection
from holodeck.actors.projections.port import (
    LABELS,
    RELATIONS,
    Bookmark,
    Changes,
    Graph,
    GraphStore,
    Overtaken,
    Projection,
    Standing,
    Step,
    StoreDown,
    step_of,
)
from holodeck.actors.projections.runner import ProjectionRunner
from holodeck.actors.projections.service import PROJECTIONS_HOST, ProjectionsService
from holodeck.actors.projections.view import SessionView

__all__ = [
    "LABELS",
    "PROJECTIONS_HOST",
    "RELATIONS",
    "Bookmark",
    "Changes",
    "Graph",
    "GraphProjection",
    "GraphStore",
    "Overtaken",
    "Projection",
    "ProjectionRunner",
    "ProjectionsService",
    "SessionView",
    "Standing",
    "Step",
    "StoreDown",
    "step_of",
]
