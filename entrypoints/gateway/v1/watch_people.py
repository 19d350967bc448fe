"""NPCs and learners as those who watch see them.

One law: who there is, snapshots and sessions tell, which may be seconds behind; what somebody is,
the actor itself is asked.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from holodeck.actors.learner.decider import LearnerState
from holodeck.actors.npc.decider import Relation, band
from holodeck.broker.port import Broker
from holodeck.deck import Deck
from holodeck.entrypoints.gateway.v1.watch_cards import iso
from holodeck.entrypoints.gateway.v1.watch_rows import Rows
from holodeck.messages.curriculum import Curriculum
from holodeck.messages.ids import check_id, partition_of
from holodeck.messages.practice import SkillRecord, SkillState

SCANNED_S: Final = 5.0
"""How old the list of who there is may be."""
SHOWN: Final = 50
"""Relations of an NPC that are told in one answer: those of the latest meetings."""
MEMORIES: Final = 20


class People:
    """Who there is.

    Args:
        connect: gives a connection with the runtime's rights, to look through snapshots.
    """

    def __init__(
        self, deck: Callable[[], Deck], connect: Callable[[], Awaitable[Broker]], rows: Rows
    ) -> None:
        self._deck, self._connect, self._rows = deck, connect, rows
        self._scanned: dict[str, tuple[float, list[str]]] = {}

    async def _keys(self, keys: str) -> list[str]:
        """Last tokens of the snapshots' keys that a filter matches."""
        at, found = self._scanned.get(keys, (0.0, []))
        if time.monotonic() - at > SCANNED_S or not at:
            bucket = (await self._connect()).bucket(self._deck().layout.actors)
            found = [
                entry.key.rpartition(".")[2] async for entry in bucket.scan(keys, headers_only=True)
            ]
            if len(self._scanned) > 64:
                self._scanned.clear()
            self._scanned[keys] = time.monotonic(), found
        return found

    # --- NPCs ----------------------------------------

    async def npcs(self) -> list[dict[str, Any]]:
        """Everybody who was met or given a task, who is in most sessions now first."""
        rows = await self._rows.all()
        now_in = Counter(row["npc"] for row in rows if row["npc"])
        agents = {str(one["agent"]): one for one in await self._deck().fleet.agents()}
        names = {*await self._keys("cell.*.npc.*"), *now_in, *agents}
        return [
            {
                "id": name,
                "sessions": now_in.get(name, 0),
                "load": agents[name]["load"] if name in agents else 0,
                "capabilities": list(agents[name]["capabilities"]) if name in agents else [],
                "agent": name in agents,
            }
            for name in sorted(names, key=lambda name: (-now_in.get(name, 0), name))
        ]

    async def npc(self, identity: str) -> dict[str, Any]:
        """Who an NPC is and how it stands with those it knows.

        ``relations`` are the :data:`SHOWN` of the latest meetings, ``known`` how many it knows in
        all; what it remembers of each stands in ``memories`` and ``facts``, the newest first.
        """
        deck = self._deck()
        partition = partition_of(check_id(identity), deck.partitions)
        rows = [row for row in await self._rows.all() if row["npc"] == identity]
        known = {
            *await self._keys(f"cell.{partition}.relation.{identity}.*"),
            *(row["learner"] for row in rows if row["learner"]),
        }
        state = await deck.npc(identity).state()
        # Those who are here now are surely among the latest; of the others all are asked up to a
        # bound that keeps one look from waking everybody somebody ever met.
        here = {row["learner"] for row in rows}
        asked = sorted(known, key=lambda name: (name not in here, name))[: 4 * SHOWN]
        relations = await asyncio.gather(*(self.relation(identity, one) for one in asked))
        met = [one for one in relations if one["interactions"] or one["last_at"]]
        met.sort(key=lambda one: one["last_at"] or "", reverse=True)
        return {
            "id": identity,
            "name": state.name,
            "role": state.role,
            "personality": state.personality,
            "tier": state.tier,
            "patience": state.patience,
            "traits": None if state.traits is None else state.traits.model_dump(mode="json"),
            "turns": state.turns,
            "partings": state.partings,
            "last_at": iso(state.last_at),
            "known": len(known),
            "sessions": [
                {"id": row["id"], "learner": row["learner"], "status": row["status"]}
                for row in rows[:SHOWN]
            ],
            "relations": met[:SHOWN],
        }

    async def relation(self, npc: str, learner: str) -> dict[str, Any]:
        """How one learner stands with an NPC, and what it keeps of it."""
        found = (await self._deck().npc(npc).brief(learner)).relation
        now = int(time.time() * 1000)
        standing = found.standing(now)
        return {
            "npc": npc,
            "learner": learner,
            "standing": standing,
            "band": band(standing),
            "mood": found.mood(now).value,
            "interactions": found.interactions,
            "sessions": found.sessions,
            "friction": found.friction,
            "open_tasks": sum(one.count for one in found.open),
            "first_at": iso(found.first_at),
            "last_at": iso(found.last_at),
            "memories": [
                {
                    "content": one.content,
                    "importance": one.importance,
                    "valence": one.valence,
                    "session": one.session,
                    "at": iso(one.at),
                }
                for one in found.memories[: -MEMORIES - 1 : -1]
            ],
            "facts": [
                {
                    "fact": one.fact,
                    "category": one.category.value,
                    "confidence": one.confidence_at(now),
                    "at": iso(one.at),
                }
                for one in sorted(found.facts, key=lambda one: -one.at)
            ],
            "incidents": [
                {
                    "incident": one.incident,
                    "description": one.description,
                    "resolved": one.resolved,
                    "session": one.session,
                    "at": iso(one.at),
                }
                for one in (() if found.bond is None else reversed(found.bond.incidents))
            ],
        }

    async def reputation(
        self, npc: str, learner: str = "", limit: int = 50
    ) -> list[dict[str, Any]]:
        """Standing over time: of one learner, or of those of the latest meetings.

        Each is ``{npc, learner, points}``; a point tells the standing after a move, at most the
        newest 50 moves. The last point is the standing now, which idle weeks have faded.
        """
        if learner:
            learners = [learner]
        else:
            found = await self.npc(npc)
            learners = [one["learner"] for one in found["relations"][:12]]
        standings = await asyncio.gather(*(self._deck().npc(npc).brief(one) for one in learners))
        now = int(time.time() * 1000)
        return [
            {"npc": npc, "learner": one, "points": points(standing.relation, now, limit)}
            for one, standing in zip(learners, standings, strict=True)
        ]

    # --- learners ----------------------------------------

    async def learners(self) -> list[dict[str, Any]]:
        """Everybody who ever had a session, in order of id, with the sessions that live."""
        rows = await self._rows.all()
        live = Counter(row["learner"] for row in rows if row["learner"] and not row["parent"])
        active = {
            row["learner"]: row["id"]
            for row in rows
            if row["status"] == "active" and not row["parent"]
        }
        names = {*await self._keys("cell.*.learner.*"), *live}
        return [
            {"id": name, "sessions": live.get(name, 0), "active": active.get(name)}
            for name in sorted(names)
        ]


