"""Players: profile, settings, characters, worlds, and how they come on.

One law: what somebody else sees of a player is what the learner's own actor lets it see, and that
it looked is written down before it is shown.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi import Path as InPath
from pydantic import Field, JsonValue
from pydantic_core import to_json
from starlette.requests import HTTPConnection
from starlette.responses import Response, StreamingResponse

from holodeck.entrypoints.gateway.access import (
    Anyone,
    Caller,
    OnDeck,
    Owner,
    PlayerPath,
    forbidden,
)
from holodeck.entrypoints.gateway.manners import (
    Page,
    Problem,
    answer,
    etag,
    made,
    named_in,
    page,
    sent,
    versioned,
)
from holodeck.entrypoints.gateway.v1.sessions import Started, StartHow, as_text, iso
from holodeck.entrypoints.gateway.whose import OneIntent
from holodeck.messages.base import Message
from holodeck.messages.control import Receipt
from holodeck.messages.errors import RefusedError
from holodeck.messages.ids import ID_PATTERN, LearnerId, SessionId
from holodeck.messages.player import (
    Appearance,
    ApproveChange,
    Background,
    Character,
    CharacterId,
    CharacterName,
    CrisisType,
    DismissRecommendation,
    Email,
    GiveFeedback,
    Item,
    PlayerSettings,
    PrivacySettings,
    ProgressGoal,
    TherapeuticPreferences,
    TherapeuticProfile,
    UpdatePlayer,
    Username,
    WorldParameters,
    Zone,
)
from holodeck.player import Player
from holodeck.session import Step

router: Final = APIRouter(tags=["players"])

Limit = Annotated[int, Query(ge=1, le=500)]
Cursor = Annotated[str | None, Query(max_length=20)]
Tag = Annotated[str | None, Header(max_length=1000)]
CharacterPath = Annotated[str, InPath(pattern=ID_PATTERN, description="a character of the player")]
ItemPath = Annotated[str, InPath(min_length=1, max_length=200)]

_WHEN: Final = frozenset({"at", "last_login"})
"""Names of times, beside all that end in ``_at``."""


class PlayerWanted(
    Message, json_schema_extra={"examples": [{"username": "ana-b", "email": "ana@example.org"}]}
):
    """A profile; ``player_id``: the learner, null: who is calling."""

    player_id: LearnerId | None = None
    username: Username
    email: Email
    time_zone: Zone = "UTC"
    preferences: TherapeuticPreferences = TherapeuticPreferences()
    privacy: PrivacySettings = PrivacySettings()


class SwitchWanted(StartHow, json_schema_extra={"examples": [{"character": "mira"}]}):
    """Whom the player plays from now on, and where; how a session is begun if one has to be."""


class CharacterWanted(
    Message,
    json_schema_extra={
        "examples": [{"name": "Mira", "background": {"name": "Mira", "backstory": "a gardener"}}]
    },
):
    """A character to be made; ``character_id``: null: a fresh one."""

    character_id: CharacterId | None = None
    name: CharacterName
    appearance: Appearance = Appearance()
    background: Background
    therapeutic_profile: TherapeuticProfile = TherapeuticProfile()
    is_active: bool = True


class CharacterChanged(Character):
    """All of a character anew. The times are what reading it told, and are passed over."""

    created_at: JsonValue = None
    changed_at: JsonValue = None
    removed_at: JsonValue = None


class GoalReached(Message):
    """How far a goal is; beyond 0 to 100 the nearest within."""

    percentage: Annotated[float, Field(allow_inf_nan=False)]


class Feedback(Message, json_schema_extra={"examples": [{"rating": 4}]}):
    """What the player says: one of rating (1 to 5), text, changes of settings and crisis types."""

    feedback_id: Item | None = None
    session: SessionId | None = None
    rating: Annotated[int, Field(ge=1, le=5, strict=True)] | None = None
    text: Annotated[str, Field(min_length=1, max_length=4000)] | None = None
    preference_changes: dict[str, JsonValue] | None = None
    crisis_types: Annotated[tuple[CrisisType, ...], Field(max_length=7)] = ()


class Approval(Message):
    approve: bool = True


class Told(Message):
    """What a call led to; ``events``: what happened, by kind."""

    sequence: int
    events: list[dict[str, JsonValue]]


class FeedbackTold(Told):
    """As ``Told``; whether a text gave cause for concern, and whom to turn to then."""

    safety: dict[str, JsonValue]
    resources: list[dict[str, JsonValue]]


class SettingsShape(Message):
    settings: dict[str, JsonValue]
    version: int
    conflicts: list[dict[str, JsonValue]]


class ProfileShape(Message):
    """A profile by the eyes of ``seen_as``; what those do not see is null or empty."""

    player_id: str
    seen_as: Literal["owner", "delegate", "stranger"]
    username: str
    email: str
    time_zone: str | None
    is_active: bool
    created_at: str | None
    updated_at: str | None
    last_login: str | None
    therapeutic_preferences: dict[str, JsonValue]
    privacy_settings: dict[str, JsonValue] | None
    delegates: list[str] | None
    settings_version: int | None
    characters: list[dict[str, JsonValue]]
    active_sessions: dict[str, JsonValue]
    progress_summary: dict[str, JsonValue]


# --- looking ----------------------------------------


class Look:
    """A look at a player by whoever is calling.

    Attributes:
        owner: the player itself looks.
    """

    def __init__(self, who: Caller, player: Player, gateway: Any) -> None:
        self.who, self.player = who, player
        self.owner = who.is_(player.id)
        self._gateway = gateway

    async def at(self, view: str, **more: Any) -> dict[str, Any]:
        """One view, its times ISO 8601 UTC.

        Raises:
            RefusedError: ``unknown-player``, ``access-restricted``, and what the view refuses.
        """
        who = self.who
        if self.owner:
            found = await self.player.view(view, **more)
        elif who.learner is not None:
            found = await self.player.view(view, viewer=who.learner, role="learner", **more)
        else:
            role: Literal["operator", "reader"] = "operator" if who.operates else "reader"
            found = await self.player.view(view, role=role, **more)
        if not self.owner:
            await self._gateway.write_down(self.player.id, who, view)
        told: dict[str, Any] = dated(found)
        return told


def dated(value: Any, name: str = "") -> Any:
    """``value`` with its times, which are ms since 1970 UTC, as ISO 8601."""
    if isinstance(value, dict):
        return {key: dated(inner, key) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [dated(inner) for inner in value]
    if isinstance(value, int) and (name in _WHEN or name.endswith("_at")):
        return None if isinstance(value, bool) else iso(value)
    return value


async def look(connection: HTTPConnection, who: Anyone, on: OnDeck, id: PlayerPath) -> Look:
    """Whoever is calling looks; what it sees the player's own actor says."""
    return Look(who, on.player(id), connection.app.state.gateway)


