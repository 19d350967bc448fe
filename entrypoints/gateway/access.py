"""Who somebody is at the HTTP door, and what that lets them do.

One law: a token that is sent is always checked; who sends none is nobody, except on loopback
where nothing is asked for: there it is the user of this machine.

Tokens are JSON Web Tokens (RFC 7519) signed with HMAC-SHA-256 and nothing else. One has an end, a
scope, a subject, an id (``jti``, by which it can be ended early) and the use ``access``.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import secrets
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

import jwt
from fastapi import Depends
from fastapi import Path as InPath
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from holodeck.broker.port import Bucket
from holodeck.deck import Deck
from holodeck.entrypoints.gateway.manners import Problem, problem_of
from holodeck.messages.errors import ContractError, HolodeckError, SettingsError, StartupError
from holodeck.messages.ids import ID_PATTERN, check_id, new_id

ALGORITHM: Final = "HS256"
LONGEST_DAYS: Final = 366.0
"""The longest a token may be good for."""
MAX_TOKEN: Final = 4096
"""Characters of a token that are looked at."""
CHECKED_S: Final = 5.0
"""How long a token that was found good is not looked up again: an ended one works on that long."""
KEEP: Final = 4096
"""Tokens whose verdict is remembered."""
REVOKED: Final = "revoked-token.{}"
"""Key in the bucket ``cluster`` of a token that was ended; its value is when it would end, s."""


class Role(StrEnum):
    """What a token lets its bearer do."""

    LEARNER = "learner"
    READER = "reader"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is calling.

    Attributes:
        subject: whom the token is for; of a learner's token the learner.
        local: nobody asked for a token here, and none was sent: an operator who may also act for
            any learner.
        jti: of the token; empty: none, or the deployment's own.
        expires: s since 1970 UTC; 0: never.
    """

    role: Role
    subject: str
    local: bool = False
    jti: str = ""
    expires: int = 0

    @property
    def learner(self) -> str | None:
        """The learner who is calling; None: no learner is."""
        return self.subject if self.role is Role.LEARNER else None

    @property
    def reads(self) -> bool:
        """Whether it may see what is running."""
        return self.role is not Role.LEARNER

    @property
    def operates(self) -> bool:
        return self.role is Role.OPERATOR

    def is_(self, learner: str) -> bool:
        """Whether it may act as this learner."""
        return self.local or self.learner == learner


LOCAL: Final = Caller(Role.OPERATOR, "local", local=True)


def unauthenticated(title: str, detail: str) -> Problem:
    return Problem(
        401,
        "unauthenticated",
        detail,
        title=title,
        headers={"www-authenticate": 'Bearer realm="holodeck"'},
    )


def forbidden(detail: str) -> Problem:
    return Problem(403, "forbidden", detail)


# --- the key, and tokens ----------------------------------------


def token_key(folder: Path, given: str = "") -> bytes:
    """The key tokens are signed with: what is given, else what lies in ``<folder>/token.key``,
    which is made when it is not there, readable by the user alone.

    Raises:
        SettingsError: the given key has less than 32 characters.
        StartupError: the file cannot be read or made.
    """
    if given:
        if len(given) < 32:
            raise SettingsError("HOLODECK_TOKEN_KEY", "has at least 32 characters")
        return given.encode()
    path = folder / "token.key"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            # Linked into place whole: of two processes that make one, both read the first's.
            fresh = folder / f"{new_id('token')}.key"
            with os.fdopen(
                os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w"
            ) as file:
                file.write(secrets.token_hex(32))
            with contextlib.suppress(FileExistsError):
                os.link(fresh, path)
            fresh.unlink()
        return _key_in(path)
    except OSError as error:
        raise StartupError(
            f"the key for tokens cannot be kept in {path} ({error.strerror})",
            "Set HOLODECK_TOKEN_KEY, or name a folder of yours in HOLODECK_STATE_DIR",
        ) from error


