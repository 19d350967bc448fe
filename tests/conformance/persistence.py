"""The cases of what lies in stores: Redis, the property graph, the journal.

One law: a case is led through a runtime that writes a real redis-server and a graph in a file, and
what lies there is asked as other programs ask it.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from pydantic import ValidationError

import holodeck
from holodeck.config import load_settings
from holodeck.messages.errors import HolodeckError, RefusedError
from holodeck.messages.player import (
    Background,
    Character,
    IntensityLevel,
    MarkerType,
    ProgressMarker,
    TherapeuticApproach,
    TherapeuticPreferences,
    TherapeuticSettings,
)
from holodeck.session import Session
from tests.conformance.lifecycle import brought_to, does
from tests.conformance.real import Missing, Real, done
from tests.conformance.runner import Case, OfCase, Otherwise, UnknownShape
from tests.conformance.shapes import unknown
from tests.conformance.words import Said, refused
from tests.entrypoints.gateway.doors import faculties
from tests.player_experience.journal import until

WHERE: Final = "docs/projections.md"
NPC: Final = "marta"


def otherwise(got: Any, decided: Any, reason: str) -> Otherwise:
    return Otherwise(got, decided, WHERE, reason)


def approach(name: str) -> TherapeuticApproach:
    """By its name, its value, or the first letters of its words.

    Raises:
        UnknownShape: there is no such approach.
    """
    word = name.strip().lower()
    for one in TherapeuticApproach:
        initials = "".join(part[0] for part in one.value.split("_"))
        if word in (one.name.lower(), one.value, initials, initials.removesuffix("t")):
            return one
    raise UnknownShape(f"there is no approach {name!r}")


# --- Redis ----------------------------------------


async def expiry(real: Real, session: str, since_ms: float) -> int | None:
    """Seconds from ``since_ms`` until the value goes; None: it stays, or is not there."""
    at = await real.store.client.pexpiretime(real.key(session))
    return None if at < 0 else round((at - since_ms) / 1000)


async def written_at(session: Session) -> int:
    """When its last checkpoint was, ms."""
    return [step.at async for step in session.replay()][-1]


async def keyed(real: Real, name: str) -> Any:
    own = real.fresh(name)
    session = await real.begun(session=own)
    await real.stored(session, "redis")
    keys = [key async for key in real.store.client.scan_iter(match=f"*{own}")]
    got = {
        "key": ", ".join(keys).replace(own, name),
        "ttl": await expiry(real, own, await written_at(session)),
    }
    reason = "of the two prefixes that were wanted the other is taken; both are settings"
    return otherwise(got, {"key": f"tta:session:{name}", "ttl": 3600}, reason)


async def renewed(real: Real, ttl: int, ops: Sequence[str]) -> Any:
    session = await real.begun()
    await real.stored(session, "redis")
    client, key = real.store.client, real.key(session.id)
    now = time.time() * 1000
    await client.pexpireat(key, round(now + ttl * 1000))
    found = []
    for op in ops:
        if op == "read":
            await client.get(key)
            await session.continuity()
        elif op == "write":
            await session.interact()
            await real.stored(session, "redis")
            now = await written_at(session)
        else:
            raise UnknownShape(f"a value is read or written, not {op!r}")
        found.append(await expiry(real, session.id, now))
    return found


async def round_trip(real: Real, first: Mapping[str, Any], second: Mapping[str, Any]) -> Any:
    session = await real.begun()
    await session.interact(variables=first)
    await session.interact(variables=second)
    value = await real.value(session)
    found = None if value is None else value["session_variables"]
    if found is not None and len(second) == 1:
        found = found[next(iter(second))]
    return {"get": found}


class _When:
    """A time; words say how it is written."""

    def __init__(self, text: Any) -> None:
        self.text = text

    def says(self, expected: str | float | None) -> bool:
        try:
            zone = datetime.fromisoformat(self.text).tzinfo
        except (TypeError, ValueError):
            return bool(self.text == expected)
        told = str(expected).lower()
        return "iso" in told and "8601" in told and ("utc" not in told or zone is not None)

    def shown(self) -> Any:
        return self.text


async def serialised(real: Real, given: Mapping[str, Any]) -> Any:
    session = await real.begun()
    await brought_to(session, given.get("status", "ACTIVE"))
    value = await real.value(session)
    if value is None:
        return None
    if not given.keys() <= value.keys():
        raise UnknownShape(f"session_data has no {sorted(given.keys() - value.keys())}")
    return {key: _When(value[key]) if given[key] == "datetime" else value[key] for key in given}


async def parsed(real: Real, level: float, approach_name: str | None) -> Any:
    approaches = () if approach_name is None else (approach(approach_name),)
    try:
        led = TherapeuticSettings(intensity_level=level, preferred_approaches=approaches)
    except ValidationError as error:
        return refused(error, "validation error")
    session = await real.begun(settings=led)
    value = await real.value(session)
    state = await session.continuity()
    assert value is not None
    led_there = TherapeuticSettings.model_validate(value["therapeutic_settings"])
    charter = (await session.state()).charter
    same = {
        "ids": value["session_id"] == session.id
        and charter is not None
        and value["player_id"] == charter.learner
        and value["world_id"] == state.world,
        "status": value["status"] == state.status,
        "intensity": led_there.intensity_level == led.intensity_level == level,
        "approach": led_there.preferred_approaches == approaches,
        "settings": led_there == state.settings,
    }
    equal = all(same.values())
    facts = [f"same {name}" if true else f"{name} not same" for name, true in same.items()]
    return Said("equal" if equal else "different", ("equal session" if equal else "", *facts))


# --- stores that are away or wrong ----------------------------------------


async def read_anyway(real: Real, cached: str) -> Any:
    """A session is read while Redis lacks it, holds rubbish or does not answer."""
    session = await real.begun()
    await real.stored(session)
    if cached == "down":
        async with real.redis_down():
            status = await session.status()
    else:
        if cached == "miss":
            await real.store.client.delete(real.key(session.id))
        else:
            await real.store.client.set(real.key(session.id), "{broken JSON")
        status = await session.status()
    facts = ["session returned", f"session {status}"]
    if await real.node(session) == status:
        facts.append("row in the graph")
    if cached != "miss":
        # What was wrong there is right again with the next write.
        await session.interact(scene="after")
        value = await real.value(session)
        if value is not None and value["current_scene_id"] == "after":
            facts.append("value replaced")
    return Said(session.id, tuple(facts))


async def nowhere(real: Real) -> Any:
    """A session that no store ever had."""
    try:
        status = await real.deck.session(real.fresh("sess")).status()
    except RefusedError as error:
        return otherwise(refused(error), "unknown-session", "refused by name, not nothing")
    return Said(status, ("session returned",))


async def without_stores() -> Any:
    """A session of a runtime that has neither."""
    local = holodeck.local(broker="memory", minds=faculties(), settings=load_settings())
    async with local as deck:
        assert await deck.projections() == []
        session = await deck.start_session(learner="ana")
        ops = [op for op in ("pause", "resume", "end") if (await does(session, op)).ok]
        facts = ("session returned", *(f"{op} ok" for op in ops))
    reason = "stores are for others: with or without them sessions are read from the journal"
    return otherwise(
        Said(session.id, facts), "session returned, pause ok, resume ok, end ok", reason
    )


async def created_anyway(real: Real) -> Any:
    facts = []
    async with real.redis_down():
        session = await real.begun()
        if await real.node(session) == "active":
            facts.append("durable row written")
        facts.append(f"session returned {await session.status()}")
    value = await real.value(session)
    if value is not None:
        facts.append("Redis written afterwards")
    return Said(session.id, tuple(facts))


async def paused_again(real: Real, retries: int) -> Any:
    """A store is away while a session is paused; the pause is tried again when it is back."""
    session = await real.begun()
    async with real.redis_down():
        first = await does(session, "pause")
    again = [await does(session, "pause") for _ in range(retries)]
    value = await real.value(session)
    stands = {
        "session": await session.status(),
        "Redis": None if value is None else value["status"],
        "graph": await real.node(session),
    }
    facts = [f"{name} {status}" for name, status in stands.items()]
    if all(did.ok for did in again):
        facts.append("retry ok")
    if first.ok:
        facts.append("pause ok")
    if set(stands.values()) == {"paused"}:
        facts.append("both paused")
    return Said(session.id, tuple(facts))


async def row_missing(real: Real, name: str) -> Any:
    session = await real.begun(session=real.fresh(name))
    await real.stored(session, "redis")
    await real.store.client.delete(real.key(session.id))
    did = await does(session, "interact")
    value = await real.value(session)
    got = did.ok and value is not None
    return otherwise(got, True, "a value that is not there is written whole by the next checkpoint")


async def gone_before(real: Real, ops: Sequence[str]) -> Any:
    """Each op on a session whose value in Redis has gone by itself."""
    facts = []
    for op in ops:
        session = await real.begun()
        await real.stored(session, "redis")
        await real.store.client.delete(real.key(session.id))
        did = await does(session, op)
        facts.append(f"{op} ok" if did.ok else f"{op} refused")
    decided = ", ".join(f"{op} ok" for op in ops)
    reason = "what expires is a value in Redis and no session; that stands in the journal"
    return otherwise(Said("ok", tuple(facts)), decided, reason)


# --- what is kept ----------------------------------------


async def felt(real: Real, given: Mapping[str, Any]) -> Any:
    session = await real.begun()
    await session.interact(
        emotional_state=given.get("emotional_state"), variables=given.get("session_variables")
    )
    value = await real.value(session)
    if value is None:
        return False
    wanted = given.get("emotional_state")
    return wanted is None or wanted in [one["data"] for one in value["emotional_state_history"]]


async def felt_without_redis(real: Real) -> Any:
    session = await real.begun()
    await session.interact(emotional_state={"mood": "calm"})
    await real.stored(session)
    rows = await real.row("MATCH (s:Session {id: $id}) RETURN s", id=session.id)
    in_graph = sum("emotion" in key for key in rows[0][0])
    await real.store.client.delete(real.key(session.id))
    in_session = len((await session.continuity()).emotions)
    counts = {"kept in the graph": in_graph, "kept in the session": in_session}
    reason = "it is not in the graph; the session has it, whatever becomes of Redis"
    decided = "one kept in the session, 0 kept in the graph"
    return otherwise(Said(in_graph, (), counts), decided, reason)


async def marked(real: Real, number: int) -> Any:
    session = await real.begun()
    for n in range(number):
        await session.mark(ProgressMarker(marker_id=f"m{n}", marker_type=MarkerType.INSIGHT))
    await real.stored(session, "redis")
    await real.store.client.pexpire(real.key(session.id), 1)
    key = real.key(session.id)

    async def expired() -> bool:
        return not await real.store.client.exists(key)

    await until(expired)
    await session.pause()
    value = await real.value(session)
    there = 0 if value is None else len(value["progress_markers"])
    kept = len((await session.continuity()).markers)
    return kept if there == kept else {"session": kept, "redis": there}


async def from_both(real: Real, given: Mapping[str, Mapping[str, Any]]) -> Any:
    session = await real.begun()
    decks = [await real.home.local.deck() for _ in given]
    await asyncio.gather(
        *(
            deck.session(session.id).interact(variables=told)
            for deck, told in zip(decks, given.values(), strict=True)
        )
    )
    value = await real.value(session)
    return None if value is None else value["session_variables"]


async def profile_read(real: Real) -> Any:
    learner = real.fresh("learner")
    await real.player(learner)
    async with real.redis_down():
        try:
            found = await real.deck.player(learner).profile()
        except HolodeckError as error:
            return refused(error)
    reason = "a profile is read from the journal, whatever becomes of a store"
    got = Said(found["player_id"], ("profile returned",))
    return otherwise(got, "profile returned", reason)


async def character_changed(real: Real, number: int) -> Any:
    learner = real.fresh("learner")
    await real.player(learner, *(f"c{n}" for n in range(number)))
    facts = set()
    for n in range(number):
        name = "Nova " + "abcde"[n]
        changed = Character(character_id=f"c{n}", name=name, background=Background(name=name))
        player = real.deck.player(learner)
        step = await player.put_character(changed, create=False)
        await real.deck.projected(step.sequence, "graph", seconds=15)
        rows = await real.row(
            "MATCH (c:Character {key: $key}) RETURN c.name", key=f"{learner}/c{n}"
        )
        names = [one["name"] for one in await player.characters()]
        right = name in names and [row[0] for row in rows] == [name]
        facts.add("updated" if right else "not updated")
    return Said(learner, tuple(facts) if len(facts) == 1 else ("partly updated",))


# --- what was said ----------------------------------------


async def said(session: Session, *texts: str) -> None:
    for text in texts:
        await session.say(text, to=NPC)


async def messages(real: Real, session: Session) -> list[str]:
    """What the learner said, as the door tells it."""
    answer = await real.home.operator.get(f"/sessions/{session.id}/messages?limit=500")
    answer.raise_for_status()
    return [one["text"] for one in answer.json()["items"] if one["role"] == "learner"]


async def saved(real: Real, texts: Sequence[str]) -> Any:
    session = await real.begun(cast=[NPC])
    await said(session, *texts)
    there = await messages(real, session)
    return {"message_count": len(there), "order": there}


async def cleared(real: Real, number: int) -> Any:
    session = await real.begun(cast=[NPC])
    await said(session, *(f"message {n}" for n in range(number)))
    answer = await real.home.operator.delete(f"/sessions/{session.id}/messages")
    left = len(await messages(real, session))
    got = {"deleted": number - left, "status": answer.status_code, "metadata": "kept"}
    decided = {"deleted": 0, "status": 405, "metadata": "kept"}
    reason = "what was said is the session's journal: it goes with the learner's erasure or not"
    return otherwise(got, decided, reason)


async def copied(real: Real, more: int) -> Any:
    session = await real.begun(cast=[NPC])
    await said(session, "hello")
    copy = await session.fork()
    await said(copy, *(f"more {n}" for n in range(more)))
    return {
        "original messages": len(await messages(real, session)),
        "messages of the copy alone": len(await messages(real, copy)),
    }


async def copied_unknown(real: Real, name: str) -> Any:
    try:
        copy = await real.deck.session(real.fresh(name)).fork()
    except RefusedError as error:
        return otherwise(refused(error), "unknown-session", "refused by name, not nothing")
    return Said(copy.id, ("session returned",))


async def preferences(real: Real, given: Mapping[str, Any]) -> Any:
    learner = real.fresh("learner")
    wanted: dict[str, Any] = {}
    if "intensity" in given:
        wanted["intensity_level"] = IntensityLevel(given["intensity"].lower())
    if "approaches" in given:
        wanted["preferred_approaches"] = tuple(map(approach, given["approaches"]))
    await real.deck.player(learner).create(
        real.fresh("player"), "p@example.org", preferences=TherapeuticPreferences(**wanted)
    )
    found = await real.deck.player(learner).profile()
    return found["therapeutic_preferences"]


def schema_made(text: str) -> bool:
    """Whether a rule of the graph's schema that the server refuses with that text is passed over;
    the server's code says the same as its text, in one word."""
    try:
        from neo4j.exceptions import ClientError, Neo4jError

        from holodeck.actors.projections.neo4j_store import Neo4jGraph
        from holodeck.actors.projections.port import StoreDown
    except ImportError as error:
        raise Missing(f"the library neo4j ({error})") from error
    word = "".join(part.capitalize() for part in re.findall(r"\w+", text))

    class Refusing(Neo4jGraph):
        async def _write(self, work: Any) -> Any:
            error = Neo4jError._hydrate_neo4j(
                code=f"Neo.ClientError.Schema.Constraint{word}", message=f"a rule {text}"
            )
            assert isinstance(error, ClientError)
            raise StoreDown(str(error)) from error

    async def made() -> bool:
        try:
            await Refusing("bolt://127.0.0.1:1", ns="cases")._constrain("CREATE CONSTRAINT")
        except StoreDown:
            return False
        return True

    return asyncio.run(made())


