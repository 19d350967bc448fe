"""How a conversation stands when an NPC is about to speak, as its mind is told. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from holodeck.actors.npc.behaviour import behaviour
from holodeck.actors.session.state import SessionState
from holodeck.actors.session.talk.openness import openness_state
from holodeck.actors.session.talk.state import ATTEMPTS, Talk
from holodeck.actors.session.talk.ties import mood_now
from holodeck.messages.conversation import InjectionStatus, RecentTurn
from holodeck.messages.persona import Persona
from holodeck.messages.session import FrictionDetected
from holodeck.messages.talk import Character
from holodeck.minds.port import Live, Prompt

_OPEN = (InjectionStatus.PENDING, InjectionStatus.OPPORTUNITY)


def recent_turns(state: SessionState) -> tuple[RecentTurn, ...]:
    """The last turns, the oldest first; cut to 500 characters."""
    talk = state.talk
    if talk is None:
        return ()
    return tuple(
        RecentTurn(speaker="learner" if one.speaker == "learner" else "npc", text=one.text)
        for one in talk.recent
    )


def told(
    state: SessionState, world: Persona, prompt: Prompt, events: Sequence[Any], now: int
) -> Prompt:
    """A prompt with everything the conversation knows.

    Args:
        events: of the checkpoint that asks for the words.
        now: ms since 1970 UTC.
    """
    talk = state.talk
    character = None if talk is None else talk.character(prompt.npc)
    if talk is None or character is None:
        return prompt
    recent = recent_turns(state)
    if recent and recent[-1].speaker == "learner" and prompt.turn:
        recent = recent[:-1]  # it is the turn to be answered
    context = talk.context
    return replace(
        prompt,
        world=world,
        character=character,
        briefing=None if context is None else context.npc_briefings.get(prompt.npc),
        live=live(talk, character, events, now),
        recent=recent,
        tier=character.tier,
    )


def live(talk: Talk, character: Character, events: Sequence[Any], now: int) -> Live:
    """The fourth layer of a prompt."""
    standing = talk.standings[character.npc]
    mood = mood_now(standing, now)
    found = [event for event in events if isinstance(event, FrictionDetected)]
    ratio = 1.0
    if character.tier == 1 and talk.context is not None:
        ratio = talk.context.learner.code_switch_state.current_l2_ratio
    status = {one.form: one for one in talk.injections}
    return Live(
        affect=talk.affect,
        mood=mood,
        reputation=standing.reputation,
        pressure=talk.pressure,
        openness=standing.openness / 10 if character.openness_enabled else None,
        openness_state=openness_state(standing.openness),
        collapsed=standing.collapsed,
        scaffolds=talk.scaffolds,
        l2_target=ratio,
        behaviour=behaviour(
            character.traits,
            mood,
            standing.reputation,
            character.culture,
            character.patience,
        ),
        frictions=tuple(f"{one.form}: {one.said}" if one.form else one.type.value for one in found),
        missed=tuple(dict.fromkeys(one.form for one in found if one.form)),
        injections=tuple(
            due
            for due in talk.stage.injections
            if due.form in status
            and status[due.form].status in _OPEN
            and status[due.form].attempts < ATTEMPTS
            and (not due.npcs or character.npc in due.npcs)
        ),
        objectives=tuple(name for name in character.objectives if name not in talk.goals),
    )
