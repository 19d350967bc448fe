"""The dashboard for Grafana asks for what is exported, and leaves out nothing that is."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

import pytest

from tests.conftest import ROOT
from tests.deploy.promql import faults, read
from tests.deploy.scrape import exported, families
from tests.deploy.test_rules import ALERTS, RECORDED

BOARD: Final[dict[str, Any]] = json.loads((ROOT / "deploy/grafana/holodeck.json").read_text())
PANELS: Final = [one for one in BOARD["panels"] if one["type"] != "row"]
ROWS: Final = [one["title"] for one in BOARD["panels"] if one["type"] == "row"]


def expressions() -> Iterator[str]:
    for panel in PANELS:
        yield from (target["expr"] for target in panel["targets"])
    yield from (one["expr"] for one in BOARD["annotations"]["list"])


@pytest.mark.parametrize("panel", PANELS, ids=lambda one: f"{one['id']}-{one['title']}")
def test_a_panel_asks_only_for_what_is_exported(panel: dict[str, Any]) -> None:
    assert panel["targets"]
    assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
    for target in panel["targets"]:
        assert faults(target["expr"], exported()) == []
        legend = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
        assert legend <= read(target["expr"]).left | {"host"}


def test_marks_and_variables_ask_only_for_what_is_exported() -> None:
    for mark in BOARD["annotations"]["list"]:
        assert faults(mark["expr"], exported()) == []
    for variable in BOARD["templating"]["list"]:
        if variable["type"] == "query":
            asked = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["definition"])
            assert asked is not None
            assert faults(f"sum by ({asked[2]}) ({asked[1]})", exported()) == []


def test_every_family_shows_its_labels_here() -> None:
    silent = [family.name for family in families() if not family.samples]
    assert silent == [], "let busy() or called() in scrape.py tell of them once"


def test_everything_exported_is_on_the_dashboard_or_in_a_rule() -> None:
    rules = (rule["expr"] for rule in RECORDED + ALERTS)
    shown = {name for text in (*expressions(), *rules) for name in read(text).names}
    families = {re.sub(r"_(bucket|sum|count)$", "", name) for name in shown}
    wanted = {re.sub(r"_(bucket|sum|count)$", "", name) for name in exported()}
    assert wanted - families == set()


def test_every_query_goes_to_the_data_source_that_is_chosen() -> None:
    first = BOARD["templating"]["list"][0]
    assert (first["name"], first["type"], first["query"]) == (
        "datasource", "datasource", "prometheus"
    )  # fmt: skip
    chosen = {"type": "prometheus", "uid": "${datasource}"}
    for panel in PANELS:
        assert panel["datasource"] == chosen
        assert all(target["datasource"] == chosen for target in panel["targets"])
    assert all(one["datasource"] == chosen for one in BOARD["annotations"]["list"])


def test_variables_that_are_used_exist() -> None:
    there = {one["name"] for one in BOARD["templating"]["list"]}
    used = {name for text in expressions() for name in re.findall(r"\$(\w+)", text)}
    assert used - {"__rate_interval"} <= there


def test_panels_have_numbers_of_their_own_and_do_not_overlap() -> None:
    numbers = [one["id"] for one in BOARD["panels"]]
    assert len(numbers) == len(set(numbers))
    taken: set[tuple[int, int]] = set()
    for one in BOARD["panels"]:
        place = one["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken
        taken |= cells


def test_there_is_a_row_for_each_part_of_the_runtime() -> None:
    assert ROWS == [
        "Sessions", "Latency", "Tiles", "Hosts and partitions", "Recoveries", "Store",
        "Dead letters", "Minds", "Projections", "Gateway",
    ]  # fmt: skip


def test_every_panel_says_what_it_shows() -> None:
    for panel in PANELS:
        assert panel["title"]
        assert len(panel["description"]) >= 10
