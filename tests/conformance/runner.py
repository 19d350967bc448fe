"""Runs files of cases.

One law: a case counts as passed only when an adapter led it through the real code and the result
was what is expected; whatever else happens to it (no adapter, an input of unknown shape, an
exception nobody meant) is a failure that is told.

A file is a JSON list of ``{"area", "name", "input", "expected", …}``. An adapter turns an input
into a call of the real code and its result into the shape of what is expected. An area may have
several, for inputs of several shapes; the first that knows the shape decides.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, Final

from holodeck.messages.errors import HolodeckError
from tests.conformance.compare import difference, shown

MAX_EXCEPTED: Final = 0.03
"""The share of a file that may be listed as excepted, 0 to 1. Beyond it, none of these exceptions
holds. What an adapter knows to be decided otherwise (:class:`Otherwise`) is not counted here: it is
checked against the decision."""


@dataclass(frozen=True, slots=True)
class OfCase:
    """An adapter that is given the whole :class:`Case`: where the input alone does not say what is
    done, the name does. Of what is expected an adapter looks at what it asks for (its keys, whether
    it is words), never at what it says, except to say what was decided in its place."""

    adapt: Callable[[Case], Any]


Adapter = Callable[[Any], Any] | OfCase
"""Takes a case's input (or the case, see :class:`OfCase`), gives the result, or an
:class:`Otherwise`.

Raises:
    UnknownShape: it does not know what to do with such an input.
    HolodeckError: the real code refused; that is the result.
"""
Adapters = Mapping[str, Sequence[Adapter]]
"""By area."""


class UnknownShape(Exception):
    """An input that an adapter does not know; the text says what it knows."""


class Verdict(Enum):
    PASSED = "passed"
    FAILED = "failed"
    NO_ADAPTER = "no adapter"
    EXCEPTED = "excepted"


@dataclass(frozen=True, slots=True)
class Case:
    """One record of a file.

    Attributes:
        place: from 1, in its file.
    """

    file: str
    place: int
    area: str
    name: str
    input: Any
    expected: Any


@dataclass(frozen=True, slots=True)
class Excepted:
    """A case that contradicts a decision; ``decision``: its number, and where it is written."""

    area: str
    name: str
    decision: str
    reason: str


@dataclass(frozen=True, slots=True)
class Otherwise:
    """A result where Holodeck decided otherwise than such cases say.

    The case is excepted if the result is what was decided, passes if it is what is expected after
    all, and fails if it is neither.

    Attributes:
        got: the result.
        decided: what it has to be; compared as what is expected is.
        decision: where it is written; ``reason``: in one sentence.
    """

    got: Any
    decided: Any
    decision: str
    reason: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a case; ``why``: in one line, empty when it passed.

    Attributes:
        got: the result; None where there is none.
    """

    case: Case
    verdict: Verdict
    why: str = ""
    got: Any = None


@dataclass(slots=True)
class Report:
    """What became of the cases of one file; ``remarks`` concern it as a whole."""

    file: str
    outcomes: list[Outcome] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def count(self, *verdicts: Verdict, area: str | None = None) -> int:
        return sum(
            one.verdict in verdicts and area in (None, one.case.area) for one in self.outcomes
        )

    @property
    def passed(self) -> int:
        return self.count(Verdict.PASSED)

    @property
    def failed(self) -> int:
        return self.count(Verdict.FAILED, Verdict.NO_ADAPTER)


def cases_of(path: Path) -> list[Case]:
    """The cases of a file, in its order.

    Raises:
        ValueError: it cannot be read, or is no JSON list of objects with the four keys.
    """
    try:
        records = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from error
    if not isinstance(records, list):
        raise ValueError(f"{path}: no list of cases")
    return [_case(path.name, place, record) for place, record in enumerate(records, 1)]


def _case(file: str, place: int, record: Any) -> Case:
    match record:
        case {"area": str(area), "name": str(name), "input": given, "expected": expected}:
            return Case(file, place, area, name, given, expected)
        case _:
            raise ValueError(f"{file}: record {place} is no case: {shown(record)[:200]}")


def exceptions_of(path: Path) -> list[Excepted]:
    """The exceptions a file lists.

    Raises:
        TypeError: an entry has a key too many or too few.
    """
    listed = tomllib.loads(path.read_text(encoding="utf-8")).get("exception", [])
    return [Excepted(**entry) for entry in listed]


