"""A file of cases is run to its end, and nothing in it passes by mistake."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from holodeck.messages.errors import RefusedError
from tests.conformance import runner
from tests.conformance.__main__ import EXCEPTIONS, main
from tests.conformance.runner import (
    Adapters,
    Case,
    Excepted,
    OfCase,
    Otherwise,
    Report,
    UnknownShape,
    Verdict,
    exceptions_of,
    lines,
    run,
    summary,
)
from tests.conftest import ROOT

Write = Callable[[Any], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def to_file(content: Any) -> Path:
        path = tmp_path / "cases.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
        return path

    return to_file


def case(area: str, given: Any, expected: Any, name: str = "") -> dict[str, Any]:
    return {"area": area, "name": name or f"{area} {given}", "input": given, "expected": expected}


def double(given: Any) -> Any:
    if not isinstance(given, int):
        raise UnknownShape("double knows numbers")
    if given < 0:
        raise RefusedError("negative")
    if given == 0:
        raise ZeroDivisionError("a bug")
    return given * 2


def upper(given: Any) -> Any:
    if not isinstance(given, str):
        raise UnknownShape("upper knows texts")
    return given.upper()


ADAPTERS: Adapters = {"double": (double,), "both": (double, upper)}


def verdicts(report: Report) -> list[Verdict]:
    return [one.verdict for one in report.outcomes]


def test_a_case_passes_only_by_its_result(write: Write) -> None:
    path = write(
        [
            case("double", 7, 14),
            case("double", 7, 15),
            case("double", -1, "raises"),
            case("double", -1, -2),
            case("double", "x", "raises"),
            case("double", 0, 0),
            case("triple", 1, 3),
            case("both", "x", "X"),
            case("both", 7, 14),
            case("both", None, None),
        ]
    )

    report = run(path, ADAPTERS)

    passed, failed, unheard = Verdict.PASSED, Verdict.FAILED, Verdict.NO_ADAPTER
    assert verdicts(report) == [
        passed, failed, passed, failed, failed, failed, unheard, passed, passed, failed,
    ]  # fmt: skip
    assert [one.why for one in report.outcomes if one.verdict is not passed] == [
        "the result is 14, not 15",
        'the result is "RefusedError: negative", not -2',
        "unknown shape: double knows numbers",
        "ZeroDivisionError: a bug",
        "no adapter for the area 'triple'",
        "unknown shape: double knows numbers; upper knows texts",
    ]
    assert summary([report]) == "4 passed, 6 failed"


def test_a_report_counts_by_area_and_shows_both_values(write: Write) -> None:
    report = run(
        write([case("double", 7, 15), case("triple", 1, 3), case("both", "x", "X")]), ADAPTERS
    )

    assert list(lines(report)) == [
        "cases.json: passed · failed · no adapter · excepted",
        "  double     0     1     0     0",
        "  triple     0     0     1     0",
        "  both       1     0     0     0",
        "failed: double: double 7",
        "    the result is 14, not 15",
        "    input     7",
        "    expected  15",
        "    got       14",
        "no adapter: triple: triple 1",
        "    no adapter for the area 'triple'",
    ]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[", "Expecting value"),
        ({"area": "double"}, "no list of cases"),
        ([case("double", 7, 14), {"area": "double", "input": 1}], "record 2 is no case"),
        (["text"], "record 1 is no case"),
    ],
)
def test_a_file_that_holds_no_cases_is_a_failure(write: Write, content: Any, words: str) -> None:
    report = run(write(content), ADAPTERS)

    assert verdicts(report) == [Verdict.FAILED]
    assert words in report.outcomes[0].why
    assert any(words in line for line in lines(report))


def test_a_file_that_is_not_there_is_a_failure(tmp_path: Path) -> None:
    assert run(tmp_path / "none.json", ADAPTERS).failed == 1


# --- exceptions ----------------------------------------

KNOWN = Excepted("double", "odd", "fleet.md 1.5, decision 8", "it is better so")


def test_an_excepted_case_is_counted_apart_and_told(write: Write) -> None:
    path = write([case("double", 7, 15, "odd"), *[case("double", 7, 14)] * 39])

    report = run(path, ADAPTERS, [KNOWN])

    assert (report.passed, report.failed, report.count(Verdict.EXCEPTED)) == (39, 0, 1)
    assert summary([report]) == "39 passed, 0 failed"
    told = "    the result is 14, not 15 (fleet.md 1.5, decision 8: it is better so)"
    assert told in list(lines(report))


def test_no_exception_holds_where_there_are_too_many(write: Write) -> None:
    path = write([case("double", 7, 15, "odd"), *[case("double", 7, 14)] * 32])

    report = run(path, ADAPTERS, [KNOWN])

    assert (report.passed, report.failed, report.count(Verdict.EXCEPTED)) == (32, 1, 0)
    assert report.remarks == [
        "1 of 33 cases are excepted, more than 3%: none of these exceptions holds"
    ]


def test_an_exception_that_is_not_needed_any_more_is_told(write: Write) -> None:
    report = run(write([case("double", 7, 14, "odd")]), ADAPTERS, [KNOWN])

    assert report.passed == 1
    assert report.remarks == ["double: odd passes, its exception can go"]


def test_a_case_without_adapter_cannot_be_excepted(write: Write) -> None:
    path = write([case("triple", 1, 3, "odd"), *[case("double", 7, 14)] * 39])
    report = run(path, ADAPTERS, [Excepted("triple", "odd", "1", "nobody wrote it")])
    assert report.failed == 1


def test_exceptions_are_read_and_checked(tmp_path: Path) -> None:
    path = tmp_path / "exceptions.toml"
    path.write_text('[[exception]]\narea="a"\nname="b"\ndecision="1"\nreason="c"\n', "utf-8")
    assert exceptions_of(path) == [Excepted("a", "b", "1", "c")]
    path.write_text('[[exception]]\narea="a"\n', "utf-8")
    with pytest.raises(TypeError, match="name"):
        exceptions_of(path)


def test_the_projects_exceptions_give_their_reasons() -> None:
    assert all(one.decision and one.reason for one in exceptions_of(EXCEPTIONS))


def test_what_was_decided_otherwise_is_excepted_where_it_is_as_decided(write: Write) -> None:
    def half(case: Case) -> Any:
        got = case.input / 2 if case.name == "halved" else case.input
        return Otherwise(got, 4, "maths.md", "halves are better")

    path = write(
        [
            case("half", 8, 16, "halved"),
            case("half", 8, 4, "halved"),
            case("half", 8, 16, "whole"),
            case("half", 8, None, "halved"),
        ]
    )

    report = run(path, {"half": (OfCase(half),)})

    excepted, passed, failed = Verdict.EXCEPTED, Verdict.PASSED, Verdict.FAILED
    # More than three in a hundred: each is checked against its decision, so there is no limit.
    assert verdicts(report) == [excepted, passed, failed, excepted]
    assert [one.why for one in report.outcomes] == [
        "the result is 4.0, not 16 (maths.md: halves are better)",
        "",
        "the result is 8, not 16; nor as decided (maths.md): the result is 8, not 4",
        "the result is 4.0, not null (maths.md: halves are better)",
    ]
    assert report.remarks == []


# --- the command ----------------------------------------

FORMULA = case("h1_formula", {"V": 4, "E": 6, "C": 1}, {"beta1": 3})


@pytest.mark.parametrize(
    ("content", "status", "last"),
    [
        ([FORMULA], 0, "1 passed, 0 failed\n"),
        ([FORMULA, case("h1_formula", {"V": 4}, {})], 1, "1 passed, 1 failed\n"),
        ([FORMULA, case("weather", {}, {})], 1, "1 passed, 1 failed\n"),
    ],
)
def test_the_status_is_0_only_when_nothing_failed(
    write: Write, content: Any, status: int, last: str
) -> None:
    path, out = write(content), io.StringIO()

    assert main([str(path)], out) == status
    assert out.getvalue().splitlines(keepends=True)[-1] == last


def test_without_a_file_the_command_says_how_it_is_used() -> None:
    out = io.StringIO()
    assert main([], out) == 2
    assert "FILE" in out.getvalue()


def test_several_files_are_summed_up_by_the_command(write: Write, tmp_path: Path) -> None:
    good, bad = write([FORMULA]), tmp_path / "other.json"
    bad.write_text(json.dumps([FORMULA, case("weather", {}, {})]), "utf-8")

    done = subprocess.run(
        [sys.executable, "-m", "tests.conformance", str(good), str(bad)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.splitlines()[-1] == "2 passed, 1 failed"


def test_the_limit_of_exceptions_is_three_in_a_hundred() -> None:
    assert runner.MAX_EXCEPTED == 0.03
