"""Reading personas from YAML, and the library of them.

One law: a file is only data (no tags, no aliases, no code), and everything wrong with it is told
at once, each fault with its line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from holodeck.messages.persona import Fault, Manner, Persona
from holodeck.minds.documents import Document, DocumentError, Way, meant_by, text_of
from holodeck.minds.phrases import PhraseError, slots

PACKAGED: Final = Path(__file__).resolve().parent.parent / "config" / "personas"
"""Where the personas that come with the program lie."""

_GROUP: Final = re.compile(r"<([^<>\s|]+)>")
_BLANK: Final = re.compile(r"\{([^{}]*)\}")
_FILLED: Final = {
    "greeting": frozenset({"fact"}),
    "again": frozenset({"fact"}),
    "lines": frozenset({"form", "word", "said", "fact"}),
}


class PersonaError(DocumentError):
    """A persona that cannot be used."""

    code = "persona"


def load(path: Path) -> Persona:
    """The persona in a file, its groups filled in and its text in NFC.

    Raises:
        PersonaError: the file cannot be read, is over 1 MiB, is no YAML, or is no sound persona;
            all faults at once.
    """
    persona, faults = _read(path)
    if persona is None or faults:
        raise PersonaError(str(path), faults)
    return persona


def check(path: Path) -> tuple[Fault, ...]:
    """What is wrong with the persona in a file, by line; nothing: it can be used."""
    return _read(path)[1]


def _read(path: Path) -> tuple[Persona | None, tuple[Fault, ...]]:
    text = text_of(path)
    return parse(text) if isinstance(text, str) else (None, (text,))


def parse(text: str) -> tuple[Persona | None, tuple[Fault, ...]]:
    """The persona a YAML text says, and what is wrong with it; None where no persona came out."""
    document = _Document(text, Persona)
    if document.broken:
        return None, document.told()
    data = document.data
    if not isinstance(data, dict):
        return None, (Fault(path="", problem="is no mapping of names to values", line=1),)
    document.fill_groups(data)
    persona = None
    try:
        persona = Persona.model_validate(data)
    except ValidationError as error:
        for told in error.errors(include_url=False):
            document.shape_fault(told)
    for way, problem in _checks(data):
        document.fault(way, problem)
    return persona, document.told()


# --- groups ----------------------------------------


class _Document(Document):
    """A persona's text."""

    def fill_groups(self, data: dict[str, Any]) -> None:
        """Puts the words of each group where a phrase names it."""
        known: dict[str, str] = {}
        groups = data.get("groups")
        for name, words in groups.items() if isinstance(groups, dict) else ():
            listed = words.split() if isinstance(words, str) else words
            if isinstance(listed, list) and all(isinstance(word, str) for word in listed):
                known[name] = "|".join(listed)

        for way, holder, key in _phrases(data):
            phrase = holder[key] if isinstance(holder, list) else key

            def words(found: re.Match[str], way: Way = way) -> str:
                if not known.get(found[1]):
                    self.fault(way, f"there is no group {found[1]!r}{meant_by(found[1], known)}")
                return known.get(found[1]) or found[1]

            filled = _GROUP.sub(words, phrase)
            try:
                slots(filled)
            except PhraseError as error:
                self.fault(way, str(error))
            if filled == phrase:
                continue
            if isinstance(holder, list):
                holder[key] = filled
            else:
                holder[filled] = holder.pop(key)


# --- what the schema alone cannot say ----------------------------------------

_PHRASES: Final[tuple[tuple[str, ...], ...]] = (
    ("lexicon", "hedges"), ("lexicon", "repairs"), ("lexicon", "insults"),
    ("registers", "informal"), ("registers", "formal"), ("registers", "familiar"),
    ("registers", "distant"), ("registers", "requests"), ("registers", "politeness"),
    ("forms", "*", "right"), ("forms", "*", "wrong"), ("norms", "*", "breach"),
    ("npcs", "*", "cues", "*", "hears"), ("scenarios", "*", "objectives", "*", "reached_by"),
    ("refractions", "*", "intents"),
)  # fmt: skip


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _walk(value: Any, way: tuple[str, ...], at: Way = ()) -> Iterator[tuple[Way, Any]]:
    if not way:
        yield at, value
    elif way[0] == "*":
        for i, one in enumerate(_list(value)):
            yield from _walk(one, way[1:], (*at, i))
    elif isinstance(value, dict) and way[0] in value:
        yield from _walk(value[way[0]], way[1:], (*at, way[0]))


