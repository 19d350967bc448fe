"""What projections make of checkpoints: without a store, and with one that is a dictionary."""

from __future__ import annotations

import asyncio
import json
import pickle
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holodeck.actors.decider import Moment
from holodeck.actors.folds import HEADER_SEQUENCE
from holodeck.actors.host import archived
from holodeck.actors.metrics import Metrics
from holodeck.actors.npc import Relation, relation
from holodeck.actors.projections import (
    Bookmark,
    Changes,
    Overtaken,
    ProjectionRunner,
    SessionView,
    Step,
    StoreDown,
)
from holodeck.actors.projections.graph import character_key, moved, tell, tell_of
from holodeck.actors.projections.port import START, History, Standing
from holodeck.actors.projections.sessions import Sessions
from holodeck.actors.projections.view import iso, millis
from holodeck.broker import MemoryBroker
from holodeck.broker.port import Record
from holodeck.config import load_settings
from holodeck.messages.errors import SettingsError, StartupError
from holodeck.messages.ids import partition_of
from holodeck.messages.npc import NpcDescribed
from holodeck.messages.player import (
    Background,
    Character,
    CharacterPut,
    CharacterRemoved,
    LearnerErased,
    MarkerType,
    ProgressMarker,
    SessionErased,
    SessionInteracted,
    SessionMarked,
    SettingsChanged,
    TherapeuticApproach,
    TherapeuticSettings,
)
from holodeck.messages.session import (
    EndReason,
    SessionForked,
    SessionKind,
    SessionPaused,
    SessionResumed,
)
from holodeck.wiring import projection_names, projections_of
from tests.player_experience import journal
from tests.player_experience.journal import (
    LAYOUT,
    PARTITIONS,
    Scribe,
    ended,
    started,
    step,
    turn,
    until,
)
from tests.test_architecture import imports

T0 = 1_800_000_000_000


def folded(*steps: Step) -> SessionView:
    view = SessionView(steps[0].place.identity)
    for one in steps:
        view.take(one)
    return view


def marker(name: str = "m1") -> SessionMarked:
    return SessionMarked(
        marker=ProgressMarker(marker_id=name, marker_type=MarkerType.INSIGHT, description="saw it")
    )


# --- a session's document ----------------------------------------


def test_a_session_is_written_with_lower_case_status_and_times_in_iso_8601() -> None:
    told = TherapeuticSettings(intensity_level=0.6, preferred_approaches=(TherapeuticApproach.CBT,))
    begun = started(character="hero", world="garden", settings=told, narrative='{"chapter":1}')
    saved = json.loads(folded(step(7, "s1", begun, at=T0)).saved())
    data = saved["session_data"]
    assert (saved["version"], saved["saved_at"]) == ("enhanced_v1", "2027-01-15T08:00:00.000Z")
    assert (data["session_id"], data["player_id"]) == ("s1", "ana")
    assert (data["character_id"], data["world_id"]) == ("hero", "garden")
    assert (data["status"], data["created_at"]) == ("active", "2027-01-15T08:00:00.000Z")
    assert data["therapeutic_settings"]["intensity_level"] == 0.6
    assert data["therapeutic_settings"]["preferred_approaches"] == ["cognitive_behavioral_therapy"]
    assert data["narrative_state"] == {"chapter": 1}
    again = TherapeuticSettings.model_validate(data["therapeutic_settings"])
    assert again == told
    assert data["sequence"] == 7


@pytest.mark.parametrize(
    ("event", "status", "outcome"),
    [
        (SessionPaused(), "paused", None),
        (ended(), "completed", "success"),
        (ended(EndReason.ABANDONED), "abandoned", "success"),
        (ended(EndReason.TIME_LIMIT), "completed", "success"),
    ],
)
def test_a_status_follows_what_happened(event: Any, status: str, outcome: str | None) -> None:
    data = folded(step(1, "s1", started()), step(2, "s1", event)).document()
    assert (data["status"], data["outcome"]) == (status, outcome)


