"""A session's checkpoints as cards somebody can read.

One law: a card tells nothing that a tile of the same checkpoint does not tell: what the learner is
not to see, and what is its own business, is left out in one place, where tiles are made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Literal

from pydantic_core import from_json

from holodeck.actors.host import unarchived
from holodeck.actors.tiles.tile import EVENTS, tiles_of
from holodeck.broker.port import Record
from holodeck.deck import Deck
from holodeck.messages.codec import decode_checkpoint
from holodeck.messages.envelope import HEADER_COMMAND
from holodeck.messages.errors import DecodeError
from holodeck.messages.ids import NOBODY, check_id, partition_of
from holodeck.messages.subjects import place_of, writer_filter

Tone = Literal["neutral", "good", "bad", "alert"]
"""How a card is to be taken: something came off, something did not, somebody should look."""

Fields = Mapping[str, Any]


def iso(at: int) -> str | None:
    """Ms since 1970 UTC as ISO 8601 with ms and Z; None for 0, which stands for never."""
    if not at:
        return None
    moment = datetime.fromtimestamp(at / 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{at % 1000:03d}Z"


async def checkpoints(
    deck: Deck, session: str, *, after: int = 0, limit: int = 500
) -> tuple[list[Record], bool]:
    """A session's stored checkpoints behind a sequence, in order, and whether there are more.

    Of an archived session, from the archive.
    """
    partition = partition_of(check_id(session), deck.partitions)
    subjects = writer_filter(deck.ns, "session", partition, session)
    entry = await deck.broker.bucket(deck.layout.archive).get(f"log.{partition}.{session}")
    known = unarchived(entry.data) if entry is not None else []
    found = [record for record in known if record.sequence > after]
    if len(found) > limit:
        return found[:limit], True
    after = max(after, known[-1].sequence if known else 0)
    async for record in deck.broker.log(deck.layout.checkpoints).read(subjects, after=after):
        if len(found) == limit:
            return found, True
        found.append(record)
    return found, False


def card_of(record: Record) -> dict[str, Any]:
    """One checkpoint as a card.

    Title and text are those of its first event; what else happened stands in ``events``, each
    with its ``kind``, its ``label``, its own ``title``, ``text`` and ``tone``, and its fields as
    its tile has them. A checkpoint nobody here can read is a card that says so.
    """
    command = record.headers.get(HEADER_COMMAND, "")
    head = {"sequence": record.sequence, "command": command}
    place = place_of(record.subject)
    try:
        if place is None:
            raise DecodeError(record.subject, "no subject of a checkpoint")
        checkpoint = decode_checkpoint(record.data, record.subject)
        tiles = tiles_of(place, record.sequence, checkpoint)
    except DecodeError as error:
        return {
            **head, "at": None, "family": "unreadable", "title": "Cannot be read",
            "text": error.reason, "events": [], "npc": None, "learner": None, "tone": "bad",
        }  # fmt: skip
    events = [
        _event(event.kind, from_json(tile)["answer"])
        for event, tile in zip(checkpoint.events, tiles, strict=True)
    ]
    first = events[0]
    tones = [event["tone"] for event in events]
    worst: Tone = next((one for one in ("alert", "bad", "good") if one in tones), "neutral")
    return {
        **head,
        "at": iso(checkpoint.at),
        "family": place.family,
        "title": first["title"],
        "text": first["text"],
        "events": events,
        "npc": None if place.npc == NOBODY else place.npc,
        "learner": None if place.learner == NOBODY else place.learner,
        "tone": worst,
    }


_HEAD: Final = frozenset(
    {"schema", "at", "sequence", "n", "learner", "session_id", "npc_id", "learner_id", "fleet_id"}
)


def _event(kind: str, answer: dict[str, Any]) -> dict[str, Any]:
    fields = {name: value for name, value in answer.items() if name not in _HEAD}
    title, text, tone = said(kind, fields | {"learner": answer.get("learner", "")})
    name = EVENTS[kind].name.replace("_", " ").lower() if kind in EVENTS else kind
    return {
        "kind": kind, "label": name, "title": title, "text": text, "tone": tone, "fields": fields,
    }  # fmt: skip


# --- in words ----------------------------------------

_Said = tuple[str, str, Tone]


def said(kind: str, fields: Fields) -> tuple[str, str, Tone]:
    """An event in words: a title, a text (may be empty), and how it is to be taken.

    Args:
        fields: of its tile's answer, with ``learner``.
    """
    words = _WORDS.get(kind)
    if words is not None:
        try:
            return words(fields)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError):
            # A stored event of an older or newer writer may lack what the sentence is about.
            return _plainly(kind, fields)
    return _plainly(kind, fields)


def _plainly(kind: str, fields: Fields) -> _Said:
    family, _, deed = kind.partition(".")
    title = f"{family} {deed}".replace("-", " ").strip().capitalize()
    shown = [
        f"{name.replace('_', ' ')} {_short(value)}"
        for name, value in fields.items()
        if name not in ("kind", "learner") and value not in (None, "", [], {}, (), 0, False)
        and isinstance(value, str | int | float)
    ]  # fmt: skip
    return title, ", ".join(shown[:4]), "neutral"


def _short(value: Any) -> str:
    text = f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
    return text if len(text) <= 160 else text[:159] + "…"


def seconds(count: float) -> str:
    """A duration in seconds, for people."""
    if count < 60:
        return f"{count:.1f} s" if count < 10 else f"{count:.0f} s"
    minutes, rest = divmod(round(count), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


def _list(names: Sequence[str], most: int = 5) -> str:
    shown = ", ".join(names[:most])
    return shown + (f" and {len(names) - most} more" if len(names) > most else "")


def _started(f: Fields) -> _Said:
    named = f" “{f['name']}”" if f.get("name") else ""
    cast = [member["npc"] for member in f.get("cast") or ()]
    where = f" in {f['persona']}" if f.get("persona") else ""
    where += f" in {f['world']}" if f.get("world") and not f.get("persona") else ""
    met = f", with {_list(cast)}" if cast else ""
    return (
        f"{str(f['session_kind']).capitalize()} begins",
        f"{f['learner']}{named}{where}{met}",
        "neutral",
    )


def _ended(f: Fields) -> _Said:
    outcome = str(f["outcome"])
    tone: Tone = "good" if outcome == "success" else "bad" if outcome != "cancelled" else "neutral"
    reason = str(f["reason"]).replace("_", " ").replace("-", " ")
    text = f"{reason}, active {seconds(f['active_ms'] / 1000)}"
    if f.get("patterns"):
        text += f"; shows {_list(f['patterns'])}"
    if f.get("error"):
        text += f"; {_short(f['error'])}"
    return f"Ends: {outcome.replace('-', ' ')}", text, tone


def _friction(f: Fields) -> _Said:
    level = f.get("level") or ""
    form = f" “{f['form']}”" if f.get("form") else ""
    said_ = f", said “{f['said']}”" if f.get("said") else ""
    detail = f" {f['detail']}" if f.get("detail") else ""
    title = f"{str(f['type']).capitalize()} friction"
    return title, f"{level} {f['severity']:.2f}{form}{said_}{detail}".strip(), "bad"


def _reputation(f: Fields) -> _Said:
    delta = f["delta"]
    tone: Tone = "good" if delta > 0 else "bad" if delta < 0 else "neutral"
    verb = "rises" if delta > 0 else "falls" if delta < 0 else "stays"
    return f"Standing with {f['npc']} {verb}", f"{delta:+.3f} {f.get('reason') or ''}".strip(), tone


def _completed(f: Fields) -> _Said:
    outcome = str(f["outcome"])
    tone: Tone = "good" if outcome == "success" else "bad" if outcome != "cancelled" else "neutral"
    took = "" if f.get("duration_ms") is None else f" after {seconds(f['duration_ms'] / 1000)}"
    error = f": {_short(f['error'])}" if f.get("error") else ""
    return f"Task {outcome.replace('-', ' ')}", f"{f['task_id']}{took}{error}", tone


def _routed(f: Fields) -> _Said:
    back = ", nobody had all it needs" if f.get("fallback") else ""
    return (
        f"Task goes to {f['agent_id']}",
        f"{f['task_id']}, match {f['match']:.0%}{back}",
        "neutral",
    )


def _alert(f: Fields) -> _Said:
    edge = f["edge"]
    text = (
        f"{f['h1']} loops among {f['n_vertices']} agents, above {f['threshold']:g}; "
        f"by the link of {edge[0]} and {edge[1]}"
    )
    return "Emergence", text, "alert"


def _question(f: Fields) -> _Said:
    question = f["question"]
    return f"Question {f['number']}", _short(question["text"]), "neutral"


def _answer(f: Fields) -> _Said:
    right = bool(f["correct"])
    text = f"{f['learner_answer']} to “{f['question_text']}”"
    return "Right answer" if right else "Wrong answer", _short(text), "good" if right else "bad"


def _skill(f: Fields) -> _Said:
    state = f["state"]
    tone: Tone = "good" if state == "mastered" else "bad" if state == "rusty" else "neutral"
    return f"Skill {f['skill']} is {state}", f"was {f['before']}, tier {f['tier']}", tone


def _mood(f: Fields) -> _Said:
    return f"{f['npc']} is {f['mood']}", f"was {f['before']}", "neutral"


def _openness(f: Fields) -> _Said:
    return (
        f"{f['npc']} is {str(f['state']).replace('-', ' ')}",
        f"openness {f['score']:.2f}",
        "neutral",
    )


def _affect(f: Fields) -> _Said:
    state = str(f["state"]).replace("-", " ")
    hard = state in ("anxious", "overwhelmed", "frustrated")
    return (
        f"The learner seems {state}",
        f"pressure {f['pressure']:.2f}",
        "bad" if hard else "neutral",
    )


def _safety(f: Fields) -> _Said:
    return "Safety finding", "somebody should look at this session", "alert"


_WORDS: Final[Mapping[str, Callable[[Fields], _Said]]] = {
    "session.started": _started,
    "session.ended": _ended,
    "session.paused": lambda f: ("Paused", str(f.get("reason") or ""), "neutral"),
    "session.resumed": lambda f: ("Goes on", "", "neutral"),
    "session.forked": lambda f: (
        "Rehearsal begins", f"from {f['parent']} at {f['parent_sequence']}", "neutral",
    ),
    "session.start-abandoned": lambda f: ("Never began", "its start came too late", "bad"),
    "session.resume-abandoned": lambda f: ("Not resumed", "the claim was given up", "neutral"),
    "session.erred": lambda f: ("Error", _short(f["error"]), "bad"),
    "session.noted": lambda f: (
        f"Note{' by ' + f['author'] if f.get('author') else ''}", _short(f.get("text", "")),
        "neutral",
    ),
    "safety.flagged": _safety,
    "turn.taken": lambda f: (f"{f['learner'] or 'Learner'} to {f['npc']}", f["text"], "neutral"),
    "turn.answered": lambda f: (f"{f['npc']} answers", f["text"], "neutral"),
    "friction.detected": _friction,
    "reputation.changed": _reputation,
    "npc.parted": lambda f: (f"{f['npc']} parts", f"after {f['turns']} turns", "neutral"),
    "task.added": lambda f: ("Task added", f"{f['task_id']} ({f['priority']})", "neutral"),
    "task.routed": _routed,
    "task.started": lambda f: (
        "Task begins", f"{f['task_id']}, done by {f.get('agent_id') or 'nobody in particular'}",
        "neutral",
    ),
    "task.completed": _completed,
    "task.retried": lambda f: (
        "Task again", f"{f['task_id']}, attempt {f['attempt']}", "neutral",
    ),
    "task.refused": lambda f: (
        "Task refused", f"{f['task_id']}: it has {f['limit']} already", "bad",
    ),
    "emergence.detected": _alert,
    "question.served": _question,
    "answer.given": _answer,
    "skill.moved": _skill,
    "mood.changed": _mood,
    "openness.changed": _openness,
    "affect.changed": _affect,
    "goal.reached": lambda f: ("Objective reached", f"{f['objective']} with {f['npc']}", "good"),
    "fact.learned": lambda f: (f"{f['npc']} keeps a fact", str(f.get("fact", "")), "neutral"),
    "negotiation.collapsed": lambda f: (f"{f['npc']} breaks off", str(f["cause"]), "bad"),
    "incident.arose": lambda f: (
        f"Incident with {f['npc']}", str(f.get("description") or f.get("incident", "")), "bad",
    ),
    "incident.resolved": lambda f: (f"Put right with {f['npc']}", str(f["incident"]), "good"),
}  # fmt: skip