def points(relation: Relation, now: int, limit: int) -> list[dict[str, Any]]:
    """The newest moves of a standing, the oldest first, and where it is now."""
    moves = [
        {
            "at": iso(one.at),
            "session": one.session,
            "sequence": one.sequence,
            "turn": one.turn,
            "standing": one.score,
            "delta": one.delta,
            "reason": one.reason,
            "cause": one.cause,
        }
        for one in relation.changes[-limit:]
    ]
    standing = relation.standing(now)
    if moves and standing != moves[-1]["standing"]:
        moves.append(
            {
                "at": iso(now), "session": "", "sequence": 0, "turn": 0, "standing": standing,
                "delta": round(standing - relation.reputation, 6),
                "reason": "weeks without meeting", "cause": "faded",
            }
        )  # fmt: skip
    return moves


def frictions(state: LearnerState) -> dict[str, Any]:
    """What a learner struggles with: totals by type, friction a minute by session, the newest
    points and where it goes."""
    profile = state.profile
    totals = [
        {
            "type": kind,
            "count": total.count,
            "severity": round(total.severity / total.count, 4) if total.count else 0.0,
        }
        for kind, total in sorted(
            state.friction_totals.items(), key=lambda item: (-item[1].count, item[0])
        )
    ]
    if profile is None:
        return {
            "totals": totals, "trend": "stable", "rates": [], "completions": [], "points": [],
            "dominant": [], "shares": [], "rules": [],
        }  # fmt: skip
    return {
        "totals": totals,
        "trend": profile.friction_trend.value,
        "rates": list(profile.rates),
        "completions": list(profile.completions),
        "shares": list(profile.shares),
        "dominant": [kind.value for kind in profile.dominant()],
        "points": [
            {
                "id": point.id,
                "session": point.session,
                "type": point.type.value,
                "severity": point.severity,
                "form": point.form,
                "said": point.said,
                "npc": point.npc,
                "recovered": point.recovered,
                "at": iso(point.at),
            }
            for point in reversed(profile.history[-50:])
        ],
        "rules": [
            rule.model_dump(mode="json")
            for rule in sorted(profile.rules.values(), key=lambda rule: -rule.confidence)[:20]
        ],
    }