def _phrases(data: dict[str, Any]) -> Iterator[tuple[Way, Any, Any]]:
    """Every phrase: where it stands, what holds it, and under which key."""
    for way in _PHRASES:
        for at, held in _walk(data, way):
            for i, phrase in enumerate(_list(held)):
                if isinstance(phrase, str):
                    yield (*at, i), held, i
    for at, held in _walk(data, ("forms", "*", "wants")):
        for phrase in tuple(held) if isinstance(held, dict) else ():
            yield (*at, phrase), held, phrase
    for at, rule in _walk(data, ("facts", "*")):
        if isinstance(rule, dict) and isinstance(rule.get("hears"), str):
            alone = [rule["hears"]]
            yield (*at, "hears"), alone, 0
            rule["hears"] = alone[0]


def _each(data: Any, *way: str) -> Iterator[tuple[Way, dict[str, Any]]]:
    for at, one in _walk(data, way):
        if isinstance(one, dict):
            yield at, one


def _checks(data: dict[str, Any]) -> Iterator[tuple[Way, str]]:
    """Names that point nowhere or stand twice, and what could never come to pass.

    Reads the raw data, so that a fault of the schema hides none of these.
    """
    npcs = dict.fromkeys(str(one.get("id")) for _, one in _each(data, "npcs", "*"))
    places = dict.fromkeys(str(one.get("id")) for _, one in _each(data, "locations", "*"))
    forms = dict.fromkeys(str(one.get("form")) for _, one in _each(data, "forms", "*"))
    goals: dict[str, set[str]] = {}
    for _, scenario in _each(data, "scenarios", "*"):
        for _, goal in _each(scenario, "objectives", "*"):
            goals.setdefault(str(goal.get("id")), set()).add(str(scenario.get("npc")))

    def points(way: Way, name: Any, known: dict[str, Any], kind: str) -> Iterator[tuple[Way, str]]:
        if isinstance(name, str) and name not in known:
            yield way, f"there is no {kind} {name!r}{meant_by(name, known)}"

    for kind, key in (
        ("npcs", "id"), ("locations", "id"), ("scenarios", "id"), ("norms", "id"),
        ("forms", "form"), ("vocabulary", "name"),
    ):  # fmt: skip
        seen: set[str] = set()
        for at, one in _each(data, kind, "*"):
            name = one.get(key)
            if isinstance(name, str) and name in seen:
                yield (*at, key), f"{name!r} stands there twice"
            seen.add(str(name))
    met: set[str] = set()
    goal_ids: set[str] = set()
    for at, place in _each(data, "locations", "*"):
        for i, name in enumerate(_list(place.get("npcs"))):
            met.add(str(name))
            yield from points((*at, "npcs", i), name, npcs, "npc")
    for at, scenario in _each(data, "scenarios", "*"):
        yield from points((*at, "npc"), scenario.get("npc"), npcs, "npc")
        yield from points((*at, "location"), scenario.get("location"), places, "location")
        for where, goal in _each(scenario, "objectives", "*"):
            if str(goal.get("id")) in goal_ids:
                yield (*at, *where, "id"), f"{goal.get('id')!r} stands there twice"
            goal_ids.add(str(goal.get("id")))
    for at, trigger in _each(data, "triggers", "*"):
        yield from points((*at, "npc"), trigger.get("npc"), npcs, "npc")
    for at, npc in _each(data, "npcs", "*"):
        name = str(npc.get("id"))
        if npc.get("tier") == 2 and name not in met:
            yield (*at, "id"), f"{name!r} has tier 2 and no location"
        lines = npc.get("lines")
        if isinstance(lines, dict) and Manner.DEFAULT.value not in lines:
            yield (*at, "lines"), "'default' is missing"
        yield from _blanks(at, npc)
        for where, cue in _each(npc, "cues", "*"):
            for i, form in enumerate(_list(cue.get("opens"))):
                yield from points((*at, *where, "opens", i), form, forms, "form")
            goal_id = cue.get("reaches")
            yield from points((*at, *where, "reaches"), goal_id, goals, "objective")
            if isinstance(goal_id, str) and name not in goals.get(goal_id, {name}):
                yield (*at, *where, "reaches"), f"{goal_id!r} is an objective with another NPC"
    for at, rule in _each(data, "forms", "*"):
        if not (rule.get("right") or rule.get("wrong") or rule.get("wants")):
            yield at, "without 'right', 'wrong' or 'wants' it can never be noticed"
    for at, fact in _each(data, "facts", "*"):
        if "*" not in str(fact.get("hears", "*")).split():
            yield (*at, "hears"), "holds no '*' for the word that is kept"
    markers = data.get("registers")
    if not (isinstance(markers, dict) and any(markers.values())):
        for at, npc in _each(data, "npcs", "*"):
            if npc.get("tier") in (2, 3) and npc.get("register_level") == "formal":
                yield (*at, "register_level"), "there are no register markers to tell it by"