def _key_in(path: Path) -> bytes:
    key = path.read_text().strip()
    if len(key) < 32:
        raise StartupError(f"{path} holds no key", "Remove it; tokens made with it end by that")
    return key.encode()


@dataclass(frozen=True, slots=True)
class Minted:
    """A token just made; ``token`` is shown once and kept nowhere. ``expires``: s since 1970."""

    token: str
    jti: str
    role: Role
    subject: str
    expires: int


def mint(
    key: bytes, ns: str, role: Role, subject: str, *, days: float, now: float | None = None
) -> Minted:
    """Makes a token.

    Args:
        ns: the namespace it is good for.
        subject: the learner; of an operator or reader whom it is for, as an id.
        days: how long it is good, above 0, at most 366.

    Raises:
        InvalidId: ``subject`` is no id.
        ValueError: ``days`` is out of its bounds.
    """
    if not 0 < days <= LONGEST_DAYS:
        raise ValueError(f"a token is good for more than 0 and at most {LONGEST_DAYS:g} days")
    made = int(time.time() if now is None else now)
    expires = made + max(1, int(days * 86_400))
    jti = new_id("tok")
    claims = {
        "sub": check_id(subject),
        "scope": role.value,
        "aud": ns,
        "jti": jti,
        "iat": made,
        "exp": expires,
        "use": "access",
    }
    return Minted(jwt.encode(claims, key, ALGORITHM), jti, role, subject, expires)


def read(token: str, key: bytes, ns: str) -> Caller:
    """Who brings a token.

    Raises:
        Problem: 401; the signature is another's, it has ended, it is for something else.
    """
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[ALGORITHM],
            audience=ns,
            options={"require": ["exp", "sub", "jti", "aud"]},
        )
        if claims.get("use") != "access":
            raise jwt.InvalidTokenError("it is not for access")
        jti = claims["jti"]
        return Caller(
            Role(str(claims.get("scope"))),
            check_id(claims["sub"]),
            jti=check_id(jti),
            expires=int(claims["exp"]),
        )
    except jwt.ExpiredSignatureError as error:
        raise unauthenticated("Authentication Failed", "the token has ended") from error
    except (jwt.InvalidTokenError, ContractError, ValueError, TypeError) as error:
        raise _failed() from error


def _failed() -> Problem:
    return unauthenticated("Authentication Failed", "the token is not good here")


def write_down(folder: Path, made: Minted) -> None:
    """Adds a token to ``<folder>/tokens.jsonl``, the list of those that were made: who it is for,
    never the token itself.

    Raises:
        OSError: the file cannot be written.
    """
    row = {"id": made.jti, "scope": made.role, "subject": made.subject, "expires": made.expires}
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    with os.fdopen(os.open(folder / "tokens.jsonl", flags, 0o600), "a") as file:
        file.write(json.dumps(row) + "\n")


def written_down(folder: Path) -> list[dict[str, Any]]:
    """The tokens of the list that have not ended by themselves, as ``{id, scope, subject,
    expires}``, in the order they were made."""
    try:
        lines = (folder / "tokens.jsonl").read_text().splitlines()
    except FileNotFoundError:
        return []
    rows = [json.loads(line) for line in lines if line]
    return [row for row in rows if row["expires"] > time.time()]


async def ended(bucket: Bucket) -> set[str]:
    """The ids of tokens that were ended early."""
    head = REVOKED.format("")
    return {entry.key.removeprefix(head) async for entry in bucket.scan(REVOKED.format("*"))}


async def end(bucket: Bucket, jti: str, expires: int = 0) -> None:
    """Ends a token for good; again changes nothing.

    Args:
        expires: when it would end by itself, s since 1970 UTC; 0: not known.

    Raises:
        InvalidId: it is no token's id.
        TransientError: it could not be stored.
    """
    now = int(time.time())
    until = expires or now + int(LONGEST_DAYS * 86_400)
    await bucket.put(REVOKED.format(check_id(jti)), str(until).encode())
    # What has ended by itself need not be remembered; who ends tokens pays for that.
    async for entry in bucket.scan(REVOKED.format("*")):
        if entry.data.isdigit() and int(entry.data) < now:
            await bucket.delete(entry.key)


