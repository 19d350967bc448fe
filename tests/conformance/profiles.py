"""The cases of a player's profile: its words, who sees what of it, who changes it.

One law: what is seen is what a real player shows to who asks; where the whole deployment matters
(names, exports, erasure), a runtime with its HTTP interface is asked.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from holodeck.actors.learner.player.views import MASKED
from holodeck.messages.errors import HolodeckError, RefusedError
from holodeck.messages.player import (
    CrisisContact,
    IntensityLevel,
    PrivacySettings,
    PutCharacter,
    RecordAccess,
    TherapeuticPreferences,
    UpdatePlayer,
)
from holodeck.messages.session import SessionKind, SessionStarted
from tests.conformance.figures import each, like, otherwise, tried
from tests.conformance.player_models import bounds, first_of
from tests.conformance.runner import Adapter, Case, OfCase
from tests.conformance.shapes import has, unknown
from tests.conformance.words import Said
from tests.entrypoints.gateway.doors import House, house
from tests.player_experience.unit.folk import Folk, character

DOC: Final = "docs/player.md"
PHONE: Final = "+34 699 111 222"
FLAGS: Final = {"consent": "data_collection_consent", "sharing": "progress_sharing_enabled"}
"""What a case calls a privacy setting; else it is called by its own name."""
ASKS: Final[dict[str, dict[str, str]]] = {
    "owner": {"viewer": "ana"},
    "delegate": {"viewer": "dora"},
    "operator": {"role": "operator"},
}
"""How somebody asks; anybody else is a learner of that name."""

# --- reading ----------------------------------------


def _ana(given: Mapping[str, Any]) -> Folk:
    """A player with something in every part of its profile."""
    flags = {FLAGS.get(name, name): value for name, value in given.items()}
    privacy = {name: v for name, v in flags.items() if name in PrivacySettings.model_fields}
    preferences = TherapeuticPreferences(
        intensity_level=IntensityLevel.LOW,
        avoid_topics=("war",),
        crisis_contact_info=CrisisContact(primary_contact_phone=PHONE),
    )
    folk = Folk.made(preferences=preferences, privacy=PrivacySettings(**privacy))
    folk.does(UpdatePlayer(delegates=("dora",)))
    folk.does(PutCharacter(character=character()))
    folk.hears(
        "sess_1",
        SessionStarted(session_kind=SessionKind.CONVERSATION, learner="ana", character="mira"),
    )
    return folk


def _asks(accessor: str) -> dict[str, Any]:
    return dict(ASKS.get(accessor, {"viewer": accessor}))


def _part(name: str, seen: Any, whole: Any) -> Said:
    """One part of a profile in words: how much of what the owner sees is there."""
    if not seen:
        return Said(seen, ("empty", "hidden", "null", "not visible"))
    if seen == MASKED:
        return Said(seen, ("masked", "hidden"))
    # A stranger sees figures where progress is shared, and they are all there is to share.
    if seen == whole or name == "progress_summary":
        return Said("all", ("visible", "full"))
    return Said("a part", ("partly shown",))


def _parts(case: Case, seen: Mapping[str, Any], whole: Mapping[str, Any]) -> dict[str, Any]:
    """Every part in words; as it is where a case expects no words."""
    wanted = case.expected if isinstance(case.expected, Mapping) else {}
    return {
        name: _part(name, seen[name], whole[name])
        if isinstance(wanted.get(name, ""), str)
        else seen[name]
        for name in seen
    }


def _read(case: Case, given: Mapping[str, Any], accessor: str) -> Any:
    folk = _ana(given)
    found: dict[str, Any] = {}
    attempt = tried(lambda: found.update(folk.view("profile", **_asks(accessor))))
    if not found:
        return attempt
    whole = folk.view("profile")
    name = case.name.lower()
    if "last login" in name:
        return _part("last_login", found["last_login"], whole["last_login"])
    if "contact" in name:
        hidden = PHONE not in json.dumps(found, default=str)
        return Said(hidden, ("masked", "hidden", "not visible") if hidden else ("visible",))
    if isinstance(case.expected, Mapping):
        return _parts(case, found, whole)
    full = {**found, "seen_as": ""} == {**whole, "seen_as": ""}
    return Said("profile", ("full profile", "visible") if full else ("masked profile",))


def _seen(case: Case, given: Mapping[str, Any], accessor: str) -> Any:
    got = _read(case, given, accessor)
    if accessor == "owner" or not isinstance(got, dict):
        return got
    open_now = case.expected.get("active_sessions")
    return otherwise(
        case,
        got,
        DOC,
        "of the preferences topics and crisis contacts, the mail address and open sessions are "
        "not for strangers, whatever is shared",
        email="masked",
        active_sessions="empty" if isinstance(open_now, str) else {},
        therapeutic_preferences="partly shown",
    )


def _logged(accessor: str) -> Said:
    folk = _ana({})
    lookers = ["ben", "eve", "ben"]
    for who in lookers:
        folk.does(RecordAccess(by=who, role="stranger", what="profile"))
    found: list[dict[str, Any]] = []
    attempt = tried(lambda: found.extend(folk.view("access-log", **_asks(accessor))["accesses"]))
    if not found:
        return attempt
    times = [one["at"] for one in found]
    in_order = [one["by"] for one in found] == lookers and times == sorted(times)
    return Said(len(found), ("entries in order", "visible") if in_order else ("entries",))


def _lookup(case: Case) -> Callable[[Mapping[str, Any], str], Any]:
    """What is asked for, by the case's name."""
    if "log" in case.name.lower().split():
        return lambda given, accessor: _logged(accessor)
    return lambda given, accessor: _seen(case, given, accessor)


