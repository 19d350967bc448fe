"""One runtime for all tests of this folder: sessions are independent, so they share it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from holodeck.broker import find_server
from holodeck.compat import shutdown
from holodeck.compat.background import background
from holodeck.messages.errors import StartupError
from tests.conftest import missing


@pytest.fixture(scope="package")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The embedded runtime of this process; skips without a nats-server (fails in CI)."""
    try:
        find_server()
    except StartupError as error:
        missing(f"nats-server ({error})")
    with pytest.MonkeyPatch.context() as environment:
        # Before any test's own environment: a developer's runtime is not what is tested.
        environment.delenv("HOLODECK_NATS_URL", raising=False)
        environment.setenv("HOLODECK_STATE_DIR", str(tmp_path_factory.mktemp("nothing-runs-here")))
        background()
    yield
    with pytest.MonkeyPatch.context() as patience:
        # What a server that hung was not sent is not waited for.
        patience.setattr("holodeck.compat.forward.FLUSH_S", 0.2)
        shutdown()
