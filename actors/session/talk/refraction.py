"""Refraction: the learner asks how to say something, chooses a wording and says it.

One law: refractions are numbered like turns, so that a repeat is harmless; a chosen wording counts
as used once, in the turn that holds it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from holodeck.actors.decider import Moment
from holodeck.actors.session.state import SessionState
from holodeck.actors.session.talk.state import WORDINGS, Refracted, Talk
from holodeck.messages.conversation import (
    RecentTurn,
    RefractionRequest,
    RefractionScene,
    RegisterClass,
)
from holodeck.messages.errors import RefusedError
from holodeck.messages.talk import (
    AskRefraction,
    ChooseRefraction,
    OfferRefraction,
    RecordAttempt,
    RefractionAsked,
    RefractionAttempted,
    RefractionChosen,
    RefractionOffered,
    RefractionUsed,
)

_LANGUAGE: Final = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_WORD: Final = re.compile(r"\w+")
_UNSPACED: Final = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")
"""Letters of scripts that put no space between words."""
UNDETERMINED: Final = "und"
"""The tag of a language nobody named."""


def ask(state: SessionState, talk: Talk, command: AskRefraction) -> Sequence[RefractionAsked]:
    """The request with all a mind needs to answer it.

    Raises:
        RefusedError: ``refraction-order``, the number is not the next one.
    """
    last = talk.refractions[-1].number if talk.refractions else 0
    if command.number <= last:
        return ()
    if command.number != last + 1:
        raise RefusedError(
            "refraction-order", f"refraction {last + 1} is next, not {command.number}"
        )
    npc = command.npc or state.npc
    return (
        RefractionAsked(
            number=command.number, turn=state.turns, request=_request(state, talk, command, npc),
            npc=npc,
        ),
    )  # fmt: skip


def _request(
    state: SessionState, talk: Talk, command: AskRefraction, npc: str | None
) -> RefractionRequest:
    context, stage = talk.context, talk.stage
    character = talk.character(npc) if npc else None
    briefing = context.npc_briefings.get(npc) if context is not None and npc else None
    native = _language(stage.native, context.persona.native_language if context else "")
    return RefractionRequest(
        trigger=command.trigger,
        learner_input=command.text,
        input_language=native,
        target_language=_language(stage.target, context.persona.target_language if context else ""),
        native_language=native,
        cefr_level=stage.cefr,
        tier_context=character.tier if character is not None else talk.tier,
        conversation_context=RefractionScene(
            npc_id=npc or "",
            npc_role=briefing.role if briefing is not None else "",
            npc_register=character.register_level if character else RegisterClass.NEUTRAL,
            recent_turns=tuple(
                RecentTurn(speaker="learner" if one.speaker == "learner" else "npc", text=one.text)
                for one in talk.recent
            ),
        ),
        domain_context=context.persona.domain if context else "",
        persona_schema_id=state.charter.persona if state.charter is not None else "",
        session_id=talk.session,
    )


def _language(*candidates: str) -> str:
    return next((one for one in candidates if _LANGUAGE.fullmatch(one)), UNDETERMINED)


def _known(talk: Talk, number: int) -> Refracted:
    found = talk.refraction(number)
    if found is None:
        raise RefusedError("unknown-refraction", str(number))
    return found


def offer(talk: Talk, command: OfferRefraction) -> Sequence[RefractionOffered]:
    """
    Raises:
        RefusedError: ``unknown-refraction``, nobody asked for it.
    """
    if _known(talk, command.number).offered:
        return ()
    return (RefractionOffered(number=command.number, response=command.response),)


def choose(talk: Talk, command: ChooseRefraction) -> Sequence[RefractionChosen]:
    """The last choice counts, until the wording was said.

    Raises:
        RefusedError: ``unknown-refraction``, or ``not-offered``: there is nothing to choose yet.
    """
    known = _known(talk, command.number)
    if known.decided and (known.level is command.level or known.used):
        return ()
    if command.level is not None and not known.offered:
        raise RefusedError("not-offered", str(command.number))
    return (
        RefractionChosen(
            number=command.number, level=command.level, dwell_ms=command.dwell_ms
        ),
    )  # fmt: skip


def attempt(talk: Talk, command: RecordAttempt) -> Sequence[RefractionAttempted]:
    """The last attempt counts; one that is as good as the last says nothing new.

    Raises:
        RefusedError: ``unknown-refraction``, or ``not-offered``: there is nothing to pronounce.
    """
    known = _known(talk, command.number)
    if not known.offered:
        raise RefusedError("not-offered", str(command.number))
    if known.attempted and known.accuracy == command.result.overall_accuracy:
        return ()
    return (RefractionAttempted(number=command.number, result=command.result),)


def used(talk: Talk, turn: int, text: str, number: int | None) -> list[RefractionUsed]:
    """The refractions a turn uses: the one it names, and those whose chosen wording it holds.

    Raises:
        RefusedError: ``unknown-refraction``, no wording of the named one was chosen.
    """
    if number is not None and _known(talk, number).level is None:
        raise RefusedError("unknown-refraction", f"no wording of {number} was chosen")
    said = ""
    found: list[RefractionUsed] = []
    for one in talk.refractions:
        if one.used or one.level is None:
            continue
        if one.number != number:
            if not one.wording:
                continue
            said = said or normal(text)
            if not holds(said, one.wording):
                continue
        found.append(RefractionUsed(number=one.number, turn=turn, level=one.level))
    return found


def normal(text: str) -> str:
    """A text's words, NFC and casefolded, with one space between them and nothing else."""
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())
    return " ".join(_WORD.findall(folded))


