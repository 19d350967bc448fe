"""A persona: one world a learner practises in, as its author writes it in YAML.

One law: everything a name points to is in the same file, and whatever is wrong is told all at once,
each fault with where it stands.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from holodeck.messages.base import Message, Share
from holodeck.messages.conversation import (
    AnyFrictionType,
    Cefr,
    FactCategory,
    Form,
    Language,
    Mood,
    Name,
    RegisterClass,
    RetentionStyle,
    Score,
    Sentence,
    SilenceStep,
    Tier,
    VocabularyPriority,
)
from holodeck.messages.ids import NpcId
from holodeck.messages.talk import Culture, Severe, Traits

Key = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=64)]
"""A name that other parts of the persona point to: ``kebab-case``."""
Word = Annotated[str, Field(min_length=1, max_length=80)]
Line = Annotated[str, Field(min_length=1, max_length=500)]
Phrase = Annotated[str, Field(min_length=1, max_length=2000)]
"""What may be found in an utterance, token by token, whatever its case: ``*`` stands for any one
word, ``a|b`` for either, ``^`` and ``$`` for the beginning and end of a sentence. In a file
``<name>`` stands for any word of that group; a loaded persona has the words themselves."""


def _words(value: Any) -> Any:
    return tuple(value.split()) if isinstance(value, str) else value


Words = Annotated[tuple[Word, ...], BeforeValidator(_words), Field(max_length=3000)]
"""A list of words, or one text of words with blanks between."""


class Fault(Message):
    """Something wrong with a file, such as a persona or a curriculum.

    Attributes:
        path: where, such as ``npcs.2.tier``.
        line: in the file, from 1; 0: not known.
    """

    path: str
    problem: str
    line: int = 0

    def __str__(self) -> str:
        return (
            f"line {self.line}: {self.path}: {self.problem}"
            if self.line
            else (f"{self.path}: {self.problem}")
        )


class WordDomain(Message):
    """``items``: words or phrases of the target language, each with its meaning in the native
    one."""

    name: Key
    priority: VocabularyPriority = VocabularyPriority.IMPORTANT
    items: Annotated[dict[Word, Word], Field(min_length=1, max_length=400)]


class Lexicon(Message):
    """Common words, so that an utterance's languages can be counted without a model.

    Attributes:
        native, target: words of each language beyond the vocabulary.
        names: proper names; they count as neither.
        fillers: sounds of either language that say nothing, such as ``ehm``.
        hedges, repairs: phrases of the target language that hedge, or that mend what was said.
        insults: phrases said in anger, in either language.
        closed: the lists are all that is needed in this world, so a word that is in none of them
            and stands between known ones is a gap.
    """

    native: Words = ()
    target: Words = ()
    names: Words = ()
    fillers: Words = ()
    hedges: Annotated[tuple[Phrase, ...], Field(max_length=100)] = ()
    repairs: Annotated[tuple[Phrase, ...], Field(max_length=100)] = ()
    insults: Annotated[tuple[Phrase, ...], Field(max_length=100)] = ()
    closed: bool = False


class RegisterMarkers(Message):
    """Phrases of the target language by which formality is told.

    Attributes:
        informal, formal: slang and shortenings; set phrases of courtesy.
        familiar, distant: forms of address, such as ``tú`` and ``usted``.
        requests: asking for something without any softening, such as ``quiero``.
        politeness: what a request to somebody one does not know should hold.
    """

    informal: Annotated[tuple[Phrase, ...], Field(max_length=200)] = ()
    formal: Annotated[tuple[Phrase, ...], Field(max_length=200)] = ()
    familiar: Annotated[tuple[Phrase, ...], Field(max_length=200)] = ()
    distant: Annotated[tuple[Phrase, ...], Field(max_length=200)] = ()
    requests: Annotated[tuple[Phrase, ...], Field(max_length=100)] = ()
    politeness: Annotated[tuple[Phrase, ...], Field(max_length=100)] = ()


class FormRule(Message):
    """One form of the target language, how to see that it was used and how that it was missed.

    Attributes:
        form: its name; what injections and lessons are about.
        right, wrong: how it is said, and how it is missed. What is part of a wrong phrase is no
            right one.
        wants: what should have been said, by another wrong phrase.
    """

    form: Form
    type: AnyFrictionType
    severity: Severe = 0.4
    right: Annotated[tuple[Phrase, ...], Field(max_length=64)] = ()
    wrong: Annotated[tuple[Phrase, ...], Field(max_length=200)] = ()
    wants: Annotated[dict[Phrase, Line], Field(max_length=200)] = Field(default_factory=dict)
    explanation: Sentence = ""
    contrast: Sentence = ""
    examples: Annotated[tuple[Line, ...], Field(max_length=8)] = ()
    method: Sentence = ""
    naturality: Sentence = ""


class Norm(Message):
    """A cultural norm. ``breach``: how it is broken; ``impact``: -1 to 0; ``tiers``: of the NPCs
    that mind; empty: all."""

    id: Key
    description: Sentence
    breach: Annotated[tuple[Phrase, ...], Field(min_length=1, max_length=64)]
    tiers: tuple[Tier, ...] = ()
    severity: Severe = 0.5
    impact: Annotated[float, Field(ge=-1, le=0)] = -0.05


class Cue(Message):
    """What an NPC answers to.

    Attributes:
        hears: phrases; empty: anything. The first cue that fits is taken.
        says: one of them, in turn.
        opens: forms for which it makes an opening.
        reaches: the objective that is reached by what was heard.
    """

    hears: Annotated[tuple[Phrase, ...], Field(max_length=64)] = ()
    says: Annotated[tuple[Line, ...], Field(min_length=1, max_length=16)]
    opens: Annotated[tuple[Form, ...], Field(max_length=5)] = ()
    reaches: Key | None = None


class Manner(StrEnum):
    """What kind of moment a line is for, where no cue fits."""

    DEFAULT = "default"
    QUESTION = "question"
    RECAST = "recast"
    REPEAT = "repeat"
    HELP = "help"
    COLD = "cold"
    WARM = "warm"
    WARNING = "warning"
    COLLAPSE = "collapse"
    FAREWELL = "farewell"
    REMEMBER = "remember"


class Cast(Message):
    """One NPC.

    Attributes:
        id: of its actor; no two personas may have the same.
        register_level: how formal a learner should be with it.
        greeting: what it opens with; ``again``: with somebody it has met; ``{fact}`` is filled in.
        lines: what it says where no cue fits; ``{form}``, ``{word}``, ``{said}`` are filled in.
        silence: what it says when the learner is silent.
    """

    id: NpcId
    name: Name
    role: Name
    tier: Tier
    personality: Sentence
    backstory: Sentence = ""
    traits: Traits = Traits()
    culture: Culture = Culture()
    patience: Share = 0.5
    register_level: RegisterClass = RegisterClass.NEUTRAL
    initial_reputation: Score = 0.0
    initial_mood: Mood = Mood.NEUTRAL
    openness_enabled: bool = False
    greeting: Line
    again: Line | None = None
    cues: Annotated[tuple[Cue, ...], Field(max_length=64)] = ()
    lines: Annotated[dict[Manner, Annotated[tuple[Line, ...], Field(min_length=1, max_length=16)]],
                     Field(min_length=1)]  # fmt: skip
    silence: dict[SilenceStep, Line] = Field(default_factory=dict)


class Location(Message):
    id: Key
    name: Name
    npcs: Annotated[tuple[NpcId, ...], Field(max_length=32)] = ()


class Objective(Message):
    """``reached_by``: phrases said to the scenario's NPC."""

    id: Key
    title: Sentence
    reached_by: Annotated[tuple[Phrase, ...], Field(max_length=64)] = ()


