"""The cases of a session's life: what it is told, what it keeps, who may go on with it.

One law: every case is led through a runtime that runs, with a session and a learner of its own;
only what depends on how long ago something was is told to the real decider with a clock.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError

from holodeck.actors.session.playing.view import continuity
from holodeck.messages.errors import ContractError, HolodeckError, InvalidId, RefusedError
from holodeck.messages.player import (
    Interact,
    MarkerType,
    ProgressMarker,
    SessionStatus,
    TherapeuticSettings,
)
from holodeck.messages.session import End, Pause, StartSession
from holodeck.session import Session
from tests.actors.session.stories import Story
from tests.conformance.real import Real, done
from tests.conformance.runner import Case, OfCase, Otherwise, UnknownShape
from tests.conformance.shapes import unknown
from tests.conformance.words import Said, refused
from tests.player_experience.journal import until

WHERE: Final = "docs/sessions-at-play.md"
_AGO: Final = re.compile(r"^now *- *(?:(\d+) *h)?(?:(\d+) *min)?(?:(\d+) *s)?$")
_ID: Final = re.compile(
    r'^"(?P<prefix>[\w-]+)" followed by (?P<digits>\d+) lower-case hex digits'
    r"(?: \((?P<length>\d+) characters\))?$"
)
CALLS: Final = {
    "initialize_session": "initialise",
    "initialise_session": "initialise",
    "get_session_state": "state",
    "restore_session_state": "restore",
    "restore_session": "restore",
    "restore": "restore",
    "update_therapeutic_settings": "settings",
    "finalize_session": "finalise",
    "finalise_session": "finalise",
}
"""What cases call the narrator's calls."""


# --- what is done to a session ----------------------------------------


@dataclass(frozen=True, slots=True)
class Did:
    """What became of something that was done.

    Attributes:
        error: None: it was obeyed.
        changed: whether a checkpoint came of it.
    """

    error: HolodeckError | None
    changed: bool

    @property
    def ok(self) -> bool:
        return self.error is None


async def count(session: Session) -> int:
    """Its checkpoints."""
    return len([step async for step in session.replay()])


def action(session: Session, op: str) -> Callable[[], Awaitable[Any]]:
    """
    Raises:
        UnknownShape: nobody knows what that is.
    """
    marker = ProgressMarker(marker_id="m", marker_type=MarkerType.INSIGHT)
    known: dict[str, Callable[[], Awaitable[Any]]] = {
        "pause": session.pause,
        "resume": session.resume,
        "end": session.end,
        "abandon": lambda: session.end(reason="abandoned"),
        "interact": session.interact,
        "interaction": session.interact,
        "mark": lambda: session.mark(marker),
        "marker": lambda: session.mark(marker),
        "settings": lambda: session.change_settings(TherapeuticSettings(intensity_level=0.1)),
        "continuity": session.continuity,
    }
    if op not in known:
        raise UnknownShape(f"lifecycle does not know what {op!r} is; it knows {sorted(known)}")
    return known[op]


async def does(session: Session, op: str) -> Did:
    act = action(session, op)
    before = await count(session)
    try:
        await act()
    except RefusedError as error:
        return Did(error, False)
    return Did(None, await count(session) > before)


async def brought_to(session: Session, status: str) -> None:
    """What has to be done to an active session for it to stand like this.

    Raises:
        UnknownShape: there is no such status.
    """
    ops = {"active": (), "paused": ("pause",), "completed": ("end",), "abandoned": ("abandon",)}
    if status.lower() not in ops:
        raise UnknownShape(f"no session is {status!r}")
    for op in ops[status.lower()]:
        await action(session, op)()


async def busy(real: Real, learner: str) -> bool:
    """Whether somebody else's start finds the learner taken; leaves it as it was."""
    try:
        other = await real.begun(learner)
    except RefusedError as error:
        if error.reason != "learner-busy":
            raise
        return True
    await other.end()
    return False