def reading(case: Case) -> Any:
    given = case.input
    flags = (*FLAGS, *PrivacySettings.model_fields)
    if not has(given, "accessor", maybe=flags) or _does(case) is not None:
        raise unknown(case.area, given)
    look = _lookup(case)
    lists = [name for name, value in given.items() if isinstance(value, list)]
    if not lists:
        return look(given, given["accessor"])
    if len(lists) > 1:
        raise unknown(case.area, given)
    rows = [{**given, lists[0]: value} for value in given[lists[0]]]
    return [look(row, row["accessor"]) for row in rows]


# --- changing ----------------------------------------

DOES: Final = {
    "update": "update",
    "change": "update",
    "export": "export",
    "delete": "erase",
    "erase": "erase",
}


def _does(case: Case) -> str | None:
    words = case.name.lower().split()
    return next((verb for word, verb in DOES.items() if word in words), None)


def _deployed(does: Callable[[House], Awaitable[Said]]) -> Said:
    """What is said of something that is done in a deployment that ``ana`` plays in."""

    async def there() -> Said:
        async with house() as home:
            await home.deck.player("ana").create("Ana_1", "ana@example.org")
            return await does(home)

    return asyncio.run(there())


async def _awaited(attempt: Awaitable[Any], *facts: str) -> Said:
    """As :func:`tried`."""
    try:
        await attempt
    except (HolodeckError, ValueError) as error:
        failed = error

        def again() -> None:
            raise failed

        return tried(again, *facts)
    return Said("ok", ("ok", "done"))


async def _over_http(home: House, accessor: str, method: str, path: str) -> Said:
    """Over the interface, as one's own client asks."""
    client = home.learner("ana" if accessor == "owner" else accessor)
    answer = await client.request(method, path)
    if answer.is_success:
        return Said(answer.status_code, ("ok", "done", "exported" if method == "GET" else "erased"))
    refusal = RefusedError(answer.json()["code"], answer.json()["detail"])
    status = answer.status_code
    facts = ("access restricted", "denied") if status == 403 else ("manager error", "not found")

    def again() -> None:
        raise refusal

    return tried(again, str(status), *facts)


def changing(case: Case) -> Any:
    """By somebody (``accessor``), of some fields (``updates``), of some player (``player``)."""
    given, does = case.input, _does(case)
    flags = (*FLAGS, *PrivacySettings.model_fields)
    if has(given, "updates"):
        return _deployed(lambda home: _updates(home, given["updates"]))
    if has(given, "accessor", maybe=flags) and does is not None:
        found = [_by(one, does, given) for one in each(given["accessor"])]
        return like(given["accessor"], found)
    if has(given, "player") and does == "update":
        other = {"email": "new@example.org"}
        return _deployed(
            lambda home: _awaited(
                home.deck.player(given["player"]).update(**other), "manager error"
            )
        )
    if has(given, "player") and does == "erase":
        got = _deployed(lambda home: _awaited(home.deck.erase(given["player"], wait_s=20.0)))
        if got.value == "ok":
            return True
        reason = "an unknown one is refused, not told from one whose erasure came to nothing"
        return otherwise(case, got, DOC, reason, decided="unknown-learner")
    raise unknown(case.area, given)


def _by(accessor: str, does: str, given: Mapping[str, Any]) -> Said:
    flags = {FLAGS.get(name, name): v for name, v in given.items() if name != "accessor"}

    async def done(home: House) -> Said:
        ana = home.deck.player("ana")
        if flags:
            await ana.update(privacy=PrivacySettings(**flags))
        match does:
            case "export":
                return await _over_http(home, accessor, "GET", "/players/ana/export")
            case "erase":
                return await _over_http(home, accessor, "DELETE", "/players/ana")
            case _:
                who = "ana" if accessor == "owner" else accessor
                return await _awaited(ana.update(by=who, email="new@example.org"))

    return _deployed(done)


async def _updates(home: House, fields: list[str]) -> Said:
    """Each on its own; where one of them is taken, that is the result."""
    values = {"username": "Ana_2", "email": "new@example.org", "time_zone": "Europe/Madrid"}
    last = Said("ok", ("ok",))
    for field in fields:
        change = {field: values.get(field, "x")}
        last = await _awaited(home.deck.player("ana").update(**change))
        if last.value == "ok":
            return last
    return last


def naming(case: Case) -> Any:
    if not has(case.input, "username_exists"):
        raise unknown(case.area, case.input)
    name = "ana_1" if case.input["username_exists"] else "ben_1"
    return _deployed(lambda home: _awaited(home.deck.player("ben").create(name, "ben@example.org")))


def auditing(case: Case) -> Any:
    """After an erasure there is nobody left to read a log, and a receipt."""
    given = case.input
    if not has(given, "ops") or given["ops"][:1] != ["create"] or given["ops"][-1:] != ["delete"]:
        raise unknown(case.area, given)

    async def done(home: House) -> Said:
        ana = home.deck.player("ana")
        receipt = await ana.erase(wait_s=30.0)
        log = await _awaited(ana.access_log())
        complete = ("receipt complete",) if receipt.complete else ()
        return Said(log.value, (*log.facts, *complete))

    got = _deployed(done)
    reason = "after an erasure the receipt is left, not a log of who looked"
    decided = {"last entry": "learner-erased, receipt complete"}
    return otherwise(case, {"last entry": got}, DOC, reason, decided=decided)


def words(case: Case) -> Any:
    """User names and mail addresses."""
    if not (has(case.input, "username") or has(case.input, "email")):
        raise unknown(case.area, case.input)
    return bounds(case)


def profile(case: Case) -> Any:
    """Whichever knows the shape."""
    return first_of(case, (words, naming, auditing, changing, reading))


ADAPTERS: Final[dict[str, Adapter]] = {"profile": OfCase(profile)}
