"""Any NATS client can take part: JSON in, JSON out, no Holodeck in the client."""

import asyncio
import json
from typing import Any

import nats

import holodeck

JSON = {"content-type": "application/json"}


async def client(url: str, user: str, password: str, inbox_prefix: str) -> None:
    nc = await nats.connect(url, user=user, password=password, inbox_prefix=inbox_prefix.encode())

    async def ask(subject: str, body: dict[str, Any]) -> dict[str, Any]:
        reply = await nc.request(subject, json.dumps(body).encode(), timeout=10, headers=JSON)
        return dict(json.loads(reply.data))

    friction = await nc.subscribe("holodeck.tile.friction.>")  # every learner's struggles, live
    start = {"learner": "ana", "session_kind": "conversation"}
    order = {"id": "start-1", "session": "plain", "start": start}
    print("start:", (await ask("holodeck.ctl.supervisor.start", order))["status"])

    found = [{"type": "register", "severity": 0.5}]
    turn = {"kind": "take-turn", "turn": 1, "npc": "marta", "text": "¡Oye!", "frictions": found}
    for _ in range(2):  # sent twice under one id: it takes effect once
        answer = await ask("holodeck.cmd.session.plain", {"id": "turn-1", "body": turn})
        print(
            "turn:", answer["status"], [event["kind"] for event in answer["checkpoint"]["events"]]
        )

    wrong = {"id": "turn-9", "body": turn | {"turn": 9}}
    print("refused:", (await ask("holodeck.cmd.session.plain", wrong))["reason"])
    tile = await friction.next_msg(timeout=10)
    print(tile.subject, "→", json.loads(tile.data)["question"])
    await nc.close()


async def main() -> None:
    local = holodeck.local()
    async with local:
        server = local.server
        assert server is not None
        await client(
            server.url, server.client.user, server.client.password, server.client_inbox_prefix
        )


asyncio.run(main())
