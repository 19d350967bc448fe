"""NPCs of a persona: their author's words, chosen by what was said and how it stands."""

from __future__ import annotations

import asyncio
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holodeck.messages.base import MAX_TEXT
from holodeck.messages.conversation import (
    Affect,
    FrictionType,
    KnownFact,
    Mood,
    NPCBriefing,
    OpenMatter,
    OpennessState,
    RecentTurn,
    Scaffold,
    SilenceStep,
    Tier,
)
from holodeck.messages.errors import ContractError
from holodeck.messages.persona import Manner, Persona
from holodeck.minds.personal import NOTHING, PersonaMind, answer
from holodeck.minds.personas import Library
from holodeck.minds.port import Live, Prompt, Said
from holodeck.minds.scripted import ScriptedMind
from tests.minds.worlds import DUE, TOLD, WORLD, npc_said, prompt

MISSED = Live(frictions=("gender-cafe: una café",), missed=("gender-cafe",))
LINES = WORLD.npcs[0].lines


def of(manner: Manner) -> tuple[str, ...]:
    return LINES[manner]


# --- what holds always ----------------------------------------


@settings(max_examples=200, deadline=None)
@given(
    st.text(st.characters(codec="utf-8"), max_size=200),
    st.integers(0, 50),
    st.sampled_from([1, 2, 3]),
    st.builds(
        Live,
        affect=st.sampled_from(Affect),
        mood=st.sampled_from(Mood),
        reputation=st.floats(-0.5, 1),
        openness_state=st.sampled_from(OpennessState),
        collapsed=st.booleans(),
        scaffolds=st.sampled_from([(), (Scaffold.HINT,)]),
        frictions=st.sampled_from([(), ("gender-cafe: una café",), ("lexical",)]),
        missed=st.sampled_from([(), ("gender-cafe",)]),
        injections=st.sampled_from([(), (DUE,)]),
        silence=st.none() | st.sampled_from(SilenceStep),
    ),
    st.lists(st.sampled_from([line for lines in LINES.values() for line in lines]), max_size=4),
)
def test_whatever_happens_there_is_one_answer_that_can_be_stored(
    text: str, turn: int, tier: Tier, live: Live, past: list[str]
) -> None:
    asked = prompt(text, turn=turn, tier=tier, live=live, recent=npc_said(*past), briefing=TOLD)

    said = answer(asked)

    assert 1 <= len(said.text) <= MAX_TEXT
    assert said == answer(asked)
    assert "{" not in said.text
    assert set(said.opened) <= {due.form for due in live.injections}


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.sampled_from(["hola", "un café", "¿qué?", "la cuenta", "dame xyz", "eh"]),
        min_size=2,
        max_size=12,
    ),
    st.sampled_from([1, 2, 3]),
    st.sampled_from([Live(), MISSED, Live(injections=(DUE,)), Live(mood=Mood.COLD)]),
)
def test_nothing_is_said_twice_in_a_row(texts: list[str], tier: Tier, live: Live) -> None:
    recent: list[RecentTurn] = []
    last = ""
    for turn, text in enumerate(texts, 1):
        said = answer(prompt(text, turn=turn, tier=tier, live=live, recent=tuple(recent[-6:])))
        assert said.text != last
        last = said.text
        recent += [RecentTurn(speaker="learner", text=text), RecentTurn(speaker="npc", text=last)]


def test_an_npc_with_one_line_alone_does_not_repeat_it_in_a_row() -> None:
    npc = WORLD.npcs[1].model_copy(update={"cues": (), "lines": {Manner.DEFAULT: ("Sí.",)}})
    world = WORLD.model_copy(update={"npcs": (npc,)})
    texts: list[str] = []
    for turn in range(1, 5):
        asked = Prompt("i", "s", "marta", "ana", "p", turn, "eh", world, recent=npc_said(*texts))
        texts.append(answer(asked).text)

    assert all(one != other for one, other in itertools.pairwise(texts))


# --- it opens ----------------------------------------


def test_somebody_new_is_greeted_and_somebody_known_by_what_is_remembered() -> None:
    assert answer(prompt("", turn=0)).text == "¡Buenas! ¿Qué tal?"
    assert answer(prompt("", turn=0, briefing=TOLD)).text == "¡Hola otra vez! Sé que te llamas Ana."