Looking = Annotated[Look, Depends(look)]


async def own(who: Owner, on: OnDeck, id: PlayerPath) -> Player:
    return on.player(id)


Own = Annotated[Player, Depends(own)]


def told(step: Step, status: int = 200) -> Response:
    events = [event.model_dump(mode="json") for event in step.events]
    return answer({"sequence": step.sequence, "events": events}, status)


# --- profile ----------------------------------------


@router.post(
    "/players", status_code=201, response_model=ProfileShape, summary="Give a learner a profile"
)
async def create(
    who: Anyone, on: OnDeck, intent: OneIntent, wanted: Annotated[PlayerWanted, sent(PlayerWanted)]
) -> Response:
    identity = wanted.player_id or who.learner
    if identity is None:
        if not who.local:
            raise forbidden("a profile is made by its player")
        identity = intent.name("player")
    if not who.is_(identity):
        raise forbidden("a profile is made by its player")
    player = on.player(identity)
    step = await player.create(
        wanted.username,
        wanted.email,
        id=intent.id(),
        time_zone=wanted.time_zone,
        preferences=wanted.preferences,
        privacy=wanted.privacy,
    )
    found = dated(await player.profile(after=step.sequence))
    return answer(found, 201, {"location": f"/api/v1/players/{identity}"})


@router.get("/players/{id}", response_model=ProfileShape, summary="A profile, as one may see it")
async def profile(looking: Looking, if_none_match: Tag = None) -> Response:
    found = await looking.at("profile")
    return versioned(found, etag(*found.items()), if_none_match)


