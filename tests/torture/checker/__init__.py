"""Whether a run kept the promises: a list of laws over what is left of it.

One law a module, each a function from the evidence to a :class:`Finding`. Nothing here asks the
runtime's shells how it was: the streams are folded with the pure deciders and compared.

    from tests.torture.checker import check
    report = check(load(folder))
    assert report.holds, report
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from tests.torture.checker.acknowledged import acknowledged
from tests.torture.checker.claims import one_active
from tests.torture.checker.evidence import Evidence
from tests.torture.checker.histories import Histories
from tests.torture.checker.linearizable import fold_reads, linearizable
from tests.torture.checker.lines import one_line
from tests.torture.checker.order import order
from tests.torture.checker.report import Finding, Report, Violation
from tests.torture.checker.states import states
from tests.torture.checker.story import one_story
from tests.torture.checker.tiles import dead, tiles
from tests.torture.checker.timers import timers
from tests.torture.run import Run

LAWS: dict[str, Callable[[Evidence, Histories], Finding]] = {
    "acknowledged": lambda evidence, _: acknowledged(evidence),
    "order": lambda evidence, _: order(evidence),
    "one-line": lambda evidence, _: one_line(evidence),
    "one-story": one_story,
    "timers": lambda _, histories: timers(histories),
    "linearizable": linearizable,
    "fold-reads": fold_reads,
    "one-active": lambda evidence, _: one_active(evidence),
    "states": states,
    "tiles": lambda evidence, _: tiles(evidence),
    "dead": lambda evidence, _: dead(evidence),
}
"""Every law by its name, in the order in which they are told."""


def check(run: Run, laws: Collection[str] | None = None) -> Report:
    """What each law came to.

    Args:
        laws: only these; None: all that the run has evidence for.

    Raises:
        BadRun: the run contradicts itself (a power loss that never ended).
    """
    evidence, histories = Evidence(run), Histories(run.journal)
    wanted = set(laws) if laws is not None else set(_applicable(run))
    return Report(tuple(law(evidence, histories) for name, law in LAWS.items() if name in wanted))


def _applicable(run: Run) -> Iterator[str]:
    """Where nobody looked at TILES, DEAD or the living, nothing is said about them."""
    unlooked = {"tiles": run.tiles, "dead": run.dead, "states": run.said}
    return (name for name in LAWS if name not in unlooked or unlooked[name] is not None)


__all__ = ["LAWS", "Evidence", "Finding", "Histories", "Report", "Violation", "check"]
