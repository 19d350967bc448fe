"""The cases of the door: calls over HTTP, and a live session over a WebSocket.

One law: a case is a call of a door that is open on loopback, by somebody with a token of its own or
with none; where a case names a route of another interface, ours for the same thing is called.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import httpx
import jwt
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from holodeck.entrypoints.gateway.access import Role, mint
from holodeck.messages.player import TherapeuticApproach, WorldParameters
from tests.conformance.real import Real, done
from tests.conformance.runner import Case, OfCase, Otherwise, UnknownShape
from tests.conformance.shapes import unknown
from tests.conformance.words import Said
from tests.entrypoints.gateway.doors import KEY

WHERE: Final = "docs/http.md"
NPC: Final = "marta"
HEARD_S: Final = 10.0


class Answered(dict[str, Any]):
    """Several things that can be asked of an answer by name; a number or words are said of
    ``main``."""

    def __init__(self, main: Said, **parts: Any) -> None:
        super().__init__(**parts)
        self.main = main

    def says(self, expected: str | float | None) -> bool:
        return self.main.says(expected)

    def shown(self) -> Any:
        return {key: part.shown() if isinstance(part, Said) else part for key, part in self.items()}


def otherwise(got: Any, decided: Any, reason: str) -> Otherwise:
    return Otherwise(got, decided, WHERE, reason)


def status(answer: httpx.Response) -> Said:
    code = answer.status_code
    return Said(code, (str(code), "refused" if code >= 400 else "ok"))


def answered(answer: httpx.Response) -> Answered:
    problem = answer.headers.get("content-type", "").startswith("application/problem+json")
    title = answer.json()["title"] if problem else None
    return Answered(status(answer), status=status(answer), error=title)


# --- HTTP: who ----------------------------------------


async def someone(real: Real, character: str = "") -> tuple[str, httpx.AsyncClient]:
    """A learner with a profile, and its client."""
    learner = real.fresh("learner")
    await real.player(learner, *filter(None, [character]))
    return learner, real.home.learner(learner)


async def as_nobody(real: Real, path: str, header: str | None) -> Any:
    headers = {} if header is None else {"authorization": header}
    return answered(await real.home.nobody.get(path, headers=headers))


async def with_token(real: Real, kind: str) -> Any:
    token = mint(KEY, real.home.layout.ns, Role.LEARNER, real.fresh("learner"), days=1).token
    claims = jwt.decode(token, KEY, algorithms=["HS256"], audience=real.home.layout.ns)
    token = jwt.encode(claims | {"use": kind}, KEY, "HS256")
    return answered(await real.home.client(token).get("/"))


async def logged_out(real: Real) -> Any:
    client = real.home.learner(real.fresh("learner"))
    ended = (await client.post("/tokens/revoke")).status_code
    after = (await client.get("/")).status_code
    got = Said(f"{ended}, {after} afterwards", (f"{ended} at once", f"{after} afterwards"))
    return otherwise(got, "204 and 401 afterwards", "an answer without a body is a 204")


async def bad_logins(real: Real, tries: int) -> Any:
    async with real.limited(tries - 1):
        answers = [
            await real.home.nobody.get("/", headers={"authorization": f"Bearer {n}"})
            for n in range(tries)
        ]
    codes = [answer.status_code for answer in answers]
    ending = {1: "st", 2: "nd", 3: "rd"}.get(0 if 10 < tries % 100 < 14 else tries % 10, "th")
    got = {f"{tries}{ending}": Said(codes[-1], (str(codes[-1]),)), "before": codes[:-1]}
    decided = {f"{tries}{ending}": "429", "before": [401] * (tries - 1)}
    reason = "there are no passwords to guess; tries are counted before a token is looked at"
    return otherwise(got, decided, reason)


async def often(real: Real, limit: int, calls: int) -> Any:
    client = real.home.learner(real.fresh("learner"))
    await client.get("/worlds")  # a token nobody knows yet counts for its address
    async with real.limited(limit):
        answers = [await client.get("/worlds") for _ in range(calls)]
    got: dict[str, Any] = {
        "statuses": [one.status_code for one in answers],
        "remaining": [
            int(one.headers["x-ratelimit-remaining"]) for one in answers if one.is_success
        ],
    }
    if "retry-after" in answers[-1].headers:
        got["retry_after"] = int(answers[-1].headers["retry-after"])
    return got


# --- HTTP: players ----------------------------------------


async def new_profile(real: Real, given: Mapping[str, Any]) -> Any:
    """Of what a body says only passwords are left out: there are none."""
    learner = real.fresh("learner")
    body = {"username": real.fresh("player"), "email": "player@example.org"}
    body |= {key: value for key, value in given.items() if key != "password"}
    answer = await real.home.learner(learner).post("/players", json=body)
    if answer.status_code == 201 and "password" in given:
        return otherwise(answered(answer), {"status": 201}, "there are no passwords")
    return answered(answer)


async def same_name(real: Real, name: str) -> Any:
    body = {"username": real.fresh(name), "email": "player@example.org"}
    first = await real.home.learner(real.fresh("learner")).post("/players", json=body)
    if first.status_code != 201:
        return answered(first)
    return answered(await real.home.learner(real.fresh("learner")).post("/players", json=body))


async def read_unknown(real: Real, name: str) -> Any:
    learner = real.fresh(name)
    return answered(await real.home.learner(learner).get(f"/players/{learner}"))


async def profile_of(real: Real, ending: str, *, another: bool) -> Any:
    """What somebody finds below its own profile, or below another's."""
    learner, client = await someone(real)
    if another:
        _, client = await someone(real)
    return answered(await client.get(f"/players/{learner}{ending}"))


