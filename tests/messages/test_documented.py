"""docs/contracts.md knows every word that can be said and every reason that can be given."""

from __future__ import annotations

import re

import pytest

from holodeck.actors.tiles import EVENTS as TILES
from holodeck.messages.control import VERBS
from holodeck.messages.conversation import (
    AdaptiveLessonResult,
    ForwardInjectionSpec,
    InterlanguageUpdate,
    MicroCurriculum,
    NPCBriefing,
    PhonemeResult,
    PreSessionContext,
    PronunciationResult,
    Refraction,
    RefractionRequest,
    RefractionResponse,
    ScheduledTrigger,
    SessionMetrics,
)
from holodeck.messages.envelope import QUERY_KINDS
from holodeck.messages.fleet import Alternative, Decision, GraphPoint, Routing, SessionGraph
from holodeck.messages.learner import LanguageRule, PhaseDone
from holodeck.messages.session import Crossing, H1Delta, Pattern, TaskCounts
from holodeck.messages.talk import (
    Baseline,
    Character,
    Culture,
    DueInjection,
    FactHeard,
    FrictionFinding,
    Heard,
    LearnerBrief,
    NpcBrief,
    Parting,
    Signals,
    Stage,
    Traits,
    TurnAnalysis,
)
from tests.actors.reasons import reasons_in
from tests.conftest import ROOT
from tests.messages.strategies import (
    BRIEF_QUERIES,
    EVENTS,
    FLEET_COMMANDS,
    FLEET_QUERIES,
    LEARNER_COMMANDS,
    NPC_COMMANDS,
    SESSION_COMMANDS,
    kind_of,
)

PAGE = (ROOT / "docs" / "contracts.md").read_text()
COMMANDS = (*SESSION_COMMANDS, *NPC_COMMANDS, *LEARNER_COMMANDS, *FLEET_COMMANDS)
QUERIES = (*FLEET_QUERIES, *BRIEF_QUERIES)


def rows(heading: str) -> dict[str, str]:
    """The rows of a section's table by the first word in backticks."""
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    found = {}
    for line in section.splitlines():
        first = re.match(r"\| `([a-z.-]+)` \|", line)
        if first is not None:
            found[first.group(1)] = line
    return found


@pytest.mark.parametrize("model", [*COMMANDS, *QUERIES, *EVENTS], ids=kind_of)
def test_every_contract_is_documented_with_all_its_fields(model: type) -> None:
    line = next(
        line
        for line in PAGE.splitlines()
        if line.startswith("|") and f"| `{kind_of(model)}` |" in line
    )
    for name in model.model_fields:  # type: ignore[attr-defined]
        assert name == "kind" or f"`{name}`" in line, f"{name} is missing in: {line}"


@pytest.mark.parametrize(
    "part",
    [
        AdaptiveLessonResult,
        Alternative,
        Baseline,
        Character,
        Crossing,
        Culture,
        Decision,
        DueInjection,
        FactHeard,
        ForwardInjectionSpec,
        FrictionFinding,
        GraphPoint,
        H1Delta,
        Heard,
        InterlanguageUpdate,
        LanguageRule,
        LearnerBrief,
        MicroCurriculum,
        NPCBriefing,
        NpcBrief,
        Parting,
        Pattern,
        PhaseDone,
        PhonemeResult,
        PreSessionContext,
        PronunciationResult,
        Refraction,
        RefractionRequest,
        RefractionResponse,
        Routing,
        ScheduledTrigger,
        SessionGraph,
        SessionMetrics,
        Signals,
        Stage,
        TaskCounts,
        Traits,
        TurnAnalysis,
    ],
)
def test_what_stands_inside_a_contract_is_documented_in_one_row_too(part: type) -> None:
    names = set(part.model_fields)  # type: ignore[attr-defined]
    rows_of = [set(re.findall(r"[a-z0-9_]+", line)) for line in PAGE.splitlines()]
    assert any(names <= words for words in rows_of), names


@pytest.mark.parametrize("kind", sorted(QUERY_KINDS))
def test_every_question_is_documented(kind: str) -> None:
    assert f"| `{kind}` |" in PAGE


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_every_order_is_documented(verb: str) -> None:
    assert f"| `{verb}` |" in PAGE


@pytest.mark.parametrize("kind", TILES)
def test_every_event_is_documented_with_its_tile(kind: str) -> None:
    assert rows("Events")[kind].endswith(f"| `{TILES[kind].name}` |")


def test_every_reason_in_the_code_is_documented() -> None:
    reasons = reasons_in("actors") | reasons_in("holodeck")
    assert reasons - set(rows("Why a command is refused")) == set()


def test_no_reason_is_documented_that_the_code_does_not_give() -> None:
    codes = {"undecodable", "invalid-id"}  # these are codes of errors
    codes |= {"no-fleet", "no-context"}  # and these are chosen between where nobody answers
    reasons = reasons_in("actors") | reasons_in("holodeck")
    assert set(rows("Why a command is refused")) - reasons == codes
