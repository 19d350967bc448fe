"""Three wordings of what a learner wants to say, without a model.

One law: the level decides the label and the risk of a wording: the basic one is safe, the native
one carries a low risk, and whether the formal one fits depends on the scene.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from holodeck.messages.conversation import (
    Explanation,
    Refraction,
    RefractionLevel,
    RefractionMetadata,
    RefractionRequest,
    RefractionResponse,
    Refractions,
    Risk,
)
from holodeck.messages.errors import RefusedError
from holodeck.messages.persona import Persona, RefractionCard, Wording
from holodeck.messages.player import TherapeuticSettings
from holodeck.minds.phrases import BREAK, PhraseError, keys, matcher, tokens

SURE: Final = 0.9
"""Confidence in what an author wrote for just this intent."""
_GUESS: Final = 0.5
"""Confidence in words put one after the other, were all of them known."""
_FORMULATION: Final = 1000
_LONGEST_ITEM: Final = 6


def wording(level: RefractionLevel, text: str, told: Explanation | None = None) -> Refraction:
    """One wording, with the label and the risk of its level; ``text``: cut to 1000 characters."""
    told = told or Explanation()
    text = text[:_FORMULATION]
    match level:
        case RefractionLevel.BASIC:
            return Refraction(
                formulation=text,
                register_label="safe-simple",
                explanation=told,
                risk_level=Risk.ZERO,
                suitable_for=("anyone",),
            )
        case RefractionLevel.NATIVE:
            return Refraction(
                formulation=text,
                register_label="colloquial-idiomatic",
                explanation=told,
                risk_level=Risk.LOW,
                suitable_for=("friends", "neighbours", "everyday errands"),
            )
        case RefractionLevel.FORMAL:
            return Refraction(
                formulation=text,
                register_label="high-professional",
                explanation=told,
                risk_level=Risk.CONTEXT,
                suitable_for=("offices", "negotiations", "strangers of rank"),
            )


class CardRefractor:
    """Rewords by a persona's cards; where none fits, word by word from its vocabulary."""

    async def refract(
        self,
        request: RefractionRequest,
        world: Persona | None,
        settings: TherapeuticSettings | None = None,
    ) -> RefractionResponse:
        """
        Raises:
            RefusedError: ``no-wording``: there is no world, or not one word of what the learner
                wants to say is known in it.
        """
        if world is None:
            raise RefusedError("no-wording", "the session is in no world")
        card = _card(world, keys(request.learner_input))
        if card is not None:
            return _by_card(world, card)
        return _word_by_word(request, world)


def _card(world: Persona, said: list[str]) -> RefractionCard | None:
    """The card of which the longest phrase was said; of equally long ones the first."""
    best: tuple[int, RefractionCard] | None = None
    for card in world.refractions:
        try:
            hits = matcher(card.intents).find(said)
        except PhraseError:
            continue
        length = max((hit.stop - hit.start for hit in hits), default=0)
        if length and (best is None or length > best[0]):
            best = length, card
    return best[1] if best is not None else None


def _by_card(world: Persona, card: RefractionCard) -> RefractionResponse:
    def one(level: RefractionLevel, said: Wording) -> Refraction:
        return wording(level, said.text, Explanation(pragmatic_effect=said.note))

    refractions = Refractions(
        basic=one(RefractionLevel.BASIC, card.basic),
        native=one(RefractionLevel.NATIVE, card.native),
        formal=one(RefractionLevel.FORMAL, card.formal),
    )
    texts = (card.basic.text, card.native.text, card.formal.text)
    return RefractionResponse(
        intent_analysis=card.intents[0][:500],
        refractions=refractions,
        contrastive_notes=card.contrast,
        metadata=RefractionMetadata(
            model_used="scripted", confidence=SURE, domain_vocab_used=vocabulary_in(world, texts)
        ),
    )


@dataclass(frozen=True, slots=True)
class _Glossed:
    """A sentence put word by word into the target language.

    Attributes:
        used: items of the vocabulary; unknown: words that stayed as they were.
    """

    text: str
    used: tuple[str, ...]
    unknown: tuple[str, ...]
    known: int
    words: int


def _word_by_word(request: RefractionRequest, world: Persona) -> RefractionResponse:
    glossed = _gloss(request.learner_input, world)
    if not glossed.known:
        raise RefusedError("no-wording", "none of these words is known in this world")
    polite = _first_plain(world.registers.politeness)
    formal = _first_plain((*world.registers.formal, *world.registers.politeness))
    hedge = _first_plain(world.lexicon.hedges)
    basic = glossed.text
    note = "Put together word by word: good enough to be understood, not checked as a sentence."
    if glossed.unknown:
        note += " Not known here: " + ", ".join(glossed.unknown[:8]) + "."
    told = Explanation(vocabulary=note[:500])
    refractions = Refractions(
        basic=wording(RefractionLevel.BASIC, _sentence(basic), told),
        native=wording(
            RefractionLevel.NATIVE, _sentence(_joined(hedge, basic) if hedge else basic), told
        ),
        formal=wording(
            RefractionLevel.FORMAL,
            _sentence(_joined(formal, basic, polite if polite != formal else "")),
            told,
        ),
    )
    return RefractionResponse(
        refractions=refractions,
        metadata=RefractionMetadata(
            model_used="scripted",
            confidence=round(_GUESS * glossed.known / glossed.words, 6),
            domain_vocab_used=glossed.used[:32],
        ),
    )


def _gloss(text: str, world: Persona) -> _Glossed:
    meanings = {
        tuple(keys(meaning)): item
        for domain in reversed(world.vocabulary)
        for item, meaning in domain.items.items()
    }
    target = {key for domain in world.vocabulary for item in domain.items for key in keys(item)}
    target.update(unicodedata.normalize("NFC", word).casefold() for word in world.lexicon.target)
    words = [token for token in tokens(text) if token.key != BREAK]
    out: list[str] = []
    used: list[str] = []
    unknown: list[str] = []
    at = known = 0
    while at < len(words):
        for length in range(min(_LONGEST_ITEM, len(words) - at), 0, -1):
            item = meanings.get(tuple(token.key for token in words[at : at + length]))
            if item is not None:
                out.append(item)
                used.append(item[:200])
                known += length
                at += length
                break
        else:
            token = words[at]
            out.append(token.surface)
            if token.key in target or token.number:
                known += 1
            else:
                unknown.append(token.surface[:80])
            at += 1
    return _Glossed(
        " ".join(out), tuple(dict.fromkeys(used)), tuple(dict.fromkeys(unknown)), known, len(words)
    )


def vocabulary_in(world: Persona, texts: Iterable[str]) -> tuple[str, ...]:
    """Items of the world's vocabulary that stand in the texts, at most 32."""
    spoken = [keys(text) for text in texts]
    found = []
    for domain in world.vocabulary:
        for item in domain.items:
            wanted = keys(item)
            if wanted and any(within(wanted, one) for one in spoken):
                found.append(item)
    return tuple(dict.fromkeys(found))[:32]


def within(wanted: Sequence[str], said: Sequence[str]) -> bool:
    """Whether words stand in others, one right after the other."""
    size = len(wanted)
    return size > 0 and any(
        all(said[at + i] == word for i, word in enumerate(wanted))
        for at in range(len(said) - size + 1)
    )


def _first_plain(phrases: Iterable[str]) -> str:
    """The first phrase that can be said as it stands."""
    return next((one for one in phrases if not any(mark in one for mark in "*|<")), "")


def _joined(*parts: str) -> str:
    return ", ".join(part for part in parts if part)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
