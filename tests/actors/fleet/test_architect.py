"""The architect: means over windows, intents, and recommendations that say why."""

from __future__ import annotations

from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from holodeck.actors.fleet import architect
from holodeck.actors.fleet.architect import (
    ALPHA,
    ENOUGH,
    MOST,
    ArchitectState,
    advise,
    intent,
    learn,
    question,
    weighed,
)
from holodeck.messages.base import MAX_MESSAGE
from holodeck.messages.codec import pack
from holodeck.messages.synthesis import (
    Advice,
    AgentFigures,
    AgentTrend,
    CapabilityFigures,
    Inputs,
    MidMetrics,
    Recommendation,
    Synthesis,
)

STATE = TypeAdapter(ArchitectState)


def window(number: int, *agents: AgentFigures, confidence: float = 1.0) -> Synthesis:
    """The window of that number, from 1; each continues the one before."""
    return Synthesis(
        inputs=Inputs(
            count=1, digest=f"{number:016x}", before=f"{number - 1:016x}", last=10 * number
        ),
        until=1000 * number,
        metrics=MidMetrics(sessions=1),
        agents=agents,
        confidence=confidence,
    )


def taught(*windows: Synthesis) -> ArchitectState:
    state = ArchitectState()
    for synthesis in windows:
        learn(state, synthesis)
    return state


def figures(agent: str, done: int, of: int, **more: Any) -> AgentFigures:
    return AgentFigures(agent=agent, tasks=of, tasks_succeeded=done, **more)


def able(
    agent: str, done: int, of: int, ms: int | None = None, load: float = 0.0, word: str = "llvm"
) -> AgentFigures:
    """An agent that did ``done`` of ``of`` tasks with one capability, each in ``ms``."""
    timed = 0 if ms is None else of
    busy = timed * (ms or 0)
    one = CapabilityFigures(capability=word, tasks=of, succeeded=done, timed=timed, busy_ms=busy)
    return figures(agent, done, of, timed=timed, busy_ms=busy, load=load, capabilities=(one,))


def trend(state: ArchitectState, agent: str) -> AgentTrend:
    (found,) = [one for one in advise(state).agents if one.agent == agent]
    return found


def recommended(*agents: AgentFigures) -> tuple[Recommendation, ...]:
    return advise(taught(window(1, *agents))).recommendations


# --- trends ----------------------------------------


def test_the_first_window_is_the_mean_and_each_later_one_moves_it_by_alpha() -> None:
    once = taught(window(1, figures("ada", 1, 2, timed=2, busy_ms=200, load=1.0, delta_beta1=4)))
    twice = taught(
        window(1, figures("ada", 1, 2, timed=2, busy_ms=200, load=1.0, delta_beta1=4)),
        window(2, figures("ada", 2, 2, timed=1, busy_ms=300, load=0.0, delta_beta1=0)),
    )

    first, second = trend(once, "ada"), trend(twice, "ada")

    assert (first.success_rate, first.success_change, first.mids) == (0.5, 0.0, 1)
    assert (second.success_rate, second.success_change) == (0.65, 0.15)
    assert (second.duration_ms, second.duration_change) == (160.0, 60.0)
    assert (second.load, second.load_change) == (0.7, -0.3)
    assert (second.delta_beta1, second.delta_beta1_change) == (2.8, -1.2)
    assert (second.mids, second.last) == (2, 20)
    assert ALPHA == 0.3


def test_a_figure_a_window_does_not_know_leaves_its_mean() -> None:
    state = taught(
        window(1, figures("ada", 1, 2, timed=1, busy_ms=50)), window(2, figures("ada", 0, 0))
    )

    assert (trend(state, "ada").success_rate, trend(state, "ada").duration_ms) == (0.5, 50.0)


def test_a_figure_no_window_knew_is_unknown() -> None:
    assert trend(taught(window(1, figures("ada", 0, 0))), "ada").success_rate is None


def test_an_agent_without_tasks_of_its_own_is_known_by_its_sessions() -> None:
    owner = AgentFigures(agent="ada", sessions=4, sessions_succeeded=3)

    assert trend(taught(window(1, owner)), "ada").success_rate == 0.75


