"""A learner that talks: checkpoints as sessions and the learner itself would write them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from holodeck.actors.decider import Moment
from holodeck.actors.learner import LearnerState, Profile, brief, due_command, learner
from holodeck.actors.learner.decider import LEARNER_STATE
from holodeck.actors.learner.triggers import iso
from holodeck.messages.codec import pack
from holodeck.messages.conversation import (
    AdaptiveLessonResult,
    Consequence,
    ContextInjection,
    ContextLearner,
    ContextPersona,
    ConversationOutcome,
    FrictionType,
    MicroCurriculum,
    PreSessionContext,
    ScheduledTrigger,
    Tier,
    TriggerContent,
    TriggerSender,
    TriggerType,
    UnitEngagement,
)
from holodeck.messages.envelope import AnyEvent
from holodeck.messages.learner import LearnerCommand
from holodeck.messages.session import (
    EndReason,
    FrictionDetected,
    NpcParted,
    Outcome,
    SessionEnded,
    SessionKind,
    SessionStarted,
    TurnTaken,
)
from holodeck.messages.talk import LearnerBrief, Parting, Signals, TurnAnalysis

HOUR: Final = 3_600_000
DAY: Final = 24 * HOUR
MONDAY: Final = 1_767_571_200_000
"""2026-01-05T00:00:00Z."""
PERSONA: Final = "harbour"
SER: Final = "ser/estar"


class Ana:
    """Keeps the state, and the time, of one learner; and what was written, by writer."""

    def __init__(self, at: int = MONDAY + 9 * HOUR) -> None:
        self.state: LearnerState = learner.initial
        self.at = at
        self.sequence = 0
        self.turns: dict[str, int] = {}
        self.steps: dict[str, list[tuple[int, int, tuple[Any, ...]]]] = {}

    @property
    def profile(self) -> Profile:
        assert self.state.profile is not None
        return self.state.profile

    def bytes(self) -> bytes:
        return pack(LEARNER_STATE.dump_python(self.state))

    def wrote(self, writer: str, *events: Any) -> None:
        """One checkpoint."""
        self.sequence += 1
        moment = Moment(self.sequence, self.at, writer, "ana")
        self.state = learner.fold(self.state, events, moment)
        self.steps.setdefault(writer, []).append((self.sequence, self.at, events))

    def does(self, command: LearnerCommand) -> Sequence[AnyEvent]:
        """What a command leads to, folded."""
        events = learner.decide(self.state, command, self.at)
        if events:
            self.wrote("ana", *events)
        return events

    def settles(self) -> list[AnyEvent]:
        """Everything it has to do by itself now."""
        events: list[AnyEvent] = []
        while command := due_command(self.state, self.at):
            events += self.does(command)
        return events

    def brief(self, persona: str = PERSONA) -> LearnerBrief:
        return brief("ana", self.state, self.at, persona)

    # --- sessions ----------------------------------------

    def starts(self, session: str, *, persona: str = PERSONA) -> None:
        due = [item.spec for item in self.profile.injections] if self.state.profile else []
        context = PreSessionContext(
            learner=ContextLearner(id="ana"),
            persona=ContextPersona(
                id=persona, domain="work", target_language="es", native_language="de"
            ),
            injections=tuple(
                ContextInjection(target_form=spec.target_form, method=spec.injection_method)
                for spec in due
            ),
        )
        self.wrote(
            session,
            SessionStarted(
                session_kind=SessionKind.CONVERSATION,
                learner="ana",
                persona=persona,
                context=context,
            ),
        )

    def says(
        self,
        session: str,
        *missed: str,
        npc: str = "marta",
        tier: Tier = 2,
        forms: tuple[str, ...] = (),
        l1: int = 0,
        l2: int = 8,
        latency: int | None = None,
        meaningful: bool = True,
        severity: float = 0.5,
        kind: FrictionType = FrictionType.MORPHOSYNTACTIC,
        aligned: bool | None = True,
        consequence: Consequence | None = None,
        also: Sequence[Any] = (),
    ) -> None:
        """One turn in which the forms ``missed`` were missed."""
        number = self.turns[session] = self.turns.get(session, 0) + 1
        self.at += 20_000
        analysis = TurnAnalysis(
            l1_words=l1, l2_words=l2, unique_words=min(6, l2), forms=forms, meaningful=meaningful
        )
        frictions = [
            FrictionDetected(
                type=kind,
                severity=severity,
                turn=number,
                npc=npc,
                form=form,
                said=f"no {form}",
                consequence=consequence,
            )
            for form in missed
        ]
        taken = TurnTaken(
            turn=number,
            npc=npc,
            text="buenos días",
            speaking_ms=4000,
            analysed=True,
            analysis=analysis,
            signals=Signals(latency_ms=latency) if latency is not None else None,
            aligned=aligned,
            tier=tier,
        )
        self.wrote(session, taken, *frictions, *also)

    def ends(
        self,
        session: str,
        *,
        reason: EndReason = EndReason.LEARNER_ENDED,
        outcome: ConversationOutcome = ConversationOutcome.COMPLETED,
        parting: bool = True,
        minutes: float = 10,
    ) -> None:
        telling = self.profile.live[session]
        partings = [
            NpcParted(npc=npc, turns=1, parting=Parting(outcome=outcome, tier=2))
            for npc in telling.story.npcs
        ]
        ended = SessionEnded(
            reason=reason, outcome=Outcome.SUCCESS, active_ms=round(minutes * 60_000)
        )
        self.wrote(session, ended, *(partings[:1] if parting else []))
        for later in partings[1:] if parting else []:
            self.wrote(session, later)

    def talks(self, session: str, *missed: str, **how: Any) -> None:
        """A whole session of one turn for each form missed, and a clean one."""
        self.starts(session, persona=how.pop("persona", PERSONA))
        for form in missed:
            self.says(session, form, **how)
        self.says(session)
        self.ends(session)


def trigger(
    name: str = "a",
    *,
    at: int = MONDAY + 9 * HOUR,
    lasts: int = DAY,
    priority: int = 0,
    whose: str = "ana",
    body: str = "Come and talk.",
) -> ScheduledTrigger:
    return ScheduledTrigger(
        trigger_id=name,
        learner_id=whose,
        type=TriggerType.NPC_MESSAGE,
        sender=TriggerSender(name="Marta", type="npc", npc_id="marta"),
        content=TriggerContent(title="Hola", body=body),
        scheduled_at=iso(at),
        expires_at=iso(at + lasts),
        priority=priority,
    )


def lesson(
    curriculum: MicroCurriculum, *, done: int, accuracy: float = 1.0, **signals: Any
) -> AdaptiveLessonResult:
    """The first ``done`` units of a lesson were done."""
    units = tuple(
        UnitEngagement(unit_id=unit.id, completed=n < done, exercise_accuracy=accuracy)
        for n, unit in enumerate(curriculum.units)
    )
    rate = done / len(units)
    return AdaptiveLessonResult(
        curriculum_id=curriculum.id, completion_rate=rate, unit_engagement=units, **signals
    )
