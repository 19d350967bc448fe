"""Every case of the project's own copy passes, or is excepted with a reason."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from holodeck.messages.errors import StartupError
from tests.conformance.__main__ import EXCEPTIONS
from tests.conformance.adapters import ADAPTERS
from tests.conformance.compare import shown
from tests.conformance.runner import (
    MAX_EXCEPTED,
    Case,
    Verdict,
    cases_of,
    exceptions_of,
    judged,
)
from tests.conftest import missing

FILES: Final = sorted((Path(__file__).parent / "cases").glob("*.json"))
CASES: Final = {file.name: cases_of(file) for file in FILES}
EXCEPTED: Final = {(one.area, one.name): one for one in exceptions_of(EXCEPTIONS)}


def named(case: Case) -> str:
    return f"{case.file}:{case.area}:{case.name}"


@pytest.mark.parametrize("case", [case for cases in CASES.values() for case in cases], ids=named)
def test_a_case_passes_or_is_excepted(case: Case) -> None:
    found = judged(case, ADAPTERS)
    if isinstance(found.got, StartupError):
        missing(f"nats-server ({found.got})")
    excepted = (case.area, case.name) in EXCEPTED
    assert (found.verdict is Verdict.PASSED) is not excepted, (
        f"{found.why}\ninput     {shown(case.input)}\n"
        f"expected  {shown(case.expected)}\ngot       {shown(found.got)}"
    )


@pytest.mark.parametrize("file", CASES)
def test_few_cases_are_excepted(file: str) -> None:
    excepted = [case for case in CASES[file] if (case.area, case.name) in EXCEPTED]
    assert len(excepted) <= MAX_EXCEPTED * len(CASES[file])


def test_only_cases_that_there_are_wait_or_are_excepted() -> None:
    there = {(case.area, case.name) for cases in CASES.values() for case in cases}
    assert EXCEPTED.keys() <= there
