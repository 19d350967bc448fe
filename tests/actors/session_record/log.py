"""The checkpoints of a session, told one by one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from holodeck.actors.session.talk.record import Step
from holodeck.messages.conversation import (
    ContextInjection,
    ContextLearner,
    ContextPersona,
    ConversationOutcome,
    FrictionType,
    NPCBriefing,
    PreSessionContext,
)
from holodeck.messages.envelope import AnyEvent
from holodeck.messages.session import (
    EndReason,
    FrictionDetected,
    NpcParted,
    Outcome,
    ReputationChanged,
    SessionEnded,
    SessionKind,
    SessionStarted,
    TurnAnswered,
    TurnTaken,
)
from holodeck.messages.talk import Character, DueInjection, Parting, Stage, TurnAnalysis

NOON: Final = 1_767_268_800_000
"""2026-01-01T12:00:00Z, ms since 1970 UTC."""
MINUTE: Final = 60_000

CONTEXT: Final = PreSessionContext(
    learner=ContextLearner(id="ana"),
    persona=ContextPersona(
        id="harbour", domain="boats", target_language="pt", native_language="en"
    ),
    npc_briefings={
        "rui": NPCBriefing(npc_id="rui", tier=1, reputation_score=0.2),
        "lia": NPCBriefing(npc_id="lia", tier=2),
        "captain": NPCBriefing(npc_id="captain", tier=3, reputation_score=-0.45),
    },
    injections=(
        ContextInjection(target_form="ser/estar", method="ask where things are"),
        ContextInjection(target_form="subjunctive", method="speak of wishes"),
    ),
    recommended_tier=2,
)
STAGE: Final = Stage(
    native="en",
    target="pt",
    characters=(
        Character(npc="rui", tier=1, reputation=0.2),
        Character(npc="lia", tier=2, reputation=0.1),
        Character(npc="captain", tier=3, reputation=-0.45, openness_enabled=True),
    ),
    injections=(
        DueInjection(form="ser/estar", type=FrictionType.MORPHOSYNTACTIC),
        DueInjection(form="subjunctive", type=FrictionType.MORPHOSYNTACTIC),
    ),
)
TIERS: Final = {"rui": 1, "lia": 2, "captain": 3}


@dataclass(slots=True)
class Log:
    """A session so far. ``at``: now, ms; a session's sequences have gaps, the journal is shared."""

    at: int = NOON
    steps: list[Step] = field(default_factory=list)
    turns: int = 0

    def tell(self, *events: AnyEvent, after_ms: int = 1000) -> Log:
        """One checkpoint."""
        self.at += after_ms
        self.steps.append((10 * len(self.steps) + 3, self.at, events))
        return self

    def start(self, *, bare: bool = False, **more: Any) -> Log:
        """``bare``: without a persona."""
        given: dict[str, Any] = {"session_kind": SessionKind.CONVERSATION, "learner": "ana"}
        if not bare:
            given |= {"context": CONTEXT, "stage": STAGE, "persona": "harbour"}
        return self.tell(SessionStarted(claim=1, **(given | more)), after_ms=0)

    def says(
        self,
        npc: str,
        text: str = "bom dia",
        *found: FrictionDetected,
        after_ms: int = 1000,
        then: tuple[AnyEvent, ...] = (),
        **more: Any,
    ) -> Log:
        """The learner's next turn; what was found in it gets its number and NPC."""
        self.turns += 1
        given: dict[str, Any] = {"analysis": TurnAnalysis(), "tier": TIERS.get(npc, 0)} | more
        taken = TurnTaken(turn=self.turns, npc=npc, text=text, analysed=True, **given)
        place = {"turn": self.turns, "npc": npc}
        return self.tell(
            taken, *(one.model_copy(update=place) for one in found), *then, after_ms=after_ms
        )

    def answers(self, npc: str, text: str = "olá", *, turn: int | None = None) -> Log:
        number = self.turns if turn is None else turn
        return self.tell(TurnAnswered(turn=number, npc=npc, text=text, speaking_ms=900))

    def moves(self, npc: str, delta: float, reason: str = "turn") -> Log:
        return self.tell(ReputationChanged(npc=npc, delta=delta, reason=reason, turn=self.turns))

    def end(self, *partings: NpcParted, active_ms: int | None = None, after_ms: int = 1000) -> Log:
        """The first parting is in the end's checkpoint, each other in its own."""
        self.at += after_ms
        ended = SessionEnded(
            reason=EndReason.NATURAL_CONCLUSION,
            outcome=Outcome.SUCCESS,
            active_ms=self.at - NOON if active_ms is None else active_ms,
        )
        self.tell(ended, *partings[:1], after_ms=0)
        for parting in partings[1:]:
            self.tell(parting, after_ms=20)
        return self


def slip(kind: str = "lexical", form: str = "", severity: float = 0.5, **more: Any) -> Any:
    """A friction; its turn and NPC are those of the turn it is found in."""
    return FrictionDetected(type=FrictionType(kind), severity=severity, turn=0, form=form, **more)


def parted(npc: str, outcome: str = "completed-successfully", **more: Any) -> NpcParted:
    parting = Parting(outcome=ConversationOutcome(outcome), **more)
    return NpcParted(npc=npc, turns=1, parting=parting)
