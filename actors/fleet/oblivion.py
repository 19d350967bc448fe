"""What the fleet forgets of sessions and agents that were erased.

One law: figures that name nobody stay, whatever names the one who is gone goes, with its words.
"""

from __future__ import annotations

from holodeck.actors.fleet.architect import ArchitectState
from holodeck.actors.fleet.sightings import MidState, leave
from holodeck.messages.synthesis import Finding, Synthesis


def let_go(state: MidState, session: str) -> None:
    """The mid knows a session no more: neither open nor ended, nor in anything it found.

    Kinds of tasks are named after tasks, and whose those were is not known: all are forgotten.
    """
    leave(state, session)
    state.types = {}
    state.settled.pop(session, None)
    state.failures = {task: one for task, one in state.failures.items() if one.session != session}
    for error in state.fingerprints.values():
        error.sessions = tuple(name for name in error.sessions if name != session)
    if state.change is not None and state.change.session == session:
        state.change = None
    if state.quiet is not None and state.quiet.session == session:
        state.quiet = None
    _unfind(state, session)


def leave_out(state: MidState, agent: str) -> None:
    """The mid knows an agent no more."""
    for session in [name for name, one in state.sessions.items() if one.agent == agent]:
        let_go(state, session)
    state.working.pop(agent, None)
    state.agents.pop(agent, None)
    state.failures = {task: one for task, one in state.failures.items() if one.agent != agent}
    for error in state.fingerprints.values():
        error.agents = tuple(name for name in error.agents if name != agent)
    for kind in state.types.values():
        if kind.routed_to == agent:
            kind.routed_to = ""
    for one in state.sessions.values():
        for task in one.tasks.values():
            task.agent = "" if task.agent == agent else task.agent
            task.routed_to = "" if task.routed_to == agent else task.routed_to
    if state.change is not None and agent in (state.change.before, state.change.after):
        state.change = None
    _unfind(state, agent)


def _unfind(state: MidState, name: str) -> None:
    """Takes out what was found of ``name``; how many were found of a kind stays."""
    state.found = {
        kind: [one for one in those if not _names(one.finding, name)]
        for kind, those in state.found.items()
    }


def unlearn(state: ArchitectState, agent: str) -> None:
    """The architect knows an agent no more."""
    state.agents.pop(agent, None)


def left_out(synthesis: Synthesis | None, name: str) -> Synthesis | None:
    """A synthesis without what names a session or an agent."""
    if synthesis is None:
        return None
    return synthesis.model_copy(
        update={
            "conflicts": tuple(one for one in synthesis.conflicts if not _names(one, name)),
            "complements": tuple(one for one in synthesis.complements if not _names(one, name)),
            "agents": tuple(one for one in synthesis.agents if one.agent != name),
            "metrics": synthesis.metrics.model_copy(update={"types": ()}),
        }
    )


def _names(finding: Finding, name: str) -> bool:
    return name in finding.subjects or name in finding.agents
