"""The benchmark of the gateway runs, at a size that says nothing about speed."""

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
def test_the_same_is_asked_over_http_and_over_nats(tmp_path: Path) -> None:
    try:
        find_server()
    except StartupError as error:
        missing(str(error))
    figures = bench(
        tmp_path, "gateway", "--connections", "4", "--seconds", "1", "--turns", "2", "--no-ray"
    )
    assert figures["connections"] == 4
    for way in ("http", "nats"):
        assert figures[way]["per_s"] > 0
        for verb in ("start", "turn", "end"):
            assert 0 < figures[way][verb]["p50_ms"] <= figures[way][verb]["p99_ms"]
