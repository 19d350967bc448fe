"""Who am I, and tokens: made by operators, ended by operators or by who has one."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response

from holodeck.entrypoints.gateway.access import LONGEST_DAYS, Anyone, Operator, Role, forbidden
from holodeck.entrypoints.gateway.manners import Problem, answer, sent
from holodeck.messages.base import Message
from holodeck.messages.ids import ID_PATTERN

router: Final = APIRouter(tags=["access"])

Id = Annotated[str, Field(pattern=ID_PATTERN)]


class Welcome(Message):
    """Where one is, and as whom; ``learner``: null where no learner is calling."""

    version: str
    namespace: str
    role: Role
    subject: str
    learner: str | None
    local: bool


class TokenWanted(
    Message, json_schema_extra={"examples": [{"scope": "learner", "subject": "ana", "days": 30}]}
):
    """A token to be made; ``subject``: the learner, or whom it is for."""

    scope: Role
    subject: Id
    days: Annotated[float, Field(gt=0, le=LONGEST_DAYS, allow_inf_nan=False)] = 30.0


class TokenMade(Message):
    """A token, shown this once; ``expires``: s since 1970 UTC."""

    token: str
    id: str
    scope: Role
    subject: str
    expires: int


class TokenEnded(Message):
    """Which token is to end: by its id, by itself, or (neither) the caller's own."""

    id: Id | None = None
    token: Annotated[str, Field(min_length=1, max_length=4096)] | None = None


@router.get("/", response_model=Welcome, summary="Version, namespace, and who is calling")
async def who_am_i(request: Request, who: Anyone) -> Response:
    gateway = request.app.state.gateway
    return answer(
        {
            "version": gateway.version,
            "namespace": gateway.layout.ns,
            "role": who.role,
            "subject": who.subject,
            "learner": who.learner,
            "local": who.local,
        }
    )


@router.post("/tokens", status_code=201, response_model=TokenMade, summary="Make a token")
async def make_token(
    request: Request, _: Operator, body: Annotated[TokenWanted, sent(TokenWanted)]
) -> Response:
    made = request.app.state.gateway.access.mint(body.scope, body.subject, body.days)
    told: dict[str, Any] = {
        "token": made.token,
        "id": made.jti,
        "scope": made.role,
        "subject": made.subject,
        "expires": made.expires,
    }
    return answer(told, 201)


@router.post("/tokens/revoke", status_code=204, summary="End a token")
async def end_token(
    request: Request,
    who: Anyone,
    asked: Annotated[TokenEnded, sent(TokenEnded, optional=True)],
) -> Response:
    access = request.app.state.gateway.access
    if asked.token is not None:
        ended = access.look_in(asked.token)
        if not who.operates and ended.jti != who.jti:
            raise forbidden("only operators end the tokens of others")
        await access.revoke(ended)
    elif asked.id is not None and asked.id != who.jti:
        if not who.operates:
            raise forbidden("only operators end the tokens of others")
        await access.revoke_id(asked.id)
    elif who.jti:
        await access.revoke(who)
    else:
        raise Problem(409, "no-token", "no token that could be ended was sent")
    return Response(status_code=204)
