"""Reading curricula from YAML, and the library of them.

One law: everything wrong with a curriculum is told at once, each fault with its line; what is
merely needless is a warning and stops nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from holodeck.messages.curriculum import Curriculum
from holodeck.messages.persona import Fault
from holodeck.messages.practice import SkillTier
from holodeck.minds.documents import Document, DocumentError, Way, meant_by, text_of

PACKAGED: Final = Path(__file__).resolve().parent.parent / "config" / "curricula"
"""Where the curricula that come with the program lie."""

_PLAIN: Final = {"accuracy": "threshold", "limit_s": "time limit", "problems": "problems"}
"""What the numbers of a tier are called in words."""
_TIERS: Final = ("learn", "prove", "recovery")
_NAMED: Final = 12
"""Nodes of a cycle that are named."""


class CurriculumError(DocumentError):
    """A curriculum that cannot be used."""

    code = "curriculum"


def load(path: Path) -> Curriculum:
    """The curriculum in a file.

    Raises:
        CurriculumError: the file cannot be read, is over 1 MiB, is no YAML, or is no sound
            curriculum; all faults at once.
    """
    curriculum, faults, _ = _read(path)
    if curriculum is None or faults:
        raise CurriculumError(str(path), faults)
    return curriculum


def check(path: Path) -> tuple[Fault, ...]:
    """What is wrong with the curriculum in a file, by line; nothing: it can be used.

    Looks further than :func:`load`, which has to be quick: whether the parameters of every tier
    allow a question at all.
    """
    return _read(path, thorough=True)[1]


def warnings(path: Path) -> tuple[Fault, ...]:
    """What is needless in it: a skill that is needed already by way of others."""
    return _read(path)[2]


def parse(
    text: str, *, thorough: bool = False
) -> tuple[Curriculum | None, tuple[Fault, ...], tuple[Fault, ...]]:
    """The curriculum a YAML text says, what is wrong with it, and what is needless in it.

    None where it cannot be used.

    Args:
        thorough: the tasks of every tier are made, which takes about 20 ms a skill.
    """
    document = Document(text, Curriculum)
    if document.broken:
        return None, document.told(), ()
    data = document.data
    if not isinstance(data, dict):
        return None, (Fault(path="", problem="is no mapping of names to values", line=1),), ()
    curriculum = None
    for way, problem in _tier_faults(data):
        document.fault(way, problem)
    told_ways = {fault.path for fault in document.faults}
    try:
        curriculum = Curriculum.model_validate(data)
    except ValidationError as error:
        for told in error.errors(include_url=False):
            if ".".join(map(str, told["loc"])) not in told_ways:
                document.shape_fault(told)
    for way, problem in _graph_faults(data):
        document.fault(way, problem)
    if thorough and curriculum is not None and not document.faults:
        from holodeck.minds.questions import faults as task_faults

        for n, skill in enumerate(curriculum.skills):
            for problem in task_faults(skill):
                document.fault(("skills", n, "generator"), problem)
    faults = document.told()
    if curriculum is None or faults:
        return None, faults, ()
    document.faults.clear()
    for way, problem in _needless(curriculum):
        document.fault(way, problem)
    return curriculum, (), document.told()


def _read(
    path: Path, *, thorough: bool = False
) -> tuple[Curriculum | None, tuple[Fault, ...], tuple[Fault, ...]]:
    text = text_of(path)
    return parse(text, thorough=thorough) if isinstance(text, str) else (None, (text,), ())


# --- what the schema alone cannot say, or not in such words --------------------


def _each(data: Any, key: str) -> Iterator[tuple[Way, dict[str, Any]]]:
    held = data.get(key)
    for i, one in enumerate(held if isinstance(held, list) else ()):
        if isinstance(one, dict):
            yield (key, i), one


def _tier_faults(data: dict[str, Any]) -> Iterator[tuple[Way, str]]:
    for at, holder in (((), data), *_each(data, "skills")):
        for tier in _TIERS:
            rule = holder.get(tier)
            for name, value in rule.items() if isinstance(rule, dict) else ():
                if isinstance(value, bool) or not isinstance(value, int | float):
                    continue
                way = (*at, tier, name)
                if name == "problems" and value < 1:
                    yield way, f"a tier needs at least 1 of its problems, not {value}"
                elif name == "accuracy" and not 0 < value <= 1:
                    yield way, f"the threshold is above 0 and at most 1, not {value}"
                elif name == "limit_s" and value < 0:
                    yield way, f"the time limit is 0 (none) or more seconds, not {value}"


def _graph_faults(data: dict[str, Any]) -> Iterator[tuple[Way, str]]:
    """Names that point nowhere or stand twice, cycles, and strands that hold nothing.

    Reads the raw data, so that a fault of the schema hides none of these.
    """
    strands = dict.fromkeys(str(one.get("id")) for _, one in _each(data, "strands"))
    skills = dict.fromkeys(str(one.get("id")) for _, one in _each(data, "skills"))
    for kind in ("strands", "skills"):
        seen: set[str] = set()
        for at, one in _each(data, kind):
            name = str(one.get("id"))
            if name in seen and "id" in one:
                yield (*at, "id"), f"{name!r} stands there twice"
            seen.add(name)
    used = {str(one.get("strand")) for _, one in _each(data, "skills")}
    for at, one in _each(data, "strands"):
        if "id" in one and str(one["id"]) not in used:
            yield (*at, "id"), f"no skill lies in the strand {one['id']!r}"
    needs: dict[str, list[str]] = {}
    for at, one in _each(data, "skills"):
        strand, name = one.get("strand"), str(one.get("id"))
        if isinstance(strand, str) and strand not in strands:
            yield (*at, "strand"), f"there is no strand {strand!r}{meant_by(strand, strands)}"
        listed = one.get("needs")
        before: set[str] = set()
        for i, need in enumerate(listed if isinstance(listed, list) else ()):
            way = (*at, "needs", i)
            if not isinstance(need, str):
                continue  # the schema says so
            if need in before:
                yield way, f"{need!r} stands there twice"
            elif need == name:
                yield way, "a skill cannot need itself"
            elif need not in skills:
                yield way, f"there is no skill {need!r}{meant_by(need, skills)}"
            before.add(need)
        needs.setdefault(name, [need for need in before if need in skills and need != name])
        yield from _family_faults(at, one)
    if needs and all(needs.values()):
        yield ("skills",), "there is no root: every skill needs another"
    for ring in cycles(needs):
        at = next(at for at, one in _each(data, "skills") if str(one.get("id")) == ring[0])
        names = [*ring[:_NAMED], *(["…"] if len(ring) > _NAMED else []), ring[0]]
        yield (*at, "needs"), f"a cycle: {' → '.join(names)}"


def _family_faults(at: Way, skill: Mapping[str, Any]) -> Iterator[tuple[Way, str]]:
    use = skill.get("generator")
    name = use.get("family") if isinstance(use, dict) else None
    if not isinstance(use, dict) or not isinstance(name, str):
        return
    # Not at the top: every command of the terminal loads this module, few make questions.
    from holodeck.minds.questions import FAMILIES

    family = FAMILIES.get(name)
    if family is None:
        way = (*at, "generator", "family")
        yield way, f"there is no family {name!r}{meant_by(name, FAMILIES)}"
        return
    for tier in SkillTier:
        raw = use.get(tier.value, {})
        try:
            family.params.model_validate(raw)
        except ValidationError as error:
            for told in error.errors(include_url=False):
                problem = told["msg"][:1].lower() + told["msg"][1:]
                if told["type"] == "extra_forbidden":
                    known = ", ".join(sorted(family.params.model_fields))
                    problem = f"is no parameter of {name} (known: {known})"
                way = (*at, "generator", tier.value, *told["loc"])
                yield way, problem.removeprefix("value error, ")


def cycles(needs: Mapping[str, Iterable[str]]) -> list[tuple[str, ...]]:
    """One cycle of each knot of nodes that need each other, each node followed by one it needs.

    Args:
        needs: for every node those it needs, all of them nodes.
    """
    found: list[tuple[str, ...]] = []
    left = {node: set(wanted) for node, wanted in needs.items()}
    while left:
        free = [node for node, wanted in left.items() if not wanted & left.keys()]
        if free:
            for node in free:
                del left[node]
            continue
        # Every node left needs another one left, so whoever walks on comes round.
        walk: dict[str, int] = {}
        node = min(left)
        while node not in walk:
            walk[node] = len(walk)
            node = min(left[node] & left.keys())
        ring = list(walk)[walk[node] :]
        first = ring.index(min(ring))
        found.append((*ring[first:], *ring[:first]))
        for node in ring:
            del left[node]
    return found


def _needless(curriculum: Curriculum) -> Iterator[tuple[Way, str]]:
    above = ancestors({skill.id: skill.needs for skill in curriculum.skills})
    for n, skill in enumerate(curriculum.skills):
        for i, need in enumerate(skill.needs):
            by = next((other for other in skill.needs if need in above[other]), None)
            if by is not None:
                yield ("skills", n, "needs", i), f"{need!r} is needed by {by!r} already"


def ancestors(needs: Mapping[str, Iterable[str]]) -> dict[str, frozenset[str]]:
    """For every node all that it needs, by way of others too; there is no cycle."""
    found: dict[str, frozenset[str]] = {}
    for node in order(needs):
        straight = frozenset(needs[node])
        found[node] = straight.union(*(found[one] for one in straight))
    return found


def order(needs: Mapping[str, Iterable[str]]) -> list[str]:
    """The nodes, each behind all it needs (Kahn, 1962), ties by name; nodes of a cycle and those
    behind one are left out."""
    left = {node: set(wanted) for node, wanted in needs.items()}
    placed: dict[str, None] = {}
    while free := sorted(node for node, wanted in left.items() if wanted <= placed.keys()):
        for node in free:
            del left[node]
            placed[node] = None
    return list(placed)


def depths(needs: Mapping[str, Iterable[str]]) -> dict[str, int]:
    """How many steps the longest way from a root to a node has; a root: 0."""
    found: dict[str, int] = {}
    for node in order(needs):
        found[node] = max((found[need] + 1 for need in needs[node]), default=0)
    return found


# --- the library ----------------------------------------


class CurriculumLibrary:
    """The curricula of the packaged folder and of further ones, read once."""

    def __init__(self, folders: Sequence[Path] = (), *, packaged: bool = True) -> None:
        """
        Args:
            folders: further folders; every ``.yaml`` or ``.yml`` in them is a curriculum.
            packaged: those that come with the program are in it too.

        Raises:
            CurriculumError: one of them cannot be used, or two have the same id.
        """
        self._curricula: dict[str, Curriculum] = {}
        self._files: dict[str, Path] = {}
        for folder in (*((PACKAGED,) if packaged else ()), *folders):
            if not folder.is_dir():
                raise CurriculumError(
                    str(folder), (Fault(path="", problem="there is no such folder"),)
                )
            for file in sorted(p for p in folder.iterdir() if p.suffix in (".yaml", ".yml")):
                curriculum = load(file)
                if curriculum.id in self._curricula:
                    problem = f"{curriculum.id!r} is {self._files[curriculum.id]} too"
                    raise CurriculumError(str(file), (Fault(path="id", problem=problem),))
                self._curricula[curriculum.id] = curriculum
                self._files[curriculum.id] = file

    def get(self, curriculum: str) -> Curriculum | None:
        """The curriculum of that id; None: there is none."""
        return self._curricula.get(curriculum)

    def names(self) -> Sequence[str]:
        """Their ids, sorted."""
        return sorted(self._curricula)

    def file(self, curriculum: str) -> Path | None:
        """Where it was read."""
        return self._files.get(curriculum)