class Weights(Message):
    """Of a tier 3 rubric; they sum to 1."""

    linguistic: Share = 0.25
    pragmatic: Share = 0.25
    register_accuracy: Share = 0.25
    cultural: Share = 0.25

    @model_validator(mode="after")
    def _sums_to_one(self) -> Weights:
        total = self.linguistic + self.pragmatic + self.register_accuracy + self.cultural
        if abs(total - 1.0) > 1e-6:
            raise ValueError(f"the weights sum to {total:g}, not to 1")
        return self


class Scenario(Message):
    """Something to be done in the world, with one NPC."""

    id: Key
    title: Name
    npc: NpcId
    location: Key | None = None
    stakes: Sentence = ""
    objectives: Annotated[tuple[Objective, ...], Field(min_length=1, max_length=8)]
    weights: Weights = Weights()
    pass_threshold: Share = 0.6
    distinction_threshold: Share = 0.85


class Wording(Message):
    text: Line
    note: Sentence = ""


class RefractionCard(Message):
    """Three wordings of one intent; ``intents``: phrases of either language."""

    intents: Annotated[tuple[Phrase, ...], Field(min_length=1, max_length=32)]
    basic: Wording
    native: Wording
    formal: Wording
    contrast: Sentence = ""


class FactRule(Message):
    """How something the learner says of itself is heard.

    Attributes:
        hears: a phrase with ``*`` for the word that is kept, such as ``me llamo *``.
        keeps: the fact, with ``{0}`` for that word.
    """

    hears: Phrase
    keeps: Line
    category: FactCategory = FactCategory.PERSONAL
    confidence: Share = 0.8


