"""One turn: what it says of the learner, and what it does to everything around it.

One law: a turn is decided from the state and the command alone, all at once, and everything it
changes stands in its one checkpoint; where nobody looked at it, nothing moves.

In this order: the turn itself · its frictions · affect and pressure · help · standing · openness
and collapse · mood · injections · pronunciation · refractions · facts · an incident.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from holodeck.actors.decider import Moment
from holodeck.actors.npc.behaviour import trigger_of
from holodeck.actors.session.rules import FRICTION_COST, turn_reputation
from holodeck.actors.session.state import SessionState
from holodeck.actors.session.talk import affect, scaffolds, silence
from holodeck.actors.session.talk.openness import (
    PENALTY,
    Violation,
    collapse,
    openness_state,
    violations,
)
from holodeck.actors.session.talk.refraction import used
from holodeck.actors.session.talk.state import (
    ATTEMPTS,
    CUT,
    MANY,
    RECENT,
    WINDOW,
    Heard,
    Sample,
    Standing,
    Talk,
)
from holodeck.actors.session.talk.ties import (
    FLOOR,
    heard_goals,
    mood_now,
    mooded,
    moved,
    who,
)
from holodeck.messages.conversation import (
    ConversationOutcome,
    FrictionType,
    InjectionStatus,
    Mood,
    OpennessState,
    Severity,
    severity_level,
)
from holodeck.messages.errors import RefusedError
from holodeck.messages.session import (
    FrictionDetected,
    FrictionFinding,
    NpcReply,
    ReputationChanged,
    SessionEvent,
    TakeTurn,
    TurnAnswered,
    TurnTaken,
)
from holodeck.messages.talk import (
    AffectChanged,
    Baseline,
    Character,
    ConversationClosed,
    FactLearned,
    IncidentArose,
    InjectionAdvanced,
    NegotiationCollapsed,
    OpennessChanged,
    PronunciationHeard,
    ScaffoldingEscalated,
    Signals,
    TurnAnalysis,
)

MOST_FRICTIONS: Final = 16
HESITATION: Final = FrictionFinding(
    type=FrictionType.LEXICAL, severity=0.125, detail="hesitation"
)  # fmt: skip
UNCLEAR: Final = 0.6
"""A phoneme's accuracy below which it is an issue."""
_SOCIAL: Final = frozenset({FrictionType.REGISTER, FrictionType.PRAGMATIC, FrictionType.CULTURAL})
_GRAVE: Final = frozenset({Severity.HIGH, Severity.CRITICAL})
_OPEN: Final = (InjectionStatus.PENDING, InjectionStatus.OPPORTUNITY)


# --- decide ----------------------------------------


