"""What thinks: the ports every mind fills. What a mind says is an event; a replay asks none."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from holodeck.messages.conversation import (
    Affect,
    Mood,
    NPCBriefing,
    OpennessState,
    RecentTurn,
    RefractionRequest,
    RefractionResponse,
    Scaffold,
    SilenceStep,
    Tier,
)
from holodeck.messages.curriculum import Curriculum, Skill
from holodeck.messages.persona import Persona
from holodeck.messages.player import CrisisResource, SafetyFinding, TherapeuticSettings, World
from holodeck.messages.practice import GeneratorKind, SkillTier, Supply
from holodeck.messages.session import MindKind
from holodeck.messages.talk import AnalysisKind, Character, DueInjection, TurnAnalysis

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Live:
    """How a conversation stands when the NPC is about to speak: the fourth layer of a prompt.

    Attributes:
        reputation: -0.5 to 1; pressure: 0 to 1; openness: 0 to 1, None below tier 3.
        behaviour: outputs of the NPC's behaviour, each 0 to 1, by name.
        frictions: of the learner's last turn, as ``form: said`` or their kind.
        missed: target forms of those frictions.
        injections: due ones this NPC may make an opening for, still open.
        silence: the learner said nothing, and this is what the ladder says to do; else None.
        known: something the NPC remembers and may bring up.
    """

    affect: Affect = Affect.NEUTRAL
    mood: Mood = Mood.NEUTRAL
    reputation: float = 0.0
    pressure: float = 0.5
    openness: float | None = None
    openness_state: OpennessState = OpennessState.OPEN
    collapsed: bool = False
    scaffolds: tuple[Scaffold, ...] = ()
    l2_target: float = 1.0
    behaviour: dict[str, float] = field(default_factory=dict)
    frictions: tuple[str, ...] = ()
    missed: tuple[str, ...] = ()
    injections: tuple[DueInjection, ...] = ()
    silence: SilenceStep | None = None
    objectives: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a mind is told before it answers a turn.

    Attributes:
        intent: ``<session>.<sequence>.mind``; the same intent may be asked twice (after a crash),
            at most one answer is stored.
        turn: the learner's turn, from 1; 0: the NPC opens.
        text: what the learner said; empty where the NPC opens.
        world, character, briefing, live: None in a session without a persona.
        recent: the last turns, the oldest first, without this one.
        settings: how the session is to be led; None: nobody said.
        scene: where the story is; story: what happened before, in a few lines; empty: no such.
    """

    intent: str
    session: str
    npc: str
    learner: str
    persona: str
    turn: int
    text: str
    world: Persona | None = None
    character: Character | None = None
    briefing: NPCBriefing | None = None
    live: Live | None = None
    recent: tuple[RecentTurn, ...] = ()
    tier: Tier = 1
    settings: TherapeuticSettings | None = None
    scene: str = ""
    story: str = ""


@dataclass(frozen=True, slots=True)
class Said:
    """What an NPC says.

    Attributes:
        text: 1 to 4000 characters.
        opened: target forms it made an opening for.
        source: who made it up: ``scripted``, ``fallback`` or a model's name.
    """

    text: str
    opened: tuple[str, ...] = ()
    source: str = "scripted"


class Mind(Protocol):
    """Answers for an NPC."""

    async def reply(self, prompt: Prompt, heard: Callable[[str], None] | None = None) -> Said:
        """What the NPC says. Any exception means: it has nothing to say.

        Args:
            heard: told each piece of the text as it comes; what is stored is what is returned.
        """
        ...


class Refractor(Protocol):
    """Puts what a learner wants to say into three wordings. A mind may be one."""

    async def refract(
        self,
        request: RefractionRequest,
        world: Persona | None,
        settings: TherapeuticSettings | None = None,
    ) -> RefractionResponse:
        """Any exception means: there is nothing to offer. ``settings``: as in :class:`Prompt`."""
        ...


@dataclass(frozen=True, slots=True)
class Utterance:
    """What an analyst is given.

    Attributes:
        expected: forms that are due in this session, to be looked for first.
        settings: as in :class:`Prompt`.
    """

    text: str
    world: Persona
    character: Character
    expected: tuple[str, ...] = ()
    recent: tuple[RecentTurn, ...] = ()
    settings: TherapeuticSettings | None = None


class Analyst(Protocol):
    """Looks at a turn before it is decided."""

    def analyse(self, utterance: Utterance) -> TurnAnalysis | Awaitable[TurnAnalysis]:
        """At once, or later where a model is asked. Any exception means: nobody looked."""
        ...


@dataclass(frozen=True, slots=True)
class Heeded:
    """Where a text that is looked at was said; empty where it was said nowhere."""

    learner: str = ""
    session: str = ""