async def looked(real: Real, path: str) -> Any:
    _, client = await someone(real)
    return answered(await client.get(path))


async def deleted(real: Real, whose: Sequence[str]) -> Any:
    codes = []
    for who in whose:
        learner, client = await someone(real)
        if "missing" in who or "unknown" in who:
            learner = real.fresh("learner")
            client = real.home.learner(learner)
        elif "own" not in who:
            learner, _ = await someone(real)
        answer = await client.delete(f"/players/{learner}")
        codes.append(answer.status_code)
    decided = [200 if "own" in who else 404 if "missing" in who else 403 for who in whose]
    reason = "an erasure is answered with its receipt, so 200 in place of 204"
    if len(codes) == 1:
        got = Answered(Said(codes[0], (str(codes[0]),)), status=codes[0])
        return otherwise(got, {"status": decided[0]}, reason)
    return otherwise({"status": codes}, {"status": decided}, reason)


async def patched(real: Real, body: Mapping[str, Any]) -> Any:
    learner, client = await someone(real)
    return answered(await client.patch(f"/players/{learner}", json=body))


def approaches(number: int) -> list[str]:
    """So many, each another as long as there are any."""
    every = [one.value for one in TherapeuticApproach]
    return [every[n % len(every)] for n in range(number)]


async def foreign(real: Real, verbs: Sequence[str]) -> Any:
    """What somebody else may do with a profile."""
    learner, _ = await someone(real)
    _, other = await someone(real)
    calls: dict[str, Callable[[], Coroutine[Any, Any, httpx.Response]]] = {
        "PUT": lambda: other.patch(f"/players/{learner}", json={"username": "mine-now"}),
        "PATCH": lambda: other.patch(f"/players/{learner}", json={"username": "mine-now"}),
        "DELETE": lambda: other.delete(f"/players/{learner}"),
        "EXPORT": lambda: other.get(f"/players/{learner}/export"),
        "SETTINGS": lambda: other.put(f"/players/{learner}/settings", json={}),
    }
    if not {verb.upper() for verb in verbs} <= calls.keys():
        raise UnknownShape(f"api does not know all of {verbs}; it knows {sorted(calls)}")
    answers = [await calls[verb.upper()]() for verb in verbs]
    if len({one.status_code for one in answers}) == 1:
        return answered(answers[0])
    return [one.status_code for one in answers]