@router.patch("/players/{id}", response_model=ProfileShape, summary="Change a profile")
async def update(
    player: Own, intent: OneIntent, wanted: Annotated[UpdatePlayer, sent(UpdatePlayer)]
) -> Response:
    step = await player.command(wanted, id=intent.id())
    return answer(dated(await player.profile(after=step.sequence)))


@router.delete(
    "/players/{id}",
    response_model=Receipt,
    responses={202: {"model": Receipt, "description": "It goes on; ask again"}},
    summary="Erase a player, with everything that names it",
)
async def erase(
    request: Request,
    player: Own,
    wait_s: Annotated[float, Query(ge=0, le=50, description="how long to wait for the end")] = 30,
) -> Response:
    receipt = await player.erase(wait_s=wait_s)
    request.app.state.gateway.forget(player.id)
    return answer(receipt, 200 if receipt.complete else 202)


@router.get(
    "/players/{id}/export",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "Everything about the player and nobody else, a JSON object a line",
            "content": {"application/x-ndjson": {"schema": {"type": "string"}}},
        }
    },
    summary="Everything about a player",
)
async def export(player: Own) -> Response:
    lines = player.export()
    # What is refused is refused before an answer begins.
    first = await anext(aiter(lines))

    async def told() -> AsyncIterator[bytes]:
        yield to_json(first) + b"\n"
        async for line in lines:
            yield to_json(line) + b"\n"

    name = f'attachment; filename="{player.id}.jsonl"'
    return StreamingResponse(
        told(), media_type="application/x-ndjson", headers={"content-disposition": name}
    )


@router.post(
    "/players/{id}/switch", response_model=Started, summary="Play somebody else, somewhere else"
)
async def switch(
    request: Request,
    player: Own,
    on: OnDeck,
    intent: OneIntent,
    wanted: Annotated[SwitchWanted, sent(SwitchWanted)],
) -> Response:
    """Goes on with the session of that character and world, or begins one; what is being played
    is paused first."""
    session = await on.switch(
        player.id,
        character=wanted.character,
        world=wanted.world,
        start=wanted.start(player.id),
        session=wanted.session or intent.name("sess"),
        id=intent.id(),
    )
    known = await request.app.state.gateway.sessions.known(on, session.id)
    body = {"id": session.id, "learner": player.id, "kind": known.kind, "sequence": 0}
    return answer(body, headers={"location": f"/api/v1/sessions/{session.id}"})


# --- settings ----------------------------------------


@router.get("/players/{id}/settings", response_model=SettingsShape, summary="Settings")
async def settings(looking: Looking, if_none_match: Tag = None) -> Response:
    found = await looking.at("settings")
    return versioned(found, f'"{found["version"]}"', if_none_match)


@router.put("/players/{id}/settings", response_model=SettingsShape, summary="Change the settings")
async def change_settings(
    player: Own,
    intent: OneIntent,
    wanted: Annotated[PlayerSettings, sent(PlayerSettings)],
    resolve: Annotated[bool, Query(description="mend what can be mended")] = True,
    if_match: Tag = None,
) -> Response:
    base = None
    if if_match is not None and not named_in(if_match, "*"):
        found = re.fullmatch(r'(?:W/)?"(\d{1,9})"', if_match.strip())
        if found is None:
            raise Problem(412, "stale", "If-Match names no version of these settings")
        base = int(found[1])
    try:
        kept, conflicts = await player.change_settings(
            wanted, base=base, resolve=resolve, id=intent.id()
        )
    except RefusedError as error:
        if error.reason != "settings-version":
            raise
        raise Problem(412, error.reason, error.detail) from error
    body = {"settings": kept, "version": kept.version, "conflicts": conflicts}
    return answer(body, headers={"etag": f'"{kept.version}"'})


# --- characters and worlds ----------------------------------------


@router.get("/players/{id}/characters", response_model=Page, summary="Characters, as made")
async def characters(looking: Looking, limit: Limit = 50, cursor: Cursor = None) -> Response:
    return answer(page((await looking.at("characters"))["characters"], limit, cursor))


@router.post("/players/{id}/characters", status_code=201, summary="Make a character")
async def make_character(
    player: Own, intent: OneIntent, wanted: Annotated[CharacterWanted, sent(CharacterWanted)]
) -> Response:
    identity = wanted.character_id or intent.name("char")
    whole = made(
        Character,
        character_id=identity,
        name=wanted.name,
        appearance=wanted.appearance,
        background=wanted.background,
        therapeutic_profile=wanted.therapeutic_profile,
        is_active=wanted.is_active,
    )
    step = await player.put_character(whole, id=intent.id())
    found = await _character(player, identity, step)
    where = f"/api/v1/players/{player.id}/characters/{identity}"
    return answer(found, 201, {"location": where})