async def active_of(real: Real, learner: str, sessions: Sequence[Session]) -> list[str]:
    """Ids of those that are active."""
    return [one.id for one in sessions if await one.status() is SessionStatus.ACTIVE]


def otherwise(got: Any, decided: Any, reason: str) -> Otherwise:
    return Otherwise(got, decided, WHERE, reason)


# --- transitions ----------------------------------------


async def transition(real: Real, status: str, op: str) -> Any:
    session = await real.begun()
    await brought_to(session, status)
    did = await does(session, op)
    got = {"ok": did.ok, "status": await session.status(), "changed": did.changed}
    if did.ok and not did.changed:
        decided = {"ok": True, "status": status, "changed": False}
        reason = "what is so already is answered ok and changes nothing: sending again is harmless"
        return otherwise(got, decided, reason)
    return got


async def in_turn(real: Real, ops: Sequence[str], stores: str = "") -> Any:
    """The result of the last of several things done."""
    if not ops or ops[0] != "create":
        raise UnknownShape("lifecycle: the first of ops is create")
    learner = real.fresh("learner")
    session = await real.begun(learner)
    got: Any = Said(session.id, ("session returned",))
    for op in ops[1:]:
        if op == "get_active":
            if stores:
                await real.stored(session)
            rows = await real.deck.player(learner).sessions()
            active = [row["session_id"] for row in rows if row["status"] == "active"]
            got = Said(active[0], ("session returned",)) if active else None
            continue
        did = await does(session, op)
        got = did.ok
        if did.ok and not did.changed:
            got = otherwise(True, True, "what is so already is answered ok and changes nothing")
    return got


async def of_nobody(real: Real, name: str, op: str) -> Any:
    """Something done to a session that never was."""
    did = await does(real.deck.session(name), op)
    if did.error is None:
        return True
    reason = "what there is not is refused by name, so that it is not taken for something else"
    return otherwise(refused(did.error), "unknown-session", reason)


async def over(real: Real, status: str, op: str) -> Any:
    session = await real.begun()
    await brought_to(session, status)
    did = await does(session, op)
    if did.error is None:
        return Said(session.id, ("session returned", f"{op} ok"))
    return otherwise(refused(did.error), "session-ended", "refused by name, not nothing")


# --- starts ----------------------------------------


@dataclass(frozen=True, slots=True)
class Identity:
    """An id; words say how it is formed."""

    value: str

    def says(self, expected: str | float | None) -> bool:
        told = _ID.match(expected) if isinstance(expected, str) else None
        if told is None:
            return self.value == expected
        length = told["length"]
        formed = rf"{re.escape(told['prefix'])}[0-9a-f]{{{told['digits']}}}"
        return re.fullmatch(formed, self.value) is not None and (
            length is None or int(length) == len(self.value)
        )

    def shown(self) -> Any:
        return self.value


async def named(real: Real) -> Any:
    session = await real.deck.start_session(learner=real.fresh("learner"))
    decided = '"sess_" followed by 16 lower-case hex digits'
    return otherwise(Identity(session.id), decided, "ids are as in the rest of the program")


async def created(real: Real, who: str, character: str, world: str, led: Mapping[str, Any]) -> Any:
    learner = real.fresh(who)
    await real.player(learner, character)
    session = await real.begun(
        learner, character=character, world=real.world(world), settings=settings_of(led)
    )
    return await told(real, session)


def settings_of(given: Mapping[str, Any]) -> TherapeuticSettings:
    """
    Raises:
        UnknownShape: there are no such settings.
    """
    if not given.keys() <= TherapeuticSettings.model_fields.keys():
        raise UnknownShape(f"settings have no {sorted(given)}")
    return TherapeuticSettings(**given)


