"""The benchmark of the dashboard runs, at a size that says nothing about speed."""

from __future__ import annotations

from pathlib import Path

import pytest

from holodeck.broker import find_server
from holodeck.messages.errors import StartupError
from tests.bench.test_bench import bench
from tests.conftest import missing


@pytest.mark.bench
@pytest.mark.nats
@pytest.mark.slow
def test_the_dashboard_is_looked_at_beside_the_plain_state(tmp_path: Path) -> None:
    try:
        find_server()
    except StartupError as error:
        missing(str(error))
    figures = bench(tmp_path, "dashboard", "--sessions", "3", "--looks", "20", "--no-ray")
    assert (figures["sessions"], figures["looks"]) == (3, 20)
    assert 0 < figures["p50_ms"] <= figures["p99_ms"] <= figures["max_ms"]
    assert figures["state_p50_ms"] > 0
