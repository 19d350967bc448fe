"""What the services of a Ray cluster are made from; importable by Ray's workers."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

from holodeck.actors.cluster import Blueprint
from holodeck.actors.supervisor import SupervisorOptions
from holodeck.messages.session import MindKind
from holodeck.minds import Mind, ScriptedMind
from tests.conftest import ROOT
from tests.runtime.stage import Stage


def prepare(folder: str, name: str) -> None:
    """A log file for each process."""
    import structlog

    stream = (Path(folder) / f"{name}.log").open("a", buffering=1)
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(stream))


def minds() -> dict[MindKind, Mind]:
    return {MindKind.SCRIPTED: ScriptedMind()}


def blueprint(stage: Stage) -> Blueprint:
    return Blueprint(
        connect=stage.connection,
        layout=stage.layout,
        host=stage.host_options("host"),
        supervisor=SupervisorOptions(partitions=stage.partitions, lease_s=stage.lease_s),
        prepare=partial(prepare, str(stage.folder)),
        minds=minds,
        env={"PYTHONPATH": os.pathsep.join([str(ROOT)])},
    )