async def charts(real: Real, days: Sequence[int]) -> Any:
    learner, client = await someone(real)
    path = f"/players/{learner}/progress/charts"
    return [(await client.get(path, params={"days": n})).status_code for n in days]


async def customised(real: Real, parameters: Mapping[str, Any]) -> Any:
    learner, client = await someone(real, "mira")
    path = f"/players/{learner}/worlds/{real.worlds[0]}?character=mira"
    return answered(await client.put(path, json=dict(parameters)))


async def world_page(real: Real, limit: int, offset: int) -> Any:
    """Pages are by cursor, so what an offset begins with is found by going through them."""
    client = real.home.learner(real.fresh("learner"))
    found: list[Any] = []
    query: dict[str, Any] = {"limit": limit}
    while len(found) < offset + limit:
        answer = await client.get("/worlds", params=query)
        if answer.is_error:
            return answered(answer)
        page = answer.json()
        found += page["items"]
        if page["next"] is None:
            break
        query["cursor"] = page["next"]
    return {"length": len(found[offset : offset + limit])}


# --- HTTP: sessions ----------------------------------------


async def others_session(real: Real, method: str, ending: str, body: Any = None) -> Any:
    """A call about a session of somebody else."""
    session = await real.begun(cast=[NPC])
    _, other = await someone(real)
    return answered(await other.request(method, f"/sessions/{session.id}{ending}", json=body))


async def started(real: Real, given: Mapping[str, Any]) -> Any:
    learner, client = await someone(real)
    return answered(await client.post("/sessions", json={"learner": learner, **given}))


async def wrote(real: Real, text: str) -> Any:
    learner, client = await someone(real)
    made = await client.post("/sessions", json={"learner": learner, "cast": [NPC]})
    turn = {"text": text, "to": NPC}
    answer = await client.post(f"/sessions/{made.json()['id']}/turns", json=turn)
    if not text.strip():
        reason = "422 in place of 400, as every body that is wrong in itself"
        return otherwise(answered(answer), {"status": 422}, reason)
    return answered(answer)


async def analytics(real: Real) -> Any:
    learner, client = await someone(real)
    answers = [
        await client.get(f"/players/{learner}/{view}")
        for view in ("progress", "effectiveness", "milestones")
    ]
    worst = max(answers, key=lambda one: one.status_code)
    return answered(worst)


# --- which case is which ----------------------------------------


def api(case: Case) -> Any:
    given = case.input
    if not isinstance(given, Mapping):
        raise unknown("api", given)
    name = case.name.lower()
    match dict(given):
        case {"Authorization": str(header), **rest} if not rest:
            return done(lambda real: as_nobody(real, "/players/x", header))
        case {"GET": str(path), **rest} if not rest:
            return read(path, name)
        case {"POST": str(path), **rest} if not rest:
            return posted(path)
        case {"DELETE": str(whose), **rest} if not rest:
            return done(lambda real: deleted(real, [who.strip() for who in whose.split(",")]))
        case {"PATCH privacy": int(days), **rest} if not rest:
            body: dict[str, Any] = {"privacy": {"data_retention_period_days": days}}
            return done(lambda real: patched(real, body))
        case {"PATCH preferences": int(number), **rest} if not rest:
            body = {"preferences": {"preferred_approaches": approaches(number)}}
            return done(lambda real: patched(real, body))
        case {"world_id": str(world), **rest} if not rest:
            return done(lambda real: started(real, {"world": world}))
        case {"message": str(text), **rest} if not rest:
            return done(lambda real: wrote(real, text))
        case {"session": str(), "player": str(), **rest} if not rest:
            return done(lambda real: others_session(real, "GET", "/messages"))
        case {"token type": str(kind), **rest} if not rest:
            return done(lambda real: with_token(real, kind))
        case {"bad logins": int(tries), **rest} if not rest and tries > 1:
            return done(lambda real: bad_logins(real, tries))
        case {"limit": int(limit), "calls": int(calls), **rest} if not rest:
            return done(lambda real: often(real, limit, calls))
        case {"limit": int(limit), "offset": int(offset), **rest} if not rest:
            return done(lambda real: world_page(real, limit, offset))
        case {"days": [*days], **rest} if not rest:
            return done(lambda real: charts(real, days))
        case {"username": str(username), **rest} if not rest:
            return done(lambda real: same_name(real, username))
    if "username" in given and given.keys() <= {"username", "email", "password"}:
        return done(lambda real: new_profile(real, given))
    if given and given.keys() <= WorldParameters.model_fields.keys():
        return done(lambda real: customised(real, given))
    if len(given) == 1 and next(iter(given.values())) == "other":
        return done(lambda real: foreign(real, next(iter(given)).split("/")))
    raise unknown("api", given)