async def told(real: Real, session: Session) -> dict[str, Any]:
    """How it stands, what was stored and what the narrator was asked for."""
    state = await session.continuity()
    steps = [step async for step in session.replay()]
    kinds = [event.kind for step in steps for event in step.events]
    asked = {name: len(real.narrator.asked(session.id, call)) for name, call in CALLS.items()}
    led = state.settings.model_dump(mode="json")
    return {
        "status": state.status,
        "repository": {
            "create_session": kinds.count("session.started"),
            "update_session": len(steps) - 1,
        },
        "engine": asked,
        "settings": led,
        "session": {**led, "status": state.status, "settings": led},
    }


async def not_stored(real: Real) -> Any:
    supervisor = real.home.local.supervisor
    supervisor._full = True  # as its watch of the journal's size finds it
    try:
        learner = real.fresh("learner")
        await real.begun(learner)
    except RefusedError as error:
        return otherwise(refused(error), "store-full", "an error by name, not nothing")
    finally:
        supervisor._full = False
    return Said(learner, ("session returned",))


async def fails(real: Real, call: str) -> Any:
    """A whole life beside a narrator that fails at one call."""
    name = real.fresh("sess")
    real.narrator.fails[name] = CALLS[call]
    real.narrator.keeps[name] = {"position": 1}
    session = await real.begun(session=name)
    facts = ["session returned", f"session {await session.status()}"]
    for op in ("pause", "resume", "settings", "end"):
        if (await does(session, op)).ok:
            facts.append(f"{op} ok")
    await until(lambda: bool(real.narrator.asked(name, CALLS[call])))
    return Said(name, tuple(facts))


async def returned(real: Real) -> Any:
    session = await real.begun()
    return Said(session.id, ("session returned", f"session {await session.status()}"))


async def with_ids(real: Real, **asked: Any) -> Any:
    try:
        session = await real.deck.start_session(**{"learner": real.fresh("learner"), **asked})
    except (ContractError, InvalidId, ValidationError) as error:
        return refused(error, "validation error", "invalid")
    return Said(session.id, ("session returned",))


# --- what a session keeps ----------------------------------------


async def paused(real: Real, kept: Mapping[str, Any]) -> Any:
    name = real.fresh("sess")
    real.narrator.keeps[name] = kept
    session = await real.begun(session=name)
    await session.pause()
    state = await session.continuity()
    got = {
        "status": state.status,
        "session_variables": state.variables,
        "narrative_state": state.narrative,
    }
    decided = {"status": "paused", "session_variables": {}, "narrative_state": dict(kept)}
    return otherwise(got, decided, "it is kept beside the variables, so that none overwrites it")


async def resumed(real: Real, status: str, kept: Mapping[str, Any]) -> Any:
    name = real.fresh("sess")
    real.narrator.keeps[name] = kept
    session = await real.begun(session=name)
    await session.pause()
    if status != "paused":
        await session.resume()
        await brought_to(session, status)
        before = len(real.narrator.asked(name, "restore"))
    else:
        before = 0
    did = await does(session, "resume")
    if did.changed:
        await until(lambda: len(real.narrator.asked(name, "restore")) > before)
    heard = real.narrator.asked(name, "restore")[before:]
    found = (heard[0].kept or {}) if heard else {}
    got: dict[str, Any] = {"ok": did.ok, "status": await session.status()}
    for key, value in found.items():
        for word in (key, key.rpartition("_")[2]):
            got[f"engine.restore called with {word}"] = value
    return got


async def through_stores(real: Real, kept: Mapping[str, Any], stores: str) -> Any:
    name = real.fresh("sess")
    real.narrator.keeps[name] = kept
    session = await real.begun(session=name)
    await session.pause()
    await session.resume()
    await until(lambda: bool(real.narrator.asked(name, "restore")))
    found = real.narrator.asked(name, "restore")[0].kept
    if "redis" in stores.lower():
        value = await real.value(session)
        if value is None or value["narrative_state"] != found:
            return {"narrative_state": None if value is None else value["narrative_state"]}
    return {"narrative_state": found}


