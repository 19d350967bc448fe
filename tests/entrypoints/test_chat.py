"""The conversation in the terminal: the fold it shows, the keys it knows, and a real session."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from rich.console import Console
from textual.containers import VerticalScroll
from textual.widgets import Input, Static

import holodeck
from holodeck.actors.session import Phase
from holodeck.broker import find_server
from holodeck.config import load_settings
from holodeck.deck import Deck
from holodeck.entrypoints.chat import Chat, Desk, Dialog, sit_down
from holodeck.entrypoints.scene import (
    YOU,
    Ahead,
    Line,
    Scene,
    bar,
    opening,
    panel,
    spoken,
    summary,
)
from holodeck.messages.codec import encode_checkpoint
from holodeck.messages.conversation import (
    Affect,
    FrictionType,
    InjectionStatus,
    InnerAffect,
    Mood,
    OpennessState,
    PostSessionExhaust,
    Refraction,
    RefractionLevel,
    RefractionResponse,
    Refractions,
    Scaffold,
    SessionMetrics,
    SessionRecord,
    SilenceStep,
)
from holodeck.messages.envelope import AnyEvent
from holodeck.messages.errors import RefusedError, StartupError
from holodeck.messages.persona import Persona
from holodeck.messages.session import (
    EndReason,
    FrictionDetected,
    Outcome,
    ReputationChanged,
    SessionEnded,
    SessionKind,
    SessionPaused,
    SessionStarted,
    TurnAnswered,
    TurnTaken,
)
from holodeck.messages.talk import (
    AffectChanged,
    Character,
    DueInjection,
    FactLearned,
    GoalReached,
    InjectionAdvanced,
    MoodChanged,
    NegotiationCollapsed,
    OpennessChanged,
    ScaffoldingEscalated,
    SilenceNoticed,
    Stage,
)
from holodeck.messages.tiles import Tile
from holodeck.session import Offer, Reply, Step
from holodeck.wiring import library_of
from tests.conftest import missing
from tests.terminal import Start, terminals

WORLD = Persona.model_validate(
    {
        "id": "bakery",
        "name": "The bakery",
        "native_language": "en",
        "target_language": "es",
        "domain": "shopping",
        "objective": "Buy bread",
        "vocabulary": [{"name": "bread", "items": {"pan": "bread"}}],
        "npcs": [
            {
                "id": "rosa",
                "name": "Rosa",
                "role": "baker",
                "tier": 2,
                "personality": "quick and kind",
                "greeting": "¡Buenas!",
                "lines": {"default": ["Ajá."]},
            },
            {
                "id": "don-luis",
                "name": "Don Luis",
                "role": "owner",
                "tier": 3,
                "personality": "formal",
                "openness_enabled": True,
                "greeting": "Buenos días.",
                "lines": {"default": ["Bien."]},
            },
        ],
        "scenarios": [
            {
                "id": "buy",
                "title": "Buy bread",
                "npc": "rosa",
                "objectives": [{"id": "ask-price", "title": "Ask for the price"}],
            }
        ],
    }
)
STARTED = SessionStarted(
    session_kind=SessionKind.CONVERSATION,
    learner="ana",
    persona="bakery",
    stage=Stage(
        pressure=0.4,
        characters=(
            Character(npc="rosa", name="Rosa", tier=2, reputation=0.1, mood=Mood.BUSY),
            Character(npc="don-luis", name="Don Luis", tier=3, openness_enabled=True),
        ),
        injections=(DueInjection(form="past tense", type=FrictionType.MORPHOSYNTACTIC),),
    ),
)
FRICTION = FrictionDetected(
    type=FrictionType.MORPHOSYNTACTIC, severity=0.4, turn=1, npc="rosa", form="fui", said="voy"
)
WORDING = Refraction(formulation="¿Cuánto cuesta?", register_label="safe-simple")
OFFER = RefractionResponse(
    refractions=Refractions(
        basic=WORDING,
        native=WORDING.model_copy(update={"formulation": "¿A cuánto está?"}),
        formal=WORDING.model_copy(update={"formulation": "¿Podría decirme el precio?"}),
    )
)
RECORD = PostSessionExhaust(
    session_record=SessionRecord(
        session_id="s1",
        learner_id="ana",
        persona_schema_id="bakery",
        started_at="2026-01-01T09:00:00+00:00",
        ended_at="2026-01-01T09:06:00+00:00",
        duration_minutes=6.0,
        end_reason="learner-ended",
        metrics=SessionMetrics(task_completion_rate=0.5, friction_rate=0.25),
    )
)


def scene_of(*events: AnyEvent) -> Scene:
    scene = opening(WORLD)
    for event in events:
        scene = scene.after(event)
    return scene


def drawn(content: Any, width: int = 78) -> str:
    console = Console(width=width, force_terminal=False, file=None)
    with console.capture() as caught:
        console.print(content)
    return caught.get()


# --- the fold ----------------------------------------


def test_a_scene_begins_with_the_persona_and_goes_on_with_what_the_session_knows() -> None:
    scene = opening(WORLD)
    assert [one.name for one in scene.people.values()] == ["Rosa", "Don Luis"]
    scene = scene.after(STARTED)
    rosa, luis = scene.people["rosa"], scene.people["don-luis"]
    assert (rosa.tier, rosa.reputation, rosa.mood, rosa.role) == (2, 0.1, "busy", "baker")
    assert (luis.tier, luis.role) == (3, "owner")
    assert scene.pressure == 0.4
    assert scene.injections == {"past tense": InjectionStatus.PENDING}
    assert scene.lines == ()


def test_frictions_are_those_of_the_last_turn_and_all_are_remembered() -> None:
    scene = scene_of(STARTED, TurnTaken(turn=1, npc="rosa", text="Ayer voy"), FRICTION)
    assert scene.frictions == (FRICTION,)
    scene = scene.after(TurnTaken(turn=2, npc="rosa", text="Gracias"))
    assert (scene.frictions, scene.found) == ((), (FRICTION,))


def test_standing_moves_and_stays_within_its_bounds() -> None:
    scene = scene_of(STARTED, ReputationChanged(npc="rosa", delta=0.05))
    assert scene.people["rosa"].reputation == pytest.approx(0.15)
    for _ in range(5):
        scene = scene.after(ReputationChanged(npc="rosa", delta=-0.5))
    assert scene.people["rosa"].reputation == -0.5
    assert scene.moved["rosa"] == pytest.approx(-2.45)


def test_what_is_said_and_what_happens_become_lines() -> None:
    scene = scene_of(
        STARTED,
        TurnAnswered(turn=0, npc="rosa", text="¡Buenas!"),
        TurnTaken(turn=1, npc="rosa", text="Soy de\nLeeds"),
        FactLearned(npc="rosa", fact="comes from Leeds"),
        GoalReached(npc="rosa", objective="ask-price"),
        SilenceNoticed(turn=1, step=SilenceStep.WAIT, after_ms=3000, npc="rosa"),
        NegotiationCollapsed(npc="don-luis", turn=1, cause="aggression"),
    )
    assert scene.lines == (
        Line("rosa", "¡Buenas!"),
        Line(YOU, "Soy de Leeds"),
        Line("", "Rosa will remember: comes from Leeds"),
        Line("", "Reached: Ask for the price"),
        Line("", "Rosa waits"),
        Line("", "Don Luis breaks off: does not take that tone"),
    )
    assert scene.people["don-luis"].collapsed


def test_every_step_of_silence_and_every_state_has_words() -> None:
    for step in SilenceStep:
        scene = scene_of(SilenceNoticed(turn=0, step=step, after_ms=1, npc="rosa"))
        assert "Rosa" in scene.lines[0].text
    for affect in Affect:
        change = AffectChanged(turn=1, state=affect, inner=InnerAffect.ENGAGED, pressure=0.5)
        assert affect.value in panel(scene_of(change), "rosa").plain
    for cause in ("openness", "cultural-breach", "no-meaning", "aggression", "l1-fallback"):
        event = NegotiationCollapsed.model_validate({"npc": "rosa", "turn": 1, "cause": cause})
        assert len(scene_of(event).lines) == 1
    scaffolds = ScaffoldingEscalated(
        turn=1, level=5, before=0, actions=tuple(Scaffold)[:3], trigger=InnerAffect.ANXIOUS
    )
    assert panel(scene_of(scaffolds), "rosa").plain.count("+ ") == 2


def test_an_injection_is_hidden_until_the_end() -> None:
    scene = scene_of(STARTED, InjectionAdvanced(form="past tense", status=InjectionStatus.USED))
    assert "past tense" not in panel(scene, "rosa").plain
    assert scene.lines == ()
    assert "● you used it: past tense" in drawn(summary(scene, RECORD, None))


def test_a_warning_is_told_and_openness_is_shown_of_negotiations_alone() -> None:
    change = OpennessChanged(
        npc="don-luis",
        turn=1,
        score=0.25,
        penalty=0.2,
        state=OpennessState.RESISTANT,
        description="too informal",
        warning=True,
    )
    scene = scene_of(STARTED, change)
    assert scene.lines == (Line("", "Don Luis closes up: too informal"),)
    assert "0.25 resistant" in panel(scene, "don-luis").plain
    assert "Openness" not in panel(scene, "rosa").plain


def test_a_pause_and_an_end_show_in_the_phase() -> None:
    assert scene_of(SessionPaused()).phase == "paused"
    ended = SessionEnded(reason=EndReason.TIME_LIMIT, outcome=Outcome.SUCCESS, active_ms=1)
    assert (scene_of(ended).phase, scene_of(ended).reason) == ("ended", "time-limit")


@pytest.mark.parametrize(
    ("value", "low", "high", "shown"),
    [
        (0.0, 0.0, 1.0, "░░░░"),
        (0.5, 0.0, 1.0, "██░░"),
        (1.0, 0.0, 1.0, "████"),
        (2.0, 0.0, 1.0, "████"),
        (0.0, -0.5, 0.5, "░░│░░"),
        (0.5, -0.5, 0.5, "░░│██"),
        (-0.5, -0.5, 0.5, "██│░░"),
    ],
)
def test_a_bar_begins_at_zero(value: float, low: float, high: float, shown: str) -> None:
    assert bar(value, low, high, 4) == shown


# --- what is drawn ----------------------------------------


def test_nothing_is_told_by_colour_alone() -> None:
    scene = scene_of(STARTED, TurnTaken(turn=1, npc="rosa", text="Ayer voy"), FRICTION)
    assert spoken(Line(YOU, "hola"), scene).plain == "you › hola"
    assert spoken(Line("rosa", "hola"), scene).plain == "Rosa ‹ hola"
    text = panel(scene, "rosa").plain
    assert "!   grammar, medium" in text
    assert "voy → fui" in text
    assert "+0.10" in text
    assert "friendly" in text


def test_a_turn_without_friction_says_so() -> None:
    scene = scene_of(STARTED, TurnTaken(turn=1, npc="rosa", text="hola"))
    assert "✓ nothing to mend" in panel(scene, "rosa").plain


def test_the_panel_fits_a_small_window() -> None:
    frictions = [FRICTION.model_copy(update={"form": "x" * 90}) for _ in range(9)]
    scene = scene_of(
        STARTED,
        MoodChanged(npc="don-luis", turn=1, mood=Mood.COLD, before=Mood.BUSY, trigger="x"),
        OpennessChanged(npc="don-luis", turn=1, score=0.6, penalty=0.1, state=OpennessState.OPEN),
        ScaffoldingEscalated(
            turn=1, level=2, before=0, actions=tuple(Scaffold), trigger=InnerAffect.ANXIOUS
        ),
        TurnTaken(turn=1, npc="don-luis", text="x"),
        *frictions,
    )
    rows = panel(scene, "don-luis").plain.splitlines()
    assert len(rows) <= 24 - 5
    assert all(len(row) <= 27 for row in rows)


def test_a_summary_says_what_was_and_what_comes() -> None:
    scene = scene_of(
        STARTED,
        TurnTaken(turn=1, npc="rosa", text="Ayer voy"),
        FRICTION,
        ReputationChanged(npc="rosa", delta=-0.05),
    )
    ahead = Ahead(lessons=("Yesterday",), forms=("fui",), messages=("Rosa: fresh bread",))
    text = drawn(summary(scene, RECORD, ahead))
    for part in (
        "Conversations that succeeded", "50%", "0.25", "▼ Rosa -0.05, now +0.05 friendly",
        "voy → fui", "+ lesson: Yesterday", "+ to practise: fui", "+ Rosa: fresh bread",
    ):  # fmt: skip
        assert part in text
    assert "Words a minute" not in text  # nothing was measured
    assert "being worked out" in drawn(summary(scene, RECORD, None))


# --- the window, with a session that is not there ----------------------------------------


class Script:
    """A session that answers what it was told to; its checkpoints are real ones."""

    id = "s1"

    def __init__(self, *events: AnyEvent) -> None:
        self.steps: list[Step] = []
        self.calls: list[tuple[Any, ...]] = []
        self.refuse: RefusedError | None = None
        self.pieces: tuple[str, ...] = ("¡Muy ", "bien!")
        self.go = asyncio.Event()
        self.go.set()
        self._tiles: asyncio.Queue[Tile] = asyncio.Queue()
        if events:
            self.store(*events)

    def store(self, *events: AnyEvent) -> Step:
        sequence = len(self.steps) + 1
        self.steps.append(Step(sequence, "c", encode_checkpoint(1, events)))
        self._tiles.put_nowait(
            Tile(id="t", domain="d", question="q", answer={"sequence": sequence})
        )
        return self.steps[-1]

    async def say(
        self,
        text: str,
        *,
        to: str,
        heard: Callable[[str], None] | None = None,
        timeout: float = 15.0,  # noqa: ASYNC109 - as the session has it
        **turn: Any,
    ) -> Reply:
        self.calls.append(("say", text, to, turn))
        if self.refuse is not None:
            raise self.refuse
        number = sum(call[0] == "say" for call in self.calls)
        step = self.store(
            TurnTaken(turn=number, npc=to, text=text),
            FRICTION.model_copy(update={"turn": number, "npc": to}),
            ReputationChanged(npc=to, delta=-0.02, turn=number),
        )
        for piece in self.pieces:
            if heard is not None:
                heard(piece)
        await self.go.wait()
        said = "".join(self.pieces)
        self.store(TurnAnswered(turn=number, npc=to, text=said))
        return Reply(number, to, said, step.events)

    async def greet(
        self,
        npc: str,
        *,
        heard: Callable[[str], None] | None = None,
        timeout: float = 15.0,  # noqa: ASYNC109 - as the session has it
    ) -> Reply:
        self.calls.append(("greet", npc))
        step = self.store(TurnAnswered(turn=0, npc=npc, text="¡Buenas!"))
        return Reply(0, npc, "¡Buenas!", step.events)

    async def refract(
        self,
        text: str,
        *,
        npc: str | None = None,
        timeout: float = 15.0,  # noqa: ASYNC109 - as the session has it
    ) -> Offer:
        self.calls.append(("refract", text, npc))
        return Offer(7, OFFER)

    async def choose(
        self, number: int, level: RefractionLevel | str | None, *, dwell_ms: int = 0
    ) -> Step:
        self.calls.append(("choose", number, level))
        return self.steps[-1]

    async def pause(self, reason: str = "") -> Step:
        self.calls.append(("pause",))
        if self.refuse is not None:
            raise self.refuse
        return self.store(SessionPaused(reason=reason))

    async def end(self) -> None:
        self.calls.append(("end",))
        self.store(
            SessionEnded(reason=EndReason.LEARNER_ENDED, outcome=Outcome.SUCCESS, active_ms=1)
        )

    async def record(self) -> PostSessionExhaust:
        return RECORD

    async def replay(self, *, after: int = 0) -> AsyncIterator[Step]:
        for step in self.steps[after:]:
            yield step

    async def tiles(self) -> AsyncGenerator[Tile, None]:
        while True:
            yield await self._tiles.get()


def chat_of(session: Script, *, fresh: bool = True) -> Chat:
    async def remembered(npc: str) -> tuple[str, ...]:
        return ("ana comes from Leeds",) if npc == "rosa" else ()

    async def ahead() -> Ahead:
        return Ahead(lessons=("Yesterday",))

    return Chat(Desk("ana", WORLD, session, "rosa", fresh, remembered, ahead))


def shown(app: Chat) -> list[str]:
    """The conversation as it stands in the window."""
    return [
        str(line.visual) for line in app.screen_stack[0].query("#talk Static").results(Static)
        if line.display
    ]  # fmt: skip


def side(app: Chat) -> str:
    return str(app.screen_stack[0].query_one("#standing", Static).visual)


def dialog(app: Chat) -> str:
    return drawn(app.screen._content) if isinstance(app.screen, Dialog) else ""


async def typed(pilot: Any, text: str) -> None:
    pilot.app.query_one(Input).value = text
    pilot.app.simulate_key("enter")


async def pressed(pilot: Any, first: str, *others: str) -> None:
    """Keys of which the first opens a dialog if there are others. The pilot's own press waits for
    widgets that a key may have taken away."""
    pilot.app.simulate_key(first)
    for key in others:
        await settled(pilot, lambda: isinstance(pilot.app.screen, Dialog))
        pilot.app.simulate_key(key)


async def settled(pilot: Any, seen: Callable[[], bool]) -> None:
    """Until it shows; each turn of the loop is a chance for it."""
    async with asyncio.timeout(20):
        while not seen():
            await pilot.pause(0.01)


async def test_the_npc_greets_and_says_what_it_remembers() -> None:
    app = chat_of(Script(STARTED))
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot, lambda: "Rosa ‹ ¡Buenas!" in shown(app))
        assert "  · Rosa remembers: ana comes from Leeds" in shown(app)
        assert "Rosa, baker" in str(app.query_one("#title", Static).visual)


async def test_who_comes_back_sees_what_was_said_and_is_not_greeted_anew() -> None:
    session = Script(STARTED, TurnAnswered(turn=0, npc="rosa", text="¡Buenas!"), SessionPaused())
    app = chat_of(session, fresh=False)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot, lambda: len(shown(app)) == 2)
        assert shown(app) == ["Rosa ‹ ¡Buenas!", "  · Rosa remembers: ana comes from Leeds"]
    assert session.calls == []


async def test_pieces_of_an_answer_appear_as_they_come() -> None:
    session = Script(STARTED)
    session.go.clear()
    app = chat_of(session)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot, lambda: "Rosa ‹ ¡Buenas!" in shown(app))
        await typed(pilot, "Ayer voy")
        await settled(pilot, lambda: any("¡Muy bien!▌" in line for line in shown(app)))
        # What was found is told before the answer.
        await settled(pilot, lambda: "grammar, medium" in side(app))
        session.go.set()
        await settled(pilot, lambda: "Rosa ‹ ¡Muy bien!" in shown(app))
        assert not any("▌" in line for line in shown(app))
        assert shown(app).count("you › Ayer voy") == 1
        assert app.query_one(Input).value == ""


async def test_nobody_is_spoken_to_while_thinking_and_nothing_typed_is_lost() -> None:
    session = Script(STARTED)
    session.go.clear()
    app = chat_of(session)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot, lambda: "Rosa ‹ ¡Buenas!" in shown(app))
        await typed(pilot, "uno")
        await settled(pilot, lambda: "you › uno" in shown(app))
        await typed(pilot, "dos")
        await settled(pilot, lambda: len(app._notifications) == 1)
        assert app.query_one(Input).value == "dos"
        session.go.set()
        await settled(pilot, lambda: "Rosa ‹ ¡Muy bien!" in shown(app))
    assert [call[1] for call in session.calls if call[0] == "say"] == ["uno"]


async def test_a_refused_turn_comes_back_into_the_line() -> None:
    session = Script(STARTED)
    session.refuse = RefusedError("turn-order", "2 is next")
    app = chat_of(session)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot, lambda: "Rosa ‹ ¡Buenas!" in shown(app))
        await typed(pilot, "hola")
        await settled(pilot, lambda: app.query_one(Input).value == "hola")
        assert "you › hola" not in shown(app)


async def test_what_happens_without_the_learner_shows_too() -> None:
    session = Script(STARTED)
    app = chat_of(session)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot, lambda: "Rosa ‹ ¡Buenas!" in shown(app))
        session.store(SilenceNoticed(turn=0, step=SilenceStep.WAIT, after_ms=3000, npc="rosa"))
        await settled(pilot, lambda: "  · Rosa waits" in shown(app))


async def test_one_of_three_wordings_is_taken_into_the_line_and_said_as_such() -> None:
    session = Script(STARTED)
    app = chat_of(session)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot, lambda: "Rosa ‹ ¡Buenas!" in shown(app))
        app.query_one(Input).value = "how much is it"
        app.simulate_key("ctrl+r")
        await settled(pilot, lambda: isinstance(app.screen, Dialog))
        app.simulate_key("2")
        await settled(pilot, lambda: app.query_one(Input).value == "¿A cuánto está?")
        await settled(pilot, lambda: not app.waiting)
        app.simulate_key("enter")
        await settled(pilot, lambda: "you › ¿A cuánto está?" in shown(app))
    assert ("refract", "how much is it", "rosa") in session.calls
    assert ("choose", 7, RefractionLevel.NATIVE) in session.calls
    assert ("say", "¿A cuánto está?", "rosa", {"refraction": 7}) in session.calls


async def test_none_of_the_wordings_leaves_the_line_as_it_was() -> None:
    session = Script(STARTED)
    app = chat_of(session)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot, lambda: "Rosa ‹ ¡Buenas!" in shown(app))
        app.query_one(Input).value = "how much is it"
        app.simulate_key("ctrl+r")
        await settled(pilot, lambda: isinstance(app.screen, Dialog))
        app.simulate_key("escape")
        await settled(pilot, lambda: ("choose", 7, None) in session.calls)
        assert app.query_one(Input).value == "how much is it"


async def test_there_is_nothing_to_say_better_in_an_empty_line() -> None:
    session = Script(STARTED)
    app = chat_of(session)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot, lambda: "Rosa ‹ ¡Buenas!" in shown(app))
        app.simulate_key("ctrl+r")
        assert not isinstance(app.screen, Dialog)
    assert not any(call[0] == "refract" for call in session.calls)


async def test_one_can_turn_to_somebody_else() -> None:
    session = Script(STARTED)
    app = chat_of(session)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot, lambda: "Rosa ‹ ¡Buenas!" in shown(app))
        app.simulate_key("ctrl+n")
        await settled(pilot, lambda: isinstance(app.screen, Dialog))
        app.simulate_key("2")
        await settled(pilot, lambda: app.npc == "don-luis")
        await settled(pilot, lambda: "  · You turn to Don Luis" in shown(app))
        assert "tier 3, negotiation" in side(app)
        await typed(pilot, "Buenos días")
        await settled(pilot, lambda: "Don Luis ‹ ¡Muy bien!" in shown(app))
    assert ("say", "Buenos días", "don-luis", {}) in session.calls


@pytest.mark.parametrize("keys", [("ctrl+p",), ("escape", "p"), ("ctrl+c",), ("ctrl+q",)])
async def test_a_pause_leaves_the_session_paused(keys: tuple[str, ...]) -> None:
    session = Script(STARTED)
    app = chat_of(session)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot, lambda: "Rosa ‹ ¡Buenas!" in shown(app))
        await pressed(pilot, *keys)
        await settled(pilot, lambda: app.return_value is not None)
    assert ("pause",) in session.calls
    assert app.return_value == "paused"


async def test_an_interrupt_leaves_even_if_the_session_will_not_pause() -> None:
    session = Script(STARTED)
    session.refuse = RefusedError("session-paused")
    app = chat_of(session)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot, lambda: "Rosa ‹ ¡Buenas!" in shown(app))
        app.simulate_key("ctrl+c")
        await settled(pilot, lambda: app.return_value is not None)
    assert app.return_value == "left"


@pytest.mark.parametrize("keys", [("ctrl+e", "enter"), ("escape", "e")])
async def test_an_end_shows_what_it_came_to(keys: tuple[str, ...]) -> None:
    session = Script(STARTED)
    app = chat_of(session)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot, lambda: "Rosa ‹ ¡Buenas!" in shown(app))
        await pressed(pilot, *keys)
        await settled(
            pilot,
            lambda: isinstance(app.screen, Dialog) and "How it went" in dialog(app),
        )
        assert "+ lesson: Yesterday" in dialog(app)
        assert app.screen_stack[0].query_one(Input).disabled
        app.simulate_key("enter")
        await settled(pilot, lambda: app.return_value is not None)
    assert app.return_value == "ended"


@pytest.mark.parametrize("key", ["ctrl+e", "escape"])
async def test_a_dialog_is_left_by_escape(key: str) -> None:
    session = Script(STARTED)
    app = chat_of(session)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot, lambda: "Rosa ‹ ¡Buenas!" in shown(app))
        app.simulate_key(key)
        await settled(pilot, lambda: isinstance(app.screen, Dialog))
        app.simulate_key("escape")
        await settled(pilot, lambda: not isinstance(app.screen, Dialog))
        assert app.query_one(Input).has_focus
    assert not {"end", "pause"} & {call[0] for call in session.calls}


@pytest.mark.parametrize("size", [(80, 24), (50, 16), (160, 50)])
async def test_help_and_line_are_there_in_every_size(size: tuple[int, int]) -> None:
    app = chat_of(Script(STARTED))
    async with app.run_test(size=size) as pilot:
        await settled(pilot, lambda: "Rosa ‹ ¡Buenas!" in shown(app))
        line = app.query_one(Input)
        assert line.region.bottom <= size[1]
        assert line.region.width > 20
        assert app.query_one("#talk", VerticalScroll).region.height >= size[1] - 6
        assert app.query_one("#panel").display is (size[0] >= 70)
        app.simulate_key("f1")
        await settled(pilot, lambda: isinstance(app.screen, Dialog))
        assert "Ctrl-R" in dialog(app)


# --- the window, with a real runtime ----------------------------------------


@pytest.fixture
async def deck() -> AsyncIterator[Deck]:
    async with holodeck.local(broker="memory") as deck:
        yield deck


async def met(deck: Deck, **wanted: Any) -> Chat:
    """The window of a conversation with Marta of the café, begun or gone on with."""
    world = library_of(load_settings()).get("barcelona-cafe")
    assert world is not None
    return Chat(await sit_down(deck, world, "ana", npc="marta", **wanted))


async def said(pilot: Any, app: Chat, text: str) -> None:
    turn = app.scene.turn
    await typed(pilot, text)
    await settled(pilot, lambda: app.scene.turn == turn + 1 and not app.waiting)


async def test_a_conversation_is_held_left_taken_up_and_remembered(deck: Deck) -> None:
    app = await met(deck)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot, lambda: "Marta ‹ Buenas." in " ".join(shown(app)))
        await said(pilot, app, "Hola, Marta. Me llamo Ana.")
        assert "  · Marta will remember: se llama Ana" in shown(app)
        await said(pilot, app, "Yo gusto el café.")
        assert "grammar, medium" in side(app)
        assert "gustar" in side(app)
        app.query_one(Input).value = "the bill please"
        app.simulate_key("ctrl+r")
        await settled(pilot, lambda: isinstance(app.screen, Dialog))
        app.simulate_key("3")
        await settled(pilot, lambda: not isinstance(app.screen, Dialog) and not app.waiting)
        app.simulate_key("enter")
        await settled(pilot, lambda: app.scene.turn == 3 and not app.waiting)
        assert "✓ nothing to mend" in side(app)
        before = shown(app)
        app.simulate_key("ctrl+p")
        await settled(pilot, lambda: app.return_value is not None)
    assert app.return_value == "paused"
    left = app.desk.session.id
    standing = app.scene.people["marta"].reputation
    assert (await deck.session(left).state()).phase is Phase.PAUSED

    app = await met(deck)
    assert (app.desk.session.id, app.desk.fresh) == (left, False)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot, lambda: "  · You are back" in shown(app))
        assert shown(app)[: len(before)] == before
        assert app.scene.people["marta"].reputation == standing
        await pressed(pilot, "ctrl+e", "enter")
        await settled(pilot, lambda: "How it went" in dialog(app))
        assert "Yo gusto el → gustar" in dialog(app)
        assert "▲ Marta" in dialog(app)
        assert "being worked out" not in dialog(app)
        app.simulate_key("enter")
        await settled(pilot, lambda: app.return_value is not None)
    assert app.return_value == "ended"
    used = (await deck.session(left).record()).refraction_data
    assert [(one.selected_level, one.used_in_conversation) for one in used] == [("formal", True)]

    app = await met(deck)
    assert app.desk.fresh
    assert app.desk.session.id != left
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot, lambda: any("se llama Ana" in line for line in shown(app)))
        await settled(pilot, lambda: any(line.startswith("Marta ‹") for line in shown(app)))
        assert app.scene.people["marta"].reputation == pytest.approx(standing)
        app.simulate_key("ctrl+c")
        await settled(pilot, lambda: app.return_value is not None)


async def test_a_session_that_ends_by_itself_shows_what_it_came_to(deck: Deck) -> None:
    app = await met(deck)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot, lambda: len(shown(app)) > 0)
        await deck.session(app.desk.session.id).end("time-limit")
        await settled(pilot, lambda: "How it went" in dialog(app))
        assert any("time-limit" in line for line in shown(app))
        app.simulate_key("enter")
        await settled(pilot, lambda: app.return_value is not None)


async def test_a_session_that_is_named_is_begun_or_gone_on_with_and_not_twice(deck: Deck) -> None:
    first = (await met(deck, session="s1")).desk
    again = (await met(deck, session="s1")).desk
    assert (first.fresh, again.fresh) == (True, False)
    await deck.session("s1").end()
    with pytest.raises(RefusedError, match="session-ended"):
        await met(deck, session="s1")


async def test_nobody_is_met_who_is_not_of_that_world(deck: Deck) -> None:
    with pytest.raises(RefusedError, match="there is rosa, don-luis"):
        await sit_down(deck, WORLD, "ana", npc="jordi")


async def test_what_is_said_is_never_read_as_markup() -> None:
    session = Script(STARTED)
    session.pieces = ("[red]no[/red] [/]",)
    app = chat_of(session)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot, lambda: "Rosa ‹ ¡Buenas!" in shown(app))
        await typed(pilot, "[bold")
        await settled(pilot, lambda: "Rosa ‹ [red]no[/red] [/]" in shown(app))
        assert "you › [bold" in shown(app)


# --- the command, in a terminal ----------------------------------------


@pytest.fixture
def terminal() -> Iterator[Start]:
    yield from terminals("chat")


@pytest.fixture
def nats() -> None:
    try:
        find_server()
    except StartupError as error:
        missing(f"nats-server ({error})")


@pytest.mark.usefixtures("nats")
def test_a_terminal_is_left_as_it_was_and_the_conversation_goes_on_there(
    terminal: Start,
) -> None:
    words = ("--persona", "barcelona-cafe", "--learner", "ana", "--npc", "marta")
    first = terminal(*words)
    first.shows("dónde empezamos?")
    first.types("Hola, me llamo Ana.\r")
    first.shows("Marta will remember: se llama Ana")
    first.types("\x03")
    assert first.leaves() == 0
    assert first.raw.rfind(b"\x1b[?1049l") > first.raw.rfind(b"\x1b[?1049h") >= 0
    assert b"Paused. Go on with: holodeck chat --persona barcelona-cafe" in first.raw
    assert b"Traceback" not in first.raw

    second = terminal(*words)
    second.shows("You are back")
    second.shows("se llama Ana")
    second.types("\x05")
    second.shows("End this conversation?")
    second.types("\r")
    second.shows("How it went")
    second.types("\r")
    assert second.leaves() == 0
    assert b"Traceback" not in second.raw


def test_a_world_nobody_knows_is_told_with_those_there_are(
    terminal: Start,
) -> None:
    found = terminal("--persona", "atlantis")
    assert found.leaves() == 2
    assert b"barcelona-cafe" in found.raw
