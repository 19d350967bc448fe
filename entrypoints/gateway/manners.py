"""How the HTTP interface answers: JSON, problems, pages, versions, and how often it may be asked.

One law: whatever goes wrong, the answer is one ``application/problem+json`` (RFC 9457) with a
stable word in ``code``; the same error has the same status wherever it came from.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeVar

from fastapi import Depends
from pydantic import BaseModel, Field, ValidationError
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from holodeck.messages.errors import (
    Busy,
    ContractError,
    HolodeckError,
    RefusedError,
    StartupError,
    StoreFull,
    TooLarge,
    TransientError,
)

PROBLEM: Final = "application/problem+json"
MAX_BODY: Final = 64 * 1024
"""Bytes of a body that are taken."""
RETRY_S: Final = 1
"""What ``Retry-After`` says where the runtime is away for a moment, seconds."""

TITLES: Final = {
    400: "Bad Request",
    401: "Authentication Required",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    409: "Conflict",
    410: "Gone",
    412: "Precondition Failed",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    422: "Validation Error",
    429: "Too Many Requests",
    500: "Internal Error",
    501: "Not Implemented",
    503: "Unavailable",
}


class ProblemShape(BaseModel):
    """What every error looks like.

    Attributes:
        code: a stable word for programs; detail: a sentence for people.
        errors: of a body or query that is wrong, which part and why.
        resources: whom the player can turn to, where a text gave cause for concern.
    """

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    code: str
    errors: list[dict[str, Any]] | None = None
    resources: list[dict[str, Any]] | None = None


class Problem(Exception):
    """An error with its HTTP status."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        title: str = "",
        headers: Mapping[str, str] | None = None,
        errors: Sequence[Mapping[str, Any]] | None = None,
    ) -> None:
        super().__init__(status, code, detail)
        self.status, self.code, self.detail = status, code, detail
        self.title = title or TITLES.get(status, "Error")
        self.headers, self.errors = dict(headers or {}), errors

    def body(self) -> dict[str, Any]:
        told: dict[str, Any] = {
            "type": "about:blank",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
        }
        if self.errors is not None:
            told["errors"] = list(self.errors)
        return told

    def response(self, resources: Sequence[Any] = ()) -> Response:
        body = self.body()
        if resources:
            body["resources"] = list(resources)
        return Response(
            to_json(body, inf_nan_mode="null"), self.status, self.headers, media_type=PROBLEM
        )