def test_somebody_of_whom_nothing_is_known_is_greeted_as_new() -> None:
    told = NPCBriefing(npc_id="marta", recent_vector_memories=("They spoke.",))

    assert answer(prompt("", turn=0, briefing=told)).text == "¡Buenas! ¿Qué tal?"


def test_what_was_never_put_right_makes_a_greeting_cooler() -> None:
    told = NPCBriefing(
        npc_id="marta", unresolved_events=(OpenMatter(description="Rude.", impact=-0.1),)
    )

    said = answer(prompt("", turn=0, briefing=told)).text

    assert said.startswith("¡Buenas! ¿Qué tal?")
    assert said.endswith(of(Manner.COLD))


def test_the_surest_fact_is_the_one_that_is_brought_up() -> None:
    told = NPCBriefing(
        npc_id="marta",
        remembered_facts=(
            KnownFact(fact="tienes un gato", confidence=0.3),
            KnownFact(fact="vives en {word}.", confidence=0.8),
        ),
    )

    # A learner's braces are no blanks.
    assert answer(prompt("", turn=0, briefing=told)).text.endswith("Sé que vives en {word}.")


# --- it answers ----------------------------------------


def test_a_cue_is_answered_in_turn() -> None:
    first = answer(prompt("quiero un café", turn=1)).text
    second = answer(prompt("otro café", turn=2, recent=npc_said(first))).text

    assert {first, second} == {"Un café, marchando.", "¿Con leche?"}


@pytest.mark.parametrize(
    ("text", "live", "manner"),
    [
        ("y entonces", Live(), Manner.DEFAULT),
        ("¿qué es eso?", Live(), Manner.QUESTION),
        ("y entonces", Live(mood=Mood.IRRITATED), Manner.COLD),
        ("y entonces", Live(reputation=-0.4), Manner.COLD),
        ("y entonces", Live(mood=Mood.WARM), Manner.WARM),
        ("y entonces", Live(reputation=0.8), Manner.WARM),
    ],
)
def test_without_a_cue_mood_and_standing_colour_the_line(
    text: str, live: Live, manner: Manner
) -> None:
    assert answer(prompt(text, turn=2, live=live)).text in of(manner)


def test_now_and_then_it_brings_up_what_it_remembers() -> None:
    said = [answer(prompt("y", turn=turn, briefing=TOLD)).text for turn in range(1, 9)]

    assert said.count("Aún me acuerdo de que te llamas Ana.") == 2


# --- how a tier takes friction ----------------------------------------


def test_a_companion_recasts_and_goes_on() -> None:
    said = answer(prompt("quiero una café", tier=1, live=MISSED)).text

    assert said.startswith(("Ah, un café, claro. ", "Sí: un café. "))
    assert said.endswith(("Un café, marchando.", "¿Con leche?"))


def test_an_everyday_person_that_understood_lets_it_pass() -> None:
    said = answer(prompt("quiero una café", tier=2, live=MISSED)).text

    assert said in ("Un café, marchando.", "¿Con leche?")


def test_an_everyday_person_asks_again_once_then_helps_then_takes_its_leave() -> None:
    past: list[str] = []
    for turn in (1, 2, 3):
        asked = prompt(
            "poproszę rachunek",
            turn=turn,
            live=Live(frictions=("lexical",)),
            recent=npc_said(*past),
        )
        past.append(answer(asked).text)

    assert past[0] in of(Manner.REPEAT)
    assert past[1] in ("¿Quiere decir la cuenta?", "¿la cuenta, tal vez?")
    assert past[2] in of(Manner.FAREWELL)


def test_after_it_was_understood_in_between_the_ladder_begins_anew() -> None:
    past = npc_said(of(Manner.REPEAT)[0], "Un café, marchando.")

    said = answer(prompt("xyz", live=Live(frictions=("lexical",)), recent=past)).text

    assert said in of(Manner.REPEAT)


def test_somebody_of_weight_warns_before_it_breaks_off() -> None:
    resistant = Live(openness_state=OpennessState.RESISTANT, frictions=("register",))

    warned = answer(prompt("oye", tier=3, live=resistant)).text
    over = answer(prompt("oye", tier=3, live=Live(collapsed=True))).text

    assert warned in of(Manner.WARNING)
    assert over in of(Manner.COLLAPSE)


