"""Who decides about a task: the fleet of the runtime, or an H1 router that was configured.

One law: a router's trouble is told and never a session's; the fleet decides in its place.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import structlog
from pydantic import ValidationError

from holodeck.compat.config import DEFAULT_ROUTER_URL, SessionConfig, given_url, to_actor
from holodeck.compat.errors import InvalidValue, RouterUnavailable
from holodeck.compat.records import H1Status
from holodeck.deck import Deck
from holodeck.messages.codec import explain, unpack
from holodeck.messages.fleet import FLEET, AskRoute, Decision, Routing
from holodeck.messages.ids import new_id

TIMEOUT_S: Final = 5.0
"""How long a router may take to connect, and between two bytes; seconds."""

log = structlog.get_logger("holodeck.compat")


async def propose(deck: Deck, ask: AskRoute) -> Decision:
    """What the fleet would do. Its load is reserved for five seconds.

    Raises:
        RefusedError: ``agents-full``.
    """
    answer = await deck.caller.command("fleet", FLEET, new_id("ask"), ask)
    return Decision.model_validate(unpack(answer.state or b""))


def asked(
    config: SessionConfig, task_id: str, capabilities: Sequence[str], prefer: Sequence[str] = ()
) -> tuple[Decision | None, str]:
    """What the configured router decides, and why it did not; neither where none is configured."""
    url = _configured(config)
    if url is None:
        return None, ""
    body: dict[str, Any] = {"task_id": task_id, "required_capabilities": list(capabilities)}
    if prefer:
        body["prefer_agents"] = list(prefer)
    try:
        return _understood(url, _ask(url, "/route", body)), ""
    except RouterUnavailable as error:
        log.warning("the fleet decides in the router's place", task=task_id, problem=str(error))
        return None, str(error)


def status(config: SessionConfig) -> tuple[H1Status | None, str]:
    """The figures of the configured router, and why it told none; as :func:`asked`."""
    url = _configured(config)
    if url is None:
        return None, ""
    try:
        found = _ask(url, "/status")
        if not isinstance(found, dict) or "h1_dimension" not in found:
            raise RouterUnavailable(url, "its answer has no h1_dimension")
    except RouterUnavailable as error:
        log.warning("the fleet tells in the router's place", problem=str(error))
        return None, str(error)
    known = {name: found.get(name) for name in H1Status.__annotations__}
    return H1Status(known | {"router": url, "router_error": ""}), ""


def _configured(config: SessionConfig) -> str | None:
    url = given_url(config.h1_router_url, DEFAULT_ROUTER_URL)
    return url if config.h1_router_enabled else None


def _ask(url: str, path: str, body: Any = None) -> Any:
    """What a router answers; waits for it in the thread of the caller.

    Raises:
        RouterUnavailable: no answer in time, an error, or no JSON.
    """
    import httpx  # not small, and needed only by who has a router of his own

    try:
        # What the environment says of proxies is meant for other programs; and without TLS there is
        # nothing to verify, which spares reading the certificates.
        response = httpx.request(
            "GET" if body is None else "POST",
            url + path,
            json=body,
            timeout=TIMEOUT_S,
            trust_env=False,
            verify=not url.startswith("http:"),
        )
        response.raise_for_status()
        return response.json()
    except httpx.HTTPStatusError as error:
        words = " ".join(error.response.text.split())[:300]
        raise RouterUnavailable(url, f"{error.response.status_code} {words}") from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise RouterUnavailable(url, str(error) or type(error).__name__) from error
    except ValueError as error:
        raise RouterUnavailable(url, "its answer is no JSON") from error


def _understood(url: str, found: Any) -> Decision:
    if not isinstance(found, dict) or not isinstance(found.get("agent_id"), str):
        raise RouterUnavailable(url, "its answer names no agent_id")
    if not found["agent_id"]:
        raise RouterUnavailable(url, str(found.get("reasoning") or "it has no agents"))
    try:
        routing = Routing(
            agent=to_actor(found["agent_id"]),
            h1_before=found.get("h1_before", 0),
            h1_after=found.get("h1_after", 0),
            emergence_risk=found.get("emergence_risk", 0.0),
            match=found.get("capability_match_score", 1.0),
            confidence=found.get("confidence", 0.0),
            fallback=found.get("fallback", False),
        )
    except ValidationError as error:
        raise RouterUnavailable(url, explain(error)) from error
    except InvalidValue as error:
        raise RouterUnavailable(url, str(error)) from error
    change = routing.h1_after - routing.h1_before
    return Decision(
        routing=routing.model_copy(update={"delta_h1": change}),
        reasoning=str(found.get("reasoning") or "")[:1000],
    )