async def interacted(real: Real, given: Mapping[str, Any]) -> Any:
    session = await real.begun()
    await session.interact(
        intervention=given.get("therapeutic_intervention", ""),
        emotional_state=given.get("emotional_state"),
        variables=given.get("session_variables"),
        scene=given.get("current_scene_id"),
    )
    state = await session.continuity()
    return {
        "interaction_count": state.interactions,
        "current_scene_id": state.scene,
        "interventions": list(state.interventions),
        "emotional_state_history": len(state.emotions),
        "session_variables": state.variables,
    }


async def led(real: Real, given: Mapping[str, Any]) -> Any:
    session = await real.begun()
    settings = settings_of(given)
    before = (await told(real, session))["repository"]["update_session"]
    await session.change_settings(settings)
    await until(lambda: bool(real.narrator.asked(session.id, "settings")))
    got = await told(real, session)
    got["repository"]["update_session"] -= before
    return got


# --- with a clock ----------------------------------------


def begun_before(minutes: float) -> Story:
    """A session of the real decider that began so long before now."""
    start = StartSession(
        learner="ana", claim=4, character="c", world="w", session_timeout_s=0.0, abandon_s=0.0
    )
    return Story().tell(start)


def lasted(seconds: int, op: str) -> Any:
    if op not in ("end", "pause"):
        raise UnknownShape("lifecycle: a session with a past is paused or ended")
    told = begun_before(seconds / 60).tell(End() if op == "end" else Pause(), after_s=seconds)
    state = continuity(told.state, told.at)
    return {
        "total_duration_minutes": state.elapsed_ms // 60_000,
        "active_minutes": state.active_ms // 60_000,
        "status": state.status,
    }


def gone_on(given: Mapping[str, Any]) -> Any:
    feelings = given.get("emotional states", 0)
    counted = max(given.get("interaction_count", feelings), feelings)
    told = begun_before(0)
    for number in range(counted):
        mood = json.dumps({"mood": f"m{number}"}) if number < feelings else None
        told.tell(Interact(emotional_state=mood))
    told.at += round(given.get("total_duration_minutes", 0) * 60_000)
    state = continuity(told.state, told.at)
    if set(given) == {"emotional states"}:
        return len(state.emotions)
    return {
        "interaction_count": state.interactions,
        "total_duration_minutes": state.elapsed_ms // 60_000,
        "emotional_state_history": len(state.emotions),
    }


def seconds_ago(text: str) -> int:
    """
    Raises:
        UnknownShape: it is nothing like ``now-90min59s``.
    """
    found = _AGO.match(text)
    if found is None or not any(found.groups()):
        raise UnknownShape(f"{text!r} is no time ago, such as now-90min59s")
    hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return 3600 * hours + 60 * minutes + seconds


# --- several sessions ----------------------------------------


async def switched(real: Real, first: Sequence[Any], second: Sequence[Any]) -> Any:
    learner = real.fresh("learner")
    await real.player(learner, first[0], second[0])
    led = TherapeuticSettings(intensity_level=first[2])
    old = await real.begun(learner, character=first[0], world=real.world(first[1]), settings=led)
    new = await real.deck.switch(learner, character=second[0], world=real.world(second[1]))
    state = await new.continuity()
    return {
        "old": await old.status(),
        "new": {**state.settings.model_dump(mode="json"), "status": state.status},
        "new session created": new.id != old.id,
    }


async def switched_back(real: Real, kept: Sequence[str], to: Sequence[str]) -> Any:
    learner, (name, *pair) = real.fresh("learner"), kept
    await real.player(learner, pair[0], to[0])
    own = real.fresh(name)
    there = await real.begun(learner, session=own, character=pair[0], world=real.world(pair[1]))
    await there.pause()
    found = await real.deck.switch(learner, character=to[0], world=real.world(to[1]))
    return {
        "session_id": name if found.id == own else found.id,
        "status": await found.status(),
        "new session created": found.id != own,
    }


async def switched_in_vain(real: Real, paused: bool) -> Any:
    learner = real.fresh("learner")
    first = await real.begun(learner)
    try:
        async with pauses(real, first.id, paused):
            await real.deck.switch(learner, world=real.worlds[1])
    except RefusedError as error:
        still = "first still active" if await first.status() == "active" else "first not active"
        return refused(error, "switch refused", still)
    return Said(first.id, ("switch ok", f"first {await first.status()}"))