def test_an_empty_window_and_one_that_comes_twice_teach_nothing() -> None:
    state = taught(window(1, figures("ada", 1, 1)))
    before = state.copy()

    learn(state, window(1, figures("ada", 0, 1)))
    learn(state, Synthesis(inputs=Inputs(count=0, before="x", digest="x", last=99)))

    assert state == before


def test_confidence_is_that_of_the_mids_and_a_window_without_sessions_has_none() -> None:
    quiet = window(2, confidence=0.0).model_copy(update={"metrics": MidMetrics(sessions=0)})

    state = taught(window(1, confidence=1.0), quiet, window(3, confidence=0.5))

    assert advise(state).confidence == 0.85


def test_who_was_told_of_last_comes_first_then_by_name() -> None:
    state = taught(
        window(1, figures("bob", 1, 1), figures("cem", 1, 1)),
        window(2, figures("eve", 1, 1), figures("ada", 1, 1)),
    )

    assert [one.agent for one in advise(state).agents] == ["ada", "eve", "bob", "cem"]


# --- intent ----------------------------------------


@pytest.mark.parametrize(
    ("recent", "expected"),
    [
        ([], ("", 0.0)),
        ([("a", "b"), ("b",), ("c",)], ("b", 0.666667)),
        ([("a",), ("b",)], ("b", 0.5)),
        ([("b", "a")], ("a", 1.0)),
        ([("a", "a"), ("b",), ("b",)], ("b", 0.666667)),
    ],
    ids=["none", "majority", "the-newer-of-two", "then-by-name", "once-a-session"],
)
def test_an_intent_is_the_word_of_most_sessions(
    recent: list[tuple[str, ...]], expected: tuple[str, float]
) -> None:
    assert intent(recent) == expected


def test_an_intent_follows_the_last_sessions_over_windows() -> None:
    old = AgentFigures(agent="ada", sessions=6, recent=(("plato",),) * 6)
    new = AgentFigures(agent="ada", sessions=5, recent=(("llvm",),) * 5)

    assert trend(taught(window(1, old)), "ada").intent == "plato"
    after = trend(taught(window(1, old), window(2, new)), "ada")
    assert (after.intent, after.intent_share) == ("llvm", 0.625)


# --- recommendations ----------------------------------------


def test_who_succeeds_more_than_the_others_is_recommended_and_the_others_advised_against() -> None:
    better, worse = recommended(able("ada", 4, 4), able("bob", 3, 4))

    assert (better.agent, better.capability, better.weight_delta) == ("ada", "llvm", 0.25)
    assert better.why == "succeeds in 100% of its tasks, the others in 75%"
    assert (worse.agent, worse.weight_delta) == ("bob", -0.25)


def test_of_equally_good_ones_the_faster_is_recommended() -> None:
    slower, faster = recommended(able("ada", 4, 4, ms=300), able("bob", 4, 4, ms=600))

    assert (faster.agent, faster.weight_delta) == ("ada", 0.1)
    assert faster.why == "takes 300 ms for a task, the others 600 ms"
    assert (slower.agent, slower.weight_delta) == ("bob", -0.2)


def test_of_equally_good_ones_the_less_loaded_is_recommended() -> None:
    loaded, idle = recommended(able("ada", 4, 4, load=2.0), able("bob", 4, 4, load=1.0))

    assert (loaded.agent, loaded.weight_delta) == ("ada", -0.1)
    assert loaded.why == "has 2.00 tasks at once, the others 1.00"
    assert (idle.agent, idle.weight_delta) == ("bob", 0.05)


def test_a_weight_delta_stays_within_its_bounds() -> None:
    good, bad = recommended(able("ada", 9, 9, ms=1, load=0.0), able("bob", 0, 9, ms=1000, load=9.0))

    assert (good.weight_delta, bad.weight_delta) == (MOST, -MOST)


