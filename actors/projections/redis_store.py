"""Sessions and players' progress in a Redis server; the only file that imports ``redis``.

One law: a batch is one script, so its values, the list of our keys and the place change together;
nothing is ever removed but the keys on that list.

A session lies below ``<session prefix><id>`` as JSON and goes by itself an hour (or as set) after
its last checkpoint; where a player is lies in the hash ``<player prefix><id>:progress`` for good.
Expiry is counted from the checkpoint's own time: a store that was filled later forgets a session
when one that was filled at once does. Needs Redis 6.2 or later, one server (with or without
replicas), no Redis Cluster: what changes together has to lie together.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

import redis.asyncio
from redis.exceptions import RedisError

from holodeck.actors.projections.port import (
    START,
    Bookmark,
    History,
    Overtaken,
    Step,
    StoreDown,
)
from holodeck.actors.projections.sessions import Sessions
from holodeck.actors.projections.view import SessionView

SESSION_PREFIX: Final = "tta:session:"
PLAYER_PREFIX: Final = "player:"
TTL_S: Final = 3600.0
_TIMEOUT_S: Final = 5.0
_CHUNK: Final = 500
_RESETTING: Final = "resetting"

_APPLY: Final = """
local there = redis.call('GET', KEYS[1])
if (there or '') ~= ARGV[1] then return there or '' end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local a = 3
for i = 3, #KEYS do
    local key, verb, value, expiry, owner = KEYS[i], ARGV[a], ARGV[a + 1], ARGV[a + 2], ARGV[a + 3]
    a = a + 4
    if verb == 'set' then
        if tonumber(expiry) > now then
            redis.call('SET', key, value, 'PXAT', expiry)
            redis.call('ZADD', KEYS[2], expiry, key)
            if owner ~= '' then
                redis.call('ZREMRANGEBYSCORE', owner, '-inf', now)
                redis.call('ZADD', owner, expiry, key)
                if now + redis.call('PTTL', owner) < tonumber(expiry) then
                    redis.call('PEXPIREAT', owner, expiry)
                end
                redis.call('ZADD', KEYS[2], redis.call('PTTL', owner) + now, owner)
            end
        else
            redis.call('UNLINK', key)
            redis.call('ZREM', KEYS[2], key)
        end
    elseif verb == 'hash' then
        local kind = redis.call('TYPE', key)['ok']
        if kind ~= 'hash' and kind ~= 'none' then
            redis.call('UNLINK', key)
            kind = 'none'
        end
        local since = kind == 'hash' and redis.call('HGET', key, 'current_since') or '0'
        if tonumber(owner) >= (tonumber(since) or 0) then
            redis.call('HSET', key, unpack(cjson.decode(value)))
        end
        redis.call('ZADD', KEYS[2], '+inf', key)
    elseif verb == 'gone' then
        redis.call('UNLINK', key)
        redis.call('ZREM', KEYS[2], key)
    else
        for _, one in ipairs(redis.call('ZRANGE', key, 0, -1)) do
            redis.call('UNLINK', one)
            redis.call('ZREM', KEYS[2], one)
        end
        redis.call('UNLINK', key)
        redis.call('ZREM', KEYS[2], key)
    end
end
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
redis.call('SET', KEYS[1], ARGV[2])
return false
"""
"""KEYS: the place, the list of our keys, then a key for each entry. ARGV: the expected place, the
new one, then for each entry its verb, value, expiry (ms since 1970) and owner's list; of a player's
progress, instead of that list, since which checkpoint the player is in the session: what is told of
an earlier one, such as its end, is not where the player is. Returns the place if it is another one,
and has then done nothing."""

_EMPTY: Final = """
local there = redis.call('GET', KEYS[1])
if there ~= ARGV[1] then return -1 end
local kind = redis.call('TYPE', KEYS[2])['ok']
if kind ~= 'zset' then redis.call('UNLINK', KEYS[2]) end
local keys = redis.call('ZRANGE', KEYS[2], 0, ARGV[3] - 1)
for _, key in ipairs(keys) do
    redis.call('UNLINK', key)
    redis.call('ZREM', KEYS[2], key)
