"""Logs: one line an event, nothing that is nobody's business."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator

import pytest
import structlog

from holodeck.config import configure_logging, redact


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    yield
    structlog.reset_defaults()


@pytest.mark.parametrize(
    "key",
    ["password", "nats_password", "http_token", "Token", "client-secret", "text", "turn_text"],
)
def test_a_secret_key_is_redacted(key: str) -> None:
    assert redact(None, "info", {"event": "e", key: "hush"}) == {"event": "e", key: "[redacted]"}


@pytest.mark.parametrize("key", ["context", "next", "session", "textile"])
def test_other_keys_stay(key: str) -> None:
    assert redact(None, "info", {key: "shown"}) == {key: "shown"}


def test_redaction_reaches_nested_values_and_leaves_the_input_alone() -> None:
    given = {"command": {"id": "c1", "text": "hola"}, "all": [{"token": "t"}]}

    assert redact(None, "info", given) == {
        "command": {"id": "c1", "text": "[redacted]"},
        "all": [{"token": "[redacted]"}],
    }
    assert given["command"] == {"id": "c1", "text": "hola"}


def test_credentials_in_a_url_are_redacted() -> None:
    shown = redact(None, "info", {"url": "nats://ana:hush@h:4222"})

    assert shown == {"url": "nats://[redacted]@h:4222"}


def test_json_lines_carry_level_time_and_fields() -> None:
    out = io.StringIO()
    configure_logging("info", json=True, stream=out)

    structlog.get_logger().info("host-up", host="h1", token="hush")

    line = json.loads(out.getvalue())
    assert (line["event"], line["level"], line["host"]) == ("host-up", "info", "h1")
    assert line["timestamp"].endswith("Z")
    assert "hush" not in out.getvalue()


def test_what_is_below_the_level_is_not_written() -> None:
    out = io.StringIO()
    configure_logging("warning", json=True, stream=out)

    structlog.get_logger().info("chatter")
    structlog.get_logger().warning("trouble")

    assert "chatter" not in out.getvalue()
    assert "trouble" in out.getvalue()


def test_text_lines_show_an_exception_without_its_local_variables() -> None:
    out = io.StringIO()
    configure_logging("info", json=False, stream=out)
    try:
        hidden = "hu" + "sh"
        raise ValueError(len(hidden))
    except ValueError:
        structlog.get_logger().exception("failed")

    assert "ValueError: 4" in out.getvalue()
    assert "hush" not in out.getvalue()