# --- asking who it is ----------------------------------------


class Access:
    """What the door knows of tokens.

    Args:
        ns: the namespace tokens are good for.
        key: see :func:`token_key`.
        token: of the deployment itself, an operator's; empty: there is none.
        required: whether something has to be sent; else who sends nothing is :data:`LOCAL`.
        store: opens the bucket in which ended tokens stand, with the right to write.
        folder: where the list of tokens that were made lies; None: there is none.
    """

    def __init__(
        self,
        *,
        ns: str,
        key: bytes,
        token: str = "",
        required: bool,
        store: Callable[[], Awaitable[Bucket]],
        folder: Path | None = None,
    ) -> None:
        self.ns, self.required = ns, required
        self._folder = folder
        self._key, self._token, self._store = key, token.encode(), store
        self._good: OrderedDict[bytes, tuple[Caller, float]] = OrderedDict()

    def mint(self, role: Role, subject: str, days: float) -> Minted:
        """As :func:`mint`, with this deployment's key; it is written down."""
        made = mint(self._key, self.ns, role, subject, days=days)
        if self._folder is not None:
            write_down(self._folder, made)
        return made

    def known(self, connection: HTTPConnection) -> str | None:
        """A name for a token that was found good lately; looks nothing up. None: none was sent,
        or it is not known (yet)."""
        token, _ = _sent(connection)
        if token is None:
            return None
        digest = _digest(token)
        found = self._good.get(digest)
        return digest.hex()[:32] if found is not None and not _over(found[0]) else None

    def peek(self, connection: HTTPConnection) -> Caller | None:
        """Who is calling, if that was found out lately; looks nothing up."""
        token, form = _sent(connection)
        if token is None:
            return None if form or self.required else LOCAL
        found = self._good.get(_digest(token))
        return found[0] if found is not None and not _over(found[0]) else None

    async def caller(self, connection: HTTPConnection) -> Caller:
        """Who is calling.

        Raises:
            Problem: 401: nothing was sent, not in the form of a bearer token, or it is not good.
            TransientError: whether it was ended could not be found out.
        """
        token, form = _sent(connection)
        if token is None:
            if form:
                raise unauthenticated(
                    "Invalid Authorization Header",
                    "the header Authorization has the form: Bearer <token>",
                )
            if self.required:
                raise unauthenticated(
                    "Authentication Required", "send a token: Authorization: Bearer <token>"
                )
            return LOCAL
        digest = _digest(token)
        found = self._good.get(digest)
        if found is not None and time.monotonic() - found[1] < CHECKED_S:
            if _over(found[0]):
                raise unauthenticated("Authentication Failed", "the token has ended")
            return found[0]
        caller = await self._check(token)
        self._good[digest] = caller, time.monotonic()
        self._good.move_to_end(digest)
        while len(self._good) > KEEP:
            self._good.popitem(last=False)
        return caller

    async def _check(self, token: str) -> Caller:
        if self._token and hmac.compare_digest(token.encode(), self._token):
            return Caller(Role.OPERATOR, "operator")
        caller = read(token, self._key, self.ns)
        if await (await self._store()).get(REVOKED.format(caller.jti)) is not None:
            raise unauthenticated("Authentication Failed", "the token was ended")
        return caller

    async def revoke(self, token: Caller) -> None:
        """Ends a token for good; again changes nothing. Elsewhere it is noticed within seconds.

        Raises:
            TransientError: it could not be stored.
        """
        await self.revoke_id(token.jti, token.expires)

    async def revoke_id(self, jti: str, expires: int = 0) -> None:
        """As :meth:`revoke`, by the token's id; ``expires``: s since 1970 UTC, 0 not known."""
        await end(await self._store(), jti, expires)
        for digest, (caller, _) in list(self._good.items()):
            if caller.jti == jti:
                del self._good[digest]

    def look_in(self, token: str) -> Caller:
        """Who a token is for, ended or not.

        Raises:
            Problem: 401: it is none of ours.
        """
        return read(token, self._key, self.ns)