@pytest.mark.parametrize(
    "agents",
    [
        (able("ada", 4, 4),),
        (able("ada", 4, 4), able("bob", 0, ENOUGH - 1)),
        (able("ada", 4, 4), able("bob", 0, 4, word="plato")),
        (able("ada", 97, 100), able("bob", 100, 100)),
    ],
    ids=["alone", "too-few-tasks", "another-capability", "hardly-different"],
)
def test_where_there_is_nothing_to_compare_nothing_is_recommended(
    agents: tuple[AgentFigures, ...],
) -> None:
    assert recommended(*agents) == ()


def test_the_strongest_recommendation_comes_first_then_by_agent() -> None:
    found = recommended(able("cem", 4, 4), able("bob", 4, 4), able("ada", 0, 4))

    assert [one.agent for one in found] == ["ada", "bob", "cem"]


# --- what it is ----------------------------------------


def test_advice_is_marked_as_advice_and_cannot_be_anything_else() -> None:
    advice = advise(taught(window(1, able("ada", 4, 4), able("bob", 0, 4))))

    assert advice.model_dump()["advice"] is True
    with pytest.raises(ValidationError):
        Advice.model_validate({"advice": False})
    assert question(advice) == ("[ARCHITECT_INFERENCE] 1 windows — 2 agents, 2 recommendations")


def test_who_has_learned_nothing_advises_nothing() -> None:
    assert advise(ArchitectState()) == Advice()


def test_a_thousand_agents_and_more_are_forgotten_by_age_and_counted() -> None:
    state = ArchitectState()
    for number in range(1, 31):
        learn(
            state,
            window(number, *(able(f"agent{number:02}-{n}", n % 5, 4 + n % 5) for n in range(64))),
        )

    advice = advise(state)

    assert len(state.agents) <= architect.AGENTS
    assert advice.agents_dropped == 30 * 64 - len(state.agents)
    assert advice.agents_untold == len(state.agents) - len(advice.agents)
    assert not any(name.startswith("agent01") for name in state.agents)
    assert sum(name.startswith("agent30") for name in state.agents) == 64
    assert len(advice.agents) <= 64
    assert 0 < len(advice.recommendations) <= 64
    assert len(pack(advice.model_dump())) < MAX_MESSAGE


def test_of_many_capabilities_those_used_last_are_remembered() -> None:
    state = taught(
        *(window(n, able("ada", 4, 4, word=f"word{n:02}")) for n in range(1, 25)),
    )

    assert sorted(state.agents["ada"].capabilities) == [f"word{n:02}" for n in range(9, 25)]


FIGURES = st.builds(
    able,
    st.sampled_from(["ada", "bob", "cem"]),
    st.integers(0, 5),
    st.just(5),
    st.none() | st.integers(1, 1000),
    st.sampled_from([0.0, 0.5, 3.0]),
    st.sampled_from(["llvm", "plato"]),
)


@settings(max_examples=100, deadline=None)
@given(windows=st.lists(st.lists(FIGURES, max_size=3, unique_by=lambda one: one.agent), max_size=6))
def test_a_state_read_back_from_its_bytes_gives_the_same_advice(
    windows: list[list[AgentFigures]],
) -> None:
    straight, stored = ArchitectState(), ArchitectState()
    for number, agents in enumerate(windows, 1):
        learn(straight, window(number, *agents))
        learn(stored, window(number, *agents))
        raw = msgpack.packb(STATE.dump_python(stored))
        stored = STATE.validate_python(msgpack.unpackb(raw))
        assert stored == straight

    advice = advise(stored)

    assert pack(advice.model_dump()) == pack(advise(straight).model_dump())
    assert all(-MOST <= one.weight_delta <= MOST for one in advice.recommendations)
    hash(advice)  # frozen all the way down


def test_advising_changes_nothing_and_a_copy_shares_nothing_that_changes() -> None:
    state = taught(window(1, able("ada", 4, 4), able("bob", 0, 4)))
    before = STATE.dump_python(state)
    copy = state.copy()

    advise(state)
    learn(copy, window(2, able("ada", 0, 4)))

    assert STATE.dump_python(state) == before


def test_a_mean_is_kept_to_six_digits() -> None:
    mean = weighed(weighed(None, 1 / 3), 2 / 3)

    assert (mean.value, mean.change) == (0.433333, 0.1)