class SafetyMind(Protocol):
    """Looks at what players write for words of distress."""

    def look(
        self, text: str, context: Heeded | None = None
    ) -> SafetyFinding | Awaitable[SafetyFinding | None] | None:
        """At once, or later where a model is asked; None: nothing gives cause for concern.
        Any exception means: the phrases of the program are looked for instead."""
        ...


@dataclass(frozen=True, slots=True)
class Story:
    """What a narrator is told of a session.

    Attributes:
        character, world: whom the player plays, and where; empty: nobody in particular.
        settings: how the session is to be led; None: nobody said.
        scene: where the story is; turns: learner turns taken.
        recent: the last turns, the oldest first.
        kept: what the narrator kept of it last; None: nothing.
    """

    session: str
    learner: str
    character: str = ""
    world: str = ""
    settings: TherapeuticSettings | None = None
    scene: str = ""
    turns: int = 0
    recent: tuple[RecentTurn, ...] = ()
    kept: Mapping[str, Any] | None = None


class Narrator(Protocol):
    """Keeps the thread of a story. What it keeps is a JSON object of at most 16 KiB, stored with
    the session; all else it holds may be lost at any time. Any exception means: it has nothing to
    say, and the session goes on without it."""

    async def initialise(self, story: Story) -> Mapping[str, Any]:
        """What it keeps of a story that is about to begin."""
        ...

    async def state(self, story: Story) -> Mapping[str, Any]:
        """What it keeps of a story that is about to pause."""
        ...

    async def restore(self, story: Story) -> None:
        """A story goes on, from what was kept; perhaps in another process, perhaps once more."""
        ...

    async def settings(self, story: Story) -> None:
        """A story is led otherwise from now on."""
        ...

    async def finalise(self, story: Story) -> None:
        """A story has ended, and that is stored."""
        ...


class Embedder(Protocol):
    """Turns texts into vectors whose cosine says how near in meaning they are."""

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32] | Awaitable[NDArray[np.float32]]:
        """One unit vector a text: shape (texts, dimensions)."""
        ...


class Recall(Protocol):
    """Finds what is nearest to a cue."""

    async def nearest(self, cue: str, contents: Sequence[str], limit: int) -> list[int]:
        """Indices of the nearest contents, the nearest first. Any exception means: by age."""
        ...


class Library(Protocol):
    """The personas a host knows."""

    def get(self, persona: str) -> Persona | None: ...

    def names(self) -> Sequence[str]: ...


class Curricula(Protocol):
    """The curricula a host knows."""

    def get(self, curriculum: str) -> Curriculum | None: ...

    def names(self) -> Sequence[str]: ...


class Worlds(Protocol):
    """The worlds a host knows, personas among them."""

    def get(self, world: str) -> World | None: ...

    def names(self) -> Sequence[str]: ...


class Questions(Protocol):
    """Makes questions."""

    def generate(
        self,
        skill: Skill,
        tier: SkillTier,
        seed: str,
        avoid: frozenset[str],
        errors: Sequence[str] = (),
        prior: Sequence[str] = (),
        *,
        curriculum: Curriculum | None = None,
    ) -> Supply | Awaitable[Supply]:
        """A question, at once, or later where a model is asked; what comes of it in any case.

        Args:
            seed: the same arguments give the same question.
            avoid: tasks that were asked before in this session.
            errors: the learner's last errors in this skill; prior: the last questions' texts.
            curriculum: whose skill it is.
        """
        ...


@dataclass(frozen=True, slots=True)
class Faculties:
    """What a host thinks with.

    Attributes:
        minds, refractors: who answers turns and rewords, by the kind a session asks for.
        analysts: who looks at turns, by the kind a session asks for.
        library: the personas it knows; None: none.
        recall: finds memories; None: the newest are taken.
        curricula: those it knows; None: none.
        worlds: those it knows, personas among them; None: any may be named.
        questions: who makes questions, by the kind a practice session asks for.
        safety: looks at what players write; None: nobody does.
        resources: whom players can turn to.
        narrator: keeps the thread of stories; None: nobody does.
        closers: each closes connections one of them holds.
    """

    minds: Mapping[MindKind, Mind] = field(default_factory=dict)
    refractors: Mapping[MindKind, Refractor] = field(default_factory=dict)
    analysts: Mapping[AnalysisKind, Analyst] = field(default_factory=dict)
    library: Library | None = None
    recall: Recall | None = None
    curricula: Curricula | None = None
    worlds: Worlds | None = None
    questions: Mapping[GeneratorKind, Questions] = field(default_factory=dict)
    safety: SafetyMind | None = None
    resources: tuple[CrisisResource, ...] = ()
    narrator: Narrator | None = None
    closers: tuple[Callable[[], Awaitable[None]], ...] = ()

    async def close(self) -> None:
        """Closes every connection; whoever thinks again opens new ones."""
        for close in self.closers:
            await close()
