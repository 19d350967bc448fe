"""Three wordings without a model: the author's where a card fits, else careful ones."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holodeck.messages.conversation import RefractionRequest, RefractionResponse, Risk
from holodeck.messages.errors import RefusedError
from holodeck.messages.persona import Persona
from holodeck.minds.personas import Library
from holodeck.minds.refraction import SURE, CardRefractor
from tests.minds.worlds import WORLD


def refract(text: str, world: Persona | None = WORLD, **more: Any) -> RefractionResponse:
    asked = RefractionRequest.model_validate(
        {
            "trigger": "user-initiated",
            "learner_input": text,
            "input_language": "pl",
            "target_language": "es",
            "native_language": "pl",
        }
        | more
    )
    return asyncio.run(CardRefractor().refract(asked, world))


def wordings(found: RefractionResponse) -> list[str]:
    three = found.refractions
    return [three.basic.formulation, three.native.formulation, three.formal.formulation]


def test_a_card_that_fits_gives_its_author_s_words() -> None:
    found = refract("Ja CHCĘ kawę, proszę")

    assert wordings(found) == [
        "Un café, por favor.", "Ponme un café, anda.", "Quisiera un café, si es tan amable."
    ]  # fmt: skip
    assert found.refractions.native.explanation.pragmatic_effect == "Among friends."
    assert found.contrastive_notes == "Polish says it with a verb."
    assert found.metadata.confidence == SURE


def test_of_several_cards_the_one_with_the_longest_phrase_is_taken() -> None:
    card = WORLD.refractions[0]
    other = card.model_copy(
        update={
            "intents": ("chcę kawę z mlekiem",),
            "basic": card.basic.model_copy(update={"text": "Un café con leche."}),
        }
    )
    world = WORLD.model_copy(update={"refractions": (card, other)})

    assert wordings(refract("chcę kawę z mlekiem", world))[0] == "Un café con leche."
    assert wordings(refract("chcę kawę", world))[0] == "Un café, por favor."


def test_without_a_card_it_is_put_together_from_words_and_says_so() -> None:
    found = refract("rachunek i kawa z mlekiem")

    basic, native, formal = wordings(found)
    assert basic == "La cuenta i el café con leche"
    assert native.startswith("Creo que, ")
    assert formal == "Le ruego, la cuenta i el café con leche, por favor"
    assert "Not known here: i." in found.refractions.basic.explanation.vocabulary
    assert found.metadata.domain_vocab_used == ("la cuenta", "el café", "con leche")
    assert found.metadata.confidence == pytest.approx(0.4)


def test_levels_decide_labels_and_risks_with_and_without_a_card() -> None:
    for text in ("chcę kawę", "rachunek"):
        three = refract(text).refractions
        told = [(one.register_label, one.risk_level) for one in (three.basic, three.native)]
        assert told == [("safe-simple", Risk.ZERO), ("colloquial-idiomatic", Risk.LOW)]
        assert three.formal.register_label == "high-professional"
        assert three.formal.risk_level is Risk.CONTEXT


@pytest.mark.parametrize(("text", "world"), [("xyzzy", WORLD), ("!!", WORLD), ("kawa", None)])
def test_where_nothing_is_known_nothing_is_offered(text: str, world: Persona | None) -> None:
    with pytest.raises(RefusedError, match="no-wording"):
        refract(text, world)


@settings(deadline=None)
@given(
    st.lists(
        st.sampled_from(["kawa", "rachunek", "z", "mlekiem", "umowa", "quiero", "żółw", "7", "?"]),
        min_size=1,
        max_size=40,
    )
)
def test_whatever_is_asked_the_offer_is_valid_or_refused(words: list[str]) -> None:
    try:
        found = refract(" ".join(words))
    except RefusedError:
        assert not set(words) & {"kawa", "rachunek", "umowa", "quiero", "7"}
        return
    assert RefractionResponse.model_validate(found.model_dump()) == found
    assert all(wordings(found))


PACKAGED = Library()


@pytest.mark.parametrize("name", PACKAGED.names())
def test_each_card_of_the_packaged_personas_can_be_reached(name: str) -> None:
    world = PACKAGED.get(name)
    assert world is not None
    for card in world.refractions:
        said = card.intents[0].replace("*", "xyzzy").split("|")[0]
        found = refract(said, world)
        assert wordings(found)[0] in {one.basic.text for one in world.refractions}