def judged(case: Case, adapters: Adapters) -> Outcome:
    """Runs one case."""
    known = adapters.get(case.area, ())
    if not known:
        return Outcome(case, Verdict.NO_ADAPTER, f"no adapter for the area {case.area!r}")
    unknown = []
    for adapter in known:
        try:
            got = adapter.adapt(case) if isinstance(adapter, OfCase) else adapter(case.input)
        except UnknownShape as error:
            unknown.append(str(error))
            continue
        except HolodeckError as error:
            got = error
        except Exception as error:  # a bug in the real code or in the adapter
            return Outcome(case, Verdict.FAILED, f"{type(error).__name__}: {error}")
        if isinstance(got, Otherwise):
            return _decided(case, got)
        why = difference(case.expected, got)
        return Outcome(case, Verdict.FAILED if why else Verdict.PASSED, why or "", got)
    return Outcome(case, Verdict.FAILED, f"unknown shape: {'; '.join(unknown)}")


def _decided(case: Case, found: Otherwise) -> Outcome:
    why = difference(case.expected, found.got)
    if why is None:
        return Outcome(case, Verdict.PASSED, "", found.got)
    wrong = difference(found.decided, found.got)
    if wrong is not None:
        return Outcome(
            case, Verdict.FAILED, f"{why}; nor as decided ({found.decision}): {wrong}", found.got
        )
    told = f"{why} ({found.decision}: {found.reason})"
    return Outcome(case, Verdict.EXCEPTED, told, found.got)


def run(path: Path, adapters: Adapters, exceptions: Iterable[Excepted] = ()) -> Report:
    """Runs every case of a file; a file that holds no cases is one failure."""
    report = Report(path.name)
    try:
        cases = cases_of(path)
    except ValueError as error:
        nothing = Case(path.name, 0, "", path.name, None, None)
        report.outcomes.append(Outcome(nothing, Verdict.FAILED, str(error)))
        return report
    listed = {(one.area, one.name): one for one in exceptions}
    found = [judged(case, adapters) for case in cases]
    report.outcomes = [_excepted(one, listed) for one in found]
    excepted = sum(a is not b for a, b in zip(found, report.outcomes, strict=True))
    if excepted > MAX_EXCEPTED * len(cases):
        report.remarks.append(
            f"{excepted} of {len(cases)} cases are excepted, more than "
            f"{MAX_EXCEPTED:.0%}: none of these exceptions holds"
        )
        report.outcomes = found
    report.remarks += [
        f"{one.case.area}: {one.case.name} passes, its exception can go"
        for one in report.outcomes
        if one.verdict is Verdict.PASSED and (one.case.area, one.case.name) in listed
    ]
    return report


def _excepted(outcome: Outcome, listed: Mapping[tuple[str, str], Excepted]) -> Outcome:
    entry = listed.get((outcome.case.area, outcome.case.name))
    if entry is None or outcome.verdict is not Verdict.FAILED:
        return outcome
    why = f"{outcome.why} ({entry.decision}: {entry.reason})"
    return Outcome(outcome.case, Verdict.EXCEPTED, why, outcome.got)


def lines(report: Report) -> Iterator[str]:
    """A report for people: the areas, then each case that did not pass."""
    areas = list(dict.fromkeys(one.case.area for one in report.outcomes))
    width = max((len(area) for area in areas), default=0)
    yield f"{report.file}: {' · '.join(verdict.value for verdict in Verdict)}"
    for area in areas:
        counts = (f"{report.count(v, area=area):>6}" for v in Verdict)
        yield f"  {area:<{width}}{''.join(counts)}"
    for one in report.outcomes:
        if one.verdict is Verdict.PASSED:
            continue
        yield f"{one.verdict.value}: {one.case.area}: {one.case.name}"
        yield f"    {one.why}"
        if one.verdict is not Verdict.NO_ADAPTER and one.case.place:
            yield f"    input     {shown(one.case.input)}"
            yield f"    expected  {shown(one.case.expected)}"
            yield f"    got       {shown(one.got)}"
    yield from report.remarks


def summary(reports: Sequence[Report]) -> str:
    """The last line: ``N passed, M failed``."""
    return f"{sum(r.passed for r in reports)} passed, {sum(r.failed for r in reports)} failed"
