"""What goes wrong in one session comes up again in the next, until it goes right."""

import asyncio

import holodeck

SESSIONS = [
    ["Hola, me llamo Ana", "Por favor, estoy hambre", "Estoy muy sed y estoy prisa"],
    ["Hola, estoy hambre", "Sí, por favor, tengo hambre y tengo prisa"],
    ["Hola, ¿qué tal?", "Bien, gracias, pero tengo hambre y tengo sed"],
]


async def main() -> None:
    async with holodeck.local() as deck:
        ana = deck.learner("ana")
        for number, lines in enumerate(SESSIONS, 1):
            session = await deck.start_session(
                learner="ana", persona="barcelona-cafe", cast=["jordi"], analysis="offline"
            )
            context = await session.context()
            assert context is not None
            due = [one.target_form for one in context.injections]
            print(f"session {number}, to come up: {', '.join(due) or 'nothing yet'}")
            print("  jordi:", (await session.greet("jordi")).text)
            for line in lines:
                reply = await session.say(line, to="jordi")
                print("  ana:  ", line)
                for event in reply.events:
                    if event.kind == "friction.detected":
                        print(f"         missed: {event.form} ({event.said})")
                print("  jordi:", reply.text)
            await session.end()
            record = await session.record()
            for result in record.injection_results:
                word = "used" if result.learner_used_target_form else "not used"
                print(f"  {result.target_form}: opening made, {word}")
        await ana.brief("barcelona-cafe")  # waits until the last session is evaluated
        profile = (await ana.state()).profile
        assert profile is not None
        for form, rule in profile.rules.items():
            print(f"{form}: right uses by session {[round(share, 2) for share in rule.trend]}")
        print("still to come up:", len(profile.injections))


asyncio.run(main())
