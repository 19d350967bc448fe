"""What happened can be read again, looked at as it was, and tried differently."""

import asyncio

import holodeck


async def main() -> None:
    async with holodeck.local() as deck:
        session = await deck.start_session(learner="ana", name="café")
        for line in ("Hola", "Un café, por favor", "¡Dame la cuenta!"):
            await session.say(line, to="marta")
        await session.friction("register", 0.8, npc="marta", detail="too familiar")
        await session.reputation("marta", -0.2, "was rude about the bill")

        steps = [step async for step in session.replay()]
        for step in steps:
            print(step.sequence, ", ".join(event.kind for event in step.events))

        second = next(s for s in steps if any(getattr(e, "turn", 0) == 2 for e in s.events))
        then = await session.state(at=second.sequence)
        print("back then:", then.turns, "turns,", then.reputation)

        rehearsal = await session.fork(at=second.sequence)  # touches neither marta nor ana
        await rehearsal.say("¿Me trae la cuenta, por favor?", to="marta")
        print("in the rehearsal:", (await rehearsal.state()).turns, "turns, no friction")
        print("in the session:", (await session.state()).reputation)


asyncio.run(main())