def _blanks(at: Way, npc: dict[str, Any]) -> Iterator[tuple[Way, str]]:
    """Blanks in lines that nobody fills in."""

    def unknown(way: Way, line: Any, known: frozenset[str]) -> Iterator[tuple[Way, str]]:
        for name in _BLANK.findall(line) if isinstance(line, str) else ():
            if name not in known:
                filled = ", ".join(f"{{{one}}}" for one in sorted(known))
                yield way, f"nobody fills in {{{name}}} here, only {filled}"

    for field in ("greeting", "again"):
        yield from unknown((*at, field), npc.get(field), _FILLED[field])
    lines = npc.get("lines")
    for manner, said in lines.items() if isinstance(lines, dict) else ():
        for i, line in enumerate(_list(said)):
            yield from unknown((*at, "lines", manner, i), line, _FILLED["lines"])


# --- the library ----------------------------------------


class Library:
    """The personas of the packaged folder and of further ones, read once."""

    def __init__(self, folders: Sequence[Path] = (), *, packaged: bool = True) -> None:
        """
        Args:
            folders: further folders; every ``.yaml`` or ``.yml`` in them is a persona.
            packaged: those that come with the program are in it too.

        Raises:
            PersonaError: one of them cannot be used, or two have the same id or the same NPC.
        """
        self._personas: dict[str, Persona] = {}
        self._files: dict[str, Path] = {}
        owners: dict[str, Persona] = {}
        for folder in (*((PACKAGED,) if packaged else ()), *folders):
            if not folder.is_dir():
                raise PersonaError(
                    str(folder), (Fault(path="", problem="there is no such folder"),)
                )
            for file in sorted(p for p in folder.iterdir() if p.suffix in (".yaml", ".yml")):
                persona = load(file)
                faults = [
                    Fault(
                        path=f"npcs.{i}.id",
                        problem=f"{npc.id!r} is an NPC of {owners[npc.id].id!r} too",
                    )
                    for i, npc in enumerate(persona.npcs)
                    if npc.id in owners
                ]
                if persona.id in self._personas:
                    where = self._files[persona.id]
                    faults.insert(0, Fault(path="id", problem=f"{persona.id!r} is {where} too"))
                if faults:
                    raise PersonaError(str(file), tuple(faults))
                self._personas[persona.id] = persona
                self._files[persona.id] = file
                owners.update((npc.id, persona) for npc in persona.npcs)

    def get(self, persona: str) -> Persona | None:
        """The persona of that id; None: there is none."""
        return self._personas.get(persona)

    def names(self) -> Sequence[str]:
        """Their ids, sorted."""
        return sorted(self._personas)

    def file(self, persona: str) -> Path | None:
        """Where it was read."""
        return self._files.get(persona)
