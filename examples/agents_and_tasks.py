"""Agents, a task that fails, and what its session shows. Needs nothing but the package."""

import asyncio

import holodeck


async def main() -> None:
    async with holodeck.local() as deck:
        for name, can in {"oracle1": ["research"], "forge": ["research", "llvm"]}.items():
            await deck.fleet.register(name, can, max_load=3)
        session = await deck.start_session(learner="boss", kind="agent", name="report")
        await session.add_task("compile", capabilities=["llvm"])
        choice = await session.route("compile", start=True)
        assert choice is not None
        print("goes to:", choice.npc, "|", choice.reasoning)
        await session.complete("compile", "failed", error="LinkError: missing symbol")
        await session.retry("compile")
        await session.route("compile", start=True)
        await session.complete("compile")
        print("shows:", ", ".join(pattern.name for pattern in await session.patterns()))
        await session.end()
        for agent in await deck.fleet.agents():
            print(agent["agent"], "did", agent["done"])


asyncio.run(main())