def _sent(connection: HTTPConnection) -> tuple[str | None, bool]:
    """The token that was sent, and whether a header was. Browsers cannot send headers with
    WebSockets and event streams, which may bring it in the query."""
    header = connection.headers.get("authorization")
    if header is not None:
        scheme, _, token = header.partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token or len(token) > MAX_TOKEN:
            return None, True
        return token, True
    scope = connection.scope
    streamed = scope["type"] == "websocket" or str(scope["path"]).endswith("/events")
    if streamed and b"token=" in scope.get("query_string", b""):
        given = connection.query_params.get("token", "")
        return (given, True) if 0 < len(given) <= MAX_TOKEN else (None, True)
    return None, False


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="replace")).digest()


def _over(caller: Caller) -> bool:
    return bool(caller.expires) and caller.expires <= time.time()


# --- what routes depend on ----------------------------------------


async def caller(connection: HTTPConnection) -> Caller:
    """Who is calling, whoever it is."""
    state = connection.scope.setdefault("state", {})
    found: Caller | None = state.get("caller")
    if found is None:
        found = await connection.app.state.gateway.access.caller(connection)
        state["caller"] = found
    return found


Anyone = Annotated[Caller, Depends(caller)]


async def reader(who: Anyone) -> Caller:
    """Who may see what is running: a reader or an operator."""
    if not who.reads:
        raise forbidden("this is for readers and operators")
    return who


async def operator(who: Anyone) -> Caller:
    """Who may change what is running."""
    if not who.operates:
        raise forbidden("this is for operators")
    return who


PlayerPath = Annotated[str, InPath(pattern=ID_PATTERN, description="a player, who is a learner")]


async def owner(who: Anyone, id: PlayerPath) -> Caller:
    """The player of the path itself."""
    if not who.is_(id):
        raise forbidden("this is its owner's alone")
    return who


async def owner_or_delegate(who: Anyone, id: PlayerPath, connection: HTTPConnection) -> Caller:
    """The player of the path, or somebody whom it lets see what it sees."""
    if who.is_(id):
        return who
    if who.learner is not None:
        gateway = connection.app.state.gateway
        if await gateway.delegated(id, who.learner):
            what = str(connection.url.path).partition(f"/players/{id}/")[2]
            await gateway.write_down(id, who, what or "profile")
            return who
    raise forbidden("this is its owner's, and of whom the owner lets see it")


async def deck(connection: HTTPConnection) -> Deck:
    """The connection to the runtime.

    Raises:
        Unavailable: it is still starting.
    """
    found: Deck = connection.app.state.gateway.deck()
    return found


class Guard:
    """Asks for a token where an application does not ask by itself: readers may read, operators
    do all.

    Args:
        beneath: the paths that are asked for.
    """

    def __init__(self, inner: ASGIApp, access: Access, beneath: Sequence[str]) -> None:
        self._inner, self._access, self._beneath = inner, access, tuple(beneath)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and _is_beneath(scope["path"], self._beneath):
            try:
                who = await self._access.caller(HTTPConnection(scope))
                if not (who.operates or (who.reads and scope["method"] in ("GET", "HEAD"))):
                    raise forbidden("this is for operators")
            except Problem as problem:
                await problem.response()(scope, receive, send)
                return
            except HolodeckError as error:
                await problem_of(error).response()(scope, receive, send)
                return
        await self._inner(scope, receive, send)


def _is_beneath(path: str, prefixes: Sequence[str]) -> bool:
    return any(path == prefix or path.startswith(prefix + "/") for prefix in prefixes)


Reader = Annotated[Caller, Depends(reader)]
Operator = Annotated[Caller, Depends(operator)]
Owner = Annotated[Caller, Depends(owner)]
OwnerOrDelegate = Annotated[Caller, Depends(owner_or_delegate)]
OnDeck = Annotated[Deck, Depends(deck)]