class PersonaTrigger(Message):
    """Something an NPC or the system says between sessions; ``after_hours`` behind a session."""

    type: Literal["npc-message", "companion-check-in", "scenario-preview", "streak-reminder"]
    npc: NpcId | None = None
    title: Name
    body: Line
    after_hours: Annotated[float, Field(gt=0, le=24 * 60)] = 24.0
    priority: Annotated[int, Field(ge=0, le=1000)] = 5


class Persona(Message):
    """One world.

    Attributes:
        level: where a learner of it usually stands.
        groups: words that phrases may name as ``<group>``.
    """

    schema_version: Literal["1"] = "1"
    id: Key
    name: Name
    native_language: Language
    target_language: Language
    level: Cefr = Cefr.A2
    domain: Name
    objective: Sentence
    description: Sentence = ""
    style: RetentionStyle = RetentionStyle.ORGANIC
    preferred_minutes: Annotated[float, Field(ge=1, le=240)] = 20.0
    groups: Annotated[dict[Key, Words], Field(max_length=64)] = Field(default_factory=dict)
    vocabulary: Annotated[tuple[WordDomain, ...], Field(min_length=1, max_length=32)]
    lexicon: Lexicon = Lexicon()
    registers: RegisterMarkers = RegisterMarkers()
    forms: Annotated[tuple[FormRule, ...], Field(max_length=200)] = ()
    norms: Annotated[tuple[Norm, ...], Field(max_length=64)] = ()
    npcs: Annotated[tuple[Cast, ...], Field(min_length=1, max_length=32)]
    locations: Annotated[tuple[Location, ...], Field(max_length=64)] = ()
    scenarios: Annotated[tuple[Scenario, ...], Field(max_length=32)] = ()
    refractions: Annotated[tuple[RefractionCard, ...], Field(max_length=200)] = ()
    facts: Annotated[tuple[FactRule, ...], Field(max_length=64)] = ()
    triggers: Annotated[tuple[PersonaTrigger, ...], Field(max_length=16)] = ()

    def npc(self, identity: str) -> Cast | None:
        """The NPC with that id; None: it is of another world."""
        return next((one for one in self.npcs if one.id == identity), None)

    def rule(self, form: str) -> FormRule | None:
        """The rule of that name."""
        return next((one for one in self.forms if one.form == form), None)

    def scenarios_of(self, npc: str) -> Iterator[Scenario]:
        return (scenario for scenario in self.scenarios if scenario.npc == npc)