@router.get("/players/{id}/characters/{character}", summary="A character")
async def character(
    looking: Looking, character: CharacterPath, if_none_match: Tag = None
) -> Response:
    found = _one_of(await looking.at("characters"), character)
    return versioned(found, etag(found["character_id"], found["changed_at"]), if_none_match)


@router.put("/players/{id}/characters/{character}", summary="All of a character anew")
async def change_character(
    player: Own,
    intent: OneIntent,
    character: CharacterPath,
    wanted: Annotated[CharacterChanged, sent(CharacterChanged)],
) -> Response:
    if wanted.character_id != character:
        raise Problem(422, "invalid", "character_id and the address name different characters")
    times = {"created_at", "changed_at", "removed_at"}
    whole = Character.model_validate(wanted.model_dump(exclude=times))
    step = await player.put_character(whole, create=False, id=intent.id())
    return answer(await _character(player, character, step))


@router.delete(
    "/players/{id}/characters/{character}", status_code=204, summary="Play a character no more"
)
async def remove_character(player: Own, intent: OneIntent, character: CharacterPath) -> Response:
    await player.remove_character(character, id=intent.id())
    return Response(status_code=204)


@router.put("/players/{id}/characters/{character}/goals/{goal}", summary="How far a goal is")
async def progress_goal(
    player: Own,
    intent: OneIntent,
    character: CharacterPath,
    goal: ItemPath,
    wanted: Annotated[GoalReached, sent(GoalReached)],
) -> Response:
    body = made(ProgressGoal, character=character, goal=goal, percentage=wanted.percentage)
    step = await player.command(body, id=intent.id())
    return answer(await _character(player, character, step))


async def _character(player: Player, character: str, step: Step) -> dict[str, Any]:
    found = await player.view("characters", after=step.sequence)
    told: dict[str, Any] = dated(_one_of(found, character))
    return told


def _one_of(found: dict[str, Any], character: str) -> dict[str, Any]:
    for one in found["characters"]:
        if one["character_id"] == character:
            return dict(one)
    raise RefusedError("unknown-character", character)


@router.put(
    "/players/{id}/worlds/{world}", response_model=Told, summary="How a world is to be for one"
)
async def customize(
    player: Own,
    intent: OneIntent,
    world: CharacterPath,
    character: Annotated[str, Query(pattern=ID_PATTERN)],
    wanted: Annotated[WorldParameters, sent(WorldParameters)],
) -> Response:
    return told(await player.customize(character, world, wanted, id=intent.id()))


# --- how it comes on ----------------------------------------


@router.get("/players/{id}/progress", summary="Engagement, trends, strengths, next goals")
async def progress(looking: Looking) -> Response:
    return answer(await looking.at("progress"))


@router.get("/players/{id}/progress/charts", summary="Sessions, minutes and markers, day by day")
async def charts(looking: Looking, days: Annotated[int, Query(ge=1, le=60)] = 14) -> Response:
    return answer(await looking.at("charts", days=days))


@router.get("/players/{id}/milestones", summary="What was reached, and what comes next")
async def milestones(looking: Looking) -> Response:
    return answer(await looking.at("milestones"))


@router.get("/players/{id}/effectiveness", summary="What the last days brought")
async def effectiveness(
    looking: Looking, days: Annotated[int, Query(ge=1, le=60)] = 30
) -> Response:
    return answer(await looking.at("effectiveness", days=days))


@router.get("/players/{id}/recommendations", response_model=Page, summary="What to do next")
async def recommendations(looking: Looking, limit: Limit = 50, cursor: Cursor = None) -> Response:
    return answer(page((await looking.at("recommendations"))["recommendations"], limit, cursor))


@router.post(
    "/players/{id}/recommendations/{recommendation}/dismiss",
    response_model=Told,
    summary="Say no to a recommendation",
)
async def dismiss(player: Own, intent: OneIntent, recommendation: ItemPath) -> Response:
    body = made(DismissRecommendation, recommendation=recommendation)
    return told(await player.command(body, id=intent.id()))


