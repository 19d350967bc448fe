"""The contracts for other languages: the users' own field names, and a schema that means it.

One law: what the Python classes give is valid under the exported schema, what they refuse for its
shape is not, and both exports declare the same fields.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
import typer
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel
from typer.testing import CliRunner

from holodeck.entrypoints.contracts import FILES, contracts_app, export
from holodeck.messages.conversation import PHASES, Contract
from holodeck.messages.errors import StartupError
from holodeck.messages.session import SessionCommand, SessionEvent
from tests.conftest import ROOT
from tests.messages.strategies import instances, members

Names = Mapping[str, Any]

XYZ: Final = ("x", "y", "z")
RATIO: Final = ("currentL2Ratio", "trajectory")
FACT: Final = ("fact", "confidence")
USERS: Final[Names] = {
    "PreSessionContext": {
        "learner": {
            "id": None,
            "cefr": None,
            "matrixCoordinates": XYZ,
            "codeSwitchState": RATIO,
            "topFrictionAreas": None,
            "phonemePriorities": None,
            "sessionCount": None,
            "daysSinceLastSession": None,
            "retentionProfile": None,
            "preferredCurriculumFormat": None,
        },
        "persona": {
            "id": None,
            "domain": None,
            "targetLanguage": None,
            "nativeLanguage": None,
            "vocabularyDomains": ("name", "priority"),
        },
        "npcBriefings": None,
        "injections": ("targetForm", "method", "targetNpcIds", "naturalityConstraint"),
        "recommendedTier": None,
        "objectives": None,
    },
    "NPCBriefing": {
        "npcId": None,
        "role": None,
        "tier": None,
        "personality": None,
        "reputationScore": None,
        "rememberedFacts": FACT,
        "unresolvedEvents": ("description", "impact"),
        "recentVectorMemories": None,
        "injectionDirectives": None,
        "opennessScore?": None,
    },
    "ActiveSessionState": {
        "session": (
            "id", "learnerId", "personaSchemaId", "startedAt", "currentTier",
            "currentLocationId", "currentNpcId",
        ),
        "conversation": ("turnCount", "turns", "currentTopicId", "topicsDiscussed"),
        "frictionMonitor": {
            "detectedFrictions": ("turnIndex", "type", "severity", "timestamp"),
            "currentFrictionRate": None,
            "interventionNeeded": None,
            "currentAffectiveState": None,
        },
        # None before anything was heard, where the users' text has a number: 0 would be a score.
        "pronunciation": (
            "utterancesAnalyzed", "averageComprehensibility?", "phonemeIssuesDetected",
        ),
        "injectionStatus": ("targetForm", "status", "npcId?"),
        "reputationDeltas": ("npcId", "delta", "reason", "turnIndex"),
        "refractionSessions": (
            "triggerTurnIndex", "selectedLevel?", "pronunciationAttempted", "usedInConversation",
        ),
        "opennessTracking?": {
            "currentScore": None,
            "violations": ("description", "penalty"),
            "collapsed": None,
        },
    },
    "PostSessionExhaust": {
        "sessionRecord": (
            "sessionId", "learnerId", "personaSchemaId", "activeTiers", "startedAt", "endedAt",
            "durationMinutes", "endReason", "conversations", "pronunciationData", "metrics",
        ),
        "rawFrictionDetections": (
            "turnIndex", "type", "severity", "rawUtterance", "contextWindow",
        ),
        "reputationUpdates": {
            "npcId": None,
            "newScore": None,
            "deltas": ("delta", "reason"),
        },
        "newMemories": ("npcId", "content", "emotionalValence", "importance"),
        "injectionResults": ("targetForm", "executed", "learnerUsedTargetForm"),
        "refractionData": (
            "selectedLevel?", "pronunciationAttempted", "accuracy?", "usedInConversation",
        ),
    },
    "InterSessionPersistence": {
        "learnerProfile": {
            "currentCEFR": None,
            "matrixCoordinates": XYZ,
            "codeSwitchingState": RATIO,
            "phonemeProfile": ("accuracyMap",),
            "frictionProfile": ("dominantTypes", "trend"),
            "retentionProfile": ("style", "engagement"),
            "instructionalPreferences": None,
            "totalSessionCount": None,
            # None until a session was held.
            "lastSessionAt?": None,
        },
        "npcRelationships": {
            "reputationScore": None,
            "rememberedFacts": FACT,
            "unresolvedEvents": None,
            "professionalHistory": None,
            "interactionCount": None,
            "lastInteractionAt?": None,
            "opennessScore?": None,
        },
        "vectorMemories": ("npcId", "content", "embedding", "emotionalValence", "importance"),
        "pendingInjections": None,
        "pendingCurriculum?": None,
        "scheduledTriggers": None,
        "interlanguageUpdate": (
            "confirmedRules", "violatedRules", "emergingRules", "fossilizingRules",
        ),
    },
}  # fmt: skip
"""The fields of the four phases as users know them; what the text itself leaves to other types
ends in None. A question mark: it may be left out, or be null."""
COMMANDS = tuple(members(SessionCommand))
EVENTS = tuple(members(SessionEvent))
few = settings(max_examples=5, deadline=None)
"""Of each of seventy kinds."""


@cache
def document() -> dict[str, Any]:
    made: dict[str, Any] = json.loads(export(None, "json-schema"))
    return made


def definitions() -> dict[str, Any]:
    found: dict[str, Any] = document()["$defs"]
    return found


# --- a validator of what the schema uses ----------------------------------------

_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}
_SAID: Final = {"description", "default", "format", "discriminator"}


def faults(value: Any, schema: Mapping[str, Any], at: str = "$") -> Iterator[str]:
    """What is wrong with a value, after JSON Schema 2020-12.

    Raises:
        AssertionError: the schema says something that is not understood here.
    """
    for key, rule in schema.items():
        if key not in _SAID:
            yield from _faults(value, key, rule, schema, at)


def _faults(value: Any, key: str, rule: Any, schema: Mapping[str, Any], at: str) -> Iterator[str]:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    wrong = False
    match key:
        case "$ref":
            yield from faults(value, definitions()[rule.removeprefix("#/$defs/")], at)
        case "type":
            is_one = isinstance(value, _TYPES[rule])
            wrong = not is_one or (isinstance(value, bool) and rule in ("integer", "number"))
        case "const":
            wrong = value != rule
        case "enum":
            wrong = value not in rule
        case "anyOf":
            wrong = all(any(faults(value, one)) for one in rule)
        case "oneOf":
            wrong = sum(not any(faults(value, one)) for one in rule) != 1
        case "minimum":
            wrong = number and value < rule
        case "maximum":
            wrong = number and value > rule
        case "exclusiveMinimum":
            wrong = number and value <= rule
        case "minLength" | "minItems" | "minProperties":
            wrong = isinstance(value, str | list | dict) and len(value) < rule
        case "maxLength" | "maxItems" | "maxProperties":
            wrong = isinstance(value, str | list | dict) and len(value) > rule
        case "pattern":
            wrong = isinstance(value, str) and re.search(rule, value) is None
        case "required":
            wrong = isinstance(value, dict) and not set(rule) <= value.keys()
        case "properties":
            for name in value.keys() & rule.keys() if isinstance(value, dict) else ():
                yield from faults(value[name], rule[name], f"{at}.{name}")
        case "patternProperties":
            for pattern, inner in rule.items() if isinstance(value, dict) else ():
                for name in (one for one in value if re.search(pattern, one)):
                    yield from faults(value[name], inner, f"{at}.{name}")
        case "additionalProperties":
            named = schema.get("properties", {})
            patterns = schema.get("patternProperties", {})
            for name in value if isinstance(value, dict) else ():
                if name not in named and not any(re.search(one, name) for one in patterns):
                    if rule is False:
                        yield f"{at}.{name}: not known"
                    elif rule is not True:
                        yield from faults(value[name], rule, f"{at}.{name}")
        case "prefixItems":
            for place, (item, inner) in enumerate(zip(value, rule, strict=False)):
                yield from faults(item, inner, f"{at}[{place}]")
        case "items":
            for place, item in enumerate(value if isinstance(value, list) else ()):
                yield from faults(item, rule, f"{at}[{place}]")
        case _:
            raise AssertionError(f"{key} is not understood")
    if wrong:
        yield f"{at}: {key} {rule}"


# --- JSON Schema ----------------------------------------


def test_every_field_of_the_four_phases_is_called_as_users_call_it() -> None:
    for phase, names in USERS.items():
        _same(definitions()[phase], names, phase)


def _same(schema: Mapping[str, Any], names: Any, at: str) -> None:
    given = dict.fromkeys(names) if isinstance(names, tuple) else names
    fields = _object(schema)["properties"]
    assert [*fields] == [name.rstrip("?") for name in given], at
    for name, inner in given.items():
        field = fields[name.rstrip("?")]
        nullable = {"type": "null"} in field.get("anyOf", ())
        assert nullable is name.endswith("?"), f"{at}.{name}"
        if inner is not None:
            _same(field, inner, f"{at}.{name}")


def _object(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The object a field is, or is a list or a table of."""
    match schema:
        case {"properties": _}:
            return schema
        case {"$ref": str(reference)}:
            return _object(definitions()[reference.removeprefix("#/$defs/")])
        case {"anyOf": [first, *_]} | {"items": first} | {"additionalProperties": dict(first)}:
            return _object(first)
        case {"patternProperties": dict(tables)}:
            return _object(next(iter(tables.values())))
        case _:
            raise AssertionError(f"no object: {schema}")


