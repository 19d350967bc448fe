"""Everything about a player and nobody else, through a client's eyes."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from holodeck.actors import exporting
from holodeck.broker import find_server
from holodeck.messages.control import ExportLearner
from holodeck.messages.errors import DecodeError, RefusedError, StartupError
from tests.conftest import missing
from tests.player_experience.integration.lives import exported, lived
from tests.runtime.stage import Stage, until

pytestmark = [pytest.mark.integration, pytest.mark.nats]

WORDS = (
    "backstory", "goal", "avoid", "boundary", "warn", "contact", "call", "name", "tag", "room",
    "turn", "detail", "said", "form", "reason", "data", "error", "fact", "try", "mood", "variable",
    "scene", "marker", "note", "author", "pause", "narrative", "rehearsed", "feedback",
)  # fmt: skip
"""What each text of a life begins with."""


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    try:
        find_server()
    except StartupError as error:
        missing(f"nats-server ({error})")
    async with Stage(tmp_path) as made:
        yield made


async def test_everything_about_a_player_and_nobody_else(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    deck = await stage.begun_here(1, keep_s=1.0, flush_s=0.5)
    ana = await lived(deck, "ana", "MARKana")
    ben = await lived(deck, "ben", "MARKben")

    lines = await exported(deck, "ana")

    text = json.dumps(lines, ensure_ascii=False)
    assert "MARKben" not in text
    assert not any(session in text for session in ben.ids)
    missed = [word for word in WORDS if f"{word} MARKana" not in text]
    assert missed == []
    kinds = [line["kind"] for line in lines]
    assert kinds[0] == "learner"
    assert lines[0]["state"]["player"] is not None
    told = {line["session"]: line["rehearsal"] for line in lines if line["kind"] == "session"}
    assert told == {one.id: one in ana.forks for one in (*ana.sessions, *ana.forks)}
    assert {line["npc"] for line in lines if line["kind"] == "relation"} == {"marta", "joan"}
    # The NPCs' answers to it are part of it.
    events = [event for line in lines for event in line.get("events", ())]
    assert any(event["kind"] == "turn.answered" for event in events)

    # Page by page it is the same, however small the pages are.
    monkeypatch.setattr(exporting, "PAGE", 700)
    assert await exported(deck, "ana") == lines
    monkeypatch.undo()

    # What has gone into the archive is in it as before.
    archive = stage.broker.bucket(stage.layout.archive)
    ended = ana.sessions[0].id

    async def archived() -> bool:
        return any([entry.key.endswith(ended) async for entry in archive.scan("log.>")])

    await until(archived, 30.0)
    assert await exported(deck, "ana") == lines


async def test_nobody_is_exported_who_is_not_there(stage: Stage) -> None:
    deck = await stage.begun_here(1)
    with pytest.raises(RefusedError, match="unknown-learner"):
        await exported(deck, "nobody")
    await deck.start_session(learner="ana", cast=("marta",))
    with pytest.raises(DecodeError):
        await deck.order("export", ExportLearner(learner="ana", after="nowhere"))
    assert (await exported(deck, "ana"))[0]["kind"] == "learner"
    await deck.erase("ana", wait_s=60)
    with pytest.raises(RefusedError, match="learner-erased"):
        await exported(deck, "ana")