def read(path: str, name: str) -> Any:
    if not path.startswith("/"):
        return done(lambda real: read_unknown(real, path))
    own = path.removeprefix("/api/v1").rstrip("/")
    if "no token" in name or "without token" in name or "without a token" in name:
        return done(lambda real: as_nobody(real, own, None))
    if own.startswith("/sessions/{id}"):
        return done(lambda real: others_session(real, "GET", own.removeprefix("/sessions/{id}")))
    if own.endswith("/player/analytics"):
        return done(analytics)
    if own.startswith("/players/{id}"):
        rest = own.removeprefix("/players/{id}")
        return done(lambda real: profile_of(real, rest, another="other" in name))
    if own.split("/")[1] in ("players", "worlds", "sessions", "personas", "curricula"):
        return done(lambda real: looked(real, own))
    raise UnknownShape(f"api does not know what is at {path}")


def posted(path: str) -> Any:
    match path.removeprefix("/api/v1").rstrip("/"):
        case "/players":
            return done(lambda real: new_profile(real, {}))
        case "/gameplay/message":
            turn = {"text": "Hola", "to": NPC}
            return done(lambda real: others_session(real, "POST", "/turns", turn))
        case "/auth/logout":
            return done(logged_out)
        case _:
            raise UnknownShape(f"api does not know what is at {path}")


# --- WebSocket ----------------------------------------


@asynccontextmanager
async def talking(real: Real, query: str = "", *, token: str | bool = True) -> Any:
    """A live session somebody has just come into."""
    learner = real.fresh("learner")
    session = await real.begun(learner, cast=[NPC])
    url = f"{real.home.url.replace('http', 'ws', 1)}/sessions/{session.id}/live?{query}"
    if token is True:
        token = real.home.token("learner", learner)
    if token:
        url += f"&token={token}"
    async with connect(url) as socket:
        yield socket


async def heard(socket: ClientConnection) -> dict[str, Any]:
    async with asyncio.timeout(HEARD_S):
        frame: dict[str, Any] = json.loads(await socket.recv())
    return frame


async def says(socket: ClientConnection, text: str) -> list[dict[str, Any]]:
    """The frames up to the reply, or to where it was refused."""
    await socket.send(json.dumps({"type": "say", "text": text, "to": NPC}))
    frames = [await heard(socket)]
    while frames[-1]["type"] not in ("reply", "error", "notice"):
        frames.append(await heard(socket))
    return frames


async def came_in(real: Real, token: str | bool) -> Any:
    async with talking(real, token=token) as socket:
        try:
            welcome = await heard(socket)
        except ConnectionClosed:
            return {"close": socket.close_code}
        return welcome


async def spoke(real: Real, text: str) -> Any:
    async with talking(real) as socket:
        await heard(socket)
        frames = await says(socket, text)
    last = frames[-1]
    elements = last.get("elements", [])
    kinds = [one["type"] for one in elements]
    true = "answered" if last["type"] == "reply" and last["text"] else "refused"
    return Answered(
        Said(last["type"], (true,)),
        events=[one["stage"] for one in frames if one["type"] == "progress"],
        safety=last.get("safety"),
        elements=Said(kinds, tuple(kinds), {kind: kinds.count(kind) for kind in kinds}),
        buttons=[one["id"] for one in elements if one["type"] == "button"],
        **{"then role": last.get("role")},
    )