def holds(said: str, wording: str) -> bool:
    """Whether normal ``said`` holds normal ``wording``, whole words only where words are told
    apart by spaces."""
    if not wording:
        return False
    if _UNSPACED.search(wording):
        return wording.replace(" ", "") in said.replace(" ", "")
    return f" {wording} " in f" {said} "


# --- what the events change ----------------------------------------


def _change(talk: Talk, number: int, **change: object) -> None:
    """What was never asked for, because its checkpoint could not be read, is not there."""
    talk.refractions = tuple(
        replace(one, **change) if one.number == number else one  # type: ignore[arg-type]
        for one in talk.refractions
    )


def on_asked(state: SessionState, event: RefractionAsked, moment: Moment) -> None:
    if event.npc is not None:
        state.met.setdefault(event.npc, 0)
    talk = state.talk
    if talk is not None:
        asked = Refracted(event.number, event.turn, moment.sequence, event.npc)
        talk.refractions = (*_forgetful(talk.refractions), asked)
        talk.spoke_at = 0  # whoever asks for help is not silent


def _forgetful(refractions: Sequence[Refracted]) -> Iterable[Refracted]:
    """Old ones without their wordings: these are long, and their moment is over."""
    old = len(refractions) + 1 - WORDINGS
    for place, one in enumerate(refractions):
        known = one.basic or one.native or one.formal
        yield replace(one, basic="", native="", formal="") if place < old and known else one


def on_offered(state: SessionState, event: RefractionOffered, moment: Moment) -> None:
    if state.talk is not None:
        made = event.response.refractions
        _change(
            state.talk,
            event.number,
            offered=True,
            basic=normal(made.basic.formulation),
            native=normal(made.native.formulation),
            formal=normal(made.formal.formulation),
        )


def on_chosen(state: SessionState, event: RefractionChosen, moment: Moment) -> None:
    if state.talk is not None:
        _change(state.talk, event.number, decided=True, level=event.level)


def on_attempted(state: SessionState, event: RefractionAttempted, moment: Moment) -> None:
    if state.talk is not None:
        accuracy = event.result.overall_accuracy
        _change(state.talk, event.number, attempted=True, accuracy=accuracy)


def on_used(state: SessionState, event: RefractionUsed, moment: Moment) -> None:
    if state.talk is not None:
        _change(state.talk, event.number, used=True, basic="", native="", formal="")
