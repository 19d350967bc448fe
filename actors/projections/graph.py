"""Who plays whom in which world, and what NPCs think of it: the journal as a property graph.

One law: what a batch does to the graph is worked out before the store is touched, from the
checkpoints and the standings they move alone; so every store of a graph gets the same one.

A standing is moved by the very fold the NPC itself uses, so that both are the same number. Agents
are no players: their sessions are nodes without an owner, and what NPCs think of them is not here.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Final

from holodeck.actors.decider import Moment
from holodeck.actors.npc import Relation, relation
from holodeck.actors.projections.port import (
    START,
    Bookmark,
    Changes,
    GraphStore,
    History,
    Standing,
    Step,
)
from holodeck.actors.projections.sessions import Sessions, Told, erased
from holodeck.actors.projections.view import SessionView, iso, millis
from holodeck.messages.npc import NpcDescribed
from holodeck.messages.player import (
    CharacterPut,
    CharacterRemoved,
    LearnerErased,
    PlayerCreated,
    WorldCustomized,
)
from holodeck.messages.subjects import NOBODY

HELD: Final = 50_000
"""Standings, and sessions known to be linked, in memory."""


def character_key(player: str, character: str) -> str:
    """What tells characters apart: their ids are unique only among those of one player."""
    return f"{player}/{character}"


def tell(
    told: Told, worlds: Mapping[str, str], changes: Changes, linked: Container[str] = ()
) -> None:
    """Adds what sessions say: their nodes, owners, characters and worlds.

    Args:
        linked: the sessions whose owner, character and world are known to be in the graph; they
            never change.
    """
    for session in told.gone:
        changes.remove("Session", session)
    for session, view in told.changed.items():
        changes.node(
            "Session",
            session,
            status=view.status.value,
            outcome=view.outcome,
            last_interaction=iso(view.touched_at),
            ended_at=iso(view.ended_at) if view.ended_at else "",
            interaction_count=view.interactions,
            current_scene_id=view.scene,
            sequence=view.sequence,
        )
        if session not in linked:
            _link(view, worlds, changes)


def _link(view: SessionView, worlds: Mapping[str, str], changes: Changes) -> None:
    session, player = view.session, view.player
    changes.node(
        "Session",
        session,
        player_id=player,
        agent_id=view.agent,
        kind=view.kind,
        created_at=iso(view.created_at),
    )
    if player:
        changes.edge("HAS_SESSION", player, session)
        if view.character:
            key = character_key(player, view.character)
            changes.node("Character", key, id=view.character, player_id=player)
            changes.edge("USES_CHARACTER", session, key)
    if view.world:
        changes.node("World", view.world, name=worlds.get(view.world, view.world))
        changes.edge("IN_WORLD", session, view.world)


def tell_of(step: Step, worlds: Mapping[str, str], changes: Changes) -> None:
    """Adds what a player or an NPC says of itself; a player also that it is to be forgotten."""
    identity = step.place.identity
    for event in step.events:
        match event:
            case LearnerErased():
                changes.erase(identity)
            case PlayerCreated():
                changes.node("Player", identity)
            case CharacterPut(character=put):
                changes.node("Player", identity)
                changes.node(
                    "Character",
                    character_key(identity, put.character_id),
                    id=put.character_id,
                    name=put.name,
                    player_id=identity,
                    active=put.is_active,
                )
            case CharacterRemoved(character=character):
                key = character_key(identity, character)
                changes.node("Character", key, id=character, player_id=identity, active=False)
            case WorldCustomized(world=world):
                changes.node("World", world, name=worlds.get(world, world))
            case NpcDescribed():
                changes.node("NPC", identity, name=event.name)
            case _:
                pass


def met(step: Step) -> tuple[str, str] | None:
    """The NPC and the learner a session's checkpoint names; None unless it names both."""
    place = step.place
    if place.kind != "session" or place.npc == NOBODY or place.learner == NOBODY:
        return None
    return place.npc, place.learner


def moved(before: Standing | None, step: Step) -> Standing:
    """How the NPC stands with the player after a checkpoint that names both. One that is in the
    standing already changes nothing."""
    if before is not None and step.sequence <= before.sequence:
        return before
    state = Relation()
    if before is not None:
        state.reputation, state.begun = before.standing, before.begun
        state.first_at = state.last_at = millis(before.updated_at)
    moment = Moment(step.sequence, step.at, step.place.identity, step.place.learner)
    relation.advance(state, step.events, moment)
    return Standing(state.reputation, iso(state.last_at), state.begun, step.sequence)


class GraphProjection:
    """The projection ``graph``.

    Args:
        worlds: what worlds are called, by id; one that is not there is called by its id.
    """

    name = "graph"

    def __init__(self, graph: GraphStore, worlds: Mapping[str, str] | None = None) -> None:
        self.graph, self.store = graph, graph.where
        self._worlds = worlds or {}
        self._place = ""
        self._sessions: Sessions | None = None
        self._standings: dict[tuple[str, str], Standing] = {}
        self._linked: dict[str, None] = {}

    async def open(self, history: History) -> Bookmark | None:
        self._sessions = Sessions(history)
        self._forget()
        self._place = await self.graph.open() or ""
        try:
            return Bookmark.load(self._place) if self._place else None
        except ValueError:
            return None

    async def apply(self, steps: Sequence[Step], now: Bookmark) -> int:
        assert self._sessions is not None
        told = await self._sessions.take(steps)
        changes = Changes()
        for step in steps:
            if step.place.kind in ("learner", "npc"):
                tell_of(step, self._worlds, changes)
        if told.players:
            self._linked.clear()
        tell(told, self._worlds, changes, self._linked)
        await self._meet(steps, changes)
        place = now.dump()
        await self.graph.write(changes, place, self._place)
        self._place = place
        self._linked |= dict.fromkeys(told.changed)
        while len(self._linked) > HELD:
            del self._linked[next(iter(self._linked))]
        return len(changes)

    async def _meet(self, steps: Sequence[Step], changes: Changes) -> None:
        """Moves the standings of NPCs with players."""
        known = self._standings
        await self._learn({pair for step in steps if (pair := met(step)) is not None} - set(known))
        latest: dict[tuple[str, str], Standing] = {}
        for step in steps:
            for player in erased(step):
                for standings in (known, latest):
                    for pair in [pair for pair in standings if pair[1] == player]:
                        del standings[pair]
            pair = met(step)
            if pair is None or not self._of_a_player(step):
                continue
            after = moved(known.pop(pair, None), step)
            known[pair] = latest[pair] = after
        for (npc, player), after in latest.items():
            changes.edge("REPUTATION", npc, player, **after._asdict())
        while len(known) > HELD:
            del known[next(iter(known))]

    def _of_a_player(self, step: Step) -> bool:
        """Whether the learner a checkpoint names is one; agents stand in the same place."""
        assert self._sessions is not None
        return self._sessions.player_of(step.place.identity) == step.place.learner

    async def _learn(self, pairs: Iterable[tuple[str, str]]) -> None:
        wanted = list(pairs)
        if wanted:
            self._standings.update(await self.graph.standings(wanted))

    def _forget(self) -> None:
        """Takes nothing for granted that the store may not have."""
        self._standings.clear()
        self._linked.clear()

    async def reset(self) -> None:
        self._forget()
        if self._sessions is not None:
            self._sessions = Sessions(self._sessions.history)
        self._place = START.dump()
        await self.graph.reset(self._place)

    async def close(self) -> None:
        await self.graph.close()
