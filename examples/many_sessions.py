"""Two hundred learners talk to eight NPCs at once, and every NPC knows how it stands with each."""

import asyncio
import time

import holodeck
from holodeck import CastMember, Deck

CAST = [CastMember(npc=f"npc{number}") for number in range(8)]


async def learner(deck: Deck, number: int) -> int:
    name = f"learner{number}"
    session = await deck.start_session(learner=name, cast=CAST, mind="none")
    npc = CAST[number % len(CAST)].npc
    for turn in range(5):
        await session.take_turn(f"This is turn {turn + 1}.", to=npc, frictions=[])
    exhaust = await session.end()
    standing = await deck.npc(npc).brief(name, after=exhaust.sequence)
    assert standing.relation.interactions == 5
    assert standing.relation.reputation == 0.25  # five clean turns
    return exhaust.turns


async def main() -> None:
    async with holodeck.local(hosts=2) as deck:
        began = time.perf_counter()
        turns = await asyncio.gather(*(learner(deck, number) for number in range(200)))
        took = time.perf_counter() - began
        print(f"{len(turns)} sessions, {sum(turns)} turns in {took:.1f} s")


asyncio.run(main())