# --- which case is which ----------------------------------------


def persistence(case: Case) -> Any:
    given = case.input
    if not isinstance(given, Mapping):
        raise unknown("persistence", given)
    match dict(given):
        case {"create": str(name), **rest} if not rest:
            return done(lambda real: keyed(real, name))
        case {"ttl": int(ttl), "ops": [*ops], **rest} if not rest:
            return done(lambda real: renewed(real, ttl, ops))
        case {"session_variables": {}, "update": {}, **rest} if not rest:
            return done(lambda real: round_trip(real, given["session_variables"], given["update"]))
        case {"intensity_level": float() | int() as level, **rest} if rest.keys() <= {"approach"}:
            return done(lambda real: parsed(real, level, rest.get("approach")))
        case {"redis": "down", "neo4j": "ok", **rest} if not rest:
            return done(created_anyway)
        case {"redis": None, "neo4j": None, **rest} if not rest:
            return done(lambda _: without_stores())
        case {"redis": "miss", "neo4j": ("miss" | None), **rest} if not rest:
            return done(nowhere)
        case {"redis": ("miss" | "down") as cached, "neo4j": "row", **rest} if not rest:
            return done(lambda real: read_anyway(real, cached))
        case {"redis": str(cached), "neo4j": "row", **rest} if not rest and "broken" in cached:
            return done(lambda real: read_anyway(real, cached))
        case {"redis": None, **rest} if not rest:
            return done(felt_without_redis)
        case {"neo4j": str(what), **rest} if not rest and "raises" in what:
            return done(profile_read)
        case {"retry pause": int(retries), **rest} if not rest:
            return done(lambda real: paused_again(real, retries))
        case {"session": str(name), **rest} if not rest:
            return done(lambda real: row_missing(real, name))
        case {"interaction": {}, **rest} if not rest and given["interaction"].keys() <= {
            "emotional_state",
            "session_variables",
        }:
            return done(lambda real: felt(real, given["interaction"]))
        case {"markers": int(number), "redis": "expired", **rest} if not rest:
            return done(lambda real: marked(real, number))
        case {"ops": [*ops], **rest} if not rest:
            return done(lambda real: gone_before(real, ops))
        case {"create then update": int(number), **rest} if not rest and 0 < number <= 5:
            return done(lambda real: character_changed(real, number))
        case {"save": [*texts], **rest} if not rest:
            return done(lambda real: saved(real, texts))
        case {"messages": int(number), "clear": 1, **rest} if not rest:
            return done(lambda real: cleared(real, number))
        case {"copy then add to copy": int(more), **rest} if not rest:
            return done(lambda real: copied(real, more))
        case {"copy": str(name), **rest} if not rest:
            return done(lambda real: copied_unknown(real, name))
        case {"error text contains": str(text), **rest} if not rest:
            return schema_made(text)
    if given and given.keys() <= {"intensity", "approaches"}:
        return done(lambda real: preferences(real, given))
    if len(given) > 1 and all(isinstance(told, Mapping) for told in given.values()):
        return done(lambda real: from_both(real, given))
    if given and ("status" in given or "datetime" in given.values()):
        return done(lambda real: serialised(real, given))
    raise unknown("persistence", given)


ADAPTERS: Final = {"persistence": OfCase(persistence)}