def take(state: SessionState, talk: Talk, command: TakeTurn, now: int) -> list[SessionEvent]:
    """Everything a turn that is next leads to.

    Raises:
        RefusedError: ``unknown-npc``, ``npc-left`` it broke off, ``unknown-location``,
            ``unknown-refraction``.
    """
    npc, turn, analysis = command.npc, command.turn, command.analysis
    character, standing = who(talk, npc), talk.standings[npc]
    if standing.collapsed:
        raise RefusedError("npc-left", f"{npc} broke the conversation off")
    places = talk.stage.locations
    if command.location and places and command.location not in places:
        raise RefusedError("unknown-location", command.location)
    wordings = used(talk, turn, command.text, command.refraction)
    findings, aligned = command.frictions, command.register_aligned
    topic = command.topic or talk.topic
    if analysis is not None:
        topic = command.topic or analysis.topic or talk.topic
        if findings is None:
            findings = analysis.frictions
        if aligned is None:
            aligned = analysis.aligned
    taken = TurnTaken(
        turn=turn,
        npc=npc,
        text=command.text,
        speaking_ms=command.speaking_ms,
        analysed=findings is not None,
        analysis=_bare(analysis),
        signals=command.signals,
        aligned=aligned,
        location=command.location or talk.location,
        topic=topic,
        tier=character.tier,
        base=standing.began or None,
    )
    events: list[SessionEvent] = [taken]
    if findings is not None:
        if len(findings) < MOST_FRICTIONS and _hesitant(command.signals, talk.stage.baseline):
            findings = (*findings, HESITATION)
        _analysed(events, talk, character, standing, taken, findings, aligned, now)
    if talk.injections and analysis is not None and analysis.forms:
        events += (
            InjectionAdvanced(form=one.form, status=InjectionStatus.USED, npc=npc, turn=turn)
            for one in talk.injections
            if one.status in _OPEN and one.form in analysis.forms
        )
    if command.heard is not None:
        heard = command.heard
        unclear = [one.phoneme for one in heard.phonemes if one.accuracy < UNCLEAR]
        events.append(
            PronunciationHeard(
                turn=turn,
                comprehensibility=heard.comprehensibility,
                target_phrase=heard.target_phrase,
                phonemes=heard.phonemes,
                issues=tuple(dict.fromkeys(unclear)) if unclear else (),
            )
        )
    events += wordings
    if analysis is not None:
        for one in analysis.facts:
            events.append(
                FactLearned(
                    npc=npc,
                    fact=one.fact,
                    category=one.category,
                    confidence=one.confidence,
                    turn=turn,
                )
            )
        if analysis.reached and not any(type(one) is NegotiationCollapsed for one in events):
            events += heard_goals(character, standing, analysis.reached, turn)
    if findings and character.tier == 2:
        _incident(events, talk, npc, turn, findings)
    return events


def _bare(analysis: TurnAnalysis | None) -> TurnAnalysis | None:
    """Without frictions and facts, which are events of their own."""
    if analysis is None or not (analysis.frictions or analysis.facts):
        return analysis
    return analysis.model_copy(update={"frictions": (), "facts": ()})


def _hesitant(signals: Signals | None, baseline: Baseline) -> bool:
    """More than two seconds is friction only where it is twice what is usual too: who always
    thinks for four seconds before it speaks does not struggle each time."""
    if signals is None or signals.latency_ms is None:
        return False
    latency = signals.latency_ms
    return affect.hesitates(latency / 1000) and latency > 2 * baseline.latency_ms


def _analysed(
    events: list[SessionEvent],
    talk: Talk,
    character: Character,
    standing: Standing,
    taken: TurnTaken,
    findings: Sequence[FrictionFinding],
    aligned: bool | None,
    now: int,
) -> None:
    npc, turn, analysis = taken.npc, taken.turn, taken.analysis
    for found in findings:
        events.append(detected(found, turn, npc))
    _felt(events, talk, character, taken, findings)
    sense = analysis is None or (analysis.meaningful and not analysis.aggressive)
    senseless = senseless_after(standing, analysis)
    tenths, breaches = _breaches(character, standing, findings, aligned)
    cause = collapse(character, standing, tenths, findings, analysis, senseless)
    if cause is None:
        delta = turn_reputation(findings, aligned)
        # Nothing is earned by saying nothing, or by saying it in anger.
        delta = delta if sense else min(delta, 0.0)
        if delta:
            events.append(moved(npc, standing, delta, because(findings, aligned), turn))
    if breaches:
        events += _opened(npc, turn, standing, breaches)
    if cause is not None:
        events.append(NegotiationCollapsed(npc=npc, turn=turn, cause=cause))
        events += _fallen(npc, turn, standing)
        events.append(ConversationClosed(npc=npc, outcome=ConversationOutcome.NPC_ENDED))
    mood = mooded(character, standing, now, _trigger(findings, aligned, sense, cause), turn)
    if mood is not None:
        events.append(mood)


def detected(found: FrictionFinding, turn: int, npc: str | None) -> FrictionDetected:
    """A finding as a conversation stores it."""
    return FrictionDetected(
        type=found.type,
        severity=found.severity,
        turn=turn,
        npc=npc,
        detail=found.detail,
        level=severity_level(found.severity),
        form=found.form,
        said=found.said,
        consequence=found.consequence,
    )


