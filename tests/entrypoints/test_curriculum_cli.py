"""``holodeck curriculum``: what there is, what is wrong with a file, and how a learner stands."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from matplotlib import image
from rich.console import Console
from typer.testing import CliRunner, Result

from holodeck.broker import find_server
from holodeck.entrypoints.curriculum import curriculum_app, document, shown
from holodeck.entrypoints.running import Given
from holodeck.entrypoints.skill_map import LOOKS, Standing, draw_map, placed, standings, ways
from holodeck.local import Local
from holodeck.messages.curriculum import Curriculum
from holodeck.messages.errors import StartupError
from holodeck.messages.practice import SkillRecord, SkillState, SkillTier
from holodeck.minds.curricula import PACKAGED, CurriculumLibrary
from holodeck.wiring import Connection, RuntimeFile
from tests.conftest import missing


def invoke(*words: str, folder: Path | None = None) -> Result:
    given = Given(False, {} if folder is None else {"state_dir": folder})
    result = CliRunner().invoke(curriculum_app, list(words), obj=given)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="module")
def maths() -> Curriculum:
    found = CurriculumLibrary().get("primary-maths")
    assert found is not None
    return found


def record(skill: str, state: SkillState, **more: Any) -> SkillRecord:
    return SkillRecord(skill=skill, state=state, **more)


RECORDS = {
    one.skill: one
    for one in (
        record("read-100", SkillState.MASTERED, total=14, right=13),
        record("sum-20", SkillState.MASTERED, total=15, right=14),
        record("clock-5min", SkillState.RUSTY, total=20, right=15),
        record("diff-20", SkillState.LEARNING, total=3, right=2),
        record("hundreds", SkillState.LEARNING, tier=SkillTier.PROVE, total=9, right=8),
    )
}


# --- check ----------------------------------------


def test_sound_files_are_summed_up_and_the_status_is_0() -> None:
    done = invoke("check", *map(str, sorted(PACKAGED.glob("*.yaml"))))

    assert done.exit_code == 0
    assert "primary-maths, 32 skills in 5 strands, 44 needs, 8 steps deep" in done.stdout
    assert "music-reading, 10 skills in 2 strands" in done.stdout


def test_every_fault_is_told_with_file_and_line_and_the_status_is_1(tmp_path: Path) -> None:
    text = (PACKAGED / "primary-maths.yaml").read_text(encoding="utf-8")
    text = text.replace("family: coins", "family: coin").replace("grade: 5", "grad: 5", 1)
    text = text.replace("needs: [sum-20]", "needs: [two-step-story]")
    file = tmp_path / "broken.yaml"
    file.write_text(text, encoding="utf-8")

    done = invoke("check", str(file))

    assert done.exit_code == 1
    lines = text.splitlines()
    for words in ("family: coin", "grad: 5"):
        number = next(i for i, line in enumerate(lines, 1) if line.strip().endswith(words))
        assert f"{file}:{number}: " in done.stdout
    assert "a cycle: diff-100 → diff-20 → two-step-story → diff-1000 → diff-100" in done.stdout
    (told,) = json.loads(invoke("check", str(file), "--json").stdout)
    assert told["sound"] is False
    assert {fault["path"] for fault in told["faults"]} >= {"skills.26.generator.family"}


def test_what_is_needless_is_a_warning_and_leaves_the_status_0(tmp_path: Path) -> None:
    text = (PACKAGED / "primary-maths.yaml").read_text(encoding="utf-8")
    file = tmp_path / "own.yaml"
    file.write_text(text.replace("needs: [mul-2x1]", "needs: [mul-2x1, times-7-8-9]"))

    done = invoke("check", str(file))

    assert done.exit_code == 0
    assert "warning: skills.19.needs.1: 'times-7-8-9' is needed by 'mul-2x1' already" in done.stdout


# --- list and show ----------------------------------------


def test_the_list_has_those_of_the_program_and_of_further_folders(tmp_path: Path) -> None:
    text = (PACKAGED / "music-reading.yaml").read_text(encoding="utf-8")
    (tmp_path / "own.yaml").write_text(text.replace("id: music-reading", "id: own"))

    plain = invoke("list")
    more = json.loads(invoke("list", "--folder", str(tmp_path), "--json").stdout)

    assert "primary-maths" in plain.stdout
    assert "2 to 5" in plain.stdout
    assert [(one["id"], one["skills"]) for one in more] == [
        ("music-reading", 10), ("own", 10), ("primary-maths", 32),
    ]  # fmt: skip


def test_a_curriculum_is_shown_by_strand() -> None:
    done = invoke("show", "primary-maths")

    lines = done.stdout.splitlines()
    assert done.exit_code == 0
    headings = ["Numbers", "Adding and subtracting", "Multiplying and dividing", "Fractions"]
    places = [lines.index(next(row for row in lines if row.strip() == name)) for name in headings]
    assert places == sorted(places)
    assert "order-1000, round-10-100" in done.stdout
    assert "locked" not in done.stdout


def test_as_json_it_has_every_skill() -> None:
    told = json.loads(invoke("show", "music-reading", "--json").stdout)

    assert (told["id"], len(told["skills"])) == ("music-reading", 10)
    assert "standing" not in told["skills"][0]


def test_one_that_is_not_there_is_refused_with_those_that_are() -> None:
    done = invoke("show", "latin")

    assert done.exit_code == 1
    assert "unknown-curriculum" in done.stderr
    assert "primary-maths" in done.stderr


# --- how somebody stands ----------------------------------------


def test_each_skill_stands_as_its_record_and_what_it_needs_say(maths: Curriculum) -> None:
    found = standings(maths, RECORDS)

    assert {name: found[name].value for name in
            ("read-100", "clock-5min", "diff-20", "hundreds", "sum-100", "diff-100")} == {
        "read-100": "mastered", "clock-5min": "rusty", "diff-20": "learning",
        "hundreds": "proving", "sum-100": "open", "diff-100": "locked",
    }  # fmt: skip
    rusty = RECORDS | {"read-100": record("read-100", SkillState.RUSTY)}
    assert standings(maths, rusty)["sum-100"] is Standing.LOCKED


def test_a_learner_sees_words_beside_the_marks(maths: Curriculum) -> None:
    console = Console(width=140, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    found = standings(maths, RECORDS)

    console.print(shown(maths, found, RECORDS, ("read-100",), "ana"))

    console.file.close()
    rows = {row.split()[0]: row for row in console.export_text().splitlines() if row.strip()}
    assert rows["read-100"].split("● ")[1].split() == [
        "mastered,", "review", "due", "13", "/", "14",
    ]  # fmt: skip
    assert "◌ rusty" in rows["clock-5min"]
    assert "- locked" in rows["metric-steps"]
    assert "mastered 2" in rows["ana:"]


def test_a_program_sees_the_same(maths: Curriculum) -> None:
    told = document(maths, standings(maths, RECORDS), RECORDS, ("read-100",), "ana")

    row = next(one for one in told["skills"] if one["id"] == "read-100")
    assert (row["standing"], row["due"], row["total"], row["right"]) == ("mastered", True, 14, 13)
    assert told["learner"] == "ana"


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Path]:
    """The folder in which the command finds a runtime in a thread of this process."""
    try:
        find_server()
    except StartupError as error:
        missing(f"nats-server ({error})")
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    runtime = Local(tmp_path / "store")
    try:
        asyncio.run_coroutine_threadsafe(runtime.start(), loop).result(30)
        server = runtime.server
        assert server is not None
        client = Connection(
            server.url,
            user=server.client.user,
            password=server.client.password,
            inbox_prefix=server.client_inbox_prefix,
            reads="direct",
        )
        file = RuntimeFile(os.getpid(), "holodeck", client, client, "", str(tmp_path))
        file.write(tmp_path / "runtime.json")
        yield tmp_path
        asyncio.run_coroutine_threadsafe(runtime.stop(), loop).result(30)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


@pytest.mark.nats
def test_for_somebody_who_never_practised_only_the_roots_are_open(here: Path) -> None:
    done = invoke("show", "primary-maths", "--learner", "ana", "--json", folder=here)

    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    assert [one["id"] for one in told["skills"] if one["standing"] == "open"] == [
        "read-100", "sum-20", "clock-5min",
    ]  # fmt: skip


# --- the picture ----------------------------------------


@pytest.mark.parametrize("name", ["music-reading", "primary-maths"])
def test_no_two_boxes_lie_on_each_other_and_each_lies_in_its_strand(name: str) -> None:
    curriculum = CurriculumLibrary().get(name)
    assert curriculum is not None

    plan = placed(curriculum)

    for skill in curriculum.skills:
        x, y = plan.spots[skill.id]
        top, height = plan.lanes[skill.strand]
        assert top < y < y + 0.62 < top + height
        assert all(plan.spots[need][0] + 1.9 < x for need in skill.needs)
        for other in curriculum.skills:
            if other.id != skill.id:
                off = (abs(plan.spots[other.id][0] - x), abs(plan.spots[other.id][1] - y))
                assert off[0] > 1.9 or off[1] > 0.62


@pytest.mark.parametrize("name", ["music-reading", "primary-maths"])
def test_a_line_leads_from_each_skill_to_those_that_need_it_and_under_no_box(name: str) -> None:
    curriculum = CurriculumLibrary().get(name)
    assert curriculum is not None
    plan = placed(curriculum)

    found = ways(curriculum, plan)

    assert len(found) == sum(len(skill.needs) for skill in curriculum.skills)
    for points in found.values():
        assert [x for x, _ in points] == sorted(x for x, _ in points)
        for (left, level), (right, same) in zip(points[1:-1:2], points[2:-1:2], strict=True):
            assert level == same
            passed = [y for x, y in plan.spots.values() if left < x < right]
            assert all(not y < level < y + 0.62 for y in passed)


def test_the_picture_has_the_colour_of_every_standing(maths: Curriculum, tmp_path: Path) -> None:
    file = tmp_path / "skills.png"

    draw_map(maths, standings(maths, RECORDS), file)

    pixels = (image.imread(file)[::3, ::3, :3] * 255).round().astype(int).reshape(-1, 3)
    seen = {tuple(pixel) for pixel in pixels.tolist()}
    for look in LOOKS.values():
        face = tuple(bytes.fromhex(look.face[1:]))
        assert face in seen


def test_the_same_picture_is_the_same_file(maths: Curriculum, tmp_path: Path) -> None:
    files = [tmp_path / "one.png", tmp_path / "two.png"]
    for file in files:
        draw_map(maths, standings(maths, RECORDS), file)

    assert files[0].read_bytes() == files[1].read_bytes()


def test_the_command_draws_it_and_says_where_and_what_cannot_be_written_is_told(
    tmp_path: Path,
) -> None:
    file = tmp_path / "music.png"

    done = invoke("show", "music-reading", "--png", str(file))
    lost = invoke("show", "music-reading", "--png", str(tmp_path / "none" / "music.png"))

    assert done.exit_code == 0
    assert f"drawn into {file}" in done.stderr.replace("\n", "")
    assert file.read_bytes().startswith(b"\x89PNG")
    assert lost.exit_code == 1
    assert "cannot be written" in lost.stderr