def triggers(state: LearnerState) -> dict[str, Any]:
    """What waits to be said to a learner between sessions, what was said, the lesson that waits."""
    profile = state.profile
    if profile is None:
        return {"on": True, "waiting": [], "delivered": [], "lesson": None}
    queue, lesson = profile.queue, profile.curriculum
    return {
        "on": queue.on,
        "waiting": [
            {
                "id": one.id,
                "type": one.trigger.type.value,
                "sender": one.trigger.sender.model_dump(mode="json"),
                "content": one.trigger.content.model_dump(mode="json"),
                "priority": one.trigger.priority,
                "due": iso(one.due),
                "expires": iso(one.expires),
            }
            for one in sorted(queue.waiting, key=lambda one: one.due)
        ],
        "delivered": [
            {"id": one.trigger, "at": iso(one.at), "answer": one.answer or None}
            for one in reversed(queue.delivered)
        ],
        "lesson": None if lesson is None else lesson.model_dump(mode="json"),
    }


def mastery(
    state: LearnerState, curriculum: Curriculum | None, name: str, now: int
) -> dict[str, Any]:
    """A curriculum as a map: each skill with what it needs and how far the learner has come.

    A new skill is ``open`` once all it needs is mastered, else ``locked``.
    """
    profile = (state.practice or {}).get(name)
    records: Mapping[str, SkillRecord] = {} if profile is None else profile.records
    mastered = {skill for skill, one in records.items() if one.state is SkillState.MASTERED}
    skills = []
    for skill in () if curriculum is None else curriculum.skills:
        record = records.get(skill.id)
        known = record.state.value if record is not None else SkillState.NEW.value
        if known == SkillState.NEW.value:
            known = "open" if mastered.issuperset(skill.needs) else "locked"
        skills.append(
            {
                "id": skill.id,
                "name": skill.name,
                "strand": skill.strand,
                "grade": skill.grade,
                "needs": list(skill.needs),
                "state": known,
                "tier": record.tier.value if record is not None else None,
                "total": record.total if record is not None else 0,
                "right": record.right if record is not None else 0,
                "last_at": iso(record.last_at) if record is not None else None,
            }
        )
    return {
        "curriculum": name,
        "name": name if curriculum is None else curriculum.name,
        "strands": []
        if curriculum is None
        else [{"id": one.id, "name": one.name} for one in curriculum.strands],
        "skills": skills,
        "sessions": 0 if profile is None else profile.sessions,
        "answers": 0 if profile is None else profile.answers,
        "right": 0 if profile is None else profile.right,
        "due": [] if profile is None else profile.due(now),
        "practised": sorted(state.practice or {}),
    }