@router.get("/players/{id}/dashboard", summary="All of it in one call")
async def dashboard(looking: Looking) -> Response:
    return answer(await looking.at("dashboard"))


@router.get("/players/{id}/sessions", response_model=Page, summary="Sessions, live ones first")
async def sessions(looking: Looking, limit: Limit = 50, cursor: Cursor = None) -> Response:
    found = await looking.at("sessions", limit=500)
    return answer(page(found["sessions"], limit, cursor))


# --- feedback ----------------------------------------


@router.post(
    "/players/{id}/feedback",
    status_code=201,
    response_model=FeedbackTold,
    summary="Say how it was",
)
async def feedback(
    request: Request,
    player: Own,
    intent: OneIntent,
    wanted: Annotated[Feedback, sent(Feedback)],
) -> Response:
    body = made(
        GiveFeedback,
        feedback_id=wanted.feedback_id or intent.name("fb"),
        session=wanted.session,
        rating=wanted.rating,
        text=wanted.text,
        preference_changes=as_text(wanted.preference_changes),
        crisis_types=wanted.crisis_types,
    )
    step = await player.command(body, id=intent.id())
    events = [event.model_dump(mode="json") for event in step.events]
    care = request.app.state.gateway.care
    finding = care.look(wanted.text) if wanted.text is not None else None
    return answer({"sequence": step.sequence, "events": events, **care.told(finding)}, 201)


@router.post(
    "/players/{id}/feedback/{feedback_id}/approve",
    response_model=Told,
    summary="Yes or no to what a feedback led to",
)
async def approve(
    player: Own,
    intent: OneIntent,
    feedback_id: ItemPath,
    wanted: Annotated[Approval, sent(Approval, optional=True)],
) -> Response:
    body = made(ApproveChange, feedback_id=feedback_id, approve=wanted.approve)
    return told(await player.command(body, id=intent.id()))


# --- who looked ----------------------------------------


@router.get("/players/{id}/access-log", response_model=Page, summary="Who else looked")
async def access_log(player: Own, limit: Limit = 100, cursor: Cursor = None) -> Response:
    return answer(page(dated(await player.access_log()), limit, cursor))


# --- what the hosts know ----------------------------------------


@router.get("/worlds", response_model=Page, tags=["worlds"], summary="Worlds")
async def worlds(request: Request, _: Anyone, limit: Limit = 20, cursor: Cursor = None) -> Response:
    library = await request.app.state.gateway.shelf.opened("worlds")
    return answer(page([library.get(name) for name in library.names()], limit, cursor))


@router.get("/worlds/{world}", tags=["worlds"], summary="A world")
async def world(request: Request, _: Anyone, world: CharacterPath) -> Response:
    library = await request.app.state.gateway.shelf.opened("worlds")
    found = library.get(world)
    if found is None:
        raise RefusedError("unknown-world", world)
    return answer(found)


@router.get(
    "/worlds/{world}/compatibility", tags=["worlds"], summary="How a character and a world go"
)
async def compatibility(
    request: Request,
    who: Anyone,
    on: OnDeck,
    world: CharacterPath,
    player: Annotated[str, Query(pattern=ID_PATTERN)],
    character: Annotated[str, Query(pattern=ID_PATTERN)],
) -> Response:
    looking = Look(who, on.player(player), request.app.state.gateway)
    return answer(await looking.at("compatibility", character=character, world=world))


@router.get("/personas", response_model=Page, tags=["worlds"], summary="Personas")
async def personas(
    request: Request, _: Anyone, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    shelf = request.app.state.gateway.shelf
    await shelf.opened("personas")
    return answer(page(shelf.persona_rows(), limit, cursor))


@router.get("/curricula", response_model=Page, tags=["worlds"], summary="Curricula")
async def curricula(
    request: Request, _: Anyone, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    shelf = request.app.state.gateway.shelf
    await shelf.opened("curricula")
    return answer(page(shelf.curriculum_rows(), limit, cursor))


@router.get("/resources", response_model=Page, tags=["worlds"], summary="Whom to turn to")
async def resources(
    request: Request, _: Anyone, limit: Limit = 100, cursor: Cursor = None
) -> Response:
    return answer(page(list(request.app.state.gateway.care.resources), limit, cursor))
