"""A language model's server: the one place that speaks to it.

One law: whatever the server does, a call ends within its time, with an answer or a
:class:`ModelError`; and nothing that was said in a conversation is logged.
"""

from __future__ import annotations

import asyncio
import email.utils
import logging
import math
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np
import structlog
from numpy.typing import NDArray
from pydantic import SecretStr

from holodeck.messages.errors import StartupError, TransientError
from holodeck.minds.prompts import ChatMessage

if TYPE_CHECKING:
    from openai import AsyncOpenAI

log = structlog.get_logger("holodeck.minds")

RETRIED: Final = frozenset({408, 429, 500, 502, 503, 504})
"""Answers after which the same request may succeed; any other is final."""
LONGEST_WAIT_S: Final = 5.0
"""A server that wants to be left alone for longer is: somebody waits for the answer."""
FIRST_WAIT_S: Final = 0.25
"""Before the first repetition; doubled for each further one."""
BREAK_AFTER: Final = 5
"""Failures in a row after which the server is left alone."""
BREAK_S: Final = 30.0
"""Seconds for which it is."""
MOST_CHARACTERS: Final = 20_000
"""A longer answer is not read to its end."""

_OPTIONAL: Final = ("response_format", "temperature")
"""What some servers do not take, and an answer can do without."""

T = TypeVar("T")


class ModelError(TransientError):
    """The model gave no answer that can be used.

    Attributes:
        reason: a stable word, such as ``timeout``, ``http-429``, ``garbage`` or ``resting``.
    """

    code = "model"

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"the model gave no answer: {self.reason}"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model said.

    Attributes:
        cut: it had more to say than it was allowed.
        tokens: of question and answer, as the server counted; None: it did not say.
    """

    text: str
    cut: bool = False
    tokens: int | None = None


class Breaker:
    """Leaves a server alone that fails: after five failures in a row for 30 s, then for one
    trial, then for 30 s more if that fails."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures = 0
        self._until = 0.0

    def lets_through(self) -> bool:
        """Whether to try; the one that tries after a rest keeps the others out meanwhile."""
        if self._failures < BREAK_AFTER:
            return True
        now = self._clock()
        if now < self._until:
            return False
        self._until = now + BREAK_S
        return True

    def succeeded(self) -> None:
        self._failures = 0

    def failed(self) -> None:
        self._failures += 1
        if self._failures >= BREAK_AFTER:
            self._until = self._clock() + BREAK_S

    def undecided(self) -> None:
        """The one that tried was called off; the next may try."""
        if self._failures >= BREAK_AFTER:
            self._until = self._clock()


