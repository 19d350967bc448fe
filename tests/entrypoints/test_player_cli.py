"""``holodeck player`` against a real runtime: profile, settings, characters, the dashboard."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest
import structlog
from typer.testing import CliRunner

from holodeck.broker import find_server
from holodeck.deck import Deck
from holodeck.entrypoints.player import player_app
from holodeck.entrypoints.running import Given
from holodeck.local import Local
from holodeck.messages.errors import StartupError
from holodeck.wiring import Connection, RuntimeFile
from tests.conftest import missing

T = TypeVar("T")
MIRA = {
    "character_id": "mira",
    "name": "Mira",
    "background": {"name": "Mira", "personality_traits": ["anxious"]},
}


@dataclass(frozen=True, slots=True)
class Here:
    """A runtime in a thread of this process, and the folder in which the command finds it."""

    folder: Path
    loop: asyncio.AbstractEventLoop
    deck: Deck

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)

    def runs(self, *words: str, given: str | None = None) -> tuple[int, str, str]:
        """Exit status, standard output, standard error."""
        result = CliRunner().invoke(
            player_app,
            list(words),
            input=given,
            obj=Given(False, {}),
            env={"HOLODECK_STATE_DIR": str(self.folder)},
        )
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.exit_code, result.stdout, result.stderr

    def told(self, *words: str, given: str | None = None) -> str:
        status, out, err = self.runs(*words, given=given)
        assert status == 0, err
        return out

    def json(self, *words: str, given: str | None = None) -> Any:
        return json.loads(self.told(*words, "--json", given=given))

    def refused(self, *words: str, given: str | None = None) -> str:
        status, out, err = self.runs(*words, given=given)
        assert (status, out) == (1, "")
        return err


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Here]:
    try:
        find_server()
    except StartupError as error:
        missing(f"nats-server ({error})")
    folder = tmp_path_factory.mktemp("player")
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    runtime = Local(folder / "store")
    try:
        deck = asyncio.run_coroutine_threadsafe(runtime.start(), loop).result(30)
        server = runtime.server
        assert server is not None
        client = Connection(
            server.url,
            user=server.client.user,
            password=server.client.password,
            inbox_prefix=server.client_inbox_prefix,
            reads="direct",
        )
        file = RuntimeFile(os.getpid(), "holodeck", client, client, "", str(folder))
        file.write(folder / "runtime.json")
        yield Here(folder, loop, deck)
        asyncio.run_coroutine_threadsafe(runtime.stop(), loop).result(30)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def made(here: Here, player: str) -> None:
    here.told("create", player, "--username", f"{player}_1", "--email", f"{player}@example.org")


@pytest.mark.nats
class TestPlayer:
    def test_a_profile_is_made_shown_and_changed(self, here: Here) -> None:
        text = here.told(
            "create", "ana", "--username", "Ana_1", "--email", "ana@example.org",
            "--time-zone", "Europe/Madrid", "--preferences", '{"intensity_level": "low"}',
        )  # fmt: skip
        assert "Ana_1" in text
        assert "Europe/Madrid" in text
        assert here.json("show", "ana")["therapeutic_preferences"]["intensity_level"] == "low"
        stranger = here.json("show", "ana", "--viewer", "ben")
        assert (stranger["seen_as"], stranger["email"]) == ("stranger", "***")
        told = here.json("update", "ana", "--delegate", "dora", "--privacy",
                         '{"progress_sharing_enabled": true}')  # fmt: skip
        assert told["delegates"] == ["dora"]
        assert told["privacy_settings"]["progress_sharing_enabled"] is True
        assert told["privacy_settings"]["data_collection_consent"] is True
        assert here.json("update", "ana", "--inactive")["is_active"] is False
        assert here.json("update", "ana", "--delegate", "")["delegates"] == []

    def test_what_is_refused_is_told_in_one_line(self, here: Here) -> None:
        made(here, "eve")
        assert "player-exists" in here.refused(
            "create", "eve", "--username", "eve", "--email", "eve@example.org"
        )
        assert "name-taken" in here.refused(
            "create", "fay", "--username", "EVE_1", "--email", "fay@example.org"
        )
        assert "unknown-player" in here.refused("show", "nobody")
        status, _, err = here.runs("update", "eve")
        assert (status, "at least one option" in err) == (2, True)
        status, _, err = here.runs("update", "eve", "--privacy", "[]")
        assert (status, "JSON object" in err) == (2, True)
        status, _, err = here.runs("create", "a", "--username", "a b", "--email", "a@b.co")
        assert (status, "username" in err) == (2, True)

    def test_settings_are_shown_and_changed_and_what_contradicts_is_mended(
        self, here: Here
    ) -> None:
        made(here, "gil")
        assert here.json("settings", "gil")["settings"]["version"] == 1
        told = here.json(
            "settings", "gil", "-s", "intensity_level=high",
            "-s", "crisis_monitoring_enabled=false", "-s", 'preferred_approaches=["mindfulness"]',
        )  # fmt: skip
        assert told["settings"]["crisis_monitoring_enabled"] is True
        assert [one["name"] for one in told["conflicts"]] == ["intensity_approach_mismatch"]
        text = here.told("settings", "gil")
        assert "intensity level" in text
        assert "warning: a high intensity works against mindfulness" in text
        strict = ("settings", "gil", "--strict", "-s", "crisis_monitoring_enabled=false")
        assert "settings-conflict" in here.refused(*strict)
        for wrong in ("mood=calm", "intensity_level", "version=4"):
            assert here.runs("settings", "gil", "-s", wrong)[0] == 2
        assert here.runs("settings", "gil", "-s", "session_duration=5")[0] == 2

    def test_characters_are_made_compared_with_a_world_and_played_no_more(
        self, here: Here, tmp_path: Path
    ) -> None:
        made(here, "hal")
        assert here.told("characters", "hal") == "no character was made yet\n"
        (found,) = here.json("characters", "hal", "--put", "-", given=json.dumps(MIRA))
        assert found["therapeutic_profile"]["therapeutic_goals"][0]["goal_id"] == "ease-anxiety"
        file = tmp_path / "mira.json"
        file.write_text(json.dumps(MIRA | {"appearance": {"age_range": "elder"}}))
        (found,) = here.json("characters", "hal", "--put", str(file))
        assert found["appearance"]["age_range"] == "elder"
        text = here.told("characters", "hal", "--world", "world_mindfulness_garden")
        assert "mira" in text
        (found,) = here.json("characters", "hal", "--world", "barcelona-cafe")
        assert found["compatibility"]["label"] in ("excellent", "good", "fair", "poor")
        (found,) = here.json("characters", "hal", "--remove", "mira")
        assert found["is_active"] is False
        assert "unknown-character" in here.refused("characters", "hal", "--remove", "zz")
        assert here.runs("characters", "hal", "--put", str(tmp_path / "no.json"))[0] == 2
        assert here.runs("characters", "hal", "--put", str(file), "--remove", "x")[0] == 2

    def test_a_player_is_exported_and_erased(self, here: Here, tmp_path: Path) -> None:
        made(here, "jon")
        file = tmp_path / "jon.jsonl"
        assert here.told("export", "jon", "--out", str(file)) == ""
        lines = file.read_text().splitlines()
        assert json.loads(lines[0])["kind"] == "learner"
        assert any("jon@example.org" in line for line in lines)
        assert file.stat().st_mode & 0o077 == 0
        assert here.told("export", "jon").splitlines() == lines
        assert here.runs("export", "jon", "--out", str(tmp_path / "no" / "x"))[0] == 2
        status, out, _ = here.runs("erase", "jon", given="n\n")
        assert (status, out.strip()) == (1, "n")
        assert here.json("show", "jon")["username"] == "jon_1"
        receipt = here.json("erase", "jon", "--yes")
        assert receipt["complete"] is True
        assert (receipt["learner"], receipt["names"]) == ("jon", 1)
        assert "learner-erased" in here.refused("show", "jon")
        assert "learner-erased" in here.refused("export", "jon")
        made(here, "kim")
        assert "kim" in here.told("erase", "kim", given="y\n")
        here.told("create", "lou", "--username", "kim_1", "--email", "lou@example.org")

    def test_sessions_and_the_dashboard_at_one_look(self, here: Here) -> None:
        made(here, "ira")
        assert here.told("sessions", "ira") == "no session was played yet\n"
        assert "Welcome" in here.told("dashboard", "ira")
        here.told("characters", "ira", "--put", "-", given=json.dumps(MIRA))

        async def play() -> None:
            session = await here.deck.start_session(learner="ira", character="mira")
            step = await session.end()
            await here.deck.learner("ira").state(after=step.sequence)

        here.do(play())
        (one,) = here.json("sessions", "ira")
        assert one["status"] == "completed"
        assert "completed" in here.told("sessions", "ira", "--limit", "1")
        text = here.told("dashboard", "ira")
        for words in ("streak", "1 day", "momentum", "Mira", "within reach"):
            assert words in text
        assert here.json("dashboard", "ira")["total_sessions"] == 1
        assert "access-restricted" in here.refused("dashboard", "ira", "--viewer", "ben")
