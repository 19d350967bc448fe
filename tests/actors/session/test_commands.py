"""Every command in every phase: what it leads to, or why not."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from holodeck.actors.session import SCHEMA, session
from holodeck.actors.session.decider import refusal
from holodeck.messages.conversation import ConversationOutcome, ProfessionalKind, RefractionLevel
from holodeck.messages.errors import RefusedError
from holodeck.messages.fleet import GraphPoint
from holodeck.messages.player import (
    AddMarker,
    AddNote,
    ChangeSettings,
    CrisisType,
    EraseSession,
    FlagSafety,
    Interact,
    MarkerType,
    ProgressMarker,
    SafetyFinding,
    TherapeuticSettings,
)
from holodeck.messages.practice import AnswerQuestion, CloseFeedback, ServeQuestion, ShowHint
from holodeck.messages.session import (
    SESSION_COMMAND,
    AbandonStart,
    AddTask,
    ChangeReputation,
    CompleteTask,
    End,
    ForkFrom,
    FrictionFinding,
    FrictionType,
    NpcReply,
    Outcome,
    Pause,
    ReportEmergence,
    ReportError,
    ReportFriction,
    Resume,
    RetryTask,
    RouteTask,
    SettleOwed,
    StartTask,
    TaskRefused,
    TimerFired,
)
from holodeck.messages.talk import (
    AskRefraction,
    ChooseRefraction,
    CloseConversation,
    FactHeard,
    OfferRefraction,
    ReachGoal,
    RecordAttempt,
    RecordProfessional,
    RememberFact,
    ResolveIncident,
)
from tests.actors.reasons import reasons_in
from tests.actors.session.practice.refusals import NOTHING
from tests.actors.session.practice.refusals import REFUSALS as PRACTICE_REFUSALS
from tests.actors.session.stories import (
    MARTA,
    OPEN,
    START,
    Story,
    abandoned,
    active,
    crossing,
    decided,
    ended,
    fork_of,
    new,
    paused,
    rehearsal,
    story,
    turn,
)
from tests.actors.session.worlds import (
    ATTEMPT,
    BAKER,
    JUDGE,
    STRANGER,
    WORDINGS,
    asked,
    begin,
    collapsed,
    conversation,
    offered,
    reply,
    said,
)
from tests.messages.strategies import SESSION_COMMANDS, kind_of

PHASES: dict[str, Callable[[], Story]] = {
    "new": new,
    "active": active,
    "paused": paused,
    "ended": ended,
    "abandoned": abandoned,
    "erased": lambda: ended().tell(EraseSession()),
}
FRICTION = ReportFriction(finding=FrictionFinding(type=FrictionType.REGISTER, severity=0.5))
TASK = "done-soon"
FINDING = SafetyFinding(types=(CrisisType.PANIC_ATTACK,), confidence=0.4)


def marker(name: str, description: str = "") -> ProgressMarker:
    return ProgressMarker(marker_id=name, marker_type=MarkerType.MILESTONE, description=description)


COMMANDS: list[Any] = [
    START,
    AbandonStart(learner="ana", claim=99),
    fork_of(active().state),
    turn(1),
    NpcReply(turn=0, npc="marta", text="¡Hola!"),
    FRICTION,
    ChangeReputation(npc="joan", delta=0.2),
    AddTask(task="new"),
    RouteTask(task=TASK),
    StartTask(task=TASK),
    CompleteTask(task=TASK),
    RetryTask(task=TASK, attempt=2),
    ReportError(error="no milk"),
    ReportEmergence(crossing=crossing()),
    Pause(),
    Resume(claim=99),
    End(),
    SettleOwed(),
    TimerFired(name="session"),
    AskRefraction(number=1, text="how do I ask?"),
    OfferRefraction(number=1, response=WORDINGS),
    ChooseRefraction(number=1),
    RecordAttempt(number=1, result=ATTEMPT),
    RememberFact(npc="marta", fact=FactHeard(fact="has a dog")),
    ReachGoal(npc="marta", objective="order"),
    CloseConversation(npc="marta", outcome=ConversationOutcome.COMPLETED),
    ResolveIncident(npc="marta", incident="the spilled milk"),
    RecordProfessional(npc="marta", type=ProfessionalKind.PROPOSAL, description="a new menu"),
    AnswerQuestion(number=1, given="1"),
    CloseFeedback(number=1),
    ServeQuestion(number=1, supplies=NOTHING),
    ShowHint(number=1),
    Interact(scene="the mill"),
    AddMarker(marker=marker("first")),
    ChangeSettings(settings=TherapeuticSettings(intensity_level=0.8)),
    AddNote(text="he was late", author="op"),
    FlagSafety(finding=FINDING),
    EraseSession(),
]
NO, DUP, PSD = "!unknown-session", "!session-exists", "!session-paused"
OVER, GONE = "!session-ended", "!start-abandoned"
NOT = "!no-persona"
NOP = "!no-practice"
VOID, UNDO = "session.start-abandoned", "session.resume-abandoned"
CLOSED = "task.completed session.ended"
FLAG, ERASED = "safety.flagged", "session.erased"
# What each leads to in each of the PHASES: kinds of events, "-" for nothing, "!" and a refusal.
TABLE = {
    "start":             ("session.started", DUP, DUP, DUP, GONE),
    "abandon-start":     (VOID, "!session-active", UNDO, "-", "-"),
    "fork":              ("session.forked", DUP, DUP, DUP, DUP),
    "take-turn":         (NO, "turn.taken", PSD, OVER, GONE),
    "npc-reply":         (NO, "turn.answered", "turn.answered", OVER, GONE),
    "report-friction":   (NO, "friction.detected", PSD, OVER, GONE),
    "change-reputation": (NO, "reputation.changed", PSD, OVER, GONE),
    "add-task":          (NO, "task.added", PSD, OVER, GONE),
    "route-task":        (NO, "task.routed", PSD, OVER, GONE),
    "start-task":        (NO, "task.started", PSD, OVER, GONE),
    "complete-task":     (NO, "task.completed", "task.completed", OVER, GONE),
    "retry-task":        (NO, "!task-open", PSD, OVER, GONE),
    "report-error":      (NO, "session.erred", "session.erred", OVER, GONE),
    "report-emergence":  (NO, "emergence.detected", "emergence.detected", OVER, GONE),
    "pause":             (NO, "session.paused", "-", OVER, GONE),
    "resume":            (NO, "-", "session.resumed", OVER, GONE),
    "end":               (NO, CLOSED, CLOSED, "-", GONE),
    "settle-owed":       (NO, "-", "-", "-", GONE),
    "timer":             (NO, "-", "-", "-", GONE),
    "ask-refraction":    (NO, NOT, PSD, OVER, GONE),
    "offer-refraction":  (NO, NOT, NOT, OVER, GONE),
    "choose-refraction": (NO, NOT, PSD, OVER, GONE),
    "record-attempt":    (NO, NOT, PSD, OVER, GONE),
    "remember-fact":     (NO, "fact.learned", PSD, OVER, GONE),
    "reach-goal":        (NO, NOT, PSD, OVER, GONE),
    "close-conversation": (NO, "conversation.closed", PSD, OVER, GONE),
    "resolve-incident":  (NO, NOT, PSD, OVER, GONE),
    "record-professional": (NO, "professional.recorded", PSD, OVER, GONE),
    "answer-question":   (NO, NOP, PSD, OVER, GONE),
    "close-feedback":    (NO, NOP, PSD, OVER, GONE),
    "serve-question":    (NO, NOP, NOP, OVER, GONE),
    "show-hint":         (NO, NOP, PSD, OVER, GONE),
    "interact":          (NO, "session.interacted", PSD, OVER, GONE),
    "add-marker":        (NO, "session.marked", PSD, OVER, GONE),
    "change-settings":   (NO, "session.settings-changed", PSD, OVER, GONE),
    "add-note":          (NO, "session.noted", "session.noted", OVER, GONE),
    "flag-safety":       (NO, FLAG, FLAG, FLAG, FLAG),
    "erase-session":     (NO, ERASED, ERASED, ERASED, ERASED),
}  # fmt: skip
CELLS = [
    (phase, command, cell)
    for command in COMMANDS
    for phase, cell in zip(
        PHASES,
        # Of one that was erased nothing is said but that.
        (*TABLE[command.kind], "-" if command.kind == "erase-session" else "!session-erased"),
        strict=True,
    )
]


def outcome(told: Story, command: Any) -> str:
    try:
        return " ".join(event.kind for event in told.says(command)) or "-"
    except RefusedError as error:
        return f"!{error.reason}"


def test_the_table_knows_every_command() -> None:
    assert set(TABLE) == {kind_of(model) for model in SESSION_COMMANDS}
    assert {command.kind for command in COMMANDS} == set(TABLE)


@pytest.mark.parametrize(
    ("phase", "command", "expected"), CELLS, ids=[f"{c.kind}-{p}" for p, c, _ in CELLS]
)
def test_a_command_in_a_phase(phase: str, command: Any, expected: str) -> None:
    assert outcome(PHASES[phase](), command) == expected


@pytest.mark.parametrize(
    ("phase", "command", "expected"), CELLS, ids=[f"{c.kind}-{p}" for p, c, _ in CELLS]
)
def test_a_command_obeyed_twice_has_its_effect_once(
    phase: str, command: Any, expected: str
) -> None:
    """Also without any memory of command ids: the state knows. Only what has no name of its own
    (a friction, a change of standing, an error, a fact, an outcome or a line of history without a
    world to keep it in, a pause after a resume) needs the id."""
    told = PHASES[phase]()
    if expected.startswith("!") or command.kind in NAMELESS:
        return
    told.tell(command)
    again = outcome(told, command)
    assert again in ("-", "!session-exists", "!duplicate-task")


NAMELESS = (
    "report-friction",
    "change-reputation",
    "report-error",
    "remember-fact",
    "close-conversation",
    "record-professional",
    "interact",
    "add-note",
    "flag-safety",
)


def given_up() -> Story:
    return paused().tell(AbandonStart(learner="ana", claim=99))


def done() -> Story:
    return active().tell(CompleteTask(task=TASK))


def full() -> Story:
    return active().tell(AddTask(task="b"))


def turned_away() -> Story:
    return full().tell(AddTask(task="b too many"))


def full_and_done() -> Story:
    return full().tell(CompleteTask(task="b"), AddTask(task="b too many"))


def failed() -> Story:
    return active().tell(CompleteTask(task=TASK, outcome=Outcome.FAILED))


def cancelled() -> Story:
    return active().tell(CompleteTask(task=TASK, outcome=Outcome.CANCELLED))


def retried() -> Story:
    return failed().tell(RetryTask(task=TASK, attempt=2))


def stuffed() -> Story:
    told = story(OPEN.model_copy(update={"max_tasks": 100}))
    for number in range(10):
        told = told.tell(AddTask(task=f"{number:0100d}", capabilities=MANY))
    return told


def stuffed_by_retries() -> Story:
    """Each attempt weighs something too, so retries have an end."""
    told = stuffed()
    for attempt in (2, 3, 4):
        told.tell(CompleteTask(task=f"{0:0100d}", outcome=Outcome.FAILED))
        told.tell(RetryTask(task=f"{0:0100d}", attempt=attempt))
    return told.tell(CompleteTask(task=f"{0:0100d}", outcome=Outcome.FAILED))


def castless() -> Story:
    return story(OPEN, AddTask(task="t"))


def spoken() -> Story:
    return active().tell(turn(1))


def uncast() -> Story:
    return story(begin(cast=()))


def waiting() -> Story:
    return conversation(asked())


def marked() -> Story:
    return active().tell(*[AddMarker(marker=marker(f"m{n}")) for n in range(200)])


def marked_at_length() -> Story:
    return active().tell(*[AddMarker(marker=marker(f"m{n}", "é" * 1000)) for n in range(32)])


def filled() -> Story:
    return active().tell(Interact(variables=json.dumps({"a": "x" * 16_000})))


def fulfilled() -> Story:
    return conversation(*[ReachGoal(npc=BAKER, objective=f"goal {n}") for n in range(64)])


LOST = "unknown-refraction"
SOMEWHERE = said(1, command={"location": "moon"})
USING = said(1, command={"refraction": 1})
CHOICE = ChooseRefraction(number=1, level=RefractionLevel.BASIC)
AMENDS = ResolveIncident(npc=BAKER, incident="nothing")
UNCLAIMED = START.model_copy(update={"claim": None})
NONSENSE = ForkFrom(parent="p", sequence=1, state=b"nonsense")
STRANGE_REPLY = NpcReply(turn=1, npc="stranger", text="?")
STRANGE_FRICTION = FRICTION.model_copy(update={"npc": "stranger"})
OTHERWISE = CompleteTask(task=TASK, outcome=Outcome.FAILED)
ONE_TOO_MANY = AddTask(task="x" * 128, capabilities=tuple("y" * 200 for _ in range(32)))
MANY = tuple(f"{n:0200d}" for n in range(32))
OTHER_LAYOUT = NONSENSE.model_copy(update={"layout": SCHEMA + 1})
OLDER_LAYOUT = fork_of(active().state).model_copy(update={"layout": SCHEMA - 1})
OTHER_STATE = NONSENSE.model_copy(update={"state": b"\x93\x01\x02\x03"})
LONG = json.dumps({"mood": "x" * 2048})
WORDY = marker("n", "é" * 900)
UNTOLD = START.model_copy(update={"narrative": "3"})
MUCH = json.dumps({"b": "x" * 500})
SECOND = RetryTask(task=TASK, attempt=2)
TO_A_STRANGER = RouteTask(task=TASK, decision=decided("stranger"))
TO_NOBODY = RouteTask(task="t", decision=decided(""))
FIFTH = RetryTask(task=f"{0:0100d}", attempt=5)
REFUSALS: list[tuple[str, Callable[[], Story], Any, str]] = [
    ("a-claiming-kind-needs-a-claim", new, UNCLAIMED, "claim-required"),
    ("to-resume-too", paused, Resume(), "claim-required"),
    ("not-on-the-claim-it-had", paused, Resume(claim=5), "claim-void"),
    ("not-on-an-older-one", paused, Resume(claim=4), "claim-void"),
    ("not-on-one-given-up", given_up, Resume(claim=99), "claim-void"),
    ("no-turn-is-left-out", active, turn(2), "turn-order"),
    ("no-reply-before-its-turn", active, NpcReply(turn=1, npc="marta", text="?"), "turn-order"),
    ("a-turn-goes-to-the-cast", active, turn(1, "stranger"), "unknown-npc"),
    ("a-reply-comes-from-the-cast", spoken, STRANGE_REPLY, "unknown-npc"),
    ("friction-is-with-the-cast", active, STRANGE_FRICTION, "unknown-npc"),
    ("standing-is-with-the-cast", active, ChangeReputation(npc="stranger", delta=1), "unknown-npc"),
    ("a-task-is-for-the-cast", active, AddTask(task="t", npc="stranger"), "unknown-npc"),
    ("a-task-is-added-once", active, AddTask(task=TASK), "duplicate-task"),
    ("also-when-it-is-done", done, AddTask(task=TASK), "duplicate-task"),
    ("there-is-a-limit-of-tasks", turned_away, AddTask(task="c"), "task-limit"),
    ("also-for-the-one-turned-away", turned_away, AddTask(task="b too many"), "task-limit"),
    ("done-tasks-count-too", full_and_done, AddTask(task="c"), "task-limit"),
    ("the-tasks-fit-into-the-state", stuffed, ONE_TOO_MANY, "session-full"),
    ("only-a-known-task-is-routed", active, RouteTask(task="x"), "unknown-task"),
    ("only-a-known-task-is-started", active, StartTask(task="x"), "unknown-task"),
    ("only-a-known-task-is-completed", active, CompleteTask(task="x"), "unknown-task"),
    ("only-a-known-task-is-retried", active, RetryTask(task="x", attempt=2), "unknown-task"),
    ("an-open-task-is-not-retried", active, SECOND, "task-open"),
    ("nor-one-that-is-open-again", retried, RetryTask(task=TASK, attempt=3), "task-open"),
    ("what-succeeded-is-not-retried", done, SECOND, "task-succeeded"),
    ("nor-what-was-cancelled", cancelled, SECOND, "task-succeeded"),
    ("no-attempt-is-left-out", failed, RetryTask(task=TASK, attempt=3), "attempt-order"),
    ("attempts-fit-into-the-state", stuffed_by_retries, FIFTH, "session-full"),
    ("the-fleet-chooses-from-the-cast", active, TO_A_STRANGER, "unknown-npc"),
    ("the-fleet-may-know-nobody", castless, TO_NOBODY, "no-agents"),
    ("a-done-task-is-not-routed", done, RouteTask(task=TASK), "task-completed"),
    ("a-done-task-is-not-started", done, StartTask(task=TASK), "task-completed"),
    ("a-done-task-keeps-its-outcome", done, OTHERWISE, "task-completed"),
    ("without-a-cast-nobody-gets-a-task", castless, RouteTask(task="t"), "no-cast"),
    ("a-fork-needs-a-state", new, NONSENSE, "bad-fork"),
    ("of-the-present-layout", new, OTHER_LAYOUT, "bad-fork"),
    ("not-of-an-older-one", new, OLDER_LAYOUT, "bad-fork"),
    ("and-not-any-msgpack", new, OTHER_STATE, "bad-fork"),
    ("what-never-began-is-not-forked", new, fork_of(session.initial), "bad-fork"),
    ("an-npc-of-another-world", new, begin(cast=(MARTA,)), "unknown-npc"),
    ("a-context-of-another-learner", new, begin(learner="ben"), "other-learner"),
    ("nobody-speaks-to-another-world", uncast, said(1, STRANGER), "unknown-npc"),
    ("nobody-answers-from-there", uncast, reply(0, STRANGER), "unknown-npc"),
    ("no-turn-is-left-out-there-either", conversation, said(2), "turn-order"),
    ("who-broke-off-has-left", collapsed, said(2, JUDGE), "npc-left"),
    ("a-place-nobody-knows", conversation, SOMEWHERE, "unknown-location"),
    ("a-wording-nobody-asked-for", conversation, USING, "unknown-refraction"),
    ("a-wording-nobody-chose", offered, USING, "unknown-refraction"),
    ("nothing-to-offer", conversation, OfferRefraction(number=1, response=WORDINGS), LOST),
    ("nothing-to-choose-from", conversation, ChooseRefraction(number=1), LOST),
    ("nothing-to-pronounce", conversation, RecordAttempt(number=1, result=ATTEMPT), LOST),
    ("no-refraction-is-left-out", conversation, asked(2), "refraction-order"),
    ("refraction-for-a-stranger", conversation, asked(npc=STRANGER), "unknown-npc"),
    ("a-choice-before-the-offer", waiting, CHOICE, "not-offered"),
    ("an-attempt-before-it", waiting, RecordAttempt(number=1, result=ATTEMPT), "not-offered"),
    ("another-objective", conversation, ReachGoal(npc=JUDGE, objective="x"), "unknown-objective"),
    ("goals-fit-into-the-state", fulfilled, ReachGoal(npc=BAKER, objective="x"), "session-full"),
    ("nothing-to-put-right", conversation, AMENDS, "unknown-incident"),
    ("variables-are-an-object", active, Interact(variables="[1]"), "not-an-object"),
    ("of-json-numbers", active, Interact(variables='{"a": NaN}'), "not-an-object"),
    ("so-is-a-feeling", active, Interact(emotional_state="3"), "not-an-object"),
    ("of-some-size", active, Interact(emotional_state=LONG), "too-large"),
    ("variables-fit-into-the-state", filled, Interact(variables=MUCH), "variables-full"),
    ("there-is-a-limit-of-markers", marked, AddMarker(marker=marker("m200")), "markers-full"),
    ("and-of-their-words", marked_at_length, AddMarker(marker=WORDY), "markers-full"),
    ("a-narrative-is-an-object", new, UNTOLD, "not-an-object"),
    ("of-some-size-too", active, Pause(narrative='{"a": "' + "x" * 20_000 + '"}'), "too-large"),
    ("what-was-abandoned-is-not-forked", new, fork_of(abandoned().state), "bad-fork"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "when", "reason"), [row[1:] for row in REFUSALS], ids=[row[0] for row in REFUSALS]
)
def test_a_sound_command_is_refused(given: Callable[[], Story], when: Any, reason: str) -> None:
    told = given()
    before = told.state.copy()
    with pytest.raises(RefusedError) as caught:
        told.says(when)
    assert caught.value.reason == reason
    assert told.state == before


def test_every_refusal_reason_the_decider_can_give_is_in_these_tables() -> None:
    tested = {row[3] for row in (*REFUSALS, *PRACTICE_REFUSALS)}
    tested |= {cell[1:] for _, _, cell in CELLS if cell.startswith("!")}
    assert reasons_in("actors/session") - {"not-ended"} == tested  # a reading's, not a command's


def test_the_first_task_too_many_is_stored_and_its_sender_refused_all_the_same() -> None:
    told = full()
    (event,) = told.says(AddTask(task="c", start=True))
    assert event == TaskRefused(task="c", limit=2)
    error = refusal(event)
    assert error is not None
    assert (error.reason, error.detail) == ("task-limit", "at most 2 tasks")
    told.tell(AddTask(task="c"))
    assert told.state.refused
    assert list(told.state.tasks) == [TASK, "b"]
    with pytest.raises(RefusedError) as caught:
        told.says(AddTask(task="d"))
    assert (caught.value.reason, caught.value.detail) == (error.reason, error.detail)


def test_a_task_that_is_there_is_a_duplicate_also_when_the_session_is_full() -> None:
    with pytest.raises(RefusedError, match="duplicate-task"):
        full().says(AddTask(task="b"))
    assert not full().state.refused


@pytest.mark.parametrize("event", active().events + full().events, ids=lambda event: event.kind)
def test_no_other_event_is_a_refusal(event: Any) -> None:
    assert refusal(event) is None


def test_a_start_is_what_the_session_then_is() -> None:
    (event,) = new().says(START)
    assert event.kind == "session.started"
    for name in ("learner", "claim", "cast", "max_tasks", "emit_tiles", "h1_router", "graph"):
        assert getattr(event, name) == getattr(START, name)
    told = active()
    assert told.state.charter is not None
    assert told.state.charter.session_timeout_ms == 600_000
    assert (told.state.claim, told.state.started_at) == (5, told.at)


def test_a_start_keeps_what_the_fleet_and_plato_need() -> None:
    wish: dict[str, Any] = {
        "room": "gc/lab",
        "emit_tiles": False,
        "h1_router": True,
        "emergence_offset": 0.5,
        "started_us": 1_767_225_600_123_456,
        "graph": GraphPoint(h1=2, vertices=5, edges=6, components=1, sequence=9),
    }
    told = story(OPEN.model_copy(update=wish))
    (event,) = told.events
    assert {name: getattr(event, name) for name in wish} == wish
    charter = told.state.charter
    assert charter is not None
    assert (charter.room, charter.emit_tiles, charter.emergence_offset) == ("gc/lab", False, 0.5)
    assert told.state.graph == wish["graph"]


def test_an_agents_session_needs_no_claim() -> None:
    assert story(OPEN).state.phase == "active"
    assert story(OPEN).tell(Pause(), Resume()).state.phase == "active"


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.kind)
def test_every_command_of_the_tables_survives_the_wire(command: Any) -> None:
    assert SESSION_COMMAND.validate_python(command.model_dump()) == command


def test_a_rehearsal_is_a_session_like_any_other() -> None:
    told = rehearsal()
    for command in COMMANDS:
        if command.kind in ("start", "fork"):
            assert outcome(told, command) == "!session-exists"
        elif command.kind == "take-turn":
            assert outcome(told, turn(2)) == "turn.taken"
    assert told.tell(Pause(), Resume()).state.phase == "active"