@pytest.mark.parametrize("phase", PHASES, ids=lambda phase: phase.__name__)
def test_whatever_a_phase_gives_is_valid(phase: type[Contract]) -> None:
    @few
    @given(instances(phase))
    def holds(made: Any) -> None:
        schema = {"$ref": f"#/$defs/{phase.__name__}"}
        assert [*faults(_json(made.outside()), schema)] == []
        assert [*faults(_json(made.model_dump(mode="json", by_alias=True)), schema)] == []

    holds()


@pytest.mark.parametrize("model", COMMANDS + EVENTS, ids=lambda model: model.__name__)
def test_whatever_is_said_to_a_session_or_by_it_is_one_of_the_union(
    model: type[BaseModel],
) -> None:
    union = "SessionCommand" if model in COMMANDS else "SessionEvent"

    @few
    @given(instances(model), st.booleans())
    def holds(made: BaseModel, short: bool) -> None:
        if isinstance(getattr(made, "state", None), bytes):  # msgpack, and JSON has no bytes
            made = made.model_copy(update={"state": b"state"})
        told = made.model_dump(mode="json", by_alias=True, exclude_defaults=short)
        told["kind"] = model.model_fields["kind"].default
        assert [*faults(_json(told), {"$ref": f"#/$defs/{model.__name__}"})] == []
        mapping = definitions()[union]["discriminator"]["mapping"]
        assert mapping[told["kind"]] == f"#/$defs/{model.__name__}"

    holds()