@asynccontextmanager
async def pauses(real: Real, session: str, work: bool) -> Any:
    """Whether the supervisor's pauses of a session are stored meanwhile."""
    caller = real.home.local.supervisor._caller
    command = caller.command

    async def asked(kind: str, identity: str, name: str, body: Any, **more: Any) -> Any:
        if isinstance(body, Pause) and identity == session and not work:
            raise RefusedError("not-stored", "the disk is full")
        return await command(kind, identity, name, body, **more)

    setattr(caller, "command", asked)  # noqa: B010
    try:
        yield
    finally:
        setattr(caller, "command", command)  # noqa: B010


async def created_often(real: Real, number: int, at_once: bool) -> Any:
    learner = real.fresh("learner")
    names = [real.fresh("sess") for _ in range(number)]

    async def one(name: str) -> Session | None:
        try:
            return await real.begun(learner, session=name)
        except RefusedError as error:
            if error.reason != "learner-busy":
                raise
            return None

    if at_once:
        made = await asyncio.gather(*(one(name) for name in names))
    else:
        made = [await one(name) for name in names]
    active = len(await active_of(real, learner, [session for session in made if session]))
    return Said(active, (), {"active": active})


async def resumed_beside(real: Real, idle: str, active: str, which: str) -> Any:
    learner = real.fresh("learner")
    first = await real.begun(learner)
    await first.pause()
    sessions = {idle: first, active: await real.begun(learner)}
    did = await does(sessions[which], "resume")
    facts = [f"{name} {await session.status()}" for name, session in sessions.items()]
    if did.error is not None:
        return refused(did.error, "call refused", "resume refused", *facts)
    facts += [f"{name} paused first" for name in (idle, active) if f"{name} paused" in facts]
    return Said(which, (*facts, "resume ok"))


# --- several who lead it ----------------------------------------


async def by_another(real: Real, op: str) -> Any:
    session = await real.begun()
    other = await real.home.local.deck()
    return (await does(other.session(session.id), op)).ok


async def by_two(real: Real, first: str, second: str) -> Any:
    """One client does something, then another who does not know of it does something."""
    session = await real.begun()
    await session.continuity()
    other = await real.home.local.deck()
    await action(other.session(session.id), first)()
    did = await does(session, second)
    status = await session.status()
    if did.error is not None:
        return refused(did.error, f"{second} refused", f"still {status}")
    return Said(status, (f"{second} ok", status))


_DONE: Final = {"ended": "end", "paused": "pause", "resumed": "resume", "abandoned": "abandon"}


# --- which case is which ----------------------------------------