def test_somebody_of_weight_does_not_correct() -> None:
    said = answer(prompt("una café", tier=3, live=MISSED)).text

    assert said in ("Un café, marchando.", "¿Con leche?")


# --- openings ----------------------------------------


def test_where_nothing_else_is_to_be_said_it_opens_for_a_due_form() -> None:
    said = answer(prompt("y entonces", live=Live(injections=(DUE,))))

    assert said.text.startswith("¿Cómo se")
    assert said.opened == ("polite-request",)


def test_a_cue_that_opens_is_reported_only_for_what_is_due() -> None:
    assert answer(prompt("la cuenta", live=Live(injections=(DUE,)))).opened == ("polite-request",)
    assert answer(prompt("la cuenta")).opened == ()


@pytest.mark.parametrize("affect", [Affect.ANXIOUS, Affect.FRUSTRATED, Affect.WITHDRAWN])
def test_nobody_in_distress_is_led_anywhere(affect: Affect) -> None:
    assert answer(prompt("eh", live=Live(affect=affect, injections=(DUE,)))).opened == ()


def test_an_opening_is_not_made_with_the_same_words_again() -> None:
    live = Live(injections=(DUE,))
    cue = WORLD.npcs[1].cues[1]

    said = answer(prompt("eh", turn=3, live=live, recent=npc_said(*cue.says)))

    assert said.opened == ()
    assert said.text not in cue.says


def test_a_form_no_cue_opens_is_used_before_a_question_and_once_only() -> None:
    due = DUE.model_copy(update={"form": "gender-cafe", "type": FrictionType.MORPHOSYNTACTIC})
    live = Live(injections=(due,))

    said = answer(prompt("eh", live=live))
    again = answer(prompt("eh", turn=2, live=live, recent=npc_said(said.text)))

    assert said.opened == ("gender-cafe",)
    assert said.text.startswith("Un café solo, como siempre. ")
    assert said.text.endswith(of(Manner.QUESTION))
    assert again.opened == ()


# --- silence ----------------------------------------


def test_silence_is_met_as_written_and_else_with_help_or_patience() -> None:
    def hushed(step: SilenceStep) -> str:
        return answer(prompt("", turn=2, live=Live(silence=step))).text

    assert hushed(SilenceStep.ENCOURAGE) == "Tranquilo, con calma."
    assert "con leche" in hushed(SilenceStep.SCAFFOLD)
    assert hushed(SilenceStep.PAUSE) == NOTHING
    assert hushed(SilenceStep.WAY_OUT) in of(Manner.FAREWELL)


# --- in its places ----------------------------------------


def test_an_npc_of_another_world_is_refused() -> None:
    with pytest.raises(ContractError, match="'nobody'"):
        answer(prompt(npc="nobody"))


def test_the_scripted_mind_speaks_for_personas_and_tells_who_listens() -> None:
    heard: list[str] = []

    said = asyncio.run(ScriptedMind().reply(prompt("un café"), heard.append))

    assert said == asyncio.run(PersonaMind().reply(prompt("un café")))
    assert heard == [said.text]
    assert said == Said(said.text, (), "scripted")
    other = asyncio.run(ScriptedMind().reply(prompt("hola", npc="nobody")))
    assert other.text


PACKAGED = Library()


@pytest.mark.parametrize("name", PACKAGED.names())
def test_every_npc_of_the_packaged_personas_has_something_to_say_at_every_moment(
    name: str,
) -> None:
    world = PACKAGED.get(name)
    assert isinstance(world, Persona)
    form = world.forms[0].form
    for npc in world.npcs:
        for turn, text, live in (
            (0, "", Live()),
            (1, "xyzzy", Live()),
            (2, "xyzzy?", Live(mood=Mood.COLD)),
            (3, "xyzzy", Live(frictions=(f"{form}: xyzzy",), missed=(form,))),
            (4, "xyzzy", Live(mood=Mood.WARM, reputation=0.9)),
            (5, "", Live(silence=SilenceStep.ENCOURAGE)),
            (6, "xyzzy", Live(collapsed=True)),
        ):
            asked = Prompt(
                "i", "s", npc.id, "ana", name, turn, text, world, live=live, tier=npc.tier
            )
            said = answer(asked)
            assert said.text not in ("", NOTHING), (npc.id, turn)
            assert "{" not in said.text
