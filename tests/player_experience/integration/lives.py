"""Lives to be erased: a learner whose every text carries a mark, and where marks are looked for."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from holodeck.broker.port import Broker
from holodeck.broker.streams import Layout
from holodeck.deck import Deck
from holodeck.messages.player import (
    Background,
    Boundary,
    Character,
    CrisisContact,
    Goal,
    MarkerType,
    PlayerSettings,
    PrivacySettings,
    ProgressMarker,
    TherapeuticPreferences,
    TherapeuticProfile,
)
from holodeck.messages.session import (
    FrictionFinding,
    FrictionType,
    MindKind,
    Pause,
    ReportFriction,
)
from holodeck.session import Session


@dataclass
class Life:
    """What one learner did.

    Attributes:
        mark: stands in each of its texts.
    """

    learner: str
    mark: str
    sessions: list[Session] = field(default_factory=list)
    forks: list[Session] = field(default_factory=list)

    @property
    def ids(self) -> list[str]:
        return [session.id for session in (*self.sessions, *self.forks)]


async def lived(deck: Deck, learner: str, mark: str, *, agent: bool = False) -> Life:
    """A player with a profile and a character, four sessions (ended, paused, live, forked), and
    the mark in whatever is text."""
    life = Life(learner, mark)
    player = deck.player(learner)
    await player.create(
        f"u_{mark}",
        f"{mark}@example.org",
        preferences=TherapeuticPreferences(
            trigger_warnings=(f"warn {mark}",),
            crisis_contact_info=CrisisContact(
                primary_contact_name=f"contact {mark}", emergency_instructions=f"call {mark}"
            ),
        ),
        privacy=PrivacySettings(),
    )
    await player.put_character(
        Character(
            character_id="hero",
            name="Hero",
            background=Background(name="Hero", backstory=f"backstory {mark}"),
            therapeutic_profile=TherapeuticProfile(
                therapeutic_goals=(Goal(goal_id="g", description=f"goal {mark}"),)
            ),
        )
    )
    await player.change_settings(
        PlayerSettings(
            avoid_topics=(f"avoid {mark}",),
            boundaries=(
                Boundary(boundary_id="b", boundary_type="other", description=f"boundary {mark}"),
            ),
        )
    )
    for number in range(3):
        session = await deck.start_session(
            learner=learner,
            name=f"name {mark}",
            tags=(f"tag {mark}",),
            room=f"room {mark}",
            cast=("marta", "joan"),
            mind=MindKind.SCRIPTED,
        )
        life.sessions.append(session)
        await session.say(f"turn {mark}", to="marta")
        await session.say(f"turn again {mark}", to="joan")
        finding = FrictionFinding(
            type=FrictionType.REGISTER,
            severity=0.5,
            detail=f"detail {mark}",
            said=f"said {mark}",
            form=f"form {mark}",
        )
        await session.command(ReportFriction(finding=finding, npc="marta"))
        await session.reputation("marta", 0.1, reason=f"reason {mark}")
        task = await session.add_task(f"task-{number}", data={"text": f"data {mark}"})
        await session.complete(task, error=f"error {mark}")
        await session.remember("marta", f"fact {mark}")
        await session.interact(
            intervention=f"try {mark}",
            emotional_state={"feels": f"mood {mark}"},
            variables={"secret": f"variable {mark}"},
            scene=f"scene {mark}",
        )
        await session.mark(
            ProgressMarker(
                marker_id="m1", marker_type=MarkerType.MILESTONE, description=f"marker {mark}"
            )
        )
        await session.note(f"note {mark}", author=f"author {mark}")
        if number == 0:
            await session.end()
        elif number == 1:
            life.forks.append(await session.fork())
            await session.command(
                Pause(reason=f"pause {mark}", narrative=f'{{"story": "narrative {mark}"}}')
            )
    fork = life.forks[0]
    await fork.say(f"rehearsed {mark}", to="marta")
    life.forks.append(await fork.fork())
    await player.feedback(feedback_id="f1", text=f"feedback {mark}", session=life.sessions[0].id)
    if agent:
        worker = await deck.start_session(learner=learner, kind="agent", tags=(f"tag {mark}",))
        life.sessions.append(worker)
        work = await worker.add_task(f"work-{mark}", capabilities=[f"skill {mark}"])
        await worker.complete(work)
        await worker.end()
    return life


def in_files(folder: Path, mark: str) -> dict[str, int]:
    """How often a mark stands in each file below a folder, as it is."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            count = path.read_bytes().count(mark.encode())
            if count:
                found[str(path.relative_to(folder))] = count
    return found


async def everywhere(broker: Broker, layout: Layout, mark: str) -> list[str]:
    """Where a mark stands in what can be read of all streams and buckets."""
    found = []
    word = mark.encode()
    for spec in layout.streams:
        async for record in broker.log(spec).read(spec.subjects[0]):
            told = " ".join((*record.headers, *record.headers.values(), record.subject))
            if word in record.data or mark in told:
                found.append(f"{spec.name} {record.sequence} {record.subject}")
    for bucket in layout.buckets:
        async for entry in broker.bucket(bucket).scan(">"):
            told = " ".join((entry.key, *entry.headers.values()))
            if word in entry.data or mark in told:
                found.append(f"{bucket.name} {entry.key}")
    return found


async def exported(deck: Deck, learner: str) -> list[dict[str, Any]]:
    return [line async for line in deck.export(learner)]


async def settled(deck: Deck, sessions: list[Session]) -> None:
    """Returns when every session answers; what minds owe may still be on its way."""
    await asyncio.gather(*(session.state() for session in sessions))
