"""The benchmark of the dashboard runs, at a size that says nothing about speed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench.test_bench import bench, server
from tests.conftest import of_the_system

__all__ = ["server"]


@pytest.mark.bench
@pytest.mark.nats
@pytest.mark.slow
@pytest.mark.usefixtures("server")
def test_overview_tells_load_and_longest_task(tmp_path: Path) -> None:
    chromium = of_the_system("chromium")
    pytest.importorskip("playwright.async_api", reason="playwright is not installed")
    figures = bench(
        tmp_path,
        "overview",
        "--no-ray",
        "--sessions",
        "300",
        "--hosts",
        "1",
        "--loads",
        "1",
        "--seconds",
        "2",
        "--browser",
        str(chromium),
    )
    assert figures["shown"] == "300"
    assert figures["load_ms"] > 0
    assert figures["rows_in_page"] < 60
