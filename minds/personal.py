"""The offline mind of a persona: an NPC says what its author wrote for such a moment.

One law: the same situation gives the same words, whoever asks and how often; and no NPC says the
same thing twice in a row.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Final

from holodeck.messages.base import MAX_TEXT
from holodeck.messages.conversation import (
    Affect,
    FrictionType,
    Mood,
    OpennessState,
    RefractionRequest,
    RefractionResponse,
    SilenceStep,
    VocabularyPriority,
)
from holodeck.messages.errors import ContractError
from holodeck.messages.ids import partition_of
from holodeck.messages.persona import Cast, Cue, FormRule, Manner, Persona
from holodeck.messages.player import TherapeuticSettings
from holodeck.minds.phrases import PhraseError, heard, keys, matcher
from holodeck.minds.port import Live, Prompt, Said
from holodeck.minds.refraction import CardRefractor, within

NOTHING: Final = "…"
"""What is said where nothing is."""
_WARM: Final = frozenset({Mood.PLEASED, Mood.WARM, Mood.AMUSED})
_COLD: Final = frozenset({Mood.IRRITATED, Mood.COLD, Mood.IMPATIENT})
_DISTRESS: Final = frozenset({Affect.FRUSTRATED, Affect.ANXIOUS, Affect.WITHDRAWN})
_MODELLED: Final = frozenset({FrictionType.LEXICAL, FrictionType.MORPHOSYNTACTIC})
"""What it is enough to use oneself; anything else needs a scene its author wrote."""
_BLANK: Final = re.compile(r"\{(fact|form|word|said)\}")
_REMEMBERS_EVERY: Final = 4
"""Turns without a cue until something that is remembered is brought up."""


_GENTLE: Final = 0.33
"""Up to where an intensity is low."""


def gentle(settings: TherapeuticSettings | None) -> bool:
    """Whether a session is to be led gently."""
    return settings is not None and settings.intensity_level <= _GENTLE


class PersonaMind:
    """Speaks for the NPCs of personas, and rewords by their cards; no state, chance or network."""

    def __init__(self) -> None:
        self._cards = CardRefractor()

    async def reply(self, prompt: Prompt, heard: Callable[[str], None] | None = None) -> Said:
        """
        Raises:
            ContractError: the prompt is of no world, or its NPC of another one.
        """
        said = answer(prompt)
        if heard is not None:
            heard(said.text)
        return said

    async def refract(
        self,
        request: RefractionRequest,
        world: Persona | None,
        settings: TherapeuticSettings | None = None,
    ) -> RefractionResponse:
        """
        Raises:
            RefusedError: ``no-wording``: no card fits, and no word of it is known.
        """
        return await self._cards.refract(request, world, settings)


def answer(prompt: Prompt) -> Said:
    """What the NPC says.

    In this order: a greeting; the end of what has collapsed; what silence asks for; then, after a
    turn, how its tier takes friction (1 recasts and goes on, 2 asks again, helps, and at last
    takes its leave, 3 warns where it has become resistant), the first cue that fits, and where
    none does an opening for a form that is due, or a line as its mood and standing colour it; a
    warm one in a session that is to be led gently. With interventions at a minimum it opens for
    a form only where it would have to find something to say anyway.

    Raises:
        ContractError: the prompt is of no world, or its NPC of another one.
    """
    world = prompt.world
    npc = world.npc(prompt.npc) if world is not None else None
    if world is None or npc is None:
        raise ContractError(f"{prompt.npc!r} is nobody of {prompt.persona!r}")
    text, opened = _Part(prompt, world, npc).speak()
    return Said(text[:MAX_TEXT], opened)


class _Part:
    """An NPC about to speak once."""

    def __init__(self, prompt: Prompt, world: Persona, npc: Cast) -> None:
        self.prompt, self.world, self.npc = prompt, world, npc
        self.live = prompt.live or Live()
        self.words = keys(prompt.text)
        self.past = [turn.text for turn in prompt.recent if turn.speaker == "npc"]
        self.start = prompt.turn + partition_of(npc.id, 64)

    def speak(self) -> tuple[str, tuple[str, ...]]:
        prompt, live = self.prompt, self.live
        if live.collapsed:
            return self._pick(Manner.COLLAPSE, Manner.COLD, Manner.FAREWELL) or NOTHING, ()
        if live.silence is not None:
            return self._hushed(live.silence), ()
        if prompt.turn == 0:
            return self._greeting(), ()
        cue = self._cue()
        lead = self._on_friction(cue)
        if prompt.tier == 2 and lead:
            return lead, ()
        opened: tuple[str, ...] = ()
        line = self._of(cue.says) if cue is not None else None
        if cue is not None and line is not None:
            opened = self._due(cue)
            if not opened:
                # Something of its own to talk about may follow any answer.
                starter, opened = self._opening(unasked=True)
                line = f"{line} {starter}" if starter else line
        elif not lead:
            line, opened = self._opening()
            line = line or self._coloured()
        text = " ".join(part for part in (lead, line) if part)
        return text or self._anything(), opened

    # -- before and instead of an answer ----------------------------------------

    def _greeting(self) -> str:
        told = self.prompt.briefing
        met = told is not None and bool(
            told.remembered_facts or told.recent_vector_memories or told.unresolved_events
        )
        again = self._filled(self.npc.again) if met and self.npc.again else None
        text = again or self._filled(self.npc.greeting) or self.npc.greeting
        if told is not None and told.unresolved_events:
            return f"{text} {self._pick(Manner.COLD) or ''}".rstrip()
        return text

    def _hushed(self, step: SilenceStep) -> str:
        written = self.npc.silence.get(step)
        line = self._of((written,)) if written else None
        if line is None and step in (SilenceStep.SCAFFOLD, SilenceStep.CHECK_IN):
            line = self._pick(Manner.HELP, Manner.REPEAT)
        elif line is None and step is SilenceStep.WAY_OUT:
            line = self._pick(Manner.FAREWELL)
        return line or written or NOTHING

    def _on_friction(self, cue: Cue | None) -> str | None:
        live, tier = self.live, self.prompt.tier
        if tier == 3:
            troubled = live.openness_state is not OpennessState.OPEN
            return self._pick(Manner.WARNING) if troubled and (live.frictions or not cue) else None
        if not live.frictions:
            return None
        if tier == 1:
            return self._pick(Manner.RECAST) if self._wanted() else None
        if cue is not None:
            return None  # it was understood all the same
        asked = 0
        for text in reversed(self.past):
            if not self._is_of(text, Manner.REPEAT, Manner.HELP):
                break
            asked += 1
        if asked == 0:
            return self._pick(Manner.REPEAT, Manner.HELP)
        return self._pick(*(() if asked == 1 else (Manner.FAREWELL,)), Manner.HELP, Manner.REPEAT)

    # -- an answer ----------------------------------------

    def _cue(self) -> Cue | None:
        """The first cue that fits what was said."""
        for cue in self.npc.cues:
            if not cue.hears or _stands(cue.hears, self.words):
                return cue
        return None

    def _due(self, cue: Cue) -> tuple[str, ...]:
        due = {one.form for one in self.live.injections}
        return tuple(form for form in cue.opens if form in due)

    def _opening(self, *, unasked: bool = False) -> tuple[str | None, tuple[str, ...]]:
        """A line that makes a due form necessary, from a cue that opens it; none to somebody in
        distress, and none twice. ``unasked``: only of cues that wait for no certain word, and not
        in the first turn."""
        if self.live.affect in _DISTRESS or (unasked and self.prompt.turn < 2):
            return None, ()
        settings = self.prompt.settings
        if unasked and settings is not None and settings.intervention_frequency == "minimal":
            return None, ()
        for cue in sorted(self.npc.cues, key=lambda cue: bool(cue.hears)):
            opened = self._due(cue)
            if not opened or (unasked and cue.hears):
                continue
            line = self._of(cue.says)
            if line is not None and not any(line in text for text in self.past):
                return line, opened
        return (None, ()) if unasked else self._modelled()

    def _modelled(self) -> tuple[str | None, tuple[str, ...]]:
        """A due form in use, and a question behind it; of forms no cue of this NPC opens."""
        with_cue = {form for cue in self.npc.cues for form in cue.opens}
        for due in self.live.injections:
            rule = self.world.rule(due.form)
            if rule is None or due.form in with_cue or rule.type not in _MODELLED:
                continue
            line = next(
                (one for one in rule.examples if not any(one in text for text in self.past)), None
            )
            asked = self._pick(Manner.QUESTION)
            if line is not None and asked is not None:
                return f"{line} {asked}", (due.form,)
        return None, ()

    def _coloured(self) -> str | None:
        live = self.live
        if live.scaffolds and self.prompt.tier != 3:
            helped = self._pick(Manner.HELP)
            if helped:
                return helped
        if self.prompt.text.rstrip().endswith(("?", "？", "؟")):
            return self._pick(Manner.QUESTION, Manner.DEFAULT)
        if self.start % _REMEMBERS_EVERY == 0 and self._fact() and live.affect not in _DISTRESS:
            recalled = self._pick(Manner.REMEMBER)
            if recalled:
                return recalled
        if gentle(self.prompt.settings):
            return self._pick(Manner.WARM, Manner.DEFAULT)
        if live.mood in _COLD or live.reputation < -0.3:
            return self._pick(Manner.COLD, Manner.DEFAULT)
        if (live.mood in _WARM or live.reputation >= 0.5) and self.prompt.turn % 2 == 0:
            return self._pick(Manner.WARM, Manner.DEFAULT)
        return self._pick(Manner.DEFAULT)

    def _anything(self) -> str:
        line = self._pick(Manner.DEFAULT, Manner.QUESTION, Manner.WARM, Manner.COLD, Manner.REPEAT)
        if line is not None:
            return line
        default = self.npc.lines.get(Manner.DEFAULT, ())
        written = next((line for line in map(self._filled, default) if line), "")
        last = self.past[-1] if self.past else ""
        # The only line there is, and it was the last one said.
        return next(
            one for one in (written, f"{NOTHING} {written}".rstrip(), "…?") if one not in ("", last)
        )

    # -- lines ----------------------------------------

    def _pick(self, *manners: Manner) -> str | None:
        """A line of the first of these manners that has one to say now."""
        for manner in manners:
            line = self._of(self.npc.lines.get(manner, ()))
            if line is not None:
                return line
        return None

    def _of(self, lines: Sequence[str]) -> str | None:
        """One of the lines, in turn: sooner one not said lately, never the one said last."""
        count = len(lines)
        order = [lines[(self.start + at) % count] for at in range(count)]
        filled = [line for line in map(self._filled, order) if line is not None]
        fresh = [line for line in filled if not any(line in text for text in self.past)]
        last = self.past[-1] if self.past else ""
        usable = fresh or [line for line in filled if line not in last]
        return usable[0] if usable else None

    def _is_of(self, text: str, *manners: Manner) -> bool:
        """Whether a text is a line of these manners, with whatever in its blanks."""
        return any(
            _pattern(line).fullmatch(text)
            for manner in manners
            for line in self.npc.lines.get(manner, ())
        )

    def _filled(self, line: str) -> str | None:
        """The line with its blanks filled; None where there is nothing to fill one with."""
        values: dict[str, str] = {}
        for name in _BLANK.findall(line):
            value = self._value(name)
            if not value:
                return None
            values[name] = value
        return _BLANK.sub(lambda found: values[found.group(1)], line)

    def _value(self, name: str) -> str:
        match name:
            case "fact":
                return self._fact()
            case "said":
                return self._said()
            case "form":
                return self._wanted()
            case _:
                return self._wanted() or self._word()

    # -- what fills blanks ----------------------------------------

    def _fact(self) -> str:
        told = self.prompt.briefing
        facts = told.remembered_facts if told is not None else ()
        best = max(facts, key=lambda one: one.confidence, default=None)
        return best.fact.rstrip(".") if best is not None else ""

    def _said(self) -> str:
        for form in self.live.missed:
            for told in self.live.frictions:
                if told.startswith(f"{form}: "):
                    return told[len(form) + 2 :].strip()
        return ""

    def _wanted(self) -> str:
        """How what was missed is said: as its rule has it for what was said, or an example."""
        for form in self.live.missed:
            rule = self.world.rule(form)
            found = _right_way(rule, (self._said(), self.prompt.text)) if rule is not None else ""
            if found:
                return found
        return ""

    def _word(self) -> str:
        """A word that may be wanted: the one whose meaning was said, else one of a due form, else
        one of those that matter most here."""
        domains = self.world.vocabulary
        for domain in domains:
            for item, meaning in domain.items.items():
                if self.words and within(_meant(meaning), self.words):
                    return item
        for due in self.live.injections:
            rule = self.world.rule(due.form)
            plain = _plain_one(rule.right) if rule is not None else ""
            if plain:
                return plain
        best = [one for one in domains if one.priority is VocabularyPriority.CRITICAL] or domains
        items = [item for domain in best for item in domain.items]
        return items[self.start % len(items)]


def _right_way(rule: FormRule, said: Sequence[str]) -> str:
    for text in said:
        for wrong, right in rule.wants.items():
            if text and heard((wrong,), text):
                return right
    plain = _plain_one(rule.right)
    if plain:
        return plain
    if rule.examples:
        example = rule.examples[0].rstrip(".")
        return example[0].lower() + example[1:]  # it stands inside a sentence
    return rule.form if rule.type is FrictionType.LEXICAL else ""


def _plain_one(phrases: Sequence[str]) -> str:
    """The first phrase that can be said as it stands."""
    return next((one for one in phrases if "*" not in one and "|" not in one), "")


def _stands(phrases: tuple[str, ...], words: Sequence[str]) -> bool:
    try:
        return matcher(phrases).any(words)
    except PhraseError:
        return False


@lru_cache(maxsize=8192)
def _meant(meaning: str) -> tuple[str, ...]:
    return tuple(keys(meaning))


@lru_cache(maxsize=4096)
def _pattern(line: str) -> re.Pattern[str]:
    parts = _BLANK.split(line)[::2]
    return re.compile(".+".join(map(re.escape, parts)), re.DOTALL)