def lifecycle(case: Case) -> Any:
    given = case.input
    if not isinstance(given, Mapping):
        raise unknown("lifecycle", given)
    led_by = TherapeuticSettings.model_fields.keys()
    match dict(given):
        case {"status": str(status), "op": str(op), **rest} if not rest:
            return done(lambda real: transition(real, status, op))
        case {"status": str(status), **rest} if not rest:
            return done(lambda real: over(real, status, first_word(case)))
        case {"op": str(op), **rest} if not rest:
            return done(lambda real: freed(real, op))
        case {"ops": [*ops], **rest} if rest.keys() <= {"stores"}:
            return done(lambda real: in_turn(real, ops, rest.get("stores", "")))
        case {"create": [str(), str(), str(), {}], **rest} if not rest:
            return done(lambda real: created(real, *given["create"]))
        case {"create": int(number), "player": str(), **rest} if not rest:
            return done(lambda real: created_often(real, number, False))
        case {"create": int(), **rest} if not rest:
            return done(named)
        case {"gather create": int(number), **rest} if not rest:
            return done(lambda real: created_often(real, number, True))
        case {"repository.create_session": bool(stored), **rest} if not rest:
            return done(returned if stored else not_stored)
        case {"player_id": str(learner), **rest} if not rest:
            return done(lambda real: with_ids(real, learner=learner))
        case {"character_id": "", **rest} if not rest:
            return done(lambda real: with_ids(real, character=""))
        case {"world_id": "", **rest} if not rest:
            return done(lambda real: with_ids(real, world=""))
        case {"player": str(name)} | {"session_id": str(name)} if len(given) == 1:
            return done(lambda real: of_nobody(real, real.fresh(name), first_word(case)))
        case {"engine.get_session_state": {}, **rest} if not rest:
            return done(lambda real: paused(real, given["engine.get_session_state"]))
        case {"engine state": {}, "stores": str(stores), **rest} if not rest:
            return done(lambda real: through_stores(real, given["engine state"], stores))
        case {"stored status": str(status), **rest} if all(
            str(key).startswith("narrative_state.") for key in rest
        ):
            kept = {str(key).partition(".")[2]: value for key, value in rest.items()}
            return done(lambda real: resumed(real, status, kept))
        case {"created_at": str(ago), "op": str(op), **rest} if not rest:
            return lasted(seconds_ago(ago), op)
        case {"from": [str(), str(), float() | int()], "to": [str(), str()], **rest} if not rest:
            return done(lambda real: switched(real, given["from"], given["to"]))
        case {"paused": [str(), str(), str()], "to": [str(), str()], **rest} if not rest:
            return done(lambda real: switched_back(real, given["paused"], given["to"]))
        case {"paused": str(idle), "active": str(active), "resume": str(which), **rest} if (
            not rest and which in (idle, active)
        ):
            return done(lambda real: resumed_beside(real, idle, active, which))
        case {"pause result": bool(result), **rest} if not rest:
            return done(lambda real: switched_in_vain(real, result))
    if len(given) == 1 and str(next(iter(given))).startswith("engine."):
        call = next(iter(given)).partition(".")[2]
        if call in CALLS and given[f"engine.{call}"] == "raises":
            return done(lambda real: fails(real, call))
    if given and given.keys() <= {
        "interaction_count",
        "total_duration_minutes",
        "emotional states",
    }:
        return gone_on(given)
    if given and given.keys() <= {
        "therapeutic_intervention", "session_variables", "current_scene_id", "emotional_state"
    }:  # fmt: skip
        return done(lambda real: interacted(real, given))
    if given and given.keys() <= led_by:
        try:
            return done(lambda real: led(real, given))
        except ValidationError as error:
            return refused(error, "validation error")
    led_by_two = leading(given)
    if led_by_two is not None:
        first, second = led_by_two
        if first == "create":
            return done(lambda real: by_another(real, second))
        return done(lambda real: by_two(real, first, second))
    raise unknown("lifecycle", given)


async def freed(real: Real, op: str) -> Any:
    learner = real.fresh("learner")
    session = await real.begun(learner)
    did = await does(session, op)
    if op == "end":
        await until(lambda: bool(real.narrator.asked(session.id, "finalise")))
    return {
        "ok": did.ok,
        **await told(real, session),
        "player still in slot": await busy(real, learner),
    }


def leading(given: Mapping[str, Any]) -> tuple[str, str] | None:
    """What one client does, then another: ``ended by``, ``then interact by``."""
    if len(given) != 2 or not all(isinstance(value, str) for value in given.values()):
        return None
    ops = []
    for key in given:
        found = re.fullmatch(r"(?:then )?(\w+) by", key)
        if found is None:
            return None
        word = found[1]
        ops.append("create" if word == "created" else _DONE.get(word, word))
    first, second = ops
    return first, second


def first_word(case: Case) -> str:
    """What a case does, where its input names only to whom: its name begins with it."""
    word = case.name.lower().partition(" ")[0]
    return {"pausing": "pause", "resuming": "resume", "ending": "end"}.get(word, word)


ADAPTERS: Final = {"lifecycle": OfCase(lifecycle)}
