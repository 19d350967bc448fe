"""Settings: defaults, bounds, and errors that name the variable."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from holodeck.config import (
    Settings,
    is_loopback,
    load_settings,
    unknown_variables,
    variable_of,
)
from holodeck.messages.errors import SettingsError

LONG_ENOUGH = "a-token-of-enough-characters"


def test_the_defaults_start_a_local_deployment() -> None:
    settings = load_settings()

    assert (settings.namespace, settings.nats_url, settings.ray_address) == ("holodeck", None, None)
    assert (settings.hosts, settings.partitions, settings.replicas) == (2, 64, 1)
    assert (settings.lease_s, settings.lease_renew_s) == (2.0, 0.5)
    assert (settings.keep_days, settings.tile_max_age_days) == (90.0, 30.0)
    assert settings.max_bytes == 20 * 1024**3
    assert (settings.http_host, settings.http_port) == ("127.0.0.1", 8900)
    assert (settings.http_auth, settings.http_rate, settings.token_key) == ("auto", 6000, None)


@pytest.mark.parametrize(
    ("variable", "text", "field", "value"),
    [
        ("HOLODECK_NAMESPACE", "acme", "namespace", "acme"),
        ("HOLODECK_NATS_URL", "tls://nats.example:4222", "nats_url", "tls://nats.example:4222"),
        ("HOLODECK_PARTITIONS", "1024", "partitions", 1024),
        ("HOLODECK_KEEP", "0.5", "keep_days", 0.5),
        ("HOLODECK_SYNC", "always", "sync", "always"),
        ("HOLODECK_HTTP_PORT", "0", "http_port", 0),
        ("HOLODECK_HTTP_AUTH", "required", "http_auth", "required"),
        ("HOLODECK_HTTP_RATE", "0", "http_rate", 0),
        ("HOLODECK_PLATO_PORT", "8847", "plato_port", 8847),
        ("HOLODECK_H1_PORT", "", "h1_port", None),
        ("HOLODECK_MODEL_TIMEOUT_S", "5", "model_timeout_s", 5.0),
        ("HOLODECK_MODEL_BUDGET_TOKENS", "0", "model_budget_tokens", 0),
        ("HOLODECK_LOG_LEVEL", "WARNING", "log_level", "warning"),
        ("HOLODECK_LOG_JSON", "true", "log_json", True),
        ("HOLODECK_HOSTS", "", "hosts", 2),
    ],
    ids=lambda value: str(value) or "empty-is-unset",
)
def test_a_variable_sets_its_field(
    monkeypatch: pytest.MonkeyPatch, variable: str, text: str, field: str, value: object
) -> None:
    monkeypatch.setenv(variable, text)

    assert getattr(load_settings(), field) == value


def test_an_override_wins_over_the_environment_and_none_is_no_override(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOLODECK_HOSTS", "3")
    monkeypatch.setenv("HOLODECK_KEEP", "3")

    assert load_settings(hosts=5, keep_days=7).hosts == 5
    assert load_settings(hosts=5, keep_days=7).keep_days == 7
    assert load_settings(hosts=None).hosts == 3


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("namespace", "two.tokens"),
        ("namespace", ""),
        ("nats_url", "localhost:4222"),
        ("partitions", 0),
        ("partitions", 1025),
        ("partitions", "many"),
        ("hosts", 0),
        ("replicas", 6),
        ("max_bytes", 1024),
        ("sync", "never"),
        ("keep_days", 0),
        ("keep_days", "inf"),
        ("tile_max_age_days", -1),
        ("mailbox", 0),
        ("idle_sleep_s", 0),
        ("flush_s", "nan"),
        ("lease_s", 0),
        ("max_sessions_per_host", 0),
        ("http_port", 65_536),
        ("plato_port", 65_536),
        ("h1_port", -1),
        ("log_level", "loud"),
        ("log_json", "perhaps"),
    ],
)
def test_a_wrong_value_is_an_error_with_the_variables_name_and_the_value(
    monkeypatch: pytest.MonkeyPatch, field: str, value: object
) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(**{field: value})
    assert caught.value.setting == variable_of(field)
    assert str(value) in caught.value.problem

    if value != "":  # an empty variable counts as unset
        monkeypatch.setenv(variable_of(field), str(value))
        with pytest.raises(SettingsError, match=f"^{variable_of(field)}: "):
            load_settings()


@pytest.mark.parametrize(
    ("given", "blamed"),
    [
        ({"lease_s": 2.0, "lease_renew_s": 1.5}, "HOLODECK_LEASE_RENEW_S"),
        ({"nats_url": "nats://h:1", "nats_user": "ana"}, "HOLODECK_NATS_PASSWORD"),
        ({"nats_url": "nats://h:1", "nats_password": "x"}, "HOLODECK_NATS_USER"),
        (
            {
                "nats_url": "nats://h:1",
                "nats_user": "a",
                "nats_password": "b",
                "nats_token": "c",
            },
            "HOLODECK_NATS_TOKEN",
        ),
        ({"nats_token": "c"}, "HOLODECK_NATS_TOKEN"),
        ({"nats_url": "nats://h:1", "nats_creds": "/no/such/file"}, "HOLODECK_NATS_CREDS"),
        ({"http_host": "0.0.0.0"}, "HOLODECK_HTTP_TOKEN"),
        ({"model_url": "http://h:1/v1"}, "HOLODECK_MODEL_NAME"),
        ({"model_name": "small"}, "HOLODECK_MODEL_URL"),
        ({"model_key": "k"}, "HOLODECK_MODEL_KEY"),
        ({"embedding_url": "http://h:1/v1"}, "HOLODECK_EMBEDDING_NAME"),
        ({"embedding_name": "near"}, "HOLODECK_EMBEDDING_URL"),
        ({"embedding_key": "k"}, "HOLODECK_EMBEDDING_KEY"),
        ({"model_url": "http://user:k@h:1/v1", "model_name": "small"}, "HOLODECK_MODEL_URL"),
        ({"personas": "/no/such/folder"}, "HOLODECK_PERSONAS"),
        ({"curricula": "/no/such/folder"}, "HOLODECK_CURRICULA"),
        ({"worlds": "/no/such/folder"}, "HOLODECK_WORLDS"),
        ({"http_token": "short"}, "HOLODECK_HTTP_TOKEN"),
        ({"token_key": "short"}, "HOLODECK_TOKEN_KEY"),
        ({"http_auth": "never"}, "HOLODECK_HTTP_AUTH"),
        ({"http_rate": -1}, "HOLODECK_HTTP_RATE"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_settings_that_do_not_go_together_name_the_one_to_change(
    given: dict[str, Any], blamed: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(**given)

    assert caught.value.setting == blamed


def test_an_open_http_door_with_a_token_is_fine() -> None:
    assert load_settings(http_host="0.0.0.0", http_token=LONG_ENOUGH).http_token is not None


@pytest.mark.parametrize(
    ("host", "closed"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("[::1]", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.1", False),
        ("my-machine", False),
    ],
)
def test_only_loopback_counts_as_closed(host: str, closed: bool) -> None:
    assert is_loopback(host) is closed


def test_no_secret_shows_in_a_repr_or_an_error() -> None:
    settings = load_settings(
        nats_url="nats://h:1", nats_user="ana", nats_password="hush", http_token=LONG_ENOUGH
    )
    assert "hush" not in repr(settings)
    assert LONG_ENOUGH not in repr(settings)

    for given in ({"http_token": "hush"}, {"nats_url": "nats://ana:hush@h:1"}):
        with pytest.raises(SettingsError) as caught:
            load_settings(**given)
        assert "hush" not in str(caught.value)


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError):
        load_settings().hosts = 3  # type: ignore[misc] # that is the point


def test_the_state_lies_in_the_users_state_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert load_settings().state_path == tmp_path / "holodeck"

    monkeypatch.setenv("XDG_STATE_HOME", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert load_settings().state_path == tmp_path / ".local" / "state" / "holodeck"

    monkeypatch.setenv("HOLODECK_STATE_DIR", "~/elsewhere")
    assert load_settings().state_path == tmp_path / "elsewhere"


def test_an_unknown_override_is_an_error_that_says_what_was_meant() -> None:
    with pytest.raises(SettingsError, match="did you mean HOLODECK_PARTITIONS"):
        load_settings(partition=3)


def test_unknown_variables_are_warned_of_and_known_ones_are_not() -> None:
    warnings = unknown_variables(
        {"HOLODECK_PARTITION": "3", "HOLODECK_ZEBRA": "1", "HOLODECK_KEEP": "1", "PATH": "/bin"}
    )

    assert warnings == [
        "HOLODECK_PARTITION is no setting and has no effect; did you mean HOLODECK_PARTITIONS?",
        "HOLODECK_ZEBRA is no setting and has no effect",
    ]


@pytest.mark.parametrize("field", sorted(Settings.model_fields))
def test_every_setting_says_what_it_is(field: str) -> None:
    assert Settings.model_fields[field].description