def _felt(
    events: list[SessionEvent],
    talk: Talk,
    character: Character,
    taken: TurnTaken,
    findings: Sequence[FrictionFinding],
) -> None:
    """Affect, pressure and help after the turn, as far as they are not what they were."""
    stage, tier = talk.stage, character.tier
    samples = (*talk.samples[1 - WINDOW :], sample(taken, len(findings)))
    shown = affect.ratios(samples, stage.baseline)
    inner = affect.inferred(shown)
    state = affect.NAMED[inner]
    pressure = affect.pressed(talk.pressure, inner, tier, stage.tier3_sessions)
    needed = affect.needs_scaffold(bool(findings), state)
    moves = (
        inner is not talk.inner
        or state is not talk.affect
        or pressure != talk.pressure
        or needed is not talk.intervention
    )
    signal = 0.0
    if moves or inner in affect.HELPED:
        signal = affect.escalation_signal(samples, stage.baseline)
    if moves:
        events.append(
            AffectChanged(
                turn=taken.turn,
                state=state,
                inner=inner,
                pressure=pressure,
                signal=signal,
                intervention=needed,
                reasons=shown.reasons(),
            )
        )
    escalates = affect.help_for(inner, signal) is not None
    level = scaffolds.next_level(talk.scaffold, needed, escalates, state, stage.landing)
    companion = scaffolds.brings_companion(tier, level, inner, escalates)
    if level != talk.scaffold or companion is not talk.companion:
        events.append(
            ScaffoldingEscalated(
                turn=taken.turn,
                level=level,
                before=talk.scaffold,
                actions=scaffolds.actions(tier, level),
                trigger=inner,
                companion=companion,
            )
        )


def sample(taken: TurnTaken, frictions: int = 0) -> Sample:
    """What a turn shows of the learner. Where nobody counted words, spaces tell them apart."""
    analysis, signals = taken.analysis, taken.signals
    latency = signals.latency_ms if signals is not None else None
    if analysis is None:
        words = len(taken.text.split())
        return Sample(taken.turn, frictions, words, latency_ms=latency)
    native, hedges = analysis.l1_words, analysis.hedges
    words = native + analysis.l2_words + analysis.other_words
    l1 = hedging = None
    if words:
        l1 = round(native / words, 6) if native else 0.0
        hedging = round(hedges / words, 6) if hedges else 0.0
    return Sample(taken.turn, frictions, words, l1, hedging, analysis.repairs, latency)


def because(findings: Sequence[FrictionFinding], aligned: bool | None) -> str:
    """Why a standing moves, such as ``clean turn, register fits``; each kind of friction once."""
    if not findings:
        return "clean turn, register fits" if aligned else "clean turn"
    causes = list(dict.fromkeys([f"{found.type} friction" for found in findings]))
    if aligned:
        causes.append("register fits")
    return ", ".join(causes)


def senseless_after(standing: Standing, analysis: TurnAnalysis | None) -> int:
    """Turns without meaning in a row; where nobody judged, as many as before."""
    if analysis is None:
        return standing.senseless
    return 0 if analysis.meaningful else standing.senseless + 1


def _breaches(
    character: Character,
    standing: Standing,
    findings: Sequence[FrictionFinding],
    aligned: bool | None,
) -> tuple[int, tuple[Violation, ...]]:
    """Openness in tenths after the turn, and what it was lost by."""
    if not character.openness_enabled:
        return standing.openness, ()
    found = violations(findings, aligned)[: standing.openness]
    return standing.openness - PENALTY * len(found), found


