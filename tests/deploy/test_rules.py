"""The rules for Prometheus ask for what is exported, fire when they should, and say what to do."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.conftest import ROOT, of_the_system
from tests.deploy.promql import faults, read
from tests.deploy.scrape import ADDED_BY_PROMETHEUS, exported

FOLDER: Final = ROOT / "deploy" / "prometheus"
RULES: Final = FOLDER / "holodeck.rules.yml"
CASES: Final = Path(__file__).parent / "alerts.yml"

GROUPS: Final = yaml.safe_load(RULES.read_text())["groups"]
RECORDED: Final = [r for group in GROUPS for r in group["rules"] if "record" in r]
ALERTS: Final = [r for group in GROUPS for r in group["rules"] if "alert" in r]


def series() -> dict[str, frozenset[str]]:
    """What is exported and what is recorded from it, with labels."""
    known = dict(exported())
    for rule in RECORDED:
        asked = read(rule["expr"])
        labels = asked.left or frozenset[str]().union(*(known[name] for name in asked.names))
        known[rule["record"]] = labels | ADDED_BY_PROMETHEUS
    return known


def named(rule: dict[str, Any]) -> str:
    return str(rule.get("alert") or rule["record"])


@pytest.mark.parametrize("rule", RECORDED + ALERTS, ids=named)
def test_a_rule_asks_only_for_what_is_exported(rule: dict[str, Any]) -> None:
    assert faults(rule["expr"], series()) == []


def test_a_name_or_a_label_that_nobody_exports_is_found() -> None:
    known = exported()
    assert faults("sum(rate(holodeck_comands_total[5m]))", known)
    assert faults("sum by (pod) (holodeck_partitions_owned)", known)
    assert faults('holodeck_partitions_owned{pod="a"}', known)
    assert faults("sum(", known)
    assert faults('{job="holodeck"}', known)


@pytest.mark.parametrize("rule", ALERTS, ids=named)
def test_an_alert_says_what_is_the_matter_and_what_to_do(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in ("warning", "critical")
    told = rule["annotations"]
    assert len(told["summary"]) > 10
    assert len(told["description"]) > 40
    used = set(re.findall(r"\$labels\.(\w+)", told["summary"] + told["description"]))
    asked = read(rule["expr"])
    known = asked.left | frozenset[str]().union(*(series()[name] for name in asked.names))
    assert used <= known
    if asked.left:  # only these are left of what is summed up
        assert used <= asked.left | {"instance"}
    page, anchor = told["runbook"].split("#")
    heads = re.findall(r"^#+ (.+)$", (ROOT / page).read_text(), re.MULTILINE)
    assert anchor in {head.lower().replace(" ", "-") for head in heads}
    assert anchor == rule["alert"].lower()


def test_every_alert_has_a_section_and_every_section_its_alert() -> None:
    heads = re.findall(r"^### (Holodeck\w+)$", (ROOT / "docs/operations.md").read_text(), re.M)
    assert sorted(heads) == sorted(rule["alert"] for rule in ALERTS)


def test_an_alert_is_worth_its_name_once() -> None:
    names = [named(rule) for rule in RECORDED + ALERTS]
    assert len(names) == len(set(names))


def test_every_alert_is_tried_in_the_cases() -> None:
    cases = yaml.safe_load(CASES.read_text())["tests"]
    fired = {
        case["alertname"]
        for test in cases
        for case in test.get("alert_rule_test", [])
        if case["exp_alerts"]
    }
    assert fired == {rule["alert"] for rule in ALERTS}


@pytest.mark.parametrize(
    "command",
    [("check", "config", FOLDER / "prometheus.yml"), ("check", "rules", RULES)],
    ids=["config", "rules"],
)
def test_prometheus_takes_the_files(command: tuple[str | Path, ...]) -> None:
    promtool(*command)


def test_the_alerts_fire_when_they_should_and_not_before(tmp_path: Path) -> None:
    bare = [
        {key: value for key, value in rule.items() if key != "annotations"}
        for rule in RECORDED + ALERTS
    ]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "g", "rules": bare}]}))
    (tmp_path / "alerts.yml").write_text(CASES.read_text())
    promtool("test", "rules", tmp_path / "alerts.yml")


def promtool(*words: str | Path) -> None:
    done = subprocess.run(
        [of_the_system("promtool"), *words],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
