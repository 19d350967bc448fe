"""``holodeck persona``: what there is, and what is wrong with a file, as text and as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from holodeck.entrypoints.persona import persona_app
from holodeck.entrypoints.running import Given
from holodeck.minds.personas import PACKAGED


def invoke(*words: str) -> Result:
    result = CliRunner().invoke(persona_app, list(words), obj=Given(False, {}))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    text = (PACKAGED / "barcelona-cafe.yaml").read_text(encoding="utf-8")
    text = text.replace("target_language: es", "target_langage: es")
    text = text.replace("location: district-office", "location: district-ofice")
    file = tmp_path / "broken.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def test_sound_files_are_summed_up_and_the_status_is_0() -> None:
    done = invoke("check", *map(str, sorted(PACKAGED.glob("*.yaml"))))
    assert done.exit_code == 0
    assert "barcelona-cafe, en to es, 6 NPCs" in done.stdout
    assert len(done.stdout.splitlines()) == len(list(PACKAGED.glob("*.yaml")))


def test_every_fault_is_told_with_file_and_line_and_the_status_is_1(broken: Path) -> None:
    done = invoke("check", str(broken))
    assert done.exit_code == 1
    lines = broken.read_text(encoding="utf-8").splitlines()
    for words in ("target_langage", "district-ofice"):
        number = next(i for i, line in enumerate(lines, 1) if words in line)
        assert f"{broken}:{number}: " in done.stdout
    assert "did you mean 'target_language'?" in done.stdout
    assert "did you mean 'district-office'?" in done.stdout


def test_faults_as_json(broken: Path) -> None:
    sound = PACKAGED / "lisbon-tiles.yaml"
    done = invoke("check", str(broken), str(sound), "--json")
    first, second = json.loads(done.stdout)
    assert done.exit_code == 1
    assert (first["sound"], second["sound"]) == (False, True)
    assert {fault["path"] for fault in first["faults"]} >= {
        "target_langage",
        "target_language",
        "scenarios.4.location",
    }
    assert second["faults"] == []


def test_a_file_that_is_not_there_is_a_fault() -> None:
    done = invoke("check", "nowhere.yaml")
    assert done.exit_code == 1
    assert "cannot be read" in done.stdout


def test_the_list_has_every_persona() -> None:
    assert "lisbon-tiles" in invoke("list").stdout
    found = {one["id"]: one for one in json.loads(invoke("list", "--json").stdout)}
    assert found["bergen-harbour"]["native_language"] == "pl"
    assert "kasia" in found["bergen-harbour"]["npcs"]


def test_a_persona_is_shown_with_its_npcs_and_scenarios() -> None:
    done = invoke("show", "barcelona-cafe")
    assert done.exit_code == 0
    for words in ("nuria-bosch", "officer for licences", "The terrace licence", "13, by"):
        assert words in done.stdout
    assert json.loads(invoke("show", "barcelona-cafe", "--json").stdout)["id"] == "barcelona-cafe"


def test_an_unknown_name_is_refused_with_those_there_are() -> None:
    done = invoke("show", "nowhere")
    assert done.exit_code == 1
    assert "unknown-persona" in done.stderr
    assert "picture-tutor" in done.stderr