def test_pauses_do_not_count_as_duration() -> None:
    view = folded(
        step(1, "s1", started(), at=T0),
        step(2, "s1", SessionPaused(narrative='{"at":"gate"}'), at=T0 + 60_000),
        step(3, "s1", SessionResumed(), at=T0 + 600_000),
        step(4, "s1", turn(1), at=T0 + 660_000),
    )
    data = view.document()
    assert data["total_duration_minutes"] == 2.0
    assert (data["status"], data["narrative_state"]) == ("active", {"at": "gate"})
    assert data["last_interaction"] == iso(T0 + 660_000)


def test_what_is_said_of_a_session_gathers_in_it() -> None:
    felt = '{"mood":"calm"}'
    view = folded(
        step(1, "s1", started()),
        step(2, "s1", turn(1, location="square")),
        step(3, "s1", SessionInteracted(number=2, variables='{"a":1}', emotional_state=felt)),
        step(4, "s1", SessionInteracted(number=3, variables='{"b":2}', scene="cave")),
        step(5, "s1", SessionInteracted(number=4, intervention="breathing")),
        step(6, "s1", SessionInteracted(number=5, intervention="breathing")),
        step(7, "s1", marker(), marker()),
        step(8, "s1", SettingsChanged(settings=TherapeuticSettings(intensity_level=0.9))),
    )
    data = view.document()
    assert data["session_variables"] == {"a": 1, "b": 2}
    assert (data["interaction_count"], data["current_scene_id"]) == (5, "cave")
    assert data["therapeutic_interventions_used"] == ["breathing"]
    assert [one["marker_id"] for one in data["progress_markers"]] == ["m1"]
    assert data["progress_markers"][0]["marker_type"] == "insight"
    assert data["emotional_state_history"] == [{"timestamp": iso(T0), "data": {"mood": "calm"}}]
    assert data["therapeutic_settings"]["intensity_level"] == 0.9
    assert view.progress()["current_scene"] == "cave"


def test_five_emotional_states_are_kept_and_nothing_that_was_said() -> None:
    steps = [step(1, "s1", started())]
    steps += [
        step(n, "s1", SessionInteracted(number=n, emotional_state=json.dumps({"n": n})))
        for n in range(2, 9)
    ]
    steps.append(step(9, "s1", turn(1)))
    text = folded(*steps).saved()
    kept = json.loads(text)["session_data"]["emotional_state_history"]
    assert [one["data"]["n"] for one in kept] == [4, 5, 6, 7, 8]
    assert "Hola" not in text


def test_a_checkpoint_that_comes_again_changes_nothing() -> None:
    steps = [step(1, "s1", started()), step(2, "s1", turn(1)), step(3, "s1", turn(2))]
    assert folded(*steps, *steps).saved() == folded(*steps).saved()


def test_broken_json_of_a_caller_holds_nothing_up() -> None:
    broken = SessionInteracted(number=1, variables="{", emotional_state="no")
    data = folded(step(1, "s1", started()), step(2, "s1", broken)).document()
    assert (data["session_variables"], data["emotional_state_history"]) == ({}, [])


def test_an_agent_is_no_player() -> None:
    view = folded(step(1, "s1", started("forge", session_kind=SessionKind.AGENT)))
    assert (view.document()["player_id"], view.document()["agent_id"]) == (None, "forge")


@pytest.mark.parametrize("at", [0, 1, 999, T0 + 7, 253_402_300_799_999])
def test_times_are_read_as_they_were_written(at: int) -> None:
    assert millis(iso(at)) == at


def test_a_time_behind_the_year_9999_is_the_end_of_it() -> None:
    assert iso(2**53) == "9999-12-31T23:59:59.999Z"


# --- which sessions ----------------------------------------


class Shelf:
    """Earlier checkpoints by session."""

    def __init__(self, *steps: Step) -> None:
        self.steps, self.asked = list(steps), 0

    async def of(self, session: str, before: int) -> Sequence[Step]:
        self.asked += 1
        return [s for s in self.steps if s.place.identity == session and s.sequence < before]


async def test_a_view_that_is_not_in_memory_is_read_again() -> None:
    steps = [step(n, f"s{n}", started(), learner="ana") for n in range(1, 6)]
    steps += [step(10 + n, f"s{n}", turn(1), learner="ana") for n in range(1, 6)]
    shelf = Shelf(*steps)
    small, large = Sessions(shelf, held=1), Sessions(Shelf())
    for one in steps:
        small_told = await small.take([one])
        large_told = await large.take([one])
        assert [v.saved() for v in small_told.changed.values()] == [
            v.saved() for v in large_told.changed.values()
        ]
    assert shelf.asked == 5


