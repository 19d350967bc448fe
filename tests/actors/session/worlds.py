"""Conversations in a small world of four, told by their commands."""

from __future__ import annotations

from typing import Any, Final

from holodeck.messages.conversation import (
    Cefr,
    ContextLearner,
    ContextPersona,
    FrictionType,
    NPCBriefing,
    OpenMatter,
    PreSessionContext,
    PronunciationResult,
    RefractionLevel,
    RefractionResponse,
    RegisterClass,
)
from holodeck.messages.session import (
    CastMember,
    FrictionFinding,
    NpcReply,
    StartSession,
    TakeTurn,
)
from holodeck.messages.talk import (
    AskRefraction,
    Character,
    ChooseRefraction,
    DueInjection,
    OfferRefraction,
    Signals,
    Stage,
    Traits,
    TurnAnalysis,
)
from tests.actors.session.stories import Story, story

FRIEND: Final = "nuria"
"""Tier 1."""
BAKER: Final = "pau"
"""Tier 2."""
JUDGE: Final = "llum"
"""Tier 3; can break off, and has an objective."""
CLERK: Final = "roc"
"""Tier 3; can break off, and liked from the start."""
STRANGER: Final = "stranger"

KIND = Traits(agreeableness=0.9, openness=0.8, neuroticism=0.2)
CHARACTERS: Final = (
    Character(npc=FRIEND, tier=1, traits=KIND),
    Character(npc=BAKER, tier=2),
    Character(
        npc=JUDGE,
        tier=3,
        register_level=RegisterClass.FORMAL,
        openness_enabled=True,
        objectives=("appeal",),
    ),
    Character(npc=CLERK, tier=3, openness_enabled=True, reputation=0.9),
)
INJECTIONS: Final = tuple(
    DueInjection(form=form, type=FrictionType.MORPHOSYNTACTIC, npcs=npcs)
    for form, npcs in (("subjunctive", ()), ("past", (BAKER,)), ("plural", ()), ("article", ()))
)
OLD_QUARREL: Final = "the unpaid bread"


def open_stage(**more: Any) -> Stage:
    return Stage.model_validate(
        {
            "native": "de",
            "target": "es",
            "cefr": Cefr.A2,
            "characters": CHARACTERS,
            "injections": INJECTIONS,
            "tier3_sessions": 1,
            "limit_ms": 1_800_000,
            "inactivity_ms": 300_000,
            "locations": ("bakery", "court"),
        }
        | more
    )


CONTEXT: Final = PreSessionContext(
    learner=ContextLearner(id="ana"),
    persona=ContextPersona(
        id="quarter", domain="everyday life", target_language="es", native_language="de"
    ),
    npc_briefings={
        BAKER: NPCBriefing(
            npc_id=BAKER,
            role="baker",
            tier=2,
            unresolved_events=(OpenMatter(description=OLD_QUARREL, impact=-0.1),),
        )
    },
)


def begin(stage: Stage | None = None, **more: Any) -> StartSession:
    return StartSession.model_validate(
        {
            "learner": "ana",
            "claim": 5,
            "persona": "quarter",
            "cast": tuple(CastMember(npc=one.npc) for one in CHARACTERS),
            "context": CONTEXT,
            "stage": stage or open_stage(),
        }
        | more
    )


def conversation(*commands: Any, **stage: Any) -> Story:
    return story(begin(open_stage(**stage)), *commands)


def analysis(*frictions: FrictionFinding, **more: Any) -> TurnAnalysis:
    return TurnAnalysis.model_validate({"l2_words": 6, "frictions": frictions} | more)


def said(
    turn: int,
    npc: str = BAKER,
    *frictions: FrictionFinding,
    text: str = "quisiera un pan, por favor",
    latency_ms: int | None = None,
    command: dict[str, Any] | None = None,
    **found: Any,
) -> TakeTurn:
    """A turn somebody looked at, with what was found in it."""
    return TakeTurn(
        turn=turn,
        npc=npc,
        text=text,
        analysis=analysis(*frictions, **found),
        signals=None if latency_ms is None else Signals(latency_ms=latency_ms),
        **(command or {}),
    )


def friction(type_: str, severity: float | str = 0.4, **more: Any) -> FrictionFinding:
    return FrictionFinding.model_validate({"type": type_, "severity": severity} | more)


def reply(turn: int, npc: str = BAKER, **more: Any) -> NpcReply:
    return NpcReply(turn=turn, npc=npc, text="muy bien", **more)


def collapsed(npc: str = JUDGE) -> Story:
    return conversation(said(1, npc, aggressive=True))


def wordings(basic: str = "¿Me da un pan?") -> RefractionResponse:
    texts = {
        "basic": (basic, "safe-simple"),
        "native": ("¿Me pones un pan?", "colloquial-idiomatic"),
        "formal": ("Desearía un pan.", "high-professional"),
    }
    return RefractionResponse.model_validate(
        {
            "refractions": {
                level: {"formulation": text, "register": label}
                for level, (text, label) in texts.items()
            }
        }
    )


WORDINGS: Final = wordings()
ATTEMPT: Final = PronunciationResult(overall_accuracy=0.8, comprehensibility_score=0.9)


def asked(number: int = 1, **more: Any) -> AskRefraction:
    return AskRefraction(number=number, text="ich hätte gern ein Brot", **more)


def offered(*commands: Any) -> Story:
    return conversation(asked(), OfferRefraction(number=1, response=WORDINGS), *commands)


def chosen(level: RefractionLevel | None = RefractionLevel.BASIC) -> Story:
    return offered(ChooseRefraction(number=1, level=level))