def _json(told: Any) -> Any:
    return json.loads(json.dumps(told))


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("Coordinates", {"x": 2}, "$.x: maximum 1.0"),
        ("Coordinates", {"w": 0}, "$.w: not known"),
        ("KnownFact", {"fact": "sails"}, "$: required ['fact', 'confidence']"),
        ("TakeTurn", {"turn": 1, "npc": "rui", "text": "olá"}, "$: required"),
        ("TakeTurn", {"kind": "take-turn", "turn": 0, "npc": "rui", "text": "olá"}, "$.turn: min"),
        ("End", {"kind": "finish"}, "$.kind: const end"),
        ("Severity", "awful", "$: enum"),
        ("FrictionFinding", {"type": "lexical", "severity": 1.2}, "$.severity: maximum 1"),
    ],
)
def test_what_the_contracts_refuse_for_its_shape_is_not_valid(
    name: str, value: Any, fault: str
) -> None:
    found = [*faults(value, {"$ref": f"#/$defs/{name}"})]
    assert any(one.startswith(fault) for one in found), found


def test_a_document_is_of_the_2020_dialect_and_refers_to_itself_alone() -> None:
    text = export(None, "json-schema")
    assert document()["$schema"].endswith("/2020-12/schema")
    names = {one.removeprefix("#/$defs/") for one in re.findall(r'"(#/\$defs/[^"]+)"', text)}
    assert names - {one.__name__ for one in PHASES} <= definitions().keys()
    assert {phase.__name__ for phase in PHASES} <= definitions().keys()


def test_times_are_marked_as_such() -> None:
    fields = definitions()["ConversationTurn"]["properties"]
    assert fields["timestamp"]["format"] == "date-time"
    assert "format" not in fields["content"]


# --- TypeScript ----------------------------------------


def interfaces(text: str) -> dict[str, dict[str, str]]:
    """By interface its fields, each with its type; an optional one's name ends in ``?``."""
    return {
        name: dict(re.findall(r"^  (\w+\??): (.+);$", body, re.MULTILINE))
        for name, body in re.findall(
            r"^export interface (\w+) \{\n(.*?)^\}$", text, re.MULTILINE | re.DOTALL
        )
    }


