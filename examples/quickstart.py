"""One session from its first word to its last. Needs nothing but the package."""

import asyncio

import holodeck
from holodeck import CastMember


async def main() -> None:
    async with holodeck.local() as deck:
        cast = [CastMember(npc="marta", capabilities=("waiter",)), CastMember(npc="joan")]
        session = await deck.start_session(learner="ana", name="café", cast=cast)
        reply = await session.say("Hola, quisiera un café", to="marta")  # an NPC answers
        print("marta:", reply.text)
        task = await session.add_task("order-coffee", capabilities=["waiter"])
        choice = await session.route(task)
        print("goes to:", choice.npc if choice else "nobody new")
        await session.complete(task, outcome="success")
        exhaust = await session.end()
        print(exhaust.turns, "turn,", exhaust.tasks)
        async for tile in session.tiles():
            print(tile.question)


asyncio.run(main())