def answer(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """``value`` as JSON."""
    return Response(
        to_json(value, inf_nan_mode="null"), status, headers, media_type="application/json"
    )


# --- what is sent ----------------------------------------


class Sent:
    """Reads a JSON body as a contract; made by :func:`sent`."""

    def __init__(self, model: type[BaseModel], optional: bool) -> None:
        self.model, self.optional = model, optional

    async def __call__(self, request: Request) -> BaseModel:
        data = await request.body()
        if not data and self.optional:
            data = b"{}"
        elif not _is_json(request.headers.get("content-type", "")):
            # A page of elsewhere can have a browser send text, and JSON only after asking.
            raise Problem(415, "not-json", "a body is sent as application/json")
        try:
            return self.model.model_validate_json(data)
        except ValidationError as error:
            raise invalid(error) from error


M = TypeVar("M", bound=BaseModel)


def made(model: type[M], /, **fields: Any) -> M:
    """A contract out of what a body brought; parts that are right alone may not go together.

    Raises:
        Problem: 422.
    """
    try:
        return model(**fields)
    except ValidationError as error:
        raise invalid(error) from error


def invalid(error: ValidationError) -> Problem:
    """What is wrong with a body."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    wrong = [
        {"where": ["body", *one["loc"]], "what": one["msg"], "type": one["type"]}
        for one in found[:50]
    ]
    words = "what was sent is not of the form that is asked for"
    return Problem(422, "invalid", words, errors=wrong)


def sent(model: type[BaseModel], *, optional: bool = False) -> Any:
    """A parameter that is the body, of the form of ``model``; ``optional``: nothing counts as an
    empty object. Read straight from the bytes, once."""
    return Depends(Sent(model, optional), use_cache=False)


def _is_json(content: str) -> bool:
    kind = content.partition(";")[0].strip().lower()
    return kind == "application/json" or (
        kind.startswith("application/") and kind.endswith("+json")
    )


# --- errors ----------------------------------------

_BY_STATUS: Final[dict[int, str]] = {
    403: "access-restricted other-learner",
    404: """
        no-such-checkpoint unknown-agent unknown-character unknown-curriculum unknown-feedback
        unknown-goal unknown-host unknown-incident unknown-letter unknown-location unknown-npc
        unknown-learner unknown-objective unknown-persona unknown-player unknown-projection
        unknown-refraction unknown-session unknown-task unknown-tile unknown-trigger unknown-unit
        unknown-view unknown-world no-projections
    """,
    409: """
        agents-full already-answered attempt-order bad-fork character-exists claim-required
        claim-void claimed duplicate-task last-host learner-busy letter-stays letter-under-way
        markers-full name-taken no-agents no-brief no-cast no-hint no-persona no-practice no-reply
        no-session not-active not-ended not-erasing not-offered npc-left player-exists
        player-inactive question-open question-order refraction-order session-active
        session-ended session-exists session-full session-paused settings-conflict
        settings-version start-abandoned task-completed task-limit task-open task-succeeded
        task-cancelled too-many-changes too-many-characters trigger-exists trigger-past turn-order
        variables-full
    """,
    410: "learner-erased session-erased",
    413: "too-large characters-too-large",
    422: "blank-answer empty-curriculum invalid-preference no-wording not-an-object wrong-supply",
    503: "at-capacity expired queue-full store-full not-stored",
}
REFUSALS: Final = {
    reason: status for status, reasons in _BY_STATUS.items() for reason in reasons.split()
}
"""HTTP status of a refusal by its reason; of one nobody knows here 409. 404: something that was
named is not there; 409: the present state forbids it, so that it may do later; 410: it was erased;
422: it can never do like this; 503: ask again."""


def problem_of(error: HolodeckError) -> Problem:
    """The problem an error of the runtime is."""
    words = " ".join(str(error).split()) or error.code
    match error:
        case RefusedError(reason=reason):
            status = REFUSALS.get(reason, 409)
            headers = {"retry-after": str(RETRY_S)} if status == 503 else None
            return Problem(status, reason, words, headers=headers)
        case TooLarge():
            return Problem(413, error.code, words)
        case ContractError():
            return Problem(422, error.code, words)
        case TransientError() | StartupError():
            # Not the subject nor what the broker said: that is for the log.
            words_of: dict[type[HolodeckError], str] = {
                Busy: "too much is asked of it at once; ask again",
                StoreFull: "the store is full",
            }
            told = words_of.get(
                type(error), "the runtime does not answer; whether it took effect is unknown"
            )
            return Problem(503, error.code, told, headers={"retry-after": str(RETRY_S)})
        case _:
            return Problem(500, error.code, "something went wrong; the log says what")


# --- pages and versions ----------------------------------------


class Page(BaseModel):
    """A part of a list; ``next``: the cursor of what follows, null at the end."""

    items: list[dict[str, Any]]
    next: str | None = None
    total: int = Field(ge=0)


def page(items: Sequence[Any], limit: int, cursor: str | None) -> dict[str, Any]:
    """A part of a list that is here whole.

    Args:
        cursor: what an earlier page gave as ``next``.

    Raises:
        Problem: 400: the cursor is none of ours.
    """
    start = 0
    if cursor:
        if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 10):
            raise Problem(400, "bad-cursor", "the cursor is what an earlier page gave as next")
        start = int(cursor)
    end = start + limit
    return {
        "items": list(items[start:end]),
        "next": str(end) if end < len(items) else None,
        "total": len(items),
    }


def etag(*parts: object) -> str:
    """A strong validator of what has these parts (RFC 9110, 8.8.3)."""
    text = "\x1f".join(map(str, parts))
    return f'"{hashlib.sha256(text.encode()).hexdigest()[:20]}"'


def named_in(header: str | None, tag: str) -> bool:
    """Whether ``If-Match`` or ``If-None-Match`` names a version (weak ones count too)."""
    if header is None:
        return False
    names = [part.strip().removeprefix("W/") for part in header.split(",")]
    return "*" in names or tag.removeprefix("W/") in names


def versioned(value: Any, tag: str, if_none_match: str | None, status: int = 200) -> Response:
    """``value`` with its ``ETag``; 304 where the caller has it already."""
    if named_in(if_none_match, tag):
        return Response(status_code=304, headers={"etag": tag})
    return answer(value, status, {"etag": tag})


def must_match(if_match: str | None, tag: str) -> None:
    """Nothing if the caller's version is the one there is.

    Raises:
        Problem: 412.
    """
    if if_match is not None and not named_in(if_match, tag):
        raise Problem(412, "stale", "it has changed since; read it again")


# --- how often ----------------------------------------


class Rate:
    """Calls per caller in windows of a minute that begin with the caller's first.

    Args:
        limit: calls a minute; 0: any number.
        keep: callers remembered; beyond it those whose window began first are forgotten.
        clock: seconds.
    """

    def __init__(
        self, limit: int, *, keep: int = 10_000, period_s: float = 60.0, clock: Any = time.monotonic
    ) -> None:
        self.limit, self.period_s = limit, period_s
        self._keep, self._clock = keep, clock
        self._windows: OrderedDict[str, list[float]] = OrderedDict()

    def take(self, who: str) -> tuple[bool, int, int]:
        """Whether one more call is let through, how many are left, and in how many seconds the
        window ends."""
        now = self._clock()
        window = self._windows.get(who)
        if window is None or now - window[0] >= self.period_s:
            window = [now, 0]
            self._windows[who] = window
            self._windows.move_to_end(who)
            while len(self._windows) > self._keep:
                self._windows.popitem(last=False)
        ends = max(1, math.ceil(window[0] + self.period_s - now))
        if window[1] >= self.limit:
            return False, 0, ends
        window[1] += 1
        return True, self.limit - int(window[1]), ends