def test_declarations_have_the_fields_of_the_schema_in_its_order() -> None:
    # given
    found = interfaces(export(None, "typescript"))
    objects = {n: one for n, one in definitions().items() if one.get("properties")}

    # then
    assert found.keys() == objects.keys()
    for name, fields in found.items():
        assert [one.rstrip("?") for one in fields] == [*objects[name]["properties"]], name


def test_fields_that_may_be_left_out_are_marked() -> None:
    # given
    found = interfaces(export(None, "typescript"))

    # then: contracts are given whole, messages without what is at its default
    assert found["NPCBriefing"]["opennessScore?"] == "number | null"
    assert found["NPCBriefing"]["rememberedFacts"] == "KnownFact[]"
    assert found["TakeTurn"]["kind"] == '"take-turn"'
    assert found["TakeTurn"]["speaking_ms?"] == "number | null"
    assert found["TurnTaken"]["tier?"] == "0 | 1 | 2 | 3"


def test_every_name_a_declaration_uses_is_declared() -> None:
    # given
    text = export(None, "typescript")
    declared = re.findall(r"^export (?:interface|type) (\w+)", text, re.MULTILINE)
    code = re.sub(r'/\*\*.*?\*/|//.*?$|"[^"\n]*"', "", text, flags=re.MULTILINE | re.DOTALL)

    # when
    used = set(re.findall(r"\b[A-Z]\w+", code)) - {"Record"}

    # then
    assert len(declared) == len(set(declared))
    assert used == set(declared)
    assert "unknown" not in code


def test_a_declaration_says_what_its_class_says_by_the_names_outside() -> None:
    text = export(None, "typescript")
    assert "/** The six canonical kinds of friction; any moment" in text
    assert "  /** L1 words of all words, tier 1. 0 to 1 */\n  codeSwitchRatio?" in text
    assert "  /** ISO 8601 */\n  startedAt: string;" in text
    for python in ("None", ":class:", "current_l2_ratio", "Attributes:"):
        assert python not in text


# --- the command ----------------------------------------


def test_the_same_classes_give_the_same_text(tmp_path: Path) -> None:
    # given
    code = (
        "import pathlib; from holodeck.entrypoints.contracts import FILES, export\n"
        f"for form in FILES: export(pathlib.Path({str(tmp_path)!r}), form)"
    )

    # when: another process, with other hashes
    subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "4711"},
        cwd=ROOT,
        check=True,
    )

    # then
    for form, name in FILES.items():
        assert (tmp_path / name).read_text("utf-8") == export(None, form)


def app() -> typer.Typer:
    made = typer.Typer()
    made.add_typer(contracts_app, name="contracts")
    return made


def invoke(*words: str) -> Any:
    return CliRunner().invoke(app(), ["contracts", "export", *words])


def test_the_schema_is_printed_where_nothing_else_is_asked_for() -> None:
    result = invoke()
    assert result.exit_code == 0
    assert json.loads(result.stdout) == document()
    assert invoke("--format", "typescript").stdout == export(None, "typescript")


def test_both_forms_are_written_into_a_folder_that_is_made(tmp_path: Path) -> None:
    # given
    folder = tmp_path / "new" / "contracts"

    # when
    result = invoke("--out", str(folder))

    # then
    assert result.exit_code == 0
    assert sorted(one.name for one in folder.iterdir()) == sorted(FILES.values())
    assert json.loads((folder / FILES["json-schema"]).read_text("utf-8")) == document()
    assert (folder / FILES["typescript"]).read_text("utf-8") == export(None, "typescript")
    assert FILES["typescript"] in result.stdout.replace("\n", "")


def test_one_form_may_be_written_alone(tmp_path: Path) -> None:
    assert invoke("--out", str(tmp_path), "--format", "typescript").exit_code == 0
    assert [one.name for one in tmp_path.iterdir()] == [FILES["typescript"]]


def test_a_folder_that_cannot_be_is_told_in_one_line(tmp_path: Path) -> None:
    # given
    (tmp_path / "file").write_text("")

    # when
    result = invoke("--out", str(tmp_path / "file"))

    # then
    assert result.exit_code == 1
    assert "cannot be written" in result.stderr
    assert result.stderr.count("\n") == 1
    with pytest.raises(StartupError, match="Name another folder"):
        export(tmp_path / "file", "typescript")


def test_a_form_nobody_knows_is_refused() -> None:
    assert invoke("--format", "yaml").exit_code == 2