def _opened(
    npc: str, turn: int, standing: Standing, breaches: Sequence[Violation]
) -> list[OpennessChanged]:
    events = []
    tenths, warned = standing.openness, standing.warned
    for breach in breaches:
        tenths -= breach.penalty
        called = openness_state(tenths)
        warning = called is OpennessState.RESISTANT and not warned
        warned = warned or warning
        events.append(
            OpennessChanged(
                npc=npc,
                turn=turn,
                score=tenths / 10,
                penalty=breach.penalty / 10,
                state=called,
                description=breach.description,
                warning=warning,
            )
        )
    return events


def _fallen(npc: str, turn: int, standing: Standing) -> list[ReputationChanged]:
    """The standing drops to its minimum, by steps of 1 at most."""
    events = []
    left = round(standing.reputation - FLOOR, 6)
    while left > 0:
        step = min(1.0, left)
        events.append(moved(npc, standing, -step, "negotiation collapsed", turn))
        left = round(left - step, 6)
    return events


def _trigger(
    findings: Sequence[FrictionFinding], aligned: bool | None, sense: bool, cause: str | None
) -> str:
    """What the turn is to the NPC's mood; what failed is no success."""
    if not findings and aligned is not False and sense and cause is None:
        return "successful-communication"
    if len(findings) == 1 and findings[0] is HESITATION:
        return "hesitation" if cause is None and sense else "communication-failure"
    trigger = trigger_of([found.type for found in findings], aligned)
    failed = trigger == "successful-communication" and (not sense or cause is not None)
    return "communication-failure" if failed else trigger


def _incident(
    events: list[SessionEvent],
    talk: Talk,
    npc: str,
    turn: int,
    findings: Sequence[FrictionFinding],
) -> None:
    """A grave breach of register, manners or custom stays between learner and NPC."""
    grave = [
        found
        for found in findings
        if found.type in _SOCIAL and severity_level(found.severity) in _GRAVE
    ]
    if not grave:
        return
    worst = max(grave, key=lambda found: found.severity)
    what = worst.detail or worst.form or worst.said
    told = f"{worst.type} friction in turn {turn}" + (f": {what}" if what else "")
    impact = sum(FRICTION_COST[found.type] * found.severity for found in grave)
    events.append(
        IncidentArose(
            npc=npc,
            incident=f"{talk.session}-incident-{talk.incident_count + 1}",
            description=told[:500],
            impact=-round(min(1.0, impact), 6),
            turn=turn,
        )
    )


def answer(state: SessionState, talk: Talk, command: NpcReply, active: bool) -> list[SessionEvent]:
    """What an NPC says, and the openings it makes for forms that are due.

    Args:
        active: the session is not paused.
    """
    character = who(talk, command.npc)
    collapsed = talk.standings[command.npc].collapsed
    events: list[SessionEvent] = [
        TurnAnswered(
            turn=command.turn,
            npc=command.npc,
            text=command.text,
            speaking_ms=command.speaking_ms,
            source=command.source,
            # Of a learner that spoke on meanwhile nobody says that it is silent.
            ladder=talk.ladder and active and not collapsed and command.turn >= state.turns,
        )
    ]
    if command.opened:
        events += (
            InjectionAdvanced(
                form=one.form,
                status=InjectionStatus.OPPORTUNITY,
                npc=character.npc,
                turn=command.turn,
            )
            for one in talk.injections
            if one.form in command.opened
            and one.status in _OPEN
            and one.attempts < ATTEMPTS
            and (not one.npcs or character.npc in one.npcs)
        )
    return events


# --- what the events change ----------------------------------------


def on_turn(talk: Talk, event: TurnTaken, moment: Moment) -> None:
    npc, topic, tier = event.npc, event.topic, event.tier or talk.tier
    standing = talk.standings.get(npc)
    talk.spoke_at = 0
    talk.location, talk.topic = event.location, topic
    if topic and topic not in talk.topics:
        talk.topics = (*talk.topics, topic)[-MANY:]
    if tier != talk.tier:
        talk.tier = tier
        talk.scaffolds = scaffolds.actions(tier, talk.scaffold)
    talk.recent = (*talk.recent[1 - RECENT :], Heard("learner", npc, event.text[:CUT]))
    if event.analysed:
        talk.samples = (*talk.samples[1 - WINDOW :], sample(event))
    if standing is not None:
        if topic and topic not in standing.topics:
            standing.topics = (*standing.topics, topic)[-MANY:]
        standing.senseless = senseless_after(standing, event.analysis)
        standing.affect = talk.affect
        _seen(standing, moment.at)