@dataclass(slots=True)
class ModelServer:
    """An OpenAI-compatible server, asked through the official client.

    Attributes:
        base_url: with its version, such as ``http://127.0.0.1:8000/v1``.
        key: shown as bearer token; None for servers that want none.
        timeout_s: seconds until the first piece of an answer, and from each to the next.
        total_s: seconds for a whole call, repetitions and the waits between them included; 0
            means three times ``timeout_s``.
        retries: repetitions of a call that failed before its first piece came.
    """

    base_url: str
    key: SecretStr | None = None
    timeout_s: float = 20.0
    retries: int = 2
    total_s: float = 0.0
    breaker: Breaker = field(default_factory=Breaker, repr=False)
    _client: tuple[asyncio.AbstractEventLoop, AsyncOpenAI] | None = field(default=None, repr=False)
    _untaken: set[str] = field(default_factory=set, repr=False)

    def __post_init__(self) -> None:
        """
        Raises:
            StartupError: the client library is not installed.
        """
        _library()
        self.total_s = self.total_s or 3.0 * self.timeout_s

    async def chat(
        self,
        messages: Sequence[ChatMessage],
        *,
        model: str,
        most_tokens: int,
        heard: Callable[[str], None] | None = None,
        json: bool = False,
        within_s: float | None = None,
    ) -> Answer:
        """The model's next message.

        Args:
            most_tokens: how long the answer may be.
            heard: told each piece as it comes; once it was told one, nothing is repeated.
            json: the answer is one JSON object, so far as the server can be made to give one.
            within_s: seconds for the whole call, where they are fewer than ``total_s``.

        Raises:
            ModelError: there was no answer, for whatever reason.
        """
        pieces: list[str] = []

        async def attempt() -> Answer:
            wanted: dict[str, Any] = {
                "model": model,
                "messages": [dict(message) for message in messages],
                "stream": True,
            }
            name = "max_completion_tokens" if "max_tokens" in self._untaken else "max_tokens"
            wanted[name] = most_tokens
            if json:
                wanted |= {"response_format": {"type": "json_object"}, "temperature": 0.0}
            for option in _OPTIONAL:
                if option in self._untaken:
                    wanted.pop(option, None)
            pieces.clear()
            return await self._stream(wanted, pieces, heard)

        return await self._tried(attempt, lambda: bool(pieces) and heard is not None, within_s)

    async def vectors(self, texts: Sequence[str], *, model: str) -> NDArray[np.float64]:
        """What the embedding model makes of each text: shape (texts, dimensions).

        Raises:
            ModelError: there was no answer, or not one vector of finite numbers a text.
        """

        async def attempt() -> NDArray[np.float64]:
            async with asyncio.timeout(self.timeout_s):
                answer = await self._open().embeddings.create(
                    model=model, input=list(texts), encoding_format="float"
                )
            ordered = sorted(answer.data, key=lambda one: one.index)
            rows = np.array([one.embedding for one in ordered], np.float64)
            if rows.ndim != 2 or len(rows) != len(texts) or not np.isfinite(rows).all():
                raise ModelError("garbage")
            return rows

        return await self._tried(attempt, lambda: False, None)

    async def close(self) -> None:
        """Closes the connections; the next call opens new ones."""
        held, self._client = self._client, None
        if held is not None and held[0] is asyncio.get_running_loop():
            await held[1].close()

    async def _stream(
        self,
        wanted: dict[str, Any],
        pieces: list[str],
        heard: Callable[[str], None] | None,
    ) -> Answer:
        loop = asyncio.get_running_loop()
        cut, tokens, length = False, None, 0
        async with asyncio.timeout(self.timeout_s) as limit:
            stream = await self._open().chat.completions.create(**wanted)
            try:
                async for chunk in stream:
                    if chunk.usage is not None:
                        tokens = chunk.usage.total_tokens
                    for choice in (chunk.choices or ())[:1]:
                        piece = choice.delta.content if choice.delta is not None else None
                        cut = cut or choice.finish_reason == "length"
                        if piece:
                            limit.reschedule(loop.time() + self.timeout_s)
                            pieces.append(piece)
                            length += len(piece)
                            if heard is not None:
                                heard(piece)
                    if length > MOST_CHARACTERS:
                        cut = True
                        break
            finally:
                await stream.close()
                # Ends the client's generator here; left to the collector it would end in a task.
                with suppress(Exception):
                    async for _ in stream:
                        pass
        return Answer("".join(pieces), cut, tokens)

    async def _tried(
        self,
        attempt: Callable[[], Awaitable[T]],
        begun: Callable[[], bool],
        within_s: float | None,
    ) -> T:
        if not self.breaker.lets_through():
            raise ModelError("resting")
        seconds = self.total_s if within_s is None else min(within_s, self.total_s)
        deadline = time.monotonic() + seconds
        number = 0
        try:
            while True:
                try:
                    async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
                        answer = await attempt()
                    self.breaker.succeeded()
                    return answer
                except Exception as error:
                    fault = _fault(error)
                    if self._do_without(error):
                        continue
                    wait = fault.wait(number)
                    over = time.monotonic() + wait >= deadline
                    if not fault.again or number >= self.retries or begun() or over:
                        self.breaker.failed()
                        raise ModelError(fault.reason) from None
                number += 1
                await asyncio.sleep(wait)
        except asyncio.CancelledError:
            self.breaker.undecided()
            raise

    def _do_without(self, error: Exception) -> bool:
        """Whether the server only refused an option, which from now on it is not given."""
        if getattr(error, "status_code", None) not in (400, 422):
            return False
        text = str(error)
        for option in ("max_tokens", *_OPTIONAL):
            if option in text and option not in self._untaken:
                self._untaken.add(option)
                return True
        return False

    def _open(self) -> AsyncOpenAI:
        """The client of this event loop."""
        loop = asyncio.get_running_loop()
        if self._client is None or self._client[0] is not loop:
            openai = _library()
            self._client = (
                loop,
                openai.AsyncOpenAI(
                    base_url=self.base_url,
                    # Left out, the library takes whatever key the environment holds.
                    api_key=self.key.get_secret_value() if self.key is not None else "none",
                    organization="",
                    project="",
                    max_retries=0,
                    timeout=self.total_s,
                ),
            )
        return self._client[1]


@dataclass(frozen=True, slots=True)
class _Fault:
    reason: str
    again: bool
    asked_wait_s: float | None = None

    def wait(self, number: int) -> float:
        """Seconds until the next attempt; infinite where the server wants too much."""
        if self.asked_wait_s is not None:
            return self.asked_wait_s if self.asked_wait_s <= LONGEST_WAIT_S else math.inf
        return FIRST_WAIT_S * float(2**number)


def _fault(error: Exception) -> _Fault:
    """What an exception means, without a word of what it quotes."""
    openai = _library()
    if isinstance(error, ModelError):
        return _Fault(error.reason, again=False)
    if isinstance(error, openai.APIStatusError):
        status = int(error.status_code)
        return _Fault(f"http-{status}", status in RETRIED, _retry_after(error.response.headers))
    if isinstance(error, TimeoutError | openai.APITimeoutError):
        return _Fault("timeout", again=True)
    if isinstance(error, openai.APIConnectionError | OSError):
        return _Fault("connection", again=True)
    if type(error).__module__.partition(".")[0].startswith(("httpx", "httpcore", "h11")):
        return _Fault("connection", again=True)
    if isinstance(error, openai.APIError):
        return _Fault("refused", again=False)
    return _Fault("garbage", again=False)


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds a server wants to be left alone for; None: it does not say (RFC 9110, 10.2.3)."""
    told = headers.get("retry-after")
    if told is None:
        return None
    try:
        seconds = float(told)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(told).timestamp() - time.time()
        except ValueError:
            return None
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _library() -> Any:
    try:
        import openai
    except ImportError:
        raise StartupError(
            "a model's server is set, and the library that speaks to it is not installed",
            "Install it with: pip install 'holodeck-sessions[model]'",
        ) from None
    # At its debug level it would log what learners say.
    logging.getLogger("openai").setLevel(logging.WARNING)
    return openai
