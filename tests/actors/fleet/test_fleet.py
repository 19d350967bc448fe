"""The fleet as a fold. Pure: no broker, no clock."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holodeck.actors.decider import Moment
from holodeck.actors.fleet.decider import FLEET_STATE, WINDOW_MS, FleetState, fleet
from holodeck.actors.fleet.graph import CoworkGraph
from holodeck.messages.codec import pack, unpack
from holodeck.messages.envelope import AnyEvent
from holodeck.messages.errors import RefusedError
from holodeck.messages.fleet import (
    AgentRegistered,
    AgentUnregistered,
    ArchitectInferred,
    CloseWindow,
    Infer,
    MidSynthesised,
    RecordEmergence,
    RegisterAgent,
    UnregisterAgent,
)
from holodeck.messages.session import (
    Crossing,
    EmergenceDetected,
    EndReason,
    Outcome,
    SessionEnded,
    SessionKind,
    SessionStarted,
    TaskCompleted,
    TaskRouted,
)

NOON = 1_767_268_800_000


class Story:
    """A fleet that is told one checkpoint after the other."""

    def __init__(self) -> None:
        self.state = FleetState()
        self.sequence = 0
        self.at = NOON

    def tell(self, *events: AnyEvent, session: str = "s", learner: str = "ana") -> FleetState:
        self.sequence += 1
        self.at += 10
        moment = Moment(self.sequence, self.at, session, learner)
        fleet.advance(self.state, events, moment)
        return self.state

    def routed(self, task: str, agent: str, *others: str, **more: Any) -> TaskRouted:
        return TaskRouted(
            task=task, npc=agent, match=1.0, fallback=False, collaborators=others, **more
        )

    def clique(self, names: str, session: str = "s", offset: float = -2.0) -> None:
        """Everyone is linked with everyone before, one task each."""
        for n, name in enumerate(names):
            event = self.routed(f"t{n}", name, *names[:n], offset=offset)
            self.tell(event, session=session)


def ended(outcome: Outcome = Outcome.SUCCESS) -> SessionEnded:
    return SessionEnded(reason=EndReason.LEARNER_ENDED, outcome=outcome, active_ms=1)


def test_load_follows_routing_completion_and_the_sessions_end() -> None:
    story = Story()
    story.tell(story.routed("t", "a"))
    story.tell(story.routed("u", "a"))
    story.tell(story.routed("v", "b"))
    assert story.state.roster.loads == {"a": 2, "b": 1}

    story.tell(TaskCompleted(task="t", outcome=Outcome.FAILED, agent="a"))
    story.tell(TaskCompleted(task="t", outcome=Outcome.FAILED, agent="a"))
    assert story.state.roster.loads == {"a": 1, "b": 1}

    story.tell(ended())
    assert (story.state.roster.loads, story.state.open, story.state.own) == ({}, {}, {})
    assert story.state.roster.agents["a"].routed == 2


def test_a_task_routed_anew_leaves_its_first_agent() -> None:
    story = Story()
    story.tell(story.routed("t", "a"))
    story.tell(story.routed("t", "b", "a", attempt=2))

    assert story.state.roster.loads == {"b": 1}
    assert story.state.graph.neighbours("b") == {"a"}


def test_a_rehearsal_is_nobodys_work() -> None:
    story = Story()
    story.tell(story.routed("t", "a", "b"), learner="")

    assert (story.state.routed, story.state.graph.vertices) == (0, 0)


def test_only_the_agent_of_an_agent_session_is_in_the_graph_from_the_start() -> None:
    story = Story()
    story.tell(SessionStarted(session_kind=SessionKind.AGENT, learner="bo"), learner="bo")
    story.tell(SessionStarted(session_kind=SessionKind.CONVERSATION, learner="ana"), session="u")

    assert list(story.state.graph) == ["bo"]


def test_the_additive_change_of_each_session() -> None:
    story = Story()
    story.tell(story.routed("t", "a", "b"), session="s1")
    story.tell(story.routed("t", "c", "b"), session="s2")
    story.tell(story.routed("u", "c", "a"), session="s1")
    story.tell(story.routed("u", "d", "a", "b", "c"), session="s2")

    own = {name: story.state.own[name].change for name in ("s1", "s2")}
    assert own == {"s1": 1, "s2": 2}
    assert story.state.graph.beta1 == sum(own.values())
    assert story.state.seen_by("s2").own_change == 2
    assert story.state.seen_by("unknown").own_change == 0


def test_an_alert_comes_once_for_each_crossing() -> None:
    story = Story()

    story.clique("abcd")

    # K4: β1 3 > V - 2 = 2; the last of its six edges crossed.
    assert [str(owed) for owed in story.state.owed] == ["EMERGENCE: β₁=3 > V-2=2 (V=4, E=6)"]
    found = story.state.owed[0]
    assert (found.members, found.edge) == (("a", "b", "c", "d"), ("d", "c"))
    assert (found.number, found.session, found.task) == (4, "s", "t3")
    assert story.state.seen_by("s").crossings == 1

    story.tell(story.routed("t9", "a", "b", "c"))
    assert len(story.state.owed) == 1

    story.tell(EmergenceDetected(crossing=found))
    story.tell(EmergenceDetected(crossing=found))
    assert not story.state.owed
    assert story.state.alerts == 1


def test_it_is_armed_again_below_the_threshold_only() -> None:
    story = Story()
    story.clique("abcd")
    # A tail of two lifts V to 6: threshold 4 > β1 3, so the component has fallen below.
    story.tell(story.routed("x", "e", "a"))
    assert len(story.state.owed) == 1
    assert story.state.alerted  # 3 = 5 - 2: at the threshold, not below
    story.tell(story.routed("y", "f", "e"))
    story.tell(story.routed("y2", "g", "f"))

    story.tell(story.routed("z", "e", "b", "c", "d"), session="later")

    assert [owed.session for owed in story.state.owed] == ["s", "later"]


def test_merging_with_what_is_far_below_arms_again() -> None:
    story = Story()
    story.clique("abcd")
    for n, edge in enumerate(("wx", "xy", "yz")):
        story.tell(story.routed(f"p{n}", edge[0], edge[1]), session="path")

    story.tell(story.routed("bridge", "a", "w"), session="path")

    assert story.state.alerted == {}


def test_each_offset_has_its_own_threshold() -> None:
    story = Story()
    story.clique("abcd", offset=0.0)
    assert not list(story.state.owed)

    story.tell(story.routed("x", "a", "b", offset=-2.0), session="strict")

    assert [(one.session, one.offset) for one in story.state.owed] == [("strict", -2.0)]


def test_two_alone_never_emerge() -> None:
    story = Story()
    story.tell(story.routed("t", "a", "b", offset=-1000.0))

    assert story.state.owed == ()


def test_old_edges_are_forgotten() -> None:
    story = Story()
    story.clique("abcd")
    story.tell(ended())
    story.at += WINDOW_MS // 2
    story.tell(story.routed("t", "x", "a"), session="u")
    story.at += WINDOW_MS // 2 + WINDOW_MS // 4

    story.tell(story.routed("t2", "x"), session="u")

    assert sorted(story.state.graph) == ["a", "x"]
    assert story.state.alerted == {}
    assert sorted(story.state.roster.agents) == ["a", "x"]


def test_agents_say_what_they_can_do_and_say_it_once() -> None:
    story = Story()
    command = RegisterAgent(agent="a", capabilities=("x", "x", "y"), max_load=2)

    events = fleet.decide(story.state, command, NOON)

    assert events == (AgentRegistered(agent="a", capabilities=("x", "y"), max_load=2),)
    story.tell(*events, session="main", learner="")
    assert fleet.decide(story.state, command, NOON) == ()
    gone = fleet.decide(story.state, UnregisterAgent(agent="a"), NOON)
    assert gone == (AgentUnregistered(agent="a"),)
    story.tell(*gone, session="main", learner="")
    assert fleet.decide(story.state, UnregisterAgent(agent="a"), NOON) == ()
    with pytest.raises(RefusedError, match="unknown-agent"):
        fleet.decide(story.state, UnregisterAgent(agent="zoe"), NOON)


def test_an_alert_is_recorded_only_while_it_is_owed() -> None:
    story = Story()
    story.clique("abcd")
    number = story.state.owed[0].number

    events = fleet.decide(story.state, RecordEmergence(crossing=number), NOON)

    assert events == (EmergenceDetected(crossing=story.state.owed[0]),)
    story.tell(*events, session="main", learner="")
    assert fleet.decide(story.state, RecordEmergence(crossing=number), NOON) == ()


def test_a_window_is_closed_once_and_inferred_from_once() -> None:
    story = Story()
    assert fleet.decide(story.state, CloseWindow(read=0), NOON) == ()
    story.tell(story.routed("t", "a"))

    events = fleet.decide(story.state, CloseWindow(read=0), story.at + 1)

    assert [type(event) for event in events] == [MidSynthesised]
    story.tell(*events, session="main", learner="")
    assert not story.state.gathered
    assert fleet.decide(story.state, CloseWindow(read=0), story.at) == ()
    advice = fleet.decide(story.state, Infer(sequence=story.sequence), story.at)
    assert [type(event) for event in advice] == [ArchitectInferred]
    story.tell(*advice, session="main", learner="")
    assert fleet.decide(story.state, Infer(sequence=story.state.synthesised), story.at) == ()


NAMES = st.sampled_from("abcdefg")
ROUTINGS = st.tuples(
    st.sampled_from(("s1", "s2", "s3")),
    NAMES,
    st.lists(NAMES, max_size=4).map(tuple),
    st.sampled_from((-2.0, -2.0, 0.0)),
)


@given(st.lists(st.one_of(ROUTINGS, st.sampled_from(("s1", "s2", "s3"))), max_size=40))
def test_it_is_the_fold_also_through_a_snapshot(steps: list[Any]) -> None:
    """Half way everything goes through bytes; alerts, loads and loops are as if it had not."""
    whole, halved = Story(), Story()
    alerts = set()
    for n, step in enumerate(steps):
        for story in (whole, halved):
            if isinstance(step, str):
                story.tell(ended(), session=step)
            else:
                session, agent, others, offset = step
                story.tell(story.routed(f"t{n}", agent, *others, offset=offset), session=session)
        if n == len(steps) // 2:
            raw = unpack(pack(FLEET_STATE.dump_python(halved.state)))
            halved.state = FLEET_STATE.validate_python(raw)
        alerts |= {owed.number for owed in whole.state.owed}
    assert FLEET_STATE.dump_python(whole.state) == FLEET_STATE.dump_python(halved.state)
    assert whole.state.tasks == sum(whole.state.roster.loads.values())
    fresh = CoworkGraph()
    for step in steps:
        if not isinstance(step, str):
            _, agent, others, _ = step
            fresh.add(agent)
            for other in others:
                if other != agent:
                    fresh.connect(agent, other)
    assert (whole.state.graph.beta1, whole.state.graph.components) == (
        fresh.beta1,
        fresh.components,
    )


def test_a_crossing_is_said_as_the_readme_says_it() -> None:
    found = Crossing(number=1, h1=0, threshold=-2, offset=-4, vertices=2, edges=1, edge=("a", "b"))
    assert str(found) == "EMERGENCE: β₁=0 > V-4=-2 (V=2, E=1)"