def _seen(standing: Standing, at: int) -> None:
    if standing.mood is not Mood.NEUTRAL:
        standing.mood = mood_now(standing, at)
    standing.seen_at = at


def on_answer(talk: Talk, event: TurnAnswered, moment: Moment) -> None:
    talk.recent = (*talk.recent[1 - RECENT :], Heard("npc", event.npc, event.text[:CUT]))
    standing = talk.standings.get(event.npc)
    if standing is not None:
        _seen(standing, moment.at)
        if event.ladder:
            silence.listens(talk, event.npc, standing.tier, moment)


def on_friction(talk: Talk, event: FrictionDetected) -> None:
    if talk.samples and talk.samples[-1].turn == event.turn:
        last = talk.samples[-1]
        talk.samples = (*talk.samples[:-1], last._replace(frictions=last.frictions + 1))
    standing = talk.standings.get(event.npc or "")
    if standing is not None:
        kind = event.type.value
        standing.frictions[kind] = standing.frictions.get(kind, 0) + 1


def on_affect(state: SessionState, event: AffectChanged, moment: Moment) -> None:
    talk = state.talk
    if talk is None:
        return
    talk.affect, talk.inner, talk.pressure = event.state, event.inner, event.pressure
    talk.signal, talk.intervention = event.signal, event.intervention
    standing = talk.standings.get(state.npc or "")
    if standing is not None:
        standing.affect = event.state


def on_scaffolding(state: SessionState, event: ScaffoldingEscalated, moment: Moment) -> None:
    talk = state.talk
    if talk is not None:
        talk.scaffold, talk.scaffolds = event.level, event.actions
        talk.companion = event.companion


def on_openness(state: SessionState, event: OpennessChanged, moment: Moment) -> None:
    state.met.setdefault(event.npc, 0)
    standing = state.talk.standings.get(event.npc) if state.talk is not None else None
    if standing is not None:
        standing.openness = round(10 * min(1.0, max(0.0, event.score)))
        standing.warned = standing.warned or event.warning


def on_collapse(state: SessionState, event: NegotiationCollapsed, moment: Moment) -> None:
    state.met.setdefault(event.npc, 0)
    standing = state.talk.standings.get(event.npc) if state.talk is not None else None
    if standing is not None:
        standing.collapsed = True


def on_injection(state: SessionState, event: InjectionAdvanced, moment: Moment) -> None:
    if event.npc is not None:
        state.met.setdefault(event.npc, 0)
    talk = state.talk
    if talk is None:
        return
    opened = event.status is InjectionStatus.OPPORTUNITY
    talk.injections = tuple(
        replace(one, status=event.status, npc=event.npc, attempts=one.attempts + opened)
        if one.form == event.form
        else one
        for one in talk.injections
    )


def on_pronunciation(state: SessionState, event: PronunciationHeard, moment: Moment) -> None:
    talk = state.talk
    if talk is not None:
        talk.heard += 1
        talk.comprehensibility = round(talk.comprehensibility + event.comprehensibility, 6)
        fresh = [one for one in event.issues if one not in talk.issues]
        if fresh:
            talk.issues = (*talk.issues, *fresh)[-MANY:]


def rehearse(talk: Talk, moment: Moment) -> None:
    """A rehearsal of a conversation: time that went by since its parent does not count."""
    talk.session = moment.writer
    for standing in talk.standings.values():
        if standing.seen_at:
            standing.seen_at = moment.at
