"""Who decides about a task: the fleet of the runtime, or an H1 router that was configured.

One law: a router's trouble is told and never a session's; the fleet decides in its place.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from pydantic import ValidationError

from holodeck.compat.config import to_actor
from holodeck.compat.errors import InvalidValue, RouterUnavailable
from holodeck.deck import Deck
from holodeck.messages.codec import explain, unpack
from holodeck.messages.fleet import FLEET, AskRoute, Decision, Routing
from holodeck.messages.ids import new_id

TIMEOUT_S: Final = 5.0
"""How long a router may take, seconds."""


async def propose(deck: Deck, ask: AskRoute) -> Decision:
    """What the fleet would do. Its load is reserved for five seconds.

    Raises:
        RefusedError: ``agents-full``.
    """
    answer = await deck.caller.command("fleet", FLEET, new_id("ask"), ask)
    return Decision.model_validate(unpack(answer.state or b""))


def ask_router(
    url: str, task_id: str, capabilities: Sequence[str], prefer: Sequence[str] = ()
) -> Decision:
    """What the router at ``url`` decides; waits for it in the thread of the caller.

    Raises:
        RouterUnavailable: no answer in time, an error, no decision in it, or nobody to decide for.
    """
    import httpx

    body: dict[str, Any] = {"task_id": task_id, "required_capabilities": list(capabilities)}
    if prefer:
        body["prefer_agents"] = list(prefer)
    try:
        # What the environment says of proxies is meant for other programs; and without TLS there is
        # nothing to verify, which spares reading the certificates.
        response = httpx.post(
            f"{url}/route",
            json=body,
            timeout=TIMEOUT_S,
            trust_env=False,
            verify=not url.startswith("http:"),
        )
        response.raise_for_status()
        found = response.json()
    except httpx.HTTPStatusError as error:
        words = " ".join(error.response.text.split())[:300]
        raise RouterUnavailable(url, f"{error.response.status_code} {words}") from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise RouterUnavailable(url, str(error) or type(error).__name__) from error
    except ValueError as error:
        raise RouterUnavailable(url, "its answer is no JSON") from error
    return _understood(url, found)


def _understood(url: str, found: Any) -> Decision:
    if not isinstance(found, dict) or not isinstance(found.get("agent_id"), str):
        raise RouterUnavailable(url, "its answer names no agent_id")
    if not found["agent_id"]:
        raise RouterUnavailable(url, str(found.get("reasoning") or "it has no agents"))
    try:
        return Decision(
            routing=Routing(
                agent=to_actor(found["agent_id"]),
                h1_before=found.get("h1_before", 0),
                h1_after=found.get("h1_after", 0),
                emergence_risk=found.get("emergence_risk", 0.0),
                match=found.get("capability_match_score", 1.0),
                confidence=found.get("confidence", 0.0),
                fallback=bool(found.get("fallback", False)),
                delta_h1=found.get("h1_after", 0) - found.get("h1_before", 0),
            ),
            reasoning=str(found.get("reasoning") or "")[:1000],
        )
    except ValidationError as error:
        raise RouterUnavailable(url, explain(error)) from error
    except (InvalidValue, TypeError) as error:
        raise RouterUnavailable(url, str(error)) from error