end
if #keys == 0 then redis.call('SET', KEYS[1], ARGV[2]) end
return #keys
"""
"""KEYS: as above. ARGV: the expected place, the place when all is done, how many at once."""


class RedisProjection:
    """The projection ``redis``.

    Args:
        url: ``redis://host:port/db``, ``rediss://…`` or ``unix:///path``, without credentials.
        own: what this projection's own keys begin with; another for each namespace.
        ttl_s: seconds a session stays after its last checkpoint.
    """

    name = "redis"

    def __init__(
        self,
        url: str,
        *,
        user: str | None = None,
        password: str | None = None,
        session_prefix: str = SESSION_PREFIX,
        player_prefix: str = PLAYER_PREFIX,
        ttl_s: float = TTL_S,
        own: str = "holodeck:projection:redis",
    ) -> None:
        self.store = url
        self._client = redis.asyncio.Redis.from_url(
            url,
            username=user,
            password=password,
            socket_timeout=_TIMEOUT_S,
            socket_connect_timeout=_TIMEOUT_S,
            client_name="holodeck-projection",
        )
        self._session_prefix, self._player_prefix = session_prefix, player_prefix
        self._ttl_ms = round(ttl_s * 1000)
        self._place_key, self._index, self._owners = f"{own}:place", f"{own}:keys", f"{own}:of:"
        self._apply = self._client.register_script(_APPLY)
        self._empty = self._client.register_script(_EMPTY)
        self._place = ""
        self._sessions: Sessions | None = None

    def session_key(self, session: str) -> str:
        return f"{self._session_prefix}{session}"

    def progress_key(self, player: str) -> str:
        return f"{self._player_prefix}{player}:progress"

    async def open(self, history: History) -> Bookmark | None:
        self._sessions = Sessions(history)
        try:
            found = await self._client.get(self._place_key)
        except (RedisError, OSError) as error:
            raise self._down(error) from error
        self._place = found.decode("utf-8", "replace") if isinstance(found, bytes) else ""
        try:
            return Bookmark.load(self._place) if self._place else None
        except ValueError:
            return None  # being emptied, or somebody else's: fill it anew

    async def apply(self, steps: Sequence[Step], now: Bookmark) -> int:
        assert self._sessions is not None
        told = await self._sessions.take(steps)
        keys, arguments = [self._place_key, self._index], [self._place, now.dump()]

        def add(key: str, verb: str, value: str = "", expiry: int = 0, owner: str = "") -> None:
            keys.append(key)
            arguments.extend((verb, value, str(expiry), owner))

        for player in told.players:
            add(f"{self._owners}{player}", "all")
            add(self.progress_key(player), "gone")
        for session in told.gone:
            add(self.session_key(session), "gone")
        latest: dict[str, SessionView] = {}
        for session, view in told.changed.items():
            owner = f"{self._owners}{view.player}" if view.player else ""
            expiry = view.touched_at + self._ttl_ms
            add(self.session_key(session), "set", view.saved(), expiry, owner)
            if view.player and view.current >= getattr(latest.get(view.player), "current", 0):
                latest[view.player] = view
        for player, view in latest.items():
            fields = [text for pair in view.progress().items() for text in pair]
            add(self.progress_key(player), "hash", json.dumps(fields), owner=str(view.current))
        try:
            there: Any = await self._apply(keys=keys, args=arguments)
        except (RedisError, OSError) as error:
            raise self._down(error) from error
        # Sent again after an answer was lost, it finds its own place: then it was taken.
        if there is not None and there.decode("utf-8", "replace") != arguments[1]:
            raise Overtaken(f"{self.store} is at {there[:200]!r}")
        self._place = arguments[1]
        return len(keys) - 2

    async def reset(self) -> None:
        begun, done = _RESETTING, START.dump()
        try:
            # Whoever empties it beside us empties it as well: the end is the same.
            await self._client.set(self._place_key, begun)
            while (
                left := await self._empty(
                    keys=[self._place_key, self._index], args=[begun, done, str(_CHUNK)]
                )
            ) > 0:
                pass
        except (RedisError, OSError) as error:
            raise self._down(error) from error
        if left < 0:
            raise Overtaken(f"{self.store}: somebody else filled it meanwhile")
        self._place = done
        if self._sessions is not None:
            self._sessions = Sessions(self._sessions.history)

    async def close(self) -> None:
        await self._client.aclose()

    def _down(self, error: Exception) -> StoreDown:
        return StoreDown(f"{self.store}: {error}"[:500])