async def test_a_rehearsal_is_told_to_nobody() -> None:
    fork = SessionForked(parent="s1", sequence=1, state=b"")
    told = await Sessions(Shelf()).take([step(1, "f1", fork), step(2, "f1", turn(1))])
    assert not told.changed


async def test_what_is_erased_is_gone_and_may_come_again() -> None:
    told = await Sessions(Shelf()).take(
        [
            step(1, "s1", started(), learner="ana"),
            step(2, "s2", started(), learner="ana"),
            step(3, "s3", started("bo"), learner="bo"),
            step(4, "s1", SessionErased()),
            step(5, "ana", LearnerErased(), kind="learner", learner="ana"),
            step(6, "s4", started(), learner="ana"),
        ]
    )
    assert (told.gone, told.players, set(told.changed)) == ({"s1"}, {"ana"}, {"s3", "s4"})


# --- the graph ----------------------------------------


async def graph_of(*steps: Step) -> Changes:
    changes = Changes()
    told = await Sessions(Shelf()).take(steps)
    for one in steps:
        if one.place.kind != "session":
            tell_of(one, {"garden": "The Garden"}, changes)
    tell(told, {"garden": "The Garden"}, changes)
    return changes


def put(name: str = "Nova", character: str = "hero") -> CharacterPut:
    return CharacterPut(
        character=Character(character_id=character, name=name, background=Background(name=name))
    )


async def test_a_session_belongs_to_its_player_character_and_world() -> None:
    changes = await graph_of(
        step(1, "ana", put(), kind="learner", learner="ana"),
        step(2, "s1", started(character="hero", world="garden"), learner="ana"),
        step(3, "marta", NpcDescribed(name="Marta"), kind="npc", npc="marta"),
    )
    key = character_key("ana", "hero")
    assert set(changes.edges) == {
        ("HAS_SESSION", "ana", "s1"),
        ("USES_CHARACTER", "s1", key),
        ("IN_WORLD", "s1", "garden"),
    }
    assert changes.nodes["World", "garden"] == {"name": "The Garden"}
    assert changes.nodes["Character", key]["name"] == "Nova"
    assert changes.nodes["NPC", "marta"] == {"name": "Marta"}
    assert changes.nodes["Session", "s1"]["status"] == "active"


async def test_characters_of_two_players_with_one_id_are_two() -> None:
    changes = await graph_of(
        step(1, "ana", put(), kind="learner", learner="ana"),
        step(2, "bo", put("Kim"), kind="learner", learner="bo"),
        step(3, "bo", CharacterRemoved(character="hero"), kind="learner", learner="bo"),
    )
    names = {
        key: props["name"] for (label, key), props in changes.nodes.items() if label == "Character"
    }
    assert names == {"ana/hero": "Nova", "bo/hero": "Kim"}
    assert changes.nodes["Character", "bo/hero"]["active"] is False
    assert changes.nodes["Character", "ana/hero"]["active"] is True


def test_what_is_removed_takes_what_was_to_be_set_with_it() -> None:
    changes = Changes()
    changes.node("Session", "s1", player_id="ana")
    changes.edge("HAS_SESSION", "ana", "s1")
    changes.edge("REPUTATION", "marta", "ana")
    changes.edge("REPUTATION", "marta", "bo")
    changes.erase("ana")
    changes.node("Player", "ana")
    assert set(changes.nodes) == {("NPC", "marta"), ("Player", "bo"), ("Player", "ana")}
    assert set(changes.edges) == {("REPUTATION", "marta", "bo")}
    assert changes.players == {"ana"}


WEEK = 7 * 86_400_000
_EVENTS = st.one_of(
    st.floats(-1, 1).map(lambda delta: journal.moved(round(delta, 3))),
    st.sampled_from([None, 0.0, 0.4, -0.3]).map(lambda base: turn(1, base=base)),
)