async def typed(real: Real, wanted: bool) -> Any:
    async with talking(real, f"typing={int(wanted)}") as socket:
        await heard(socket)
        frames = await says(socket, "Hola")
        if wanted:
            frames.append(await heard(socket))
    told = [" ".join((one["type"], str(one.get("state", one.get("stage", ""))))) for one in frames]
    last = [told[-1]]
    if wanted and frames[-2].get("role") == "assistant":
        last.append(f"{told[-1]} after the assistant")
    return {"first": Said(told[0], (told[0],)), "last": Said(told[-1], tuple(last))}


async def clicked(real: Real, buttons: Sequence[str], offered: bool) -> list[Said]:
    found = []
    async with talking(real) as socket:
        await heard(socket)
        if offered:
            await says(socket, "I'm feeling anxious")
        for button in buttons:
            await socket.send(json.dumps({"type": "interaction", "id": button}))
            frame = await heard(socket)
            if frame["type"] in ("notice", "error"):
                found.append(Said(frame["code"], ("refused", frame["code"])))
                continue
            facts = ["acknowledged"]
            for one in frame.get("elements", []):
                facts += [one["type"], f"{one['type']} element"]
                if one["type"] == "button" and str(one["id"]).endswith("_complete"):
                    facts.append("complete button")
            found.append(Said(frame["type"], tuple(facts)))
    return found


async def framed(real: Real, text: str) -> Any:
    async with talking(real) as socket:
        await heard(socket)
        await socket.send(text)
        frame = await heard(socket)
        await socket.send('{"type":"ping"}')
        try:
            while (await heard(socket))["type"] != "pong":
                continue
            open_ = Said("open", ("stays open",))
        except ConnectionClosed:
            open_ = Said("closed", ("closed",))
    facts = []
    if frame["type"] == "notice":
        facts += ["notice", "refused", frame["code"]]
        if frame["code"] in ("not-json", "not-an-object", "invalid"):
            facts.append("invalid format notice")
        if frame["code"] == "unknown-type":
            facts.append("unknown type notice")
    else:
        facts.append("answered")
    return Answered(Said(frame["type"], tuple(facts)), role=frame.get("role"), connection=open_)


async def burst(real: Real, frames: int, seconds: float) -> Any:
    """So many frames, at once where they fit into the window, else evenly."""
    async with talking(real) as socket:
        await heard(socket)
        begun = time.monotonic()
        for n in range(frames):
            at_once = seconds <= 2
            wait = 0.0 if at_once else begun + n * seconds / frames - time.monotonic()
            await asyncio.sleep(max(0.0, wait))
            await socket.send('{"type":"ping"}')
        answers = [await heard(socket) for _ in range(frames)]
    slow = sum(one.get("code") == "slow-down" for one in answers)
    return {
        "handled": sum(one["type"] == "pong" for one in answers),
        "slow-down notices": slow,
    }


def websocket(case: Case) -> Any:
    given = case.input
    if not isinstance(given, Mapping):
        raise unknown("websocket", given)
    match dict(given):
        case {"connect": str(how), **rest} if not rest:
            good = re.search(r"\bwith (a |the )?(good |valid )?token", how) is not None
            bad = re.search(r"\b(bad|invalid|wrong|expired|broken) token", how) is not None
            return done(lambda real: came_in(real, "no-good-token" if bad else good))
        case {"text": str(text), **rest} if not rest:
            return done(lambda real: spoke(real, text))
        case {"typing": (0 | 1) as wanted, **rest} if not rest:
            return done(lambda real: typed(real, bool(wanted)))
        case {"clicks": [*buttons], **rest} if not rest:
            return done(lambda real: clicked(real, buttons, True))
        case {"id": str(button), **rest} if not rest:
            return done(lambda real: clicked(real, [button], False))[0]
        case {"frame": str(text), **rest} if not rest:
            return done(lambda real: framed(real, text))
        case {"frames": int(frames), "window_s": float() | int() as seconds, **rest} if (
            not rest and seconds <= 10
        ):
            return done(lambda real: burst(real, frames, seconds))
    raise unknown("websocket", given)


ADAPTERS: Final = {"api": OfCase(api), "websocket": OfCase(websocket)}