@given(st.lists(st.tuples(_EVENTS, st.integers(-WEEK // 7, 9 * WEEK)), min_size=1, max_size=20))
@settings(max_examples=100, deadline=None)
def test_a_standing_that_is_kept_step_by_step_is_the_npcs_own(
    course: list[tuple[Any, int]],
) -> None:
    own = Relation()
    kept: Standing | None = None
    at = T0
    for sequence, (event, later) in enumerate(course, 1):
        at = max(1, at + later)
        relation.advance(own, (event,), Moment(sequence, at, "s1", "ana"))
        kept = moved(kept, step(sequence, "s1", event, at=at, npc="marta", learner="ana"))
        assert moved(kept, step(sequence, "s1", event, at=at, npc="marta", learner="ana")) == kept
    assert kept is not None
    assert (kept.standing, kept.begun) == (own.reputation, own.begun)
    assert millis(kept.updated_at) == own.last_at


# --- the runner ----------------------------------------


class Notebook:
    """A store that is a list of the sequences it was given, with what can go wrong with one."""

    name = "notebook"
    store = "a list"

    def __init__(self) -> None:
        self.place: Bookmark | None = None
        self.taken: list[int] = []
        self.down = False
        self.broken = 0
        self.overtaken = 0
        self.resets = 0

    async def open(self, history: History) -> Bookmark | None:
        self._check()
        return self.place

    async def apply(self, steps: Sequence[Step], now: Bookmark) -> int:
        self._check()
        if self.broken:
            self.broken -= 1
            raise ValueError("a bug")
        if self.overtaken:
            self.overtaken -= 1
            raise Overtaken("somebody else")
        self.taken += [one.sequence for one in steps]
        self.place = now
        return len(steps)

    async def reset(self) -> None:
        self._check()
        self.resets += 1
        self.taken, self.place = [], START

    async def close(self) -> None:
        pass

    def _check(self) -> None:
        if self.down:
            raise StoreDown("it is down")


@pytest.fixture
async def scribe() -> AsyncIterator[Scribe]:
    broker = MemoryBroker()
    scribe = Scribe(broker)
    await scribe.prepare()
    yield scribe
    await broker.close()


@pytest.fixture
async def running(scribe: Scribe) -> AsyncIterator[ProjectionRunner]:
    runner = ProjectionRunner(scribe.broker, LAYOUT, Metrics(), Notebook(), PARTITIONS, keep_s=1e6)
    yield runner
    await runner.stop()


def notebook(runner: ProjectionRunner) -> Notebook:
    found = runner.projection
    assert isinstance(found, Notebook)
    return found


async def test_everything_comes_once_and_in_order(
    scribe: Scribe, running: ProjectionRunner
) -> None:
    await running.start()
    for n in range(1500):
        await scribe.session(f"s{n % 7}", turn(n + 1))
    await until(lambda: running.position == 1500)
    assert notebook(running).taken == list(range(1, 1501))
    status = await running.status()
    assert (status["state"], status["lag"], status["end"]) == ("live", 0, 1500)


async def test_a_store_that_is_down_is_waited_for(
    scribe: Scribe, running: ProjectionRunner
) -> None:
    notebook(running).down = True
    await running.start()
    last = await scribe.session("s1", started())
    await until(lambda: running.state == "waiting")
    status = await running.status()
    assert (status["error"], status["lag"]) == ("it is down", last)
    notebook(running).down = False
    await until(lambda: running.position == last)
    assert (await running.status())["error"] == ""


async def test_a_store_that_takes_nothing_is_tried_again_from_its_place(
    scribe: Scribe, running: ProjectionRunner
) -> None:
    await running.start()
    await until(lambda: running.state == "live")
    notebook(running).down = True
    last = 0
    for n in range(5):
        last = await scribe.session("s1", turn(n + 1))
    await until(lambda: running.state == "waiting")
    notebook(running).down = False
    await until(lambda: running.position == last)
    assert notebook(running).taken == [1, 2, 3, 4, 5]


async def test_a_bug_ends_nothing(
    scribe: Scribe, running: ProjectionRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holodeck.actors.projections.runner._BUG_S", 0.05)
    notebook(running).broken = 2
    await running.start()
    last = await scribe.session("s1", started())
    await until(lambda: running.position == last)
    assert notebook(running).broken == 0


async def test_what_cannot_be_read_is_passed_over(
    scribe: Scribe, running: ProjectionRunner
) -> None:
    await running.start()
    await scribe.session("s1", started())
    await scribe.journal.append(journal.subject_of("session", "s1", "turn"), b"\x00rubbish")
    last = await scribe.session("s1", turn(1))
    await until(lambda: running.position == last)
    assert notebook(running).taken == [1, 3]


async def test_a_rebuild_begins_at_the_beginning(scribe: Scribe, running: ProjectionRunner) -> None:
    await running.start()
    for n in range(3):
        await scribe.session("s1", turn(n + 1))
    await until(lambda: running.position == 3)
    running.rebuild()
    assert (await running.status())["position"] == 0
    await until(lambda: running.rebuilds == 2 and running.position == 3)
    assert notebook(running).taken == [1, 2, 3]


@pytest.mark.parametrize("place", [Bookmark(9, "", 0), Bookmark(2, "another", 0), None])
async def test_a_store_that_does_not_fit_the_journal_is_filled_anew(
    scribe: Scribe, running: ProjectionRunner, place: Bookmark | None
) -> None:
    for n in range(3):
        await scribe.session("s1", turn(n + 1))
    notebook(running).place = place
    await running.start()
    await until(lambda: running.position == 3)
    assert (notebook(running).resets, notebook(running).taken) == (1, [1, 2, 3])


async def test_a_store_goes_on_where_it_is(scribe: Scribe, running: ProjectionRunner) -> None:
    for n in range(3):
        await scribe.session("s1", turn(n + 1))
    notebook(running).place = Bookmark(2, "", journal.now())
    await running.start()
    await until(lambda: running.position == 3)
    assert (notebook(running).resets, notebook(running).taken) == (0, [3])


async def test_one_that_was_overtaken_stands_by_and_takes_over(
    scribe: Scribe, running: ProjectionRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holodeck.actors.projections.runner._STAND_BY_S", (0.05, 0.1))
    notebook(running).overtaken = 1
    await running.start()
    last = await scribe.session("s1", started())
    await until(lambda: running.state == "standing-by")
    await until(lambda: running.position == last and running.state == "live")
    assert notebook(running).taken == [last]


async def archive(scribe: Scribe, session: str) -> None:
    """As a host does with a session that ended long ago."""
    partition = partition_of(session, PARTITIONS)
    records = [
        record
        async for record in scribe.journal.read(
            f"{LAYOUT.ns}.checkpoint.session.{partition}.{session}.>"
        )
    ]
    await scribe.broker.bucket(LAYOUT.archive).put(
        f"log.{partition}.{session}",
        archived(records, b""),
        headers={HEADER_SEQUENCE: str(records[-1].sequence)},
    )
    for record in records:
        await scribe.journal.delete(record.sequence, overwrite=False)


async def test_archived_sessions_are_read_in_their_place(
    scribe: Scribe, running: ProjectionRunner
) -> None:
    for n in range(12):
        await scribe.session(f"s{n % 3}", turn(n + 1))
    await archive(scribe, "s1")
    await running.start()
    await until(lambda: running.position == 12)
    assert notebook(running).taken == list(range(1, 13))


async def test_archived_sessions_are_read_when_nothing_else_is_left(
    scribe: Scribe, running: ProjectionRunner
) -> None:
    for n in range(6):
        await scribe.session(f"s{n % 2}", turn(n + 1))
    await archive(scribe, "s0")
    await archive(scribe, "s1")
    await running.start()
    await until(lambda: running.position == 6)
    assert notebook(running).taken == [1, 2, 3, 4, 5, 6]


async def test_one_that_is_stopped_has_what_it_was_given(
    scribe: Scribe, running: ProjectionRunner
) -> None:
    await running.start()
    for n in range(600):
        await scribe.session("s1", turn(n + 1))
    await until(lambda: running.position > 0)
    await running.stop()
    place = notebook(running).place
    assert place is not None
    assert notebook(running).taken == list(range(1, place.sequence + 1))
    assert not running.running


def test_a_bookmark_is_read_as_it_was_written() -> None:
    mark = Bookmark(7, "abc", 12)
    assert Bookmark.load(mark.dump()) == mark
    for text in ("resetting", "[]", '{"position": 3}', "{}"):
        with pytest.raises(ValueError, match=r"bookmark|Expecting"):
            Bookmark.load(text)


def test_records_of_the_journal_have_marks_of_their_own() -> None:
    from holodeck.actors.projections.history import mark_of

    one = Record("a.b", 1, b"x", {})
    assert mark_of(one) == mark_of(one._replace(sequence=2))
    assert (
        len({mark_of(one), mark_of(one._replace(data=b"y")), mark_of(one._replace(subject="c"))})
        == 3
    )


async def test_readers_of_an_empty_journal_are_live_at_once(running: ProjectionRunner) -> None:
    await running.start()
    await until(lambda: running.state == "live")
    await asyncio.sleep(0)
    assert (await running.status())["lag"] == 0


# --- how they are configured ----------------------------------------


def test_only_its_own_file_imports_a_stores_library() -> None:
    found = {
        (use.name.split(".")[0], use.path)
        for use in imports("actors", "broker", "config", "entrypoints", "holodeck", "messages")
        if use.within("redis", "neo4j", "ladybug")
    }
    assert found == {
        ("redis", "actors/projections/redis_store.py"),
        ("neo4j", "actors/projections/neo4j_store.py"),
        ("ladybug", "actors/projections/embedded.py"),
    }


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"redis_url": "redis://me:secret@host:6379"}, "HOLODECK_REDIS_URL"),
        ({"redis_url": "http://host"}, "HOLODECK_REDIS_URL"),
        ({"redis_password": "x"}, "HOLODECK_REDIS_PASSWORD"),
        ({"redis_url": "redis://host", "redis_user": "me"}, "HOLODECK_REDIS_PASSWORD"),
        ({"redis_url": "redis://host", "redis_ttl_s": 0}, "HOLODECK_REDIS_TTL_S"),
        ({"redis_url": "redis://host", "redis_session_prefix": ""}, "SESSION_PREFIX"),
        ({"graph": "neo4j"}, "HOLODECK_NEO4J_URL"),
        ({"graph": "else"}, "HOLODECK_GRAPH"),
        ({"neo4j_url": "bolt://host", "neo4j_user": "me"}, "HOLODECK_NEO4J_PASSWORD"),
        ({"neo4j_url": "bolt://me:secret@host"}, "HOLODECK_NEO4J_URL"),
    ],
)
def test_a_wrong_setting_is_told_by_its_name(given: dict[str, Any], named: str) -> None:
    with pytest.raises(SettingsError, match=named) as caught:
        load_settings(**given)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["redis://host", "redis://host:6379/3", "rediss://host:6380", "unix:///run/redis.sock"]
)
def test_these_are_addresses_of_a_redis_server(url: str) -> None:
    assert load_settings(redis_url=url).redis_url == url


async def test_projections_are_made_as_the_settings_say(tmp_path: Path) -> None:
    told = load_settings(
        redis_url="redis://127.0.0.1:1/0",
        redis_password="sesame",
        redis_session_prefix="x:",
        graph="neo4j",
        neo4j_url="bolt://127.0.0.1:1",
        neo4j_user="me",
        neo4j_password="sesame",
        namespace="acme",
    )
    assert "sesame" not in repr(told)
    # They are made in another process: what makes them travels as a pickle.
    makers = pickle.loads(pickle.dumps(projections_of(told)))
    redis, graph = (make() for make in makers)
    assert (redis.name, redis.store) == ("redis", "redis://127.0.0.1:1/0")
    assert (graph.name, graph.store) == ("graph", "bolt://127.0.0.1:1")
    assert redis.session_key("s1") == "x:s1"
    for one in (redis, graph):
        with pytest.raises(StoreDown):
            await one.open(Shelf())
        await one.close()
    assert projection_names(told) == (redis.name, graph.name)
    assert projections_of(load_settings()) == ()
    assert projection_names(load_settings()) == ()


def test_a_library_that_is_not_installed_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("holodeck.wiring.find_spec", lambda name: None)
    for told, extra in (
        ({"redis_url": "redis://host"}, "redis"),
        ({"graph": "embedded"}, "graph"),
        ({"graph": "neo4j", "neo4j_url": "bolt://host"}, "neo4j"),
    ):
        with pytest.raises(StartupError, match=rf"holodeck-sessions\[{extra}\]"):
            projections_of(load_settings(**told))
